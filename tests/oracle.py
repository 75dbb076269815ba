"""What a contract means, in plain Python over whole files: an oracle for the job, which shares no code with it.

Files are parsed by Python's csv and json modules and by pyarrow, cell by cell; rows are judged, versions compared, and
deliveries followed as docs/contract.md and docs/data.md say. Slow and small on purpose.
"""

import csv
import datetime as dt
import gzip
import json
import math
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Contract = Mapping[str, Any]
SPACE = " \t\r\n"
NESTED = object()
_BITS = {"int": 31, "bigint": 63}
_PROBLEMS = {"int": "not a whole number", "bigint": "not a whole number", "double": "not a number"}
_PROBLEMS |= {"date": "not a date", "timestamp": "not a timestamp", "boolean": "not yes or no"}


@dataclass
class Parsed:
    """A file's records: number, line, bytes, and cells by column or the problem of the record as a whole."""

    records: list[tuple[int, int | None, bytes, dict[str, Any] | str]] = field(default_factory=list)
    problem: str = ""


@dataclass
class Outcome:
    """What the job must make of a dataset.

    Attributes:
        curated: the kept rows, each a mapping of column to value, added columns that are NULL left out.
        rejected: file, record, line, bytes (None for Parquet) and reasons.
        unreadable: file -> reason.
        rows: the account.
    """

    curated: list[dict[str, Any]]
    rejected: list[tuple[str, int, int | None, bytes | None, list[str]]]
    unreadable: dict[str, str]
    rows: dict[str, int]


def simple(name: str) -> str:
    """Return a column's name as it is compared."""
    return "_".join(re.findall("[0-9a-z]+", name.lower()))


def raw_columns(contract: Contract) -> dict[str, Any]:
    """Return the contract's columns that files hold, by name."""
    return {column["name"]: column for column in contract["columns"] if not column["derived_from"]}


def map_names(names: Iterable[str], contract: Contract) -> list[str]:
    """Return the table's column for each name, the contract's or one to add; "" for none."""
    aliases = {
        simple(alias): name
        for name, column in raw_columns(contract).items()
        for alias in (name, *column["source_names"])
    }
    derived = {column["name"] for column in contract["columns"]} - set(aliases.values())
    found = []
    for name in names:
        short = simple(name)
        fits = re.fullmatch("[a-z][a-z0-9_]{0,62}", short) and short not in derived
        found.append(aliases.get(short) or (short if fits else ""))
    own = set(aliases.values())
    return [name if name in own or found.count(name) == 1 else "" for name in found]


def parse(key: str, content: bytes, contract: Contract) -> Parsed:
    """Parse a file of any format by its name."""
    if key.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error):
            return Parsed(problem="broken gzip")
    if ".parquet" in key:
        return parse_parquet(content, contract)
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
        return Parsed(problem="empty")
    return parse_lines(content, contract) if ".jsonl" in key else parse_csv(content, contract)


def parse_csv(content: bytes, contract: Contract) -> Parsed:
    """Parse CSV; bytes that are no UTF-8 are carried through as surrogates."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    physical = [line + "\n" for line in text.split("\n")]
    reader = csv.reader(
        iter(physical), delimiter=contract["format"]["delimiter"], quotechar=contract["format"]["quote"]
    )
    found, header, names = Parsed(), None, []
    while True:
        begin = reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return found
        raw = "".join(physical[begin : reader.line_num]).removesuffix("\n").removesuffix("\r")
        if not raw:
            continue
        if header is None:
            header, names = cells, map_names(cells, contract)
            found.problem = check_header(header, names, contract)
            if found.problem:
                return found
            continue
        whole = raw.encode("utf-8", "surrogateescape")
        found.records.append((len(found.records) + 1, begin + 1, whole, judge_record(raw, cells, names)))


def judge_record(raw: str, cells: list[str], names: list[str]) -> dict[str, Any] | str:
    """Return a CSV record's cells by column, or why it is none."""
    if "\0" in raw:
        return "NUL byte"
    try:
        raw.encode()
    except UnicodeEncodeError:
        return "not in its encoding"
    if len(cells) != len(names):
        return "wrong number of fields"
    return {name: cell for name, cell in zip(names, cells, strict=True) if name}


