"""JSON: reading, Trino's canonical text, both kinds of paths."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from local_aws.athena.dialect.runtime.doubles import java_double
from local_aws.athena.dialect.runtime.failure import invalid, unsupported


class Number(str):
    """A number as it is written in the document."""


class _Broken(Exception):
    """A text that is no JSON."""


def read(text: str, pairs: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Read a document; numbers stay as they are written."""
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


def quoted(text: str) -> str:
    """Write a text as JSON."""
    return '"' + re.sub(r'["\\\x00-\x1f]', lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04X}", text) + '"'


def write(value: Any, order: bool = True) -> str:
    """Write a value as JSON without spaces, with its keys in order unless told otherwise."""
    if isinstance(value, dict):
        pairs = sorted(value.items()) if order else value.items()
        return "{" + ",".join(f"{quoted(key)}:{write(item, order)}" for key, item in pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item, order) for item in value) + "]"
    if isinstance(value, Number):
        if re.fullmatch(r"-?\d+", value):
            return str(int(value))
        return java_double(float(value))
    if isinstance(value, str):
        return quoted(value)
    return {True: "true", False: "false"}.get(value, "null") if value is not None else "null"


def parse(text: str) -> str:
    """Read a document and write it canonically: keys in order, no spaces, numbers as Java writes them."""
    try:
        return write(read(text))
    except _Broken as error:
        invalid(f"Cannot convert value to JSON: '{text}' ({error})")


def canonical(text: str) -> str:
    """Put the keys of a document of our own making in order; numbers stay as they are written."""

    def plain(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{quoted(key)}:{plain(item)}" for key, item in sorted(value.items())) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(plain, value)) + "]"
        return str(value) if isinstance(value, Number) else write(value)

    return plain(read(text))


_STEP = re.compile(
    r"""\.([A-Za-z_][\w-]*) | \[(\d+)\] | \["([^"\\]*)"\] | \['([^'\\]*)'\] | \."([^"\\]*)\"""", re.VERBOSE
)


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[str | int, ...]:
    """Read a path of names and positions; the richer ones are refused."""
    if not path.startswith("$"):
        unsupported(f"the JSON path {path}")
    steps: list[str | int] = []
    rest = path[1:]
    while rest:
        found = _STEP.match(rest)
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
        value = read(text, _unique)
    except _Broken:
        if re.match(r"\s*[\[{]", text):
            # Trino reads only as far as the path leads; what it would find in half a document is not known here.
            unsupported("a JSON path into a document that is not well-formed")
        return _MISSING
    for step in steps:
        if isinstance(value, list):
            # A name that is a number is a position, too.
            at = int(step) if re.fullmatch(r"[+-]?\d+", str(step)) else -1
            value = value[at] if 0 <= at < len(value) else _MISSING
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
    return None if found is _MISSING else write(found, order=False)


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
    return None if found[index] is None else write(found[index])


def size(text: str, path: str) -> int | None:
    """Count the members of an object or the elements of an array; 0 for scalars."""
    found = _at(text, path)
    if found is _MISSING:
        return None
    return len(found) if isinstance(found, dict | list) else 0


def is_scalar(text: str) -> bool:
    """Say whether a document is a number, a text, a boolean or null."""
    try:
        return not isinstance(read(text), dict | list)
    except _Broken:
        invalid(f"Invalid JSON value: {text}")


def _sql_path(text: str, path: str) -> list[Any] | None:
    """Follow an SQL/JSON path in lax mode: arrays are looked into; None if the document is no JSON."""
    mode, _, steps = path.strip().partition(" ")
    if mode != "lax":
        unsupported(f"the JSON path {path}")
    try:
        values = [read(text, _unique)]
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
    return write(found[0], order=False)


def sql_exists(text: str, path: str) -> bool:
    """Answer JSON_EXISTS with FALSE on error."""
    return bool(_sql_path(text, path))


_TEXT = "VARCHAR"
REFUSING = ("trino_json_extract", "trino_json_extract_scalar", "trino_json_array_length", "trino_json_array_contains",
            "trino_json_array_get", "trino_json_size", "trino_sql_json_value", "trino_sql_json_query",
            "trino_sql_json_exists")  # fmt: skip
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
]
