"""JSON: reading, Trino's canonical text, both kinds of paths, conversions to other types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from local_aws.athena.dialect.runtime.doubles import java_double, scientific
from local_aws.athena.dialect.runtime.failure import invalid, unsupported
from local_aws.athena.dialect.types import TrinoType


class Number(str):
    """A number as it is written in the document."""


class _Broken(Exception):
    """A text that is no JSON."""


def _read(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    try:
        return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=_no_constant,
                          object_pairs_hook=pairs)  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise _Broken(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        unsupported("a JSON path into an object with a key that comes twice")
    return found


def _no_constant(word: str) -> Any:
    raise _Broken(f"{word} is no JSON")


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _string(text: str) -> str:
    return '"' + re.sub(r'["\\\x00-\x1f]', lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04X}", text) + '"'


def _write(value: Any, order: bool = True) -> str:
    if isinstance(value, dict):
        pairs = sorted(value.items()) if order else value.items()
        return "{" + ",".join(f"{_string(key)}:{_write(item, order)}" for key, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(item, order) for item in value) + "]"
    if isinstance(value, Number):
        if re.fullmatch(r"-?\d+", value):
            return str(int(value))
        return java_double(float(value))
    if isinstance(value, str):
        return _string(value)
    return {True: "true", False: "false"}.get(value, "null") if value is not None else "null"


def parse(text: str) -> str:
    """Read a document and write it canonically: keys in order, no spaces, numbers as Java writes them."""
    try:
        return _write(_read(text))
    except _Broken as error:
        invalid(f"Cannot convert value to JSON: '{text}' ({error})")


def canonical(text: str) -> str:
    """Put the keys of a document of our own making in order; numbers stay as they are written."""

    def write(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{_string(key)}:{write(item)}" for key, item in sorted(value.items())) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(write, value)) + "]"
        return str(value) if isinstance(value, Number) else _write(value)

    return write(_read(text))


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[str | int, ...]:
    """Read a path of names and positions; the richer ones are refused."""
    if not path.startswith("$"):
        unsupported(f"the JSON path {path}")
    steps: list[str | int] = []
    rest = path[1:]
    while rest:
        found = re.match(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\[\"((?:[^\"\\])*)\"\]|\['((?:[^'\\])*)'\]|\.\"([^\"\\]*)\"", rest)
        if not found:
            unsupported(f"the JSON path {path}")
        name = next((group for group in (found[1], found[3], found[4], found[5]) if group is not None), None)
        steps.append(name if name is not None else int(found[2]))
        rest = rest[found.end() :]
    return tuple(steps)


_MISSING = object()


def _at(text: str, path: str) -> Any:
    steps = _steps(path)
    try:
        value = _read(text, _unique)
    except _Broken:
        if re.match(r"\s*[\[{]", text):
            # Trino reads only as far as the path leads; what it would find in half a document is not known here.
            unsupported("a JSON path into a document that is not well-formed")
        return _MISSING
    for step in steps:
        if isinstance(step, int) and isinstance(value, list):
            value = value[step] if step < len(value) else _MISSING
        elif isinstance(value, dict):
            value = value.get(str(step), _MISSING)
        else:
            return _MISSING
        if value is _MISSING:
            return _MISSING
    return value


def extract(text: str, path: str) -> str | None:
    """Give the part of a document at a path; None if there is none."""
    found = _at(text, path)
    return None if found is _MISSING else _write(found, order=False)


def extract_scalar(text: str, path: str) -> str | None:
    """Give the number, text or boolean at a path; None for anything else."""
    found = _at(text, path)
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str) else None


def array_length(text: str) -> int | None:
    """Count the elements of an array; None for anything else."""
    found = _at(text, "$")
    return len(found) if isinstance(found, list) else None


def array_contains(text: str, value: str, kind: str) -> bool | None:
    """Say whether an array has an element; None if the document is no array."""
    found = _at(text, "$")
    if not isinstance(found, list):
        return None
    if kind == "boolean":
        return any(isinstance(item, bool) and item == (value == "true") for item in found)
    if kind == "string":
        return any(isinstance(item, str) and not isinstance(item, Number) and item == value for item in found)
    return any(isinstance(item, Number) and re.fullmatch(r"-?\d+", item) and int(item) == int(value) for item in found)


def array_get(text: str, index: int) -> str | None:
    """Give an element of an array, counted from 0, or from the end below 0."""
    found = _at(text, "$")
    if not isinstance(found, list) or not -len(found) <= index < len(found):
        return None
    if isinstance(found[index], str) and not isinstance(found[index], Number):
        unsupported("json_array_get of a text")
    return None if found[index] is None else _write(found[index])


def size(text: str, path: str) -> int | None:
    """Count the members of an object or the elements of an array; 0 for scalars."""
    found = _at(text, path)
    if found is _MISSING:
        return None
    return len(found) if isinstance(found, dict | list) else 0


def is_scalar(text: str) -> bool:
    """Say whether a document is a number, a text, a boolean or null."""
    try:
        return not isinstance(_read(text), dict | list)
    except _Broken:
        invalid(f"Invalid JSON value: {text}")


def _sql_path(text: str, path: str) -> list[Any] | None:
    """Follow an SQL/JSON path in lax mode: arrays are looked into; None if the document is no JSON."""
    mode, _, steps = path.strip().partition(" ")
    if mode != "lax":
        unsupported(f"the JSON path {path}")
    try:
        values = [_read(text, _unique)]
    except _Broken:
        return None
    for step in _steps(steps.strip()):
        found: list[Any] = []
        for value in values:
            if isinstance(step, int):
                items = value if isinstance(value, list) else [value]
                found += items[step : step + 1]
            else:
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict) and step in item:
                        found.append(item[step])
        values = found
    return values


def sql_value(text: str, path: str) -> str | None:
    """Answer JSON_VALUE with NULL on empty and on error."""
    found = _sql_path(text, path)
    if found is None or len(found) != 1 or isinstance(found[0], dict | list) or found[0] is None:
        return None
    value = found[0]
    if isinstance(value, Number) and not re.fullmatch(r"-?\d+", value):
        unsupported("json_value of a number with a point")
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def sql_query(text: str, path: str) -> str | None:
    """Answer JSON_QUERY without a wrapper, with NULL on empty and on error."""
    found = _sql_path(text, path)
    if found is None or len(found) != 1:
        return None
    if isinstance(found[0], Number) and not re.fullmatch(r"-?\d+", found[0]):
        unsupported("json_query of a number with a point")
    return _write(found[0], order=False)


def sql_exists(text: str, path: str) -> bool:
    """Answer JSON_EXISTS with FALSE on error."""
    return bool(_sql_path(text, path))


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return str(value) if re.fullmatch(r"-?\d+", value) else scientific(float(value))
    return str(value)


def _whole(value: Any, kind: TrinoType) -> str:
    bits = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}[kind.name]
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, Number) and not re.fullmatch(r"[+-]?\d+", value):
        invalid(f"Cannot cast '{value}' to {kind}", "INVALID_CAST_ARGUMENT")
    number = int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP)) if "." in value or "e" in value.lower() else int(value)
    if not -(2**bits) <= number < 2**bits:
        invalid(f"Out of range for {kind}: {number}", "INVALID_CAST_ARGUMENT")
    return str(number)


def _floating(value: Any, kind: TrinoType) -> str:
    if isinstance(value, bool):
        return "1.0" if value else "0.0"
    try:
        number = float(value)
    except ValueError:
        invalid(f"Cannot cast '{value}' to {kind}", "INVALID_CAST_ARGUMENT")
    if not math.isfinite(number) or "_" in value:
        unsupported(f"a cast of the JSON value {value} to {kind}")
    return repr(number)


def _boolean(value: Any, kind: TrinoType) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return "true" if float(value) else "false"
    if value.lower() in ("true", "t", "1", "false", "f", "0"):
        return "true" if value.lower() in ("true", "t", "1") else "false"
    invalid(f"Cannot cast '{value}' to BOOLEAN", "INVALID_CAST_ARGUMENT")


def _decimal(value: Any, kind: TrinoType) -> str:
    if not isinstance(value, Number):
        unsupported(f"a cast of the JSON value {value} to {kind}")
    return format(Decimal(value).quantize(Decimal(1).scaleb(-kind.scale), ROUND_HALF_UP), "f")


_SCALARS: dict[str, Callable[[Any, TrinoType], str]] = {
    "tinyint": _whole, "smallint": _whole, "integer": _whole, "bigint": _whole, "real": _floating, "double": _floating,
    "boolean": _boolean, "decimal": _decimal, "varchar": lambda value, kind: _string(_to_text(value)),
}  # fmt: skip


def _convert(value: Any, kind: TrinoType) -> str:
    if kind.name == "json":
        return _string(_write(value))
    if value is None:
        return "null"
    if kind.name == "array" and isinstance(value, list):
        return "[" + ",".join(_convert(item, kind.elements[0]) for item in value) + "]"
    if kind.name == "map" and isinstance(value, dict) and kind.elements[0].name == "varchar":
        return "{" + ",".join(f"{_string(k)}:{_convert(v, kind.elements[1])}" for k, v in value.items()) + "}"
    if kind.name not in _SCALARS:
        unsupported(f"a cast of JSON to {kind}")
    if isinstance(value, dict | list):
        invalid(f"Cannot cast to {kind}: a JSON {type(value).__name__}", "INVALID_CAST_ARGUMENT")
    return _SCALARS[kind.name](value, kind)


@lru_cache(maxsize=64)
def _type(text: str) -> TrinoType:
    return TrinoType.from_text(text)


def to_type(text: str, kind: str) -> str | None:
    """Write a document so that DuckDB reads it as the wanted type; None for JSON's null."""
    value = _read(text)
    return None if value is None else _convert(value, _type(kind))