def check_header(header: list[str], names: list[str], contract: Contract) -> str:
    """Return why a header cannot be used; "" where it can."""
    columns = raw_columns(contract)
    if not set(names) & set(columns):
        return f"no known column in the header: {', '.join(header)[:80]}"
    for name in names:
        if name in columns and names.count(name) > 1:
            return f"column twice in the header: {name}"
    missing = [name for name, column in columns.items() if column["required"] and name not in names]
    return f"required column missing in the header: {missing[0]}" if missing else ""


class Number(str):
    """A JSON number as it is written."""


class Pairs(list[Any]):
    """A JSON object as it is written."""


def parse_lines(content: bytes, contract: Contract) -> Parsed:
    """Parse JSON lines."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    found, values, names = Parsed(), [], {}
    for line, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        raw = raw.removesuffix(b"\r")
        if not raw.strip():
            continue
        try:
            value = json.loads(
                raw.decode(), object_pairs_hook=Pairs, parse_float=Number, parse_int=Number, parse_constant=refuse
            )
        except ValueError as error:
            value = "not in its encoding" if isinstance(error, UnicodeDecodeError) else "not a JSON object"
            value = "NUL byte" if b"\0" in raw else value
        else:
            value = value if isinstance(value, Pairs) else "not a JSON object"
            value = "nested too deeply" if measure(value) > 200 else value
        values.append((line, raw, value))
        names |= {name: "" for name, _ in value} if isinstance(value, Pairs) else {}
    if not any(isinstance(value, Pairs) for *_, value in values):
        array = content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
        return Parsed(problem="a JSON array: write one object a line" if array else "no line is a JSON object")
    names = dict(zip(names, map_names(names, contract), strict=True))
    columns = raw_columns(contract)
    if not set(names.values()) & set(columns):
        return Parsed(problem=f"no known column: {', '.join(names)[:80]}")
    for number, (line, raw, value) in enumerate(values, start=1):
        cells: dict[str, Any] | str = value
        if isinstance(value, Pairs):
            given = [names[name] for name, _ in value]
            twice = next((name for at, name in enumerate(given) if name in columns and name in given[:at]), None)
            kept = {
                names[name]: render(v, columns.get(names[name])) for name, v in value if given.count(names[name]) == 1
            }
            cells = f"column twice: {twice}" if twice else {name: cell for name, cell in kept.items() if name}
        found.records.append((number, line, raw, cells))
    return found


def measure(value: Any) -> int:
    """Return how many objects and arrays stand within each other."""
    inner = [part for _, part in value] if isinstance(value, Pairs) else value
    return 1 + max(map(measure, inner), default=0) if isinstance(value, list) else 0


def render(value: Any, column: Mapping[str, Any] | None) -> Any:
    """Return a JSON value as a cell; NESTED where a column of the contract has no single value."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Number):
        whole = column is not None and column["type"] in _BITS and Decimal(value) == int(Decimal(value))
        return str(int(Decimal(value))) if whole else str(value)
    if isinstance(value, list):
        return NESTED if column else json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False)
    return value


def plain(value: Any) -> Any:
    """Return a parsed JSON value as json.dumps takes it; numbers must be such that writing them changes nothing."""
    if isinstance(value, Pairs):
        return {name: plain(inner) for name, inner in value}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return json.loads(value) if isinstance(value, Number) else value


def parse_parquet(content: bytes, contract: Contract) -> Parsed:
    """Parse Parquet of texts, numbers and dates."""
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        return Parsed(problem="broken Parquet: its end is missing")
    names = map_names(table.column_names, contract)
    problem = check_header(table.column_names, names, contract)
    if problem:
        return Parsed(problem=problem)
    columns, found = raw_columns(contract), Parsed()
    for number, row in enumerate(table.to_pylist(), start=1):
        cells: dict[str, Any] = {}
        for name, value in zip(names, row.values(), strict=True):
            if isinstance(value, float) and columns.get(name, {}).get("type") in _BITS and value == int(value):
                value = int(value)
            if isinstance(value, dt.date):
                value = value.strftime(columns[name]["formats"][0])
            if name:
                cells[name] = None if value is None else str(value)
        found.records.append((number, None, b"", cells))
    return found


