"""Conversions between types as DuckDB expressions: CAST and TRY_CAST as Trino does them, and implicit ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.coercion import NUMERIC, can_coerce
from local_aws.athena.dialect.env import Typed, mismatch, refuse, text
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.types import TrinoType

NAMES = {"integer": "INT"}  # how Trino's messages call a type, where it is not the upper-case name


def coerce(value: Typed, target: TrinoType, place: Place) -> str:
    """Write a value where `target` is asked; the caller has made sure that Trino does it without being told."""
    if value.type == target:
        return value.sql
    if not can_coerce(value.type, target):
        mismatch(place, f"Cannot coerce {value.type} to {target}")
    return convert(value, target, place)


def convert(value: Typed, target: TrinoType, place: Place) -> str:
    """Write the conversion of a value as CAST does it."""
    source = value.type
    if source.name == "unknown":
        return f"CAST(NULL AS {target.to_duckdb()})"
    if source == target and source.name not in ("varchar", "char"):
        return value.sql
    handler = _HANDLERS.get((_family(source), _family(target)))
    if handler is None:
        if {_family(source), _family(target)} <= _BASIC:
            mismatch(place, f"Cannot cast {source} to {target}")
        refuse(place, f"a cast from {source} to {target}")
    if isinstance(handler, str):
        sql = handler.format(x=value.sql, t=target.to_duckdb(), p=target.precision, n=text(_name(target)))
    else:
        sql = handler(value, target, place)
    if value.volatile and (sql.count(value.sql) > 1 or "trino_" in sql.replace(value.sql, "")):
        refuse(place, f"a cast from {source} to {target} of a random value")
    return sql


def _name(kind: TrinoType) -> str:
    return NAMES.get(kind.name, str(kind).upper())


def _family(kind: TrinoType) -> str:
    if kind.name in ("tinyint", "smallint", "integer", "bigint"):
        return "whole"
    if kind.name in ("real", "double"):
        return "floating"
    return {"timestamp with time zone": "zoned"}.get(kind.name, kind.name)


def _to_varchar(sql: str, source: TrinoType, target: TrinoType) -> str:
    if target.precision >= t.UNBOUNDED:
        return sql
    if source.name in ("varchar", "char"):
        return sql if source.precision <= target.precision else f"left({sql}, {target.precision})"
    return f"trino_fits({sql}, {target.precision})"


def _varchar_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    return _to_varchar(value.sql, value.type, target)


def _char_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    return _to_varchar(f"rpad({value.sql}, {value.type.precision}, ' ')", value.type, target)


def _whole_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    return _to_varchar(f"CAST({value.sql} AS VARCHAR)", value.type, target)


def _decimal_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    written = f"CAST({value.sql} AS VARCHAR)"
    if value.type.scale == value.type.precision:  # DuckDB leaves out the zero before the point
        written = f"regexp_replace({written}, '^(-?)[.]', '\\10.')"
    return _to_varchar(written, value.type, target)


def _floating_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    return _to_varchar(f"trino_floating_scientific({value.sql})", value.type, target)


def _timestamp_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    return _to_varchar(timestamp_text(value.sql, value.type.precision), value.type, target)


def timestamp_text(sql: str, precision: int) -> str:
    """Write a timestamp as text with `precision` digits of the second's fraction."""
    if not precision:
        return f"strftime({sql}, '%Y-%m-%d %H:%M:%S')"
    return f"left(strftime({sql}, '%Y-%m-%d %H:%M:%S.%f'), {20 + precision})"


def _zoned_to_varchar(value: Typed, target: TrinoType, place: Place) -> str:
    return _to_varchar(zoned_text(value, place), value.type, target)


def zoned_text(value: Typed, place: Place) -> str:
    """Write a timestamp with time zone as text, in its own zone."""
    sql, zone = local_time(value, place)
    return f"({timestamp_text(sql, value.type.precision)} || {text(' ' + zone)})"


def local_time(value: Typed, place: Place) -> tuple[str, str]:
    """Write the local time of a timestamp with time zone; give its zone too, which must be known or UTC."""
    zone = value.type.zone
    if zone is not None:
        return f"timezone({text(zone)}, {value.sql})", zone
    if value.zoned is None:
        refuse(place, "a timestamp whose zone varies by value (give it one with AT TIME ZONE)")
    return f"timezone('UTC', {value.zoned})", "UTC"


