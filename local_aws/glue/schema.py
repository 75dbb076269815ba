"""Hive types of columns, and how the schemas of many files become a table's.

Types are written as the Data Catalog writes them: `bigint`, `decimal(10,2)`, `array<struct<a:int,b:string>>`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

INTEGERS = ("tinyint", "smallint", "int", "bigint")
FLOATS = ("float", "double")
MAX_PRECISION = 38


@dataclass(frozen=True)
class HiveType:
    """One type. `fields` are a struct's, an array's one element or a map's key and value; `digits` a decimal's."""

    name: str
    fields: "tuple[tuple[str, HiveType], ...]" = ()
    digits: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.digits[0]},{self.digits[1]})"
        if self.name == "struct":
            return "struct<" + ",".join(f"{name}:{type_}" for name, type_ in self.fields) + ">"
        if self.fields:
            return f"{self.name}<" + ",".join(str(type_) for _, type_ in self.fields) + ">"
        return "string" if self.name == "void" else self.name


STRING = HiveType("string")
VOID = HiveType("void")  # a column that holds nothing but nulls: any type fits, and alone it is a string


def struct_of(fields: Sequence[tuple[str, HiveType]]) -> HiveType:
    """Return a struct; its field names are lower-case, as the catalog has them."""
    return HiveType("struct", tuple((name.lower(), type_) for name, type_ in fields))


def array_of(element: HiveType) -> HiveType:
    """Return an array."""
    return HiveType("array", (("element", element),))


def map_of(key: HiveType, value: HiveType) -> HiveType:
    """Return a map."""
    return HiveType("map", (("key", key), ("value", value)))


def parse_type(text: str) -> HiveType:
    """Read a type as the catalog writes it; what is not understood is a type of that name, equal only to itself."""
    text = text.strip().lower()
    name, bracket, rest = text.partition("<")
    if bracket and rest.endswith(">"):
        parts = _split_outside(rest[:-1], ",")
        if name == "struct":
            pairs = [part.partition(":") for part in parts]
            return struct_of([(field.strip(), parse_type(type_)) for field, _, type_ in pairs])
        if name == "array" and len(parts) == 1:
            return array_of(parse_type(parts[0]))
        if name == "map" and len(parts) == 2:
            return map_of(parse_type(parts[0]), parse_type(parts[1]))
    if decimal := re.fullmatch(r"decimal(?:\((\d+)(?:,\s*(\d+))?\))?", text):
        return HiveType("decimal", digits=(int(decimal[1] or 10), int(decimal[2] or 0)))
    return HiveType("int" if text == "integer" else text)


def _split_outside(text: str, separator: str) -> list[str]:
    """Split at the separators that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<(") - (character in ">)")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def holds(wide: HiveType, narrow: HiveType, text: bool) -> bool:
    """Tell whether a column declared as `wide` can stay so when files hold `narrow`."""
    if narrow == STRING and re.fullmatch(r"(varchar|char)\(\d+\)", wide.name):
        return True  # files know no lengths
    return merge_types(wide, narrow, text) == wide


@dataclass(frozen=True)
class Column:
    """A column of a file or table, its name in lower case."""

    name: str
    type: HiveType


@dataclass(frozen=True)
class Conflict:
    """Two types of one column that no type but string holds, and the file that brought the second."""

    column: str
    types: tuple[str, str]
    source: str


def merge_types(first: HiveType, second: HiveType, text: bool) -> HiveType | None:
    """Return the type that holds both, or None.

    `text` tells whether the values are text (CSV, JSON), which any reader can take as a wider type. A Parquet file is
    read as what it stores, so there only integers and floats of more bits, and decimals of more digits, hold both.
    """
    if first == second or second == VOID:
        return first
    if first == VOID:
        return second
    if first.name == second.name:
        return _merge_same(first, second, text)
    for family in (INTEGERS, FLOATS):
        if first.name in family and second.name in family:
            return max(first, second, key=lambda type_: family.index(type_.name))
    numbers = (*INTEGERS, *FLOATS)
    if text and first.name in numbers and second.name in numbers:
        return HiveType("double")
    return None


def _merge_same(first: HiveType, second: HiveType, text: bool) -> HiveType | None:
    if first.name == "decimal":
        scale = max(first.digits[1], second.digits[1])
        precision = max(each.digits[0] - each.digits[1] for each in (first, second)) + scale
        return HiveType("decimal", digits=(precision, scale)) if precision <= MAX_PRECISION else None
    if first.name == "struct":
        fields = dict(first.fields)
        for name, type_ in second.fields:
            merged = merge_types(fields.get(name, VOID), type_, text)
            if merged is None:
                return None
            fields[name] = merged
        return HiveType("struct", tuple(fields.items()))
    merged_parts = []
    for (name, left), (_, right) in zip(first.fields, second.fields, strict=True):
        part = merge_types(left, right, text)
        if part is None:
            return None
        merged_parts.append((name, part))
    return HiveType(first.name, tuple(merged_parts))


class SchemaMerge:
    """Gather the columns of many files, in the order in which they are first seen."""

    def __init__(self, text: bool) -> None:
        self._text = text
        self._types: dict[str, HiveType] = {}
        self.conflicts: list[Conflict] = []

    def add(self, columns: Sequence[Column], source: str) -> None:
        """Add one file's columns; where no type holds both, the column becomes a string and a conflict is noted."""
        for column in columns:
            known = self._types.get(column.name, VOID)
            merged = merge_types(known, column.type, self._text)
            if merged is None:
                self.conflicts.append(Conflict(column.name, (str(known), str(column.type)), source))
                merged = STRING
            self._types[column.name] = merged

    @property
    def columns(self) -> list[Column]:
        """The columns of all files."""
        return [Column(name, type_) for name, type_ in self._types.items()]
