"""Trino's implicit conversions: which type two operands meet in, and what may stand where another type is asked."""

from __future__ import annotations

from dataclasses import replace

from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.types import TrinoType

WHOLE_DIGITS = {"tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19}
# What each number widens to, nearest first. A decimal stands between the whole numbers and the floating ones.
_WIDER = {
    "tinyint": ("smallint", "integer", "bigint", "decimal", "real", "double"),
    "smallint": ("integer", "bigint", "decimal", "real", "double"),
    "integer": ("bigint", "decimal", "real", "double"),
    "bigint": ("decimal", "real", "double"),
    "decimal": ("real", "double"),
    "real": ("double",),
    "date": ("timestamp", "timestamp with time zone"),
    "timestamp": ("timestamp with time zone",),
    "varchar": ("char",),
}
NUMERIC = ("tinyint", "smallint", "integer", "bigint", "decimal", "real", "double")


def as_decimal(kind: TrinoType) -> TrinoType:
    """Give the decimal that holds every value of a whole number's type."""
    return t.decimal(WHOLE_DIGITS[kind.name], 0) if kind.name in WHOLE_DIGITS else kind


def common_type(left: TrinoType, right: TrinoType) -> TrinoType | None:
    """Find the type in which both can be compared or returned; None if there is none."""
    if left == right:
        return left if t.zones(left) == t.zones(right) and len(t.zones(left)) < 2 else _zoneless(left)
    if left.name == "unknown":
        return right
    if right.name == "unknown":
        return left
    if left.name == right.name:
        return _same_name(left, right)
    if right.name in _WIDER.get(left.name, ()):
        return _widened(left, right)
    if left.name in _WIDER.get(right.name, ()):
        return _widened(right, left)
    return None


def _zoneless(kind: TrinoType) -> TrinoType:
    return replace(kind, zone=None, elements=tuple(_zoneless(element) for element in kind.elements))


def _same_name(left: TrinoType, right: TrinoType) -> TrinoType | None:
    if left.name == "decimal":
        scale = max(left.scale, right.scale)
        return t.decimal(max(left.precision - left.scale, right.precision - right.scale) + scale, scale)
    if left.elements:
        if len(left.elements) != len(right.elements):
            return None
        inner = [common_type(a, b) for a, b in zip(left.elements, right.elements, strict=True)]
        if any(element is None for element in inner):
            return None
        names = tuple(a if a == b else None for a, b in zip(left.names, right.names, strict=True))
        return TrinoType(left.name, elements=tuple(element for element in inner if element), names=names)
    zone = left.zone if left.zone == right.zone else None
    return TrinoType(left.name, (max(left.precision, right.precision),), zone=zone)


def _widened(narrow: TrinoType, wide: TrinoType) -> TrinoType | None:
    if wide.name == "decimal":
        return _same_name(as_decimal(narrow), wide)
    if wide.name == "char":
        return TrinoType("char", (max(narrow.precision, wide.precision),)) if narrow.precision <= 65536 else None
    if narrow.name == "timestamp":
        zone = "UTC" if wide.zone == "UTC" else None
        return TrinoType(wide.name, (max(narrow.precision, wide.precision),), zone=zone)
    if narrow.name == "date" and wide.zone:
        return t.with_zone(wide, "UTC" if wide.zone == "UTC" else None)
    return wide


def can_coerce(source: TrinoType, target: TrinoType) -> bool:
    """Say whether a value of one type may stand where the other is asked."""
    return common_type(source, target) == target


def arithmetic_decimal(operator: str, left: TrinoType, right: TrinoType) -> TrinoType | None:
    """Give the decimal that an operation on decimals has in Trino; None: the scale is beyond 38 digits."""
    digits = max(left.precision - left.scale, right.precision - right.scale)
    scale = max(left.scale, right.scale)
    if operator in "+-":
        return t.decimal(digits + scale + 1, scale)
    if operator == "*":
        scale = left.scale + right.scale
        return t.decimal(left.precision + right.precision, scale) if scale <= 38 else None
    if operator == "/":
        return t.decimal(left.precision + right.scale + max(right.scale - left.scale, 0), scale)
    return t.decimal(min(left.precision - left.scale, right.precision - right.scale) + scale, scale)