def _zoned_to_timestamp(value: Typed, target: TrinoType, place: Place) -> str:
    return _rounded(local_time(value, place)[0], value.type.precision, target.precision)


def _zoned_to_date(value: Typed, target: TrinoType, place: Place) -> str:
    return f"CAST({local_time(value, place)[0]} AS DATE)"


def _zoned_to_zoned(value: Typed, target: TrinoType, place: Place) -> str:
    rounded = _rounded(f"timezone('UTC', {value.sql})", value.type.precision, target.precision)
    return f"timezone('UTC', {rounded})" if "trino_round" in rounded else value.sql


def _timestamp_to_timestamp(value: Typed, target: TrinoType, place: Place) -> str:
    return _rounded(value.sql, value.type.precision, target.precision)


def _rounded(sql: str, source: int, target: int) -> str:
    if target >= min(source, 6):
        return sql
    return f"trino_round_timestamp({sql}, {10 ** (6 - target)})"


def _array_to_array(value: Typed, target: TrinoType, place: Place) -> str:
    if value.type.to_duckdb() == target.to_duckdb() and value.type == target:
        return value.sql
    element = replace(value, sql="e$", type=value.type.elements[0], constant=None)
    return f"list_transform({value.sql}, lambda e$: {convert(element, target.elements[0], place)})"


def _map_to_map(value: Typed, target: TrinoType, place: Place) -> str:
    parts = []
    for function, source, wanted in zip(("map_keys", "map_values"), value.type.elements, target.elements, strict=True):
        element = Typed("e$", source)
        parts.append(f"list_transform({function}({value.sql}), lambda e$: {convert(element, wanted, place)})")
    return f"CASE WHEN {value.sql} IS NOT NULL THEN map({parts[0]}, {parts[1]}) END"


def _row_to_row(value: Typed, target: TrinoType, place: Place) -> str:
    if len(value.type.elements) != len(target.elements):
        mismatch(place, f"Cannot cast {value.type} to {target}")
    fields = []
    for position, (source, wanted) in enumerate(zip(value.type.elements, target.elements, strict=True), start=1):
        part = Typed(f"struct_extract_at({value.sql}, {position})", source)
        fields.append(convert(part, wanted, place))
    return f"CASE WHEN {value.sql} IS NOT NULL THEN CAST(row({', '.join(fields)}) AS {target.to_duckdb()}) END"


def _json_to_any(value: Typed, target: TrinoType, place: Place) -> str:
    written = f"trino_json_to({value.sql}, {text(str(target))})"
    if target.name == "varchar":
        return f"json_extract_string({written}, '$')"
    if target.name == "json":
        return value.sql
    return f"CAST(CAST({written} AS JSON) AS {target.to_duckdb()})"


def _any_to_json(value: Typed, target: TrinoType, place: Place) -> str:
    return f"trino_canonical_json(CAST({_json_of(value.sql, value.type, place)} AS VARCHAR))"


def _json_of(sql: str, kind: TrinoType, place: Place) -> str:
    if kind.name in ("array", "map"):
        element = kind.elements[-1]
        inner = _json_of("e$", element, place)
        if kind.name == "array":
            return f"to_json(list_transform({sql}, lambda e$: CAST({inner} AS JSON)))"
        if kind.elements[0].name not in ("varchar", "integer", "bigint", "smallint", "tinyint"):
            refuse(place, f"a cast of {kind} to json")
        values = f"list_transform(map_values({sql}), lambda e$: CAST({inner} AS JSON))"
        return f"to_json(map(list_transform(map_keys({sql}), lambda k$: CAST(k$ AS VARCHAR)), {values}))"
    if kind.name in ("varchar", "boolean", "whole", "tinyint", "smallint", "integer", "bigint", "double", "date"):
        return f"to_json({sql})"
    if kind.name == "decimal":
        return f"CAST({_decimal_to_varchar(Typed(sql, kind), t.VARCHAR, place)} AS JSON)"
    if kind.name == "json":
        return f"CAST({sql} AS JSON)"
    if kind.name == "timestamp":
        return f"to_json({timestamp_text(sql, kind.precision)})"
    if kind.name == "row" and t.has_names(kind):
        fields = (
            f"{text(str(name))}, CAST({_json_of(f'struct_extract_at({sql}, {i})', element, place)} AS JSON)"
            for i, (name, element) in enumerate(zip(kind.names, kind.elements, strict=True), start=1)
        )
        return f"CASE WHEN {sql} IS NOT NULL THEN json_object({', '.join(fields)}) END"
    refuse(place, f"a cast of {kind} to json")


