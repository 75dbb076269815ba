"""CSV and JSON lines as sources of a table, cell by cell as Hive's SerDes read them.

Lines are read whole and cut here, so that DuckDB's own CSV guesses (quotes, newlines, types) have no say.
Where a SerDe's reading of a cell is not known for certain the query fails with HIVE_BAD_DATA.
"""

import re
from collections.abc import Mapping, Sequence

from local_aws.athena.column_types import INTEGERS, file_pattern, is_bounded, literal, path_list
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError
from local_aws.athena.failures import raising
from local_aws.athena.lake import DataFile

REFUSED = (".bz2", ".lz4", ".snappy", ".lzo", ".deflate", ".zst", ".zip")
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
DATE = r"\d{4}-\d{2}-\d{2}"
TIMESTAMP = DATE + r" \d{2}:\d{2}:\d{2}(\.\d{1,9})?"
JSON_NUMBERS = "('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')"
LINES = "max_line_size = 16777216, buffer_size = 33554432, hive_partitioning = false"  # bytes

Columns = Sequence[tuple[str, TrinoType]]


def lines_scan(files: Sequence[DataFile], skip: int) -> str:
    """Return a table function that yields one row a line, in the column `line`."""
    for file in files:
        if file.path.endswith(REFUSED):
            raise _unsupported(f"compression of {file.path}")
    paths = path_list(file_pattern(file.path) for file in files)
    return (
        f"read_csv({paths}, header = false, skip = {skip}, auto_detect = false, columns = {{'line': 'VARCHAR'}}, "
        "delim = '\x01\x02\x03', quote = '', escape = '', nullstr = '\x03\x02\x01', strict_mode = false, "
        f"{LINES})"
    )


