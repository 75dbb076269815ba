"""Read JSON lines strictly, and write them again so that Spark gets texts and nothing to guess at.

Spark's own reader rounds numbers to doubles, takes what follows an object on its line for nothing, the last of two
equal names for the only one, and single quotes for quotes. So lines are parsed here; what Spark reads has one object a
record with `_row` (from 1), a text for each column (numbers as they are written), `_problem` where it is none as a
whole, and `_nested`: the columns that hold an object or array. docs/contract.md says what a value means.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from headers import find_unknown, name_columns
from raw_files import JSON, RawFile, UnreadableFileError, unpack
from raw_records import BOM, NOT_TEXT, NUL_BYTE, find_bad

NOT_AN_OBJECT, TOO_DEEP = "not a JSON object", "nested too deeply"
_DEEPEST = 200  # objects and arrays within each other: what Python writes again without running out of stack
_WHOLE_DIGITS = 40  # more than any type holds


class _Number(str):
    """A number as it is written."""


class _Object(list[tuple[str, Any]]):
    """An object's names and values, in their order, each as often as it stands there."""


@dataclass(frozen=True)
class Record:
    """One line that is not empty: where it stands (from 1), its bytes, its object, or why there is none."""

    line: int
    raw: bytes
    value: _Object | None
    problem: str = ""


def inspect(listed: Mapping[str, Any], content: bytes, contract: Mapping[str, Any]) -> tuple[RawFile, bytes | None]:
    """Find out whether a file of JSON lines can be read, its columns and how many records it has.

    Returns: the file, and the copy for Spark; None where it cannot be read.
    """
    place = (listed["key"], listed["etag"], listed["bytes"])
    try:
        text, _ = unpack(listed["key"], content, contract["format"].get("encoding", "UTF-8"))
        names: dict[str, None] = {}
        objects = rows = 0
        for record in scan_objects(text):
            rows += 1
            objects += record.value is not None
            names.update((name, None) for name, _ in record.value or ())
        columns = check_names(text, objects, names, contract)
    except UnreadableFileError as error:
        return RawFile(*place, problem=str(error), kind=JSON), None
    unknown = find_unknown(list(columns), list(columns.values()), contract)
    kinds = {column["name"]: column["type"] for column in contract["columns"]}
    lines = [write_record(number, record, columns, kinds) for number, record in enumerate(scan_objects(text), 1)]
    used = tuple(sorted(set(columns.values()) - {""}))
    file = RawFile(*place, rows=rows, columns=used, unknown=unknown, kind=JSON, copied=True)
    return file, "".join(lines).encode()


def check_names(text: bytes, objects: int, names: Mapping[str, None], contract: Mapping[str, Any]) -> dict[str, str]:
    """Return the table's column for each name of the file's objects.

    Raises:
        UnreadableFileError: no line is an object, or no name is known.
    """
    if not objects:
        array = text.removeprefix(BOM).lstrip().startswith(b"[")
        raise UnreadableFileError("a JSON array: write one object a line" if array else "no line is a JSON object")
    columns: dict[str, str] = name_columns(names, contract)
    known = {column["name"] for column in contract["columns"]}
    if not known & set(columns.values()):
        raise UnreadableFileError(f"no known column: {', '.join(names)[:80]}")
    return columns


def scan_objects(text: bytes) -> Iterator[Record]:
    """Yield every line that is not empty, parsed."""
    for line, raw in enumerate(text.removeprefix(BOM).split(b"\n"), start=1):
        raw = raw.removesuffix(b"\r")
        if not raw.strip():
            continue
        if problem := find_bad(raw):
            yield Record(line, raw, None, problem)
            continue
        try:
            value = _DECODER.decode(raw.decode())
        except ValueError:
            value = None
        except RecursionError:
            yield Record(line, raw, None, TOO_DEEP)
            continue
        if raw.count(b"[") + raw.count(b"{") > _DEEPEST and _is_deep(value):
            yield Record(line, raw, None, TOO_DEEP)
        elif not isinstance(value, _Object):
            yield Record(line, raw, None, NOT_AN_OBJECT)
        elif b"\\u" in raw and (problem := _find_bad_text(value)):
            yield Record(line, raw, None, problem)
        else:
            yield Record(line, raw, value)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse, strict=True
)


def _is_deep(value: Any) -> bool:
    """Tell whether more than so many objects and arrays stand within each other."""
    level, depth = [value], 0
    while level and depth < _DEEPEST:
        inner = [list(pair[1] for pair in part) if isinstance(part, _Object) else part for part in level]
        level = [child for part in inner if isinstance(part, list) for child in part if isinstance(child, list)]
        depth += 1
    return bool(level)


def _find_bad_text(value: Any) -> str:
    """Return why an escaped text is none: half of a surrogate pair, or a NUL; "" where all are."""
    whole = "".join(_texts(value))
    if "\0" in whole:
        return str(NUL_BYTE)
    try:
        whole.encode()
    except UnicodeEncodeError:
        return str(NOT_TEXT)
    return ""


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, _Object):
        for name, inner in value:
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def write_record(number: int, record: Record, columns: Mapping[str, str], kinds: Mapping[str, str]) -> str:
    """Write one record as Spark reads it, a line of plain ASCII.

    Args:
        columns: the table's column for each name.
        kinds: the types of the contract's columns; any other is text.
    """
    row: dict[str, Any] = {"_row": number}
    if record.value is None:
        return json.dumps(row | {"_problem": record.problem}) + "\n"
    nested = []
    for name, value in record.value:
        column = columns[name]
        if not column:
            continue
        if column in row:
            if column in kinds:
                return json.dumps({"_row": number, "_problem": f"column twice: {column}"}) + "\n"
            row[column] = None
            continue
        row[column] = render(value, kinds.get(column, "string"))
        if isinstance(value, list) and column in kinds:
            nested.append(column)
    if nested:
        row["_nested"] = f",{','.join(nested)},"
    return json.dumps(row) + "\n"


def render(value: Any, kind: str) -> str | None:
    """Return a JSON value as the text that a cell would hold.

    A number is written as it stands; for a column of whole numbers 1.0 and 1e2 are 1 and 100, which JSON does not tell
    apart. An object or array is its JSON.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return write_whole(value) if kind in ("int", "bigint") else str(value)
    return show(value) if isinstance(value, list) else str(value)


def write_whole(number: str) -> str:
    """Return a number without its fraction and exponent if it has no need of them; else as it stands."""
    try:
        exact = Decimal(number)
    except InvalidOperation:  # an exponent beyond all bounds is valid JSON
        return str(number)
    if exact.adjusted() > _WHOLE_DIGITS or exact != exact.to_integral_value():
        return str(number)
    return str(int(exact))


def show(value: Any) -> str:
    """Write a parsed value as JSON again, with numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, _Object):
        return "{" + ",".join(f"{json.dumps(name)}:{show(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def locate(text: bytes, wanted: set[int]) -> dict[int, tuple[int, bytes]]:
    """Return line and bytes of the records with these numbers (the first is 1)."""
    lines = ((line, raw) for line, raw in enumerate(text.removeprefix(BOM).split(b"\n"), start=1) if raw.strip())
    return {
        number: (line, raw.removesuffix(b"\r")) for number, (line, raw) in enumerate(lines, start=1) if number in wanted
    }