# Among these a pair without a handler has no cast in Trino, either.
_BASIC = {"boolean", "whole", "floating", "decimal", "date", "timestamp", "zoned", "varbinary", "array", "map", "uuid"}
_PLAIN = "CAST({x} AS {t})"
# (family of the source, family of the target) -> template, or a function where more must be known.
_HANDLERS: dict[tuple[str, str], str | Callable[[Typed, TrinoType, Place], str]] = {
    **{(a, b): _PLAIN for a in ("boolean", "whole") for b in ("boolean", "whole", "floating", "decimal")},
    ("decimal", "boolean"): "({x} <> 0)",
    ("floating", "boolean"): "({x} <> 0)",
    ("decimal", "whole"): _PLAIN,
    ("decimal", "decimal"): _PLAIN,
    ("decimal", "floating"): _PLAIN,
    ("floating", "whole"): "CAST(round({x}) AS {t})",
    ("floating", "floating"): _PLAIN,
    ("floating", "decimal"): "CAST(CAST({x} AS VARCHAR) AS {t})",
    ("boolean", "varchar"): _whole_to_varchar,
    ("whole", "varchar"): _whole_to_varchar,
    ("decimal", "varchar"): _decimal_to_varchar,
    ("floating", "varchar"): _floating_to_varchar,
    ("date", "varchar"): _whole_to_varchar,
    ("uuid", "varchar"): _whole_to_varchar,
    ("timestamp", "varchar"): _timestamp_to_varchar,
    ("zoned", "varchar"): _zoned_to_varchar,
    ("varchar", "varchar"): _varchar_to_varchar,
    ("char", "varchar"): _char_to_varchar,
    ("varchar", "char"): "rtrim(left({x}, {p}), ' ')",
    ("char", "char"): "rtrim(left({x}, {p}), ' ')",
    ("varchar", "boolean"): "trino_to_boolean({x})",
    ("varchar", "whole"): "CAST(trino_whole_text({x}, {n}) AS {t})",
    ("varchar", "floating"): "CAST(trino_floating_text({x}, {n}) AS {t})",
    ("varchar", "decimal"): "CAST(trino_decimal_text({x}, {n}) AS {t})",
    ("varchar", "date"): "CAST(trino_date_text({x}) AS DATE)",
    ("varchar", "timestamp"): "trino_to_timestamp({x}, {p})",
    ("varchar", "uuid"): "CAST(trino_uuid_text({x}) AS UUID)",
    ("date", "timestamp"): _PLAIN,
    ("date", "zoned"): _PLAIN,
    ("timestamp", "date"): _PLAIN,
    ("timestamp", "timestamp"): _timestamp_to_timestamp,
    ("timestamp", "zoned"): "CAST({x} AS TIMESTAMPTZ)",
    ("zoned", "timestamp"): _zoned_to_timestamp,
    ("zoned", "zoned"): _zoned_to_zoned,
    ("zoned", "date"): _zoned_to_date,
    ("array", "array"): _array_to_array,
    ("map", "map"): _map_to_map,
    ("row", "row"): _row_to_row,
    **{(a, "json"): _any_to_json for a in ("varchar", "boolean", "whole", "decimal", "date", "timestamp", "array",
                                          "map", "row")},
    **{("json", b): _json_to_any for b in ("varchar", "boolean", "whole", "floating", "decimal", "array", "map")},
}  # fmt: skip


def numeric(kind: TrinoType) -> bool:
    """Say whether a type is a number's."""
    return kind.name in NUMERIC