def delimited(columns: Columns, parameters: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the expressions and the row expression of LazySimpleSerDe: no quotes, `\\N` is NULL, short rows padded."""
    delimiter = parameters.get("field.delim") or parameters.get("serialization.format") or "\x01"
    delimiter = {"1": "\x01", "\\t": "\t", "\\001": "\x01"}.get(delimiter, delimiter)
    null = parameters.get("serialization.null.format", "\\N")
    row = f"string_split(line, {literal(delimiter)})"
    if parameters.get("escape.delim"):
        escape = literal(parameters["escape.delim"])
        row = f"CASE WHEN contains(line, {escape}) THEN {_bad_row('holds the escape character')} ELSE {row} END"
    if parameters.get("serialization.last.column.takes.rest", "false").lower() == "true":
        raise _unsupported("serialization.last.column.takes.rest")
    cells = [f"nullif(cells[{number}], {literal(null)})" for number in range(1, len(columns) + 1)]
    return [lazy_cell(cell, type_) for cell, (_, type_) in zip(cells, columns, strict=True)], row


def lazy_cell(cell: str, type_: TrinoType) -> str:
    """Read a cell as LazySimpleSerDe does: what does not parse is NULL."""
    target = f"TRY_CAST({cell} AS {type_.to_duckdb()})"
    if type_.name == "varchar":
        return _cut(cell, type_)
    if type_.name in INTEGERS:
        return (
            f"CASE WHEN regexp_full_match({cell}, '[+-]?\\d+') THEN {target} "
            f"WHEN TRY_CAST({cell} AS DOUBLE) IS NOT NULL THEN {_bad(cell, type_)} END"
        )
    if type_.name in ("real", "double", "decimal"):
        return (
            f"CASE WHEN regexp_full_match({cell}, {literal(NUMBER)}) THEN {target} "
            f"WHEN TRY_CAST({cell} AS DOUBLE) IS NOT NULL THEN {_bad(cell, type_)} END"
        )
    if type_.name == "boolean":
        return f"CASE lower({cell}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    if type_.name in ("date", "timestamp"):
        pattern = DATE if type_.name == "date" else TIMESTAMP
        return f"CASE WHEN regexp_full_match({cell}, {literal(pattern)}) THEN {target} END"
    return _bad(cell, type_)


def quoted_cells(columns: Columns, parameters: Mapping[str, str], files: Sequence[DataFile], skip: int) -> str:
    """Return a SELECT over files in OpenCSVSerde's format: quoted cells, one row a line, empty only for strings."""
    separator = parameters.get("separatorChar", ",")
    quote, escape = parameters.get("quoteChar", '"'), parameters.get("escapeChar", "\\")
    for file in files:
        if file.path.endswith(REFUSED):
            raise _unsupported(f"compression of {file.path}")
    raw = [f"c{number}" for number in range(len(columns))]
    spec = ", ".join(f"'{name}': 'VARCHAR'" for name in raw)
    paths = path_list(file_pattern(file.path) for file in files)
    source = (
        f"read_csv({paths}, header = false, skip = {skip}, auto_detect = false, columns = {{{spec}}}, "
        f"delim = {literal(separator)}, quote = {literal(quote)}, escape = {literal(quote)}, null_padding = true, "
        f"nullstr = '\x03\x02\x01', strict_mode = false, parallel = false, {LINES})"
    )
    # A newline or an escape inside a cell is read otherwise by the SerDe, whichever column it stands in.
    whole = f"concat_ws('', {', '.join(raw)})"
    strange = [f"contains({whole}, chr(10))"] + ([f"contains({whole}, {literal(escape)})"] if escape != quote else [])
    guard = f"CASE WHEN {' OR '.join(strange)} THEN {_bad_row('has a newline or an escape in a cell')} ELSE true END"
    cells = [_opencsv_cell(name, type_) for name, (_, type_) in zip(raw, columns, strict=True)]
    named = ", ".join(f'{cell} AS "{name}"' for cell, (name, _) in zip(cells, columns, strict=True))
    return f"SELECT {named} FROM {source} WHERE {guard}"


def _opencsv_cell(cell: str, type_: TrinoType) -> str:
    target = f"CAST({cell} AS {type_.to_duckdb()})"
    if type_.name == "varchar":
        return _cut(cell, type_)
    patterns = {"boolean": "(?i)true|false", "double": NUMBER, "real": NUMBER, "decimal": NUMBER, "date": r"-?\d+"}
    patterns |= dict.fromkeys(INTEGERS, r"[+-]?\d+") | {"timestamp": r"-?\d+"}
    if type_.name not in patterns:
        return _bad(cell, type_)
    if type_.name == "date":
        target = f"DATE '1970-01-01' + CAST({cell} AS INTEGER)"
    elif type_.name == "timestamp":
        target = f"make_timestamp(CAST({cell} AS BIGINT) * 1000)"
    match = f"regexp_full_match({cell}, {literal(patterns[type_.name])})"
    return f"CASE WHEN {cell} IS NULL THEN NULL WHEN {match} THEN {target} ELSE {_bad(cell, type_)} END"


def json_cells(columns: Columns) -> tuple[list[str], str]:
    """Return the expressions and the row expression of the JSON SerDes: one object a line, keys without case."""
    folded = "json_keys(json(line))"
    strange = f"len(list_filter({folded}, lambda k: k <> lower(k))) > 0"
    row = (
        f"CASE WHEN NOT json_valid(line) THEN {_bad_row('is no JSON')} "
        f"WHEN {strange} THEN {_bad_row('has upper-case keys, which the local engine does not fold')} "
        "ELSE json(line) END"
    )
    return [json_cell(f"json_extract(cells, {literal(_json_path(name))})", type_) for name, type_ in columns], row


def _json_path(name: str) -> str:
    return '$."' + name.replace('"', '\\"') + '"'


def json_cell(value: str, type_: TrinoType, depth: int = 0) -> str:
    """Read one JSON value in the catalog's type; a value of another kind is an error."""
    text, kind = f"({value} ->> '$')", f"json_type({value})"
    bad = _bad(f"CAST({value} AS VARCHAR)", type_)
    accepted = {"boolean": ("'BOOLEAN'", text), "varchar": ("'VARCHAR'", _cut(text, type_))}
    accepted |= dict.fromkeys(INTEGERS, ("'UBIGINT', 'BIGINT'", text))
    accepted |= dict.fromkeys(("real", "double", "decimal"), (JSON_NUMBERS[1:-1], text))
    if type_.name in accepted:
        kinds, source = accepted[type_.name]
        target = f"CASE WHEN {kind} IN ({kinds}) THEN CAST({source} AS {type_.to_duckdb()}) ELSE {bad} END"
    elif type_.name in ("date", "timestamp"):
        pattern = literal(DATE if type_.name == "date" else TIMESTAMP)
        match = f"{kind} = 'VARCHAR' AND regexp_full_match({text}, {pattern})"
        target = f"CASE WHEN {match} THEN CAST({text} AS {type_.to_duckdb()}) ELSE {bad} END"
    elif type_.name == "array":
        name = f"element{depth}"
        elements = (
            f"list_transform(CAST({value} AS JSON[]), lambda {name}: {json_cell(name, type_.elements[0], depth + 1)})"
        )
        target = f"CASE WHEN {kind} = 'ARRAY' THEN {elements} ELSE {bad} END"
    elif type_.name == "row":
        members = zip(type_.names, type_.elements, strict=True)
        fields = [f'"{name}" := {json_cell(_member(value, name or ""), type_, depth)}' for name, type_ in members]
        target = f"CASE WHEN {kind} = 'OBJECT' THEN struct_pack({', '.join(fields)}) ELSE {bad} END"
    else:
        target = bad
    return f"CASE WHEN {value} IS NULL OR {kind} = 'NULL' THEN NULL ELSE {target} END"


def _cut(text: str, type_: TrinoType) -> str:
    return f"left({text}, {type_.precision})" if is_bounded(type_) else text


def _member(value: str, name: str) -> str:
    return f"json_extract({value}, {literal(_json_path(name))})"


def _bad(cell: str, type_: TrinoType) -> str:
    failure = raising("HIVE_BAD_DATA", f"Error parsing field value for type {type_}: ", cell)
    return f"CAST({failure} AS {type_.to_duckdb()})"


def _bad_row(why: str) -> str:
    return raising("HIVE_BAD_DATA", f"a row {why}")


def _unsupported(what: str) -> QueryError:
    return QueryError("NOT_SUPPORTED", f"The {what} is not supported by the local engine")


def is_strict(text: str, type_: TrinoType) -> bool:
    """Tell whether a text spells a value of the type plainly, as a partition value must."""
    plain = {"boolean": "true|false", "date": DATE, "timestamp": TIMESTAMP} | dict.fromkeys(INTEGERS, r"-?\d+")
    plain |= dict.fromkeys(("real", "double", "decimal"), NUMBER)
    return type_.name == "varchar" or re.fullmatch(plain.get(type_.name, "$."), text) is not None
