"""CSV and JSON lines, told from the first part of a file by the rules of Glue's built-in classifiers.

The rules of the CSV header are those of "Built-in CSV classifier" in the Glue developer guide; choices that it leaves
open stand in docs/adr/0008-crawler.md.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.glue.schema import STRING, VOID, Column, HiveType, array_of, merge_types, struct_of

DELIMITERS = (",", "|", "\t", ";", "\x01")
LONGEST_NAME = 150
INT_RANGE = range(-(2**31), 2**31)
BIGINT_RANGE = range(-(2**63), 2**63)

_INTEGER = re.compile(r"[+-]?\d{1,19}\Z")
_DOUBLE = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d{1,3})?\Z")


class UnknownTextError(Exception):
    """The text is neither JSON lines nor CSV; the message says why."""


@dataclass(frozen=True)
class TextSchema:
    """What the sample of a text file says."""

    classification: str
    columns: tuple[Column, ...]
    rows_in_sample: int
    delimiter: str = ""
    header: bool = False
    remarks: tuple[str, ...] = ()
    if_header: tuple[Column, ...] = ()


def read_text(sample: bytes, whole: bool, rows: int) -> TextSchema:
    """Classify the sample; unless it is the `whole` file, its last line may be cut and is not looked at."""
    if not whole:
        sample = sample[: sample.rfind(b"\n") + 1]
    try:
        text = sample.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnknownTextError(f"not UTF-8 (byte {error.start})") from error
    if "\0" in text:
        raise UnknownTextError("binary, of a format that is not known")
    if text.lstrip()[:1] in ("{", "["):
        return _read_json(text, rows)
    return _read_csv(text, rows)


def _read_json(text: str, rows: int) -> TextSchema:
    lines = [line for line in text.split("\n") if line.strip()]
    fields: dict[str, HiveType] = {}
    remarks = []
    for number, line in enumerate(lines[:rows], 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise UnknownTextError(f"no JSON lines: line {number} is no JSON value") from error
        if not isinstance(record, dict):
            raise UnknownTextError(f"no JSON lines: line {number} is no object")
        for name, value in record.items():
            fields[name.lower()], clash = _widen(fields.get(name.lower(), VOID), _json_type(value))
            if clash:
                remarks.append(f"column {name.lower()}: {clash} in line {number}, so string")
    columns = tuple(Column(name, type_) for name, type_ in fields.items())
    if not columns:
        raise UnknownTextError("JSON without a single field")
    return TextSchema("json", columns, len(lines), remarks=tuple(dict.fromkeys(remarks)))


def _widen(known: HiveType, found: HiveType) -> tuple[HiveType, str]:
    merged = merge_types(known, found, text=True)
    return (merged, "") if merged is not None else (STRING, f"{known} and {found}")


def _json_type(value: Any) -> HiveType:
    match value:
        case None:
            return VOID
        case bool():
            return HiveType("boolean")
        case int():
            return HiveType("int" if value in INT_RANGE else "bigint" if value in BIGINT_RANGE else "double")
        case float():
            return HiveType("double")
        case list():
            element = VOID
            for each in value:
                element = _widen(element, _json_type(each))[0]
            return array_of(element)
        case dict():
            return struct_of([(name, _json_type(each)) for name, each in value.items()])
    return STRING


def _read_csv(text: str, rows: int) -> TextSchema:
    delimiter, records = _split_records(text, rows + 1)
    header = _is_header(records)
    body = records[1:] if header else records
    headed = _columns(records[0], records[1:], len(records[0]))
    columns = headed if header else _columns([], records, max(len(record) for record in records))
    width = len(columns)
    remarks = []
    if '"' in text:
        remarks.append("quoted fields: LazySimpleSerDe keeps the quotes; a table with OpenCSVSerDe reads them")
    uneven = sum(len(record) != width for record in body)
    if uneven:
        remarks.append(f"{uneven} of {len(body)} rows looked at do not have {width} fields")
    lines = text.count("\n") + (not text.endswith("\n"))
    if_header = () if header else headed
    return TextSchema("csv", columns, max(0, lines - header), delimiter, header, tuple(remarks), if_header)


def _split_records(text: str, limit: int) -> tuple[str, list[list[str]]]:
    """Choose the delimiter that cuts most records into the same number of fields, at least two."""
    best: tuple[tuple[int, int], str, list[list[str]]] | None = None
    for delimiter in DELIMITERS:
        records = _records(text, delimiter, limit)
        if len(records) < 2:
            continue
        width, count = Counter(len(record) for record in records).most_common(1)[0]
        score = (count, width)
        if width >= 2 and (best is None or score > best[0]):
            best = (score, delimiter, records)
    if best is None:
        raise UnknownTextError("no CSV: fewer than two columns or two rows")
    return best[1], best[2]


def _records(text: str, delimiter: str, limit: int) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) == limit:
                break
    except csv.Error:  # a field longer than the module allows: not this delimiter
        return []
    return records


def _is_header(records: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first record is a header.

    All its fields must be text, those before the last under 150 characters, and the rows below must differ from it:
    a column of theirs is something else than text. Where all is text there is no telling, and Glue says no.
    """
    first = records[0]
    if any(_cell_type(cell) != "string" for cell in first if cell.strip()) or not all(c.strip() for c in first[:-1]):
        return False
    if any(len(cell) >= LONGEST_NAME for cell in first[:-1]):
        return False
    width = len(first)
    columns = [[record[index] for record in records[1:] if index < len(record)] for index in range(width)]
    return any(str(_column_type(cells)) != "string" for cells in columns)


def _columns(header: Sequence[str], body: Sequence[Sequence[str]], width: int) -> tuple[Column, ...]:
    names = _column_names(header, width)
    cells = ([record[index] for record in body if index < len(record)] for index in range(width))
    return tuple(Column(name, _column_type(column)) for name, column in zip(names, cells, strict=True))


def _column_names(header: Sequence[str], width: int) -> list[str]:
    """Name the columns: the header's words in lower case, `col<n>` where there is none, a number where one repeats."""
    names: list[str] = []
    for index in range(width):
        wanted = header[index].strip().lower() if index < len(header) else ""
        name = base = wanted or f"col{index}"
        number = 1
        while name in names:
            number += 1
            name = f"{base}_{number}"
        names.append(name)
    return names


def _column_type(cells: Sequence[str]) -> HiveType:
    """Return the type that all cells have that are not empty: bigint, double, boolean or string."""
    kinds = {_cell_type(cell) for cell in cells if cell}
    if kinds == {"bigint", "double"}:
        return HiveType("double")
    return HiveType(kinds.pop()) if len(kinds) == 1 else STRING if kinds else VOID


def _cell_type(cell: str) -> str:
    if _INTEGER.match(cell):
        return "bigint" if int(cell) in BIGINT_RANGE else "string"
    if _DOUBLE.match(cell):
        return "double"
    return "boolean" if cell.lower() in ("true", "false") else "string"
