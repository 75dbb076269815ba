"""Clean rows, compare their versions, put them into partitions: DataFrame in, DataFrame out, no input or output.

The contract is the plain dictionary that `_contracts/<dataset>.json` holds. Every rule becomes a Spark SQL expression:
no row passes through Python. This file ships to Glue beside job.py and imports nothing but PySpark.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

Contract = Mapping[str, Any]

FILE, ROW, CORRUPT, REASONS = "_file", "_row", "_corrupt", "_reasons"
PROBLEM, NESTED = "_problem", "_nested"
RAGGED = "wrong number of fields"
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_WIDTHS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%b": 3}
_BOUNDS = {"%Y": ("0001", "9999"), "%m": ("01", "12"), "%d": ("01", "31")}
_BOUNDS |= {"%H": ("00", "23"), "%M": ("00", "59"), "%S": ("00", "59")}
_TYPE_REASONS = {"int": "not a whole number", "bigint": "not a whole number", "double": "not a number"}
_TYPE_REASONS |= {"date": "not a date", "timestamp": "not a timestamp", "boolean": "not yes or no"}


def raw_columns(contract: Contract) -> list[dict[str, Any]]:
    """Return the columns that raw files hold."""
    return [column for column in contract["columns"] if not column["derived_from"]]


def table_columns(contract: Contract) -> list[dict[str, Any]]:
    """Return the columns of the curated table, the partition column last."""
    return sorted(contract["columns"], key=lambda column: bool(column["name"] == contract["partition"]))


def text_schema(columns: Sequence[str]) -> StructType:
    """Return the schema by which a file with these columns is read: text, whatever the contract's types.

    A row with too few or too many fields shows in the last column, by which Spark hands over what it could not place.
    """
    names = [name or f"_unknown{position}" for position, name in enumerate(columns)]
    return StructType([StructField(name, StringType()) for name in [*names, CORRUPT]])


def table_schema(contract: Contract) -> str:
    """Return the schema of the curated table as Spark writes it, for reading it again without looking into files."""
    kinds = {"timestamp": "timestamp_ntz"}
    return ", ".join(f"`{c['name']}` {kinds.get(c['type'], c['type'])}" for c in table_columns(contract))


def is_aligned(contract: Contract) -> bool:
    """Tell whether a row's key decides its partition, so that all versions of a row lie in one."""
    return partition_source(contract) in contract["key"]


def in_partitions(contract: Contract, names: Sequence[str]) -> str:
    """Return the condition that a row lies in one of these partitions, named as in their folders."""
    return f"CAST(`{contract['partition']}` AS STRING) IN ({_list(names)})" if names else "false"


def place_rows(
    raw: DataFrame, columns: Sequence[str], contract: Contract, marks: Mapping[str, str] | None = None
) -> DataFrame:
    """Bring rows as read from CSV to the contract's columns (text, NULL where the file has none), with their position.

    `_row` counts up within a file, from any start; it only means something directly over the reader. `_problem` is why
    a row as a whole is none.

    Args:
        marks: of a copy (raw_files.MARKS): problem -> the sign at the start of what stands for such a record.
    """
    texts = [
        f"`{column['name']}`" if column["name"] in columns else f"CAST(NULL AS STRING) AS `{column['name']}`"
        for column in raw_columns(contract)
    ]
    marked = [f"WHEN startswith({CORRUPT}, {quote(mark)}) THEN {quote(why)}" for why, mark in (marks or {}).items()]
    problem = f"CASE WHEN {CORRUPT} IS NULL THEN NULL {' '.join(marked)} ELSE {quote(RAGGED)} END AS {PROBLEM}"
    place = [f"xxhash64(input_file_name()) AS {FILE}", f"monotonically_increasing_id() AS {ROW}"]
    return raw.selectExpr(*texts, problem, f"CAST(NULL AS STRING) AS {NESTED}", *place)


def copy_schema(contract: Contract) -> StructType:
    """Return the schema of the copies that raw_json.py and raw_parquet.py make."""
    names = [*(column["name"] for column in raw_columns(contract)), PROBLEM, NESTED]
    return StructType([StructField(ROW, LongType()), *(StructField(name, StringType()) for name in names)])


def place_copies(raw: DataFrame, contract: Contract) -> DataFrame:
    """Bring rows of such copies to the columns of `place_rows`; they say their position themselves."""
    texts = [f"`{column['name']}`" for column in raw_columns(contract)]
    return raw.selectExpr(*texts, PROBLEM, NESTED, f"xxhash64(input_file_name()) AS {FILE}", ROW)