def to_value(text: str, column: Mapping[str, Any]) -> Any:
    """Return what a text means as a value of the column; None where it means none."""
    kind = column["type"]
    if column["values"]:
        return column["values"].get(text.lower())
    if kind == "string":
        return text
    if kind in _BITS:
        fits = re.fullmatch("[+-]?[0-9]+", text) and -(2 ** _BITS[kind]) <= int(text) < 2 ** _BITS[kind]
        return int(text) if fits else None
    if kind == "double":
        written = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text)
        return float(text) if written and math.isfinite(float(text)) else None
    if kind == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower())
    if kind in ("date", "timestamp"):
        return next(filter(None, (to_time(text, form, kind) for form in column["formats"])), None)
    return to_decimal(text, *map(int, re.findall("[0-9]+", kind)))


def to_decimal(text: str, precision: int, scale: int) -> Decimal | None:
    """Return a decimal, rounded half up to its scale; None where it has too many digits before the point."""
    try:
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE]([+]?[0-9]+|-[0-9]{1,4}))?", text):
            return None
        value = Decimal(text).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    return value if abs(value) < Decimal(10) ** (precision - scale) else None


def to_time(text: str, form: str, kind: str) -> dt.date | None:
    """Return a date or timestamp that is written with parts of a fixed width."""
    widths = {"%Y": "[0-9]{4}", "%b": "[A-Z][a-z]{2}"}
    pattern = "".join(
        widths.get(piece, "[0-9]{2}") if piece.startswith("%") else re.escape(piece)
        for piece in re.findall("%.|[^%]+", form)
    )
    try:
        found = dt.datetime.strptime(text, form) if re.fullmatch(pattern, text) else None
    except ValueError:
        return None
    return found.date() if found and kind == "date" else found


def names_partition(name: str, value: str) -> bool:
    """Tell whether a folder may be called so, as Spark escapes it."""
    escaped = "".join(f"%{ord(sign):02X}" if sign < " " or sign in "\x7f\"#%'*/:=?\\{[]^" else sign for sign in value)
    return value != "__HIVE_DEFAULT_PARTITION__" and len(f"{name}={escaped}".encode()) <= 255


def judge(cells: Mapping[str, Any], contract: Contract) -> tuple[dict[str, Any], list[str]]:
    """Return a row's values and every reason against it."""
    values: dict[str, Any] = {}
    reasons: list[str] = []
    columns = raw_columns(contract)
    for name, column in columns.items():
        cell = cells.get(name)
        text = cell.strip(SPACE) if isinstance(cell, str) else None
        null = text is None or text in contract["null_spellings"]
        values[name] = value = None if null else to_value(str(text), column)
        if cell is NESTED:
            reasons.append(f"{name}: not a single value")
        elif null:
            reasons += [f"{name}: missing"] if column["required"] else []
        elif value is None:
            problem = "not an allowed value" if column["values"] else _PROBLEMS.get(column["type"], "not a number")
            reasons.append(f"{name}: {problem}")
        else:
            if column["pattern"] and not re.search(column["pattern"], str(text)):
                reasons.append(f"{name}: wrong pattern")
            exact = Decimal if isinstance(value, Decimal) else float if isinstance(value, float) else Fraction
            low, high = (None if b is None else exact(str(b)) for b in (column["minimum"], column["maximum"]))
            if (low is not None and value < low) or (high is not None and value > high):
                reasons.append(f"{name}: out of range")
            if name == contract["partition"] and isinstance(value, str) and not names_partition(name, value):
                reasons.append(f"{name}: cannot name a partition")
    for name in set(cells) - set(columns):
        text = cells[name].strip(SPACE) if cells[name] is not None else ""
        if text not in contract["null_spellings"]:
            values[name] = text
    for column in contract["columns"]:
        source = column["derived_from"] and values[column["derived_from"]]
        if column["derived_from"]:
            values[column["name"]] = source.strftime(column["derived_format"]) if source else None
    return values, reasons


