"""Conversions of JSON to other types, as CAST does them: JSON is written so that DuckDB reads it as the type wanted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from local_aws.athena.dialect.runtime.documents import Number, quoted, read, write
from local_aws.athena.dialect.runtime.doubles import scientific
from local_aws.athena.dialect.runtime.failure import invalid, unsupported
from local_aws.athena.dialect.types import TrinoType


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
    fractional = "." in value or "e" in value.lower()
    number = int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP)) if fractional else int(value)
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
    "boolean": _boolean, "decimal": _decimal, "varchar": lambda value, kind: quoted(_to_text(value)),
}  # fmt: skip


def _convert(value: Any, kind: TrinoType) -> str:
    if kind.name == "json":
        return quoted(write(value))
    if value is None:
        return "null"
    if kind.name == "array" and isinstance(value, list):
        return "[" + ",".join(_convert(item, kind.elements[0]) for item in value) + "]"
    if kind.name == "map" and isinstance(value, dict) and kind.elements[0].name == "varchar":
        return "{" + ",".join(f"{quoted(k)}:{_convert(v, kind.elements[1])}" for k, v in value.items()) + "}"
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
    value = read(text)
    return None if value is None else _convert(value, _type(kind))


REFUSING = ("trino_json_to",)
FUNCTIONS = [("trino_json_to", to_type, ["VARCHAR", "VARCHAR"], "VARCHAR")]
