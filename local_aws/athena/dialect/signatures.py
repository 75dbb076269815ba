"""Signatures of functions as one reads them in Trino's documentation, and the choice among overloads.

A line is `name(parameter types) -> result type = DuckDB template`. Capital letters stand for any type and are bound
by the arguments; varchar(x) binds a length, decimal(p,s) its digits; function(T, U) is a lambda; a last `...` repeats.
Templates have {0}, {1}, ... for the arguments; aggregates and window functions also {d} (DISTINCT), {o} (ORDER BY),
{i} (IGNORE NULLS) and {s} (FILTER and OVER). {rest} is all repeated arguments between commas, {type} the result's
type in DuckDB.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.coercion import can_coerce, common_type
from local_aws.athena.dialect.types import TrinoType


@dataclass(frozen=True)
class Pattern:
    """A parameter's or result's type: `name` is a type's name, a capital letter, or function."""

    name: str
    elements: tuple[Pattern, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def variable(self) -> bool:
        return len(self.name) == 1 and self.name.isupper()


@dataclass(frozen=True)
class Overload:
    """One signature of a function."""

    name: str
    parameters: tuple[Pattern, ...]
    result: Pattern
    template: str
    repeats: bool
    text: str

    @property
    def aggregate(self) -> bool:
        """Say whether the template is an aggregate's or a window function's."""
        return "{s}" in self.template

    def uses(self, position: int) -> int:
        """Count how often an argument stands in the template."""
        return self.template.count(f"{{{position}}}")


Bindings = dict[str, TrinoType | int]
_LINE = re.compile(r"(\w+)\((.*?)\)\s*->\s*(\S.*?)\s+=\s+(\S.*)", re.DOTALL)


@cache
def overloads(lines: str) -> dict[str, tuple[Overload, ...]]:
    """Read a block of signatures, one a line; a line that begins with spaces continues the one before."""
    found: dict[str, tuple[Overload, ...]] = {}
    for line in filter(None, re.sub(r"\n[ \t]+", " ", lines).splitlines()):
        matched = _signature(line)
        found[matched.name] = (*found.get(matched.name, ()), matched)
    return found


def _signature(line: str) -> Overload:
    head, arrow, rest = line.partition(" -> ")
    result, equals, template = rest.partition(" = ")
    name, bracket, parameters = head.partition("(")
    if not (arrow and equals and bracket and head.endswith(")")):
        raise ValueError(f"no signature: {line}")
    repeats = parameters[:-1].endswith("...")
    written = _split(parameters[:-1].removesuffix("..."))
    return Overload(name, tuple(map(_pattern, written)), _pattern(result), template, repeats, head)


def _split(text: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return [*parts, current.strip()] if current.strip() else parts


def _pattern(text: str) -> Pattern:
    name, bracket, inner = text.strip().partition("(")
    if not bracket:
        return Pattern(name)
    parts = _split(inner.rstrip()[:-1])
    if name in ("varchar", "decimal", "timestamp", "char"):
        return Pattern(name, numbers=tuple(parts))
    return Pattern(name, tuple(map(_pattern, parts)))


def bind(pattern: Pattern, kind: TrinoType, bindings: Bindings) -> int | None:
    """Match an argument's type; give the number of conversions it takes, None if it does not fit."""
    if pattern.variable:
        known = bindings.get(pattern.name)
        common = common_type(known, kind) if isinstance(known, TrinoType) else kind
        if common is None:
            return None
        bindings[pattern.name] = common
        return 0
    if kind.name == "unknown":
        return 1
    if pattern.elements:
        if kind.name != pattern.name or len(kind.elements) != len(pattern.elements):
            return None
        costs = [bind(p, k, bindings) for p, k in zip(pattern.elements, kind.elements, strict=True)]
        return None if None in costs else sum(cost or 0 for cost in costs)
    if pattern.numbers:
        if kind.name != pattern.name:
            return None
        for label, number in zip(pattern.numbers, kind.numbers, strict=False):
            if not label.isdigit():
                known = bindings.get(label)
                bindings[label] = max(number, known) if isinstance(known, int) else number
        return 0
    if kind.name == pattern.name:
        return 0
    return 1 + _distance(kind, pattern) if can_coerce(kind, substitute(pattern, {})) else None


_WIDTH = {name: i for i, name in enumerate(
    ("tinyint", "smallint", "integer", "bigint", "decimal", "real", "double"))}  # fmt: skip


def _distance(kind: TrinoType, pattern: Pattern) -> int:
    return abs(_WIDTH.get(pattern.name, 0) - _WIDTH.get(kind.name, 0))


# Lengths of results that follow from the arguments' lengths, by the names that signatures give them.
_LENGTHS: dict[str, Callable[[int, int, int], int]] = {
    "replaced": lambda x, y, z: x + z * (x + 1),
    "substituted": lambda x, y, z: x + max(x * y // 2, y) * (x + 1),
    "encoded": lambda x, y, z: x * 12,
}


def _number(label: str, bindings: Bindings) -> int | None:
    if label.isdigit():
        return int(label)
    if label in _LENGTHS:
        x, y, z = (bindings.get(name, 0) for name in "xyz")
        return _LENGTHS[label](x, y, z) if isinstance(x, int) and isinstance(y, int) and isinstance(z, int) else None
    found = bindings.get(label)
    return found if isinstance(found, int) else None


def substitute(pattern: Pattern, bindings: Bindings) -> TrinoType:
    """Make a pattern a type."""
    if pattern.variable:
        bound = bindings.get(pattern.name)
        return bound if isinstance(bound, TrinoType) else t.UNKNOWN
    if pattern.elements:
        inner = [substitute(element, bindings) for element in pattern.elements]
        names: list[str | None] = [None] * len(inner)
        return t.row(names, inner) if pattern.name == "row" else TrinoType(pattern.name, elements=tuple(inner))
    if pattern.numbers:
        numbers = [_number(label, bindings) for label in pattern.numbers]
        if all(isinstance(number, int) for number in numbers):
            found = tuple(number for number in numbers if isinstance(number, int))
            return t.varchar(*found) if pattern.name == "varchar" else TrinoType(pattern.name, found)
        return t.VARCHAR if pattern.name == "varchar" else t.UNKNOWN
    defaults = {"varchar": t.VARCHAR, "timestamp": t.timestamp(3), "timestamptz": t.timestamp(3, "UTC")}
    return defaults.get(pattern.name) or TrinoType(_SPELLED.get(pattern.name, pattern.name))


_SPELLED = {"day_to_second": "interval day to second", "year_to_month": "interval year to month"}