def place(row: Mapping[str, Any], contract: Contract) -> tuple[Any, ...]:
    """Return what orders the versions of a row: the contract's ordering, then every other column."""
    ordered = {entry["column"]: entry["descending"] for entry in contract["ordering"]}
    found: list[Any] = []
    for name, descending in ordered.items():
        value = row[name]
        if descending:
            found += [value is None, Reverse(value) if value is not None else 0]
        else:
            found += [value is not None, value if value is not None else 0]
    for column in contract["columns"]:
        if column["name"] not in ordered:
            value = row[column["name"]]
            value = value.encode() if isinstance(value, str) else value
            found += [value is not None, value if value is not None else 0]
    return tuple(found)


@dataclass(frozen=True)
class Reverse:
    """A value that comes the later the smaller it is."""

    value: Any

    def __lt__(self, other: "Reverse") -> bool:
        return bool(other.value < self.value)


def keep_versions(rows: list[dict[str, Any]], contract: Contract) -> tuple[list[dict[str, Any]], int, int]:
    """Return the row that is kept of each key, and how many were duplicates and how many superseded."""
    names = [column["name"] for column in contract["columns"]]
    by_key: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_key.setdefault(tuple(row[name] for name in contract["key"]), []).append(row)
    kept, duplicates, superseded = [], 0, 0
    for versions in by_key.values():
        added = sorted({name for version in versions for name in version} - set(names))
        first = min(versions, key=lambda row: (*place(row, contract), *order_added(row, added)))
        kept.append(first)
        equal = sum(all(row[name] == first[name] for name in names) for row in versions)
        duplicates += equal - 1
        superseded += len(versions) - equal
    return kept, duplicates, superseded


def order_added(row: Mapping[str, Any], added: list[str]) -> list[tuple[bool, bytes]]:
    """Return what decides between rows equal in the contract's columns: the added ones, a value before none."""
    return [(row.get(name) is None, str(row.get(name) or "").encode()) for name in added]


@dataclass(frozen=True)
class Delivery:
    """A raw object: its key, content, what it supersedes, and whether it is there and not rejected."""

    key: str
    content: bytes
    supersedes: tuple[str, ...] = ()
    present: bool = True
    rejected: bool = False


def find_active(deliveries: Iterable[Delivery]) -> set[str]:
    """Return the keys of the deliveries that count."""
    known = {delivery.key: delivery for delivery in deliveries}

    def behind(key: str, seen: frozenset[str]) -> set[str]:
        links = set(known[key].supersedes) - seen if key in known else set()
        return links.union(*(behind(link, seen | links | {key}) for link in links)) if links else links

    speaking = [d for d in known.values() if d.present and not d.rejected]
    out = set().union(*(behind(d.key, frozenset({d.key})) - {d.key} for d in speaking)) if speaking else set()
    return {d.key for d in speaking} - out


def expect(deliveries: list[Delivery], contract: Contract) -> Outcome:
    """Return what the job must make of everything that was ever delivered."""
    active = find_active(deliveries)
    outcome = Outcome([], [], {}, {})
    rows: list[dict[str, Any]] = []
    readable = passed = 0
    for delivery in deliveries:
        parsed = parse(delivery.key, delivery.content, contract)
        readable += len(parsed.records)
        if delivery.key not in active:
            passed += len(parsed.records)
            continue
        if parsed.problem:
            outcome.unreadable[delivery.key] = parsed.problem
        for number, line, raw, cells in parsed.records:
            values, reasons = ({}, [cells]) if isinstance(cells, str) else judge(cells, contract)
            if reasons:
                outcome.rejected.append((delivery.key, number, line, raw or None, reasons))
            else:
                rows.append(values)
    kept, duplicates, superseded = keep_versions(rows, contract)
    outcome.curated = kept
    outcome.rows = {"readable": readable, "curated": len(kept), "lost": duplicates + superseded + passed}
    outcome.rows["quarantined"] = len(outcome.rejected)
    return outcome