def clean(placed: DataFrame, contract: Contract, nested: bool = False) -> DataFrame:
    """Turn placed rows into the contract's columns and types.

    Args:
        nested: whether rows may hold objects or arrays (`_nested` names such columns, between commas).

    Returns: the contract's columns, `_file`, `_row`, and `_reasons`: NULL for a row to keep, else every reason against
        it in the contract's order, each as `column: problem`, or alone why it is no row at all.
    """
    columns = raw_columns(contract)
    kept = [FILE, ROW, PROBLEM, *([NESTED] if nested else [])]
    stripped = placed.selectExpr(*(f"{_strip(c['name'])} AS `{c['name']}`" for c in columns), *kept)
    typed = stripped.selectExpr(
        *(f"`{c['name']}` AS `_text_{c['name']}`" for c in columns if not is_free(c)),
        *(f"{typed_value(c, contract)} AS `{c['name']}`" for c in columns),
        *kept,
    )
    problems = [problem for column in columns for problem in _problems(column, contract, nested)]
    reasons = (
        f"CASE WHEN {PROBLEM} IS NOT NULL THEN array({PROBLEM}) "
        f"WHEN {' OR '.join(condition for condition, _ in problems) or 'false'} THEN array_compact(array("
        + ", ".join(f"IF({condition}, {quote(reason)}, NULL)" for condition, reason in problems)
        + f")) END AS {REASONS}"
    )
    values = [f"{_derived_value(c)} AS `{c['name']}`" if c["derived_from"] else c["name"] for c in contract["columns"]]
    return typed.selectExpr(*values, FILE, ROW, reasons)


def _strip(name: str) -> str:
    """Return the expression of a text without white space around it.

    Most have none, and Spark's trim with a list of signs looks at every character: so the ends are looked at first.
    """
    ends = [rf"endswith(`{name}`, '{sign}')" for sign in (" ", r"\t", r"\r", r"\n")]
    needed = f"`{name}` < '!' OR {' OR '.join(ends)}"  # what begins with a blank or a control character is less
    return rf"IF({needed}, trim(BOTH ' \t\r\n' FROM `{name}`), `{name}`)"


def is_free(column: Mapping[str, Any]) -> bool:
    """Tell whether any text is a value of the column."""
    return bool(column["type"] == "string" and not column["values"])


def typed_value(column: Mapping[str, Any], contract: Contract) -> str:
    """Return the expression of a column's value; NULL where its text spells a null, or is no value.

    Most texts are values, so that is tried first, and what spells a null is only looked up where it failed; unless a
    null is spelt in a way that could be a value, such as 999.
    """
    nulls = contract["null_spellings"]
    value = _parse_text(column)
    if is_free(column) or any(sign.isdigit() for text in nulls for sign in text) or set(nulls) & set(column["values"]):
        return f"IF({_spells_null('`' + column['name'] + '`', nulls)}, NULL, {value})"
    return value


def _spells_null(text: str, nulls: Sequence[str]) -> str:
    """Return the condition that a text spells a null; one that is longer than each of these is not looked up."""
    longest = max((len(spelling.encode()) for spelling in nulls), default=0)
    return f"(octet_length({text}) <= {longest} AND {text} IN ({_list(nulls)}))" if nulls else "false"


def _parse_text(column: Mapping[str, Any]) -> str:
    """Return the expression of what a text means as a value of the column; NULL where it means none."""
    name, kind = f"`{column['name']}`", column["type"]
    if kind == "string" and column["values"]:
        cases = " ".join(f"WHEN {quote(text)} THEN {quote(value)}" for text, value in column["values"].items())
        return f"CASE lower({name}) {cases} END"
    if kind == "string":
        return name
    if kind == "date":
        return _first_value([_parse(name, form, "make_date({%Y}, {%m}, {%d})") for form in column["formats"]])
    if kind == "timestamp":
        made = "make_timestamp_ntz({%Y}, {%m}, {%d}, {%H}, {%M}, {%S})"
        return _first_value([_parse(name, form, made) for form in column["formats"]])
    if kind == "boolean":
        words = {"true": "true", "yes": "true", "false": "false", "no": "false"}
        cases = " ".join(f"WHEN '{word}' THEN {value}" for word, value in words.items())
        return f"CASE lower({name}) {cases} END"
    if kind == "double":  # Java alone would take 1d, and words such as Infinity
        number = r"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"
        value = f"try_cast({name} AS double)"  # of 1e999 it is Infinity, which is no value either
        return f"IF({name} RLIKE {quote(number)} AND abs({value}) < double('Infinity'), {value}, NULL)"
    return f"try_cast({name} AS {kind})"


def _first_value(expressions: list[str]) -> str:
    return f"coalesce({', '.join(expressions)})" if len(expressions) > 1 else expressions[0]


