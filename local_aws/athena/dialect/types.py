"""Trino's types: how they are written, what DuckDB stores them as, and what the catalog calls them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from local_aws.athena.errors import QueryError

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
UNBOUNDED = 2_147_483_647
_SIMPLE = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT",
    "real": "FLOAT", "double": "DOUBLE", "varchar": "VARCHAR", "char": "VARCHAR", "varbinary": "BLOB",
    "json": "VARCHAR", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ", "uuid": "UUID", "interval day to second": "INTERVAL",
    "interval year to month": "INTERVAL", "unknown": "INTEGER",
}  # fmt: skip
_TO_HIVE = {"integer": "int", "real": "float", "varbinary": "binary", "varchar": "string", "json": "string"}
_FROM_HIVE = {"int": "integer", "float": "real", "binary": "varbinary", "string": "varchar", "long": "bigint"}


@dataclass(frozen=True)
class TrinoType:
    """One type: `name` alone, with numbers (decimal, varchar, char, timestamp), or with element types.

    `zone` is what is known beforehand of the zone of a timestamp with time zone (None: it varies by value); it is
    not a part of the type.
    """

    name: str
    numbers: tuple[int, ...] = ()
    elements: tuple[TrinoType, ...] = ()
    names: tuple[str | None, ...] = ()
    zone: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if self.name == "row":
            parts = (f"{_plain(n)} {t}" if n else str(t) for n, t in zip(self.names, self.elements, strict=True))
            return f"row({', '.join(parts)})"
        if self.elements:
            return f"{self.name}({', '.join(str(element) for element in self.elements)})"
        if not self.numbers or (self.name == "varchar" and self.numbers[0] == UNBOUNDED):
            return self.name
        head, space, tail = self.name.partition(" ")
        return f"{head}({','.join(str(number) for number in self.numbers)}){space}{tail}"

    @property
    def precision(self) -> int:
        """Digits of a decimal, length of a varchar or char, digits of the second's fraction of a time."""
        return self.numbers[0] if self.numbers else 0

    @property
    def scale(self) -> int:
        """Digits after the point of a decimal."""
        return self.numbers[1] if len(self.numbers) > 1 else 0

    @classmethod
    def from_text(cls, text: str) -> TrinoType:
        """Read a type as Trino writes it, such as array(row(a integer, b varchar(3)))."""
        return _Reader(text, hive=False).whole()

    @classmethod
    def from_hive(cls, text: str) -> TrinoType:
        """Read a type as the catalog writes it, such as array<struct<a:int,b:string>>."""
        return _Reader(text, hive=True).whole()

    def to_duckdb(self) -> str:
        """Write the DuckDB type that holds its values (a row without field names is a TUPLE)."""
        inner = [element.to_duckdb() for element in self.elements]
        if self.name == "array":
            return f"{inner[0]}[]"
        if self.name == "map":
            return f"MAP({inner[0]}, {inner[1]})"
        if self.name == "row":
            if not has_names(self):
                return f"TUPLE({', '.join(inner)})"
            named = (f"{_quoted(n or '')} {t}" for n, t in zip(self.names, inner, strict=True))
            return f"STRUCT({', '.join(named)})"
        if self.name == "decimal":
            return f"DECIMAL({self.precision},{self.scale})"
        if self.name in ("time", "timestamp", "timestamp with time zone") and self.precision > 6:
            raise QueryError("NOT_SUPPORTED", f"{self} is finer than microseconds; use timestamp(6) or less")
        if self.name not in _SIMPLE:
            raise QueryError("NOT_SUPPORTED", f"the type {self} is not supported locally; cast it before")
        return _SIMPLE[self.name]

    def to_hive(self) -> str:
        """Write the type as the catalog does."""
        inner = [element.to_hive() for element in self.elements]
        if self.name in ("array", "map"):
            return f"{self.name}<{','.join(inner)}>"
        if self.name == "row":
            named = (f"{n or f'field{i}'}:{t}" for i, (n, t) in enumerate(zip(self.names, inner, strict=True)))
            return f"struct<{','.join(named)}>"
        if self.name == "decimal" or (self.name in ("varchar", "char") and self.precision < UNBOUNDED):
            return str(self)
        if self.name.startswith("timestamp"):
            return "timestamp"
        return _TO_HIVE.get(self.name, self.name)


def has_names(row: TrinoType) -> bool:
    """Say whether every field has a name of its own, so that DuckDB can hold the row as a STRUCT."""
    lowered = [name.lower() for name in row.names if name]
    return len(set(lowered)) == len(row.elements)


def array(element: TrinoType) -> TrinoType:
    """Name an array."""
    return TrinoType("array", elements=(element,))


def map_of(key: TrinoType, value: TrinoType) -> TrinoType:
    """Name a map."""
    return TrinoType("map", elements=(key, value))