_TEXT = "VARCHAR"
REFUSING = ("trino_json_extract", "trino_json_extract_scalar", "trino_json_array_length", "trino_json_array_contains",
            "trino_json_array_get", "trino_json_size", "trino_sql_json_value", "trino_sql_json_query",
            "trino_sql_json_exists", "trino_json_to")  # fmt: skip
FUNCTIONS = [
    ("trino_json_parse", parse, [_TEXT], _TEXT),
    ("trino_canonical_json", canonical, [_TEXT], _TEXT),
    ("trino_json_extract", extract, [_TEXT] * 2, _TEXT),
    ("trino_json_extract_scalar", extract_scalar, [_TEXT] * 2, _TEXT),
    ("trino_json_array_length", array_length, [_TEXT], "BIGINT"),
    ("trino_json_array_contains", array_contains, [_TEXT] * 3, "BOOLEAN"),
    ("trino_json_array_get", array_get, [_TEXT, "BIGINT"], _TEXT),
    ("trino_json_size", size, [_TEXT] * 2, "BIGINT"),
    ("trino_is_json_scalar", is_scalar, [_TEXT], "BOOLEAN"),
    ("trino_sql_json_value", sql_value, [_TEXT] * 2, _TEXT),
    ("trino_sql_json_query", sql_query, [_TEXT] * 2, _TEXT),
    ("trino_sql_json_exists", sql_exists, [_TEXT] * 2, "BOOLEAN"),
    ("trino_json_to", to_type, [_TEXT] * 2, _TEXT),
]