def _parse(name: str, form: str, made: str) -> str:
    """Cut a date of fixed widths out of a text.

    Spark's own formatter is slower by far, takes some texts that it should not (2024-1-5T) and raises on others that an
    older Spark read differently. As text, a part within its bounds has no sign before it. What is written as ISO 8601
    writes it is left to a cast, which is the fastest, behind guards that leave it nothing to be lenient about.
    """
    pieces = re.findall(r"%.|[^%]+", form)
    iso = form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
    guards, parts, start = [], {"%H": "0", "%M": "0", "%S": "0"}, 1
    for piece in pieces:
        width = _WIDTHS.get(piece, len(piece))
        cut = f"substring({name}, {start}, {width})"
        if piece not in _WIDTHS:
            guards.append(f"{cut} = {quote(piece)}")
        elif piece == "%b":
            place = f"instr('{_MONTHS}', {cut})"
            guards.append(f"{place} % 3 = 1")
            parts["%m"] = f"CAST(({place} + 2) / 3 AS INT)"
        elif not iso:
            low, high = _BOUNDS[piece]
            guards.append(f"{cut} BETWEEN '{low}' AND '{high}'")
            parts[piece] = f"try_cast({cut} AS INT)"
        start += width
    if iso:
        guards.append(f"substring({name}, {start - 1}, 1) BETWEEN '0' AND '9'")
        made = f"try_cast({name} AS {'timestamp_ntz' if '%H' in pieces else 'date'})"
    for letter, part in parts.items():
        made = made.replace("{" + letter + "}", part)
    return f"CASE WHEN octet_length({name}) = {start - 1} AND {' AND '.join(guards)} THEN {made} END"


def _derived_value(column: Mapping[str, Any]) -> str:
    """Return the expression of a column computed from a date: the date's parts as its format has them."""
    text = f"CAST(`{column['derived_from']}` AS STRING)"
    starts = {"%Y": 1, "%m": 6, "%d": 9, "%H": 12, "%M": 15, "%S": 18}
    pieces = re.findall(r"%.|[^%]+", column["derived_format"])
    if "".join(pieces) == "%Y-%m":
        return f"substring({text}, 1, 7)"
    cuts = [f"substring({text}, {starts[p]}, {_WIDTHS[p]})" if p in starts else quote(p) for p in pieces]
    return f"concat({', '.join(cuts)})"


def _problems(column: Mapping[str, Any], contract: Contract, nested: bool) -> list[tuple[str, str]]:
    """Return the conditions under which a column speaks against its row, each with the reason's text."""
    name, value = column["name"], f"`{column['name']}`"
    text = value if is_free(column) else f"`_text_{name}`"
    is_null = f"({text} IS NULL OR {_spells_null(text, contract['null_spellings'])})"
    found = []
    if column["required"]:
        found.append((f"({value} IS NULL AND {is_null})", f"{name}: missing"))
    if not is_free(column):
        problem = "not an allowed value" if column["values"] else _TYPE_REASONS.get(column["type"], "not a number")
        found.append((f"({value} IS NULL AND NOT {is_null})", f"{name}: {problem}"))
    if column["pattern"]:
        found.append(
            (f"({text} IS NOT NULL AND NOT {text} RLIKE {quote(column['pattern'])})", f"{name}: wrong pattern")
        )
    bounds = [
        f"{value} {sign} CAST('{column[bound]}' AS {column['type'] if column['type'] != 'int' else 'bigint'})"
        for bound, sign in (("minimum", "<"), ("maximum", ">"))
        if column[bound] is not None
    ]
    if bounds:
        found.append((f"({value} IS NOT NULL AND ({' OR '.join(bounds)}))", f"{name}: out of range"))
    if nested and not column.get("added"):
        inside = f"coalesce(instr({NESTED}, ',{name},') > 0, false)"
        found = [(f"({condition} AND NOT {inside})", reason) for condition, reason in found]
        found.insert(0, (inside, f"{name}: not a single value"))
    return found


def tally(cleaned: DataFrame, contract: Contract) -> DataFrame:
    """Count rows by file, partition and whether they are rejected, with the lowest `_row` of each group."""
    rejected = F.expr(f"{REASONS} IS NOT NULL").alias("rejected")
    partition = F.expr(f"IF({REASONS} IS NULL, CAST(`{contract['partition']}` AS STRING), NULL)").alias("partition")
    return cleaned.groupBy(FILE, partition, rejected).agg(F.count("*").alias("rows"), F.min(ROW).alias("first"))


def partition_source(contract: Contract) -> str:
    """Return the raw column that decides a row's partition."""
    by_name = {column["name"]: column for column in contract["columns"]}
    return str(by_name[contract["partition"]]["derived_from"] or contract["partition"])


def _list(texts: Sequence[str]) -> str:
    return ", ".join(quote(text) for text in texts)


def quote(text: str) -> str:
    """Write a text as a Spark SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