def row(names: list[str | None], elements: list[TrinoType]) -> TrinoType:
    """Name a row; a field without a name is None."""
    return TrinoType("row", elements=tuple(elements), names=tuple(names))


def decimal(precision: int, scale: int) -> TrinoType:
    """Name a decimal, at most 38 digits."""
    return TrinoType("decimal", (min(38, precision), scale))


def varchar(length: int = UNBOUNDED) -> TrinoType:
    """Name a varchar; without a length it is unbounded."""
    return TrinoType("varchar", (min(length, UNBOUNDED),))


def timestamp(precision: int = 3, zone: str | None = None) -> TrinoType:
    """Name a timestamp; with `zone` a timestamp with time zone."""
    return TrinoType("timestamp with time zone" if zone else "timestamp", (precision,), zone=zone)


BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, VARBINARY, JSON, DATE, UUID, UNKNOWN = (
    TrinoType(name)
    for name in ("boolean", "tinyint", "smallint", "integer", "bigint", "real", "double", "varbinary", "json", "date",
                 "uuid", "unknown")
)  # fmt: skip
VARCHAR = varchar()
DAY_TO_SECOND, YEAR_TO_MONTH = TrinoType("interval day to second"), TrinoType("interval year to month")


def zones(kind: TrinoType) -> set[str | None]:
    """Collect what is known of the zones of the timestamps within a type; None: one varies by value."""
    own: set[str | None] = {kind.zone} if kind.name == "timestamp with time zone" else set()
    return own.union(*(zones(element) for element in kind.elements))


def with_zone(kind: TrinoType, zone: str | None) -> TrinoType:
    """Give what is known of the zone."""
    return replace(kind, zone=zone)


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else _quoted(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def build(name: str, numbers: list[int], elements: list[TrinoType], names: list[str | None]) -> TrinoType:
    """Make a type from its parts as written in SQL; refuse what is none."""
    name = {"int": "integer", "double precision": "double", "dec": "decimal"}.get(name, name)
    count = {"array": 1, "map": 2}.get(name)
    if name == "row" and elements:
        return row(names, elements)
    if count is not None and len(elements) == count:
        return TrinoType(name, elements=tuple(elements))
    if name == "decimal" and len(numbers) <= 2 and not elements:
        precision, scale = (numbers + [38, 0][len(numbers) :]) if len(numbers) < 2 else numbers
        if not 0 < precision <= 38 or scale > precision:
            raise QueryError("TYPE_MISMATCH", f"decimal({precision},{scale}): 1 to 38 digits, the scale within them")
        return decimal(precision, scale)
    if name == "varchar" and len(numbers) <= 1 and not elements:
        return varchar(*numbers)
    if name == "char" and len(numbers) <= 1 and not elements:
        return TrinoType("char", tuple(numbers or [1]))
    if name in ("time", "timestamp", "timestamp with time zone") and len(numbers) <= 1 and not elements:
        zone = "UTC" if name.endswith("zone") else None
        return TrinoType(name, tuple(numbers or [3]), zone=zone)
    if name in _SIMPLE and not numbers and not elements:
        return TrinoType(name)
    raise QueryError("TYPE_MISMATCH", f"Unknown type: {name}")


class _Reader:
    """A small reader of both spellings; SQL statements have the parser's own."""

    def __init__(self, text: str, hive: bool) -> None:
        self.text = text
        self.hive = hive
        self.words = re.findall(r'"(?:[^"]|"")*"|[\w$.-]+|[<>(),:]', text)
        self.at = 0

    def whole(self) -> TrinoType:
        kind = self.one()
        if self.at != len(self.words):
            raise QueryError("TYPE_MISMATCH", f"Unknown type: {self.text}")
        return kind

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def take(self) -> str:
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def one(self) -> TrinoType:
        name = self.take().lower()
        numbers: list[int] = []
        elements: list[TrinoType] = []
        names: list[str | None] = []
        if self.peek() in ("(", "<"):
            self.take()
            while self.peek() not in (")", ">", ""):
                if self.peek().isdigit():
                    numbers.append(int(self.take()))
                else:
                    names.append(self.field_name() if name in ("row", "struct") else None)
                    elements.append(self.one())
                if self.peek() == ",":
                    self.take()
            self.take()
        while self.peek().lower() in ("with", "time", "zone", "day", "year", "to", "second", "month", "precision"):
            name += " " + self.take().lower()
        if self.hive:
            numbers = [10, 0] if name == "decimal" and not numbers else numbers
            name = {"struct": "row"}.get(name, _FROM_HIVE.get(name, name))
        return build(name, numbers, elements, names)

    def field_name(self) -> str | None:
        following = self.words[self.at + 1] if self.at + 1 < len(self.words) else ""
        if self.hive:
            name = self.take()
            self.take()
            return name.strip('"').lower()
        if following in (",", ")", "(") and not self.peek().startswith('"'):
            return None
        return self.take().strip('"').replace('""', '"').lower()
