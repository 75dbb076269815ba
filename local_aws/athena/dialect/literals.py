"""Literals, names, constructors, access to fields and elements."""

from __future__ import annotations

import datetime
import re

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.coercion import common_type
from local_aws.athena.dialect.conversion import coerce, convert
from local_aws.athena.dialect.env import Column, Env, Typed, mismatch, refuse, text
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_TIMESTAMP = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2})(?: (\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?)?)?(?:\s*([A-Za-z+-].*))?", re.DOTALL
)
_SECONDS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def literal(env: Env, node: n.Literal) -> Typed:
    """Write a literal with Trino's type made plain, since DuckDB's own number literals fit themselves to others."""
    if node.kind == "null":
        return Typed("NULL", t.UNKNOWN)
    if node.kind == "boolean":
        return Typed(node.text, t.BOOLEAN, node.text == "true")
    if node.kind == "string":
        return Typed(f"CAST({text(node.text)} AS VARCHAR)", t.varchar(len(node.text)), node.text)
    if node.kind == "binary":
        return Typed(f"from_hex('{node.text}')", t.VARBINARY)
    if node.kind == "integer":
        return _integer(node)
    if node.kind == "double":
        return Typed(f"CAST({text(node.text)} AS DOUBLE)", t.DOUBLE, float(node.text))
    return _decimal(node.text, node.place)


def _integer(node: n.Literal) -> Typed:
    number = int(node.text)
    if -(2**31) <= number < 2**31:
        return Typed(f"({number})::INTEGER", t.INTEGER, number)
    if -(2**63) <= number < 2**63:
        return Typed(f"({number})::BIGINT", t.BIGINT, number)
    raise QueryError("INVALID_LITERAL", f"{node.place}: Invalid numeric literal: {node.text}")


def _decimal(written: str, place: Place) -> Typed:
    found = re.fullmatch(r"([+-]?)(\d*)(?:\.(\d*))?", written.strip())
    if not found or not (found[2] or found[3]):
        raise QueryError("INVALID_LITERAL", f"{place}: '{written}' is not a valid decimal literal")
    whole, fraction = found[2].lstrip("0"), found[3] or ""
    precision = max(len(whole) + len(fraction), 1)
    if precision > 38:
        raise QueryError("INVALID_LITERAL", f"{place}: a decimal literal has at most 38 digits: {written}")
    kind = t.decimal(precision, len(fraction))
    return Typed(f"CAST('{found[1]}{whole or '0'}.{fraction or '0'}' AS {kind.to_duckdb()})", kind)


def typed_literal(env: Env, node: n.TypedLiteral) -> Typed:
    """Write a literal with its type's name before it."""
    if node.type_name == "date":
        _check_day(node, "DATE")
        return Typed(f"CAST({text(node.text.strip())} AS DATE)", t.DATE, node.text.strip())
    if node.type_name == "timestamp":
        return _timestamp(node)
    if node.type_name == "decimal":
        return _decimal(node.text, node.place)
    plain = ("boolean", "tinyint", "smallint", "integer", "int", "bigint", "real", "double", "varchar", "json", "uuid")
    if node.type_name not in plain:
        refuse(node.place, f"a literal of type {node.type_name}")
    value = Typed(f"CAST({text(node.text)} AS VARCHAR)", t.varchar(len(node.text)), node.text)
    kind = TrinoType.from_text(node.type_name)
    if kind == t.JSON:
        return Typed(f"trino_json_parse({value.sql})", t.JSON)
    return Typed(convert(value, kind, node.place), kind)


def _check_day(node: n.TypedLiteral, kind: str) -> None:
    found = _DATE.fullmatch(node.text.strip())
    try:
        datetime.date(*(int(part) for part in found.groups() if part) if found else ())
    except (TypeError, ValueError):
        raise QueryError("INVALID_LITERAL", f"{node.place}: '{node.text}' is not a valid {kind} literal") from None


def _timestamp(node: n.TypedLiteral) -> Typed:
    found = _TIMESTAMP.fullmatch(node.text.strip())
    if not found:
        raise QueryError("INVALID_LITERAL", f"{node.place}: '{node.text}' is not a valid TIMESTAMP literal")
    day, hour, minute, second, fraction, zone = found.groups()
    _check_day(n.TypedLiteral(node.place, "date", day), "TIMESTAMP")
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        raise QueryError("INVALID_LITERAL", f"{node.place}: '{node.text}' is not a valid TIMESTAMP literal")
    precision = len(fraction or "")
    if precision > 6:
        refuse(node.place, "a timestamp finer than microseconds")
    written = f"{day} {hour or '0'}:{minute or '0'}:{second or '0'}.{fraction or '0'}"
    sql = f"CAST('{written}' AS TIMESTAMP)"
    if zone is None:
        return Typed(sql, t.timestamp(precision))
    zone = zone_name(zone, node.place)
    return Typed(f"timezone({text(zone)}, {sql})", t.timestamp(precision, zone))


def zone_name(zone: str, place: Place) -> str:
    """Check a time zone's name; offsets other than whole hours are refused, since DuckDB has no name for them."""
    if zone.upper() in ("UTC", "Z", "GMT", "+00:00"):
        return "UTC"
    if not re.fullmatch(r"[A-Za-z]+(?:[_/][A-Za-z_+\-0-9]+)+", zone):
        refuse(place, f"the time zone '{zone}' (use a region such as Europe/Paris, or UTC)")
    return zone


def interval(env: Env, node: n.IntervalLiteral) -> Typed:
    """Write an interval as months, or as microseconds."""
    if node.end is not None:
        refuse(node.place, "an interval of several units")
    if not re.fullmatch(r"[+-]?\d+(\.\d{1,3})?" if node.start == "second" else r"[+-]?\d+", node.text.strip()):
        raise QueryError("INVALID_LITERAL", f"{node.place}: Invalid INTERVAL {node.start.upper()} value: {node.text}")
    if node.start in ("year", "month"):
        months = node.sign * int(node.text) * (12 if node.start == "year" else 1)
        return Typed(f"to_months(({months})::INTEGER)", t.YEAR_TO_MONTH, months)
    micros = round(node.sign * float(node.text) * 1_000_000) * _SECONDS[node.start]
    return Typed(f"to_microseconds(({micros})::BIGINT)", t.DAY_TO_SECOND, micros)


def name(env: Env, node: n.Name) -> Typed:
    """Find a column or a lambda's variable."""
    if node.text in env.variables:
        return env.variables[node.text]
    return resolve(env, (node.text,), node.place)


def resolve(env: Env, parts: tuple[str, ...], place: Place) -> Typed:
    """Find the one column of a name."""
    found = env.scope.find(parts)
    if len(found) > 1:
        raise QueryError("AMBIGUOUS_NAME", f"{place}: Column '{'.'.join(parts)}' is ambiguous")
    if found:
        return of_column(found[0])
    if parts[-1].startswith("$"):
        refuse(place, f"the hidden column {parts[-1]}")
    raise QueryError(
        "COLUMN_NOT_FOUND",
        f"{place}: Column '{'.'.join(parts)}' cannot be resolved or requester is not authorized to access"
        " requested resources",
    )


def of_column(column: Column) -> Typed:
    """Make a column an expression."""
    return Typed(column.sql, column.type, zoned=column.zoned)


def field(env: Env, node: n.Field) -> Typed:
    """Find a qualified column, or a field of a row."""
    parts = _parts(node)
    if parts and parts[0] not in env.variables:
        if env.scope.find(parts):
            return resolve(env, parts, node.place)
        if not env.scope.find(parts[:-1]) and not isinstance(node.base, n.Field):
            resolve(env, parts, node.place)
    base = env.translate(node.base)
    if base.type.name != "row":
        mismatch(node.place, f"Expression {_written(node.base)} is not of type ROW")
    matching = [i for i, label in enumerate(base.type.names) if label and label.lower() == node.name]
    if len(matching) != 1:
        raise QueryError("COLUMN_NOT_FOUND", f"{node.place}: Column '{_written(node)}' cannot be resolved")
    position = matching[0]
    return Typed(f"struct_extract_at({base.sql}, {position + 1})", base.type.elements[position])


def _parts(node: n.Expression) -> tuple[str, ...]:
    if isinstance(node, n.Name):
        return (node.text,)
    if isinstance(node, n.Field):
        before = _parts(node.base)
        return (*before, node.name) if before else ()
    return ()


def _written(node: n.Expression) -> str:
    return ".".join(_parts(node)) or type(node).__name__.lower()


def unify(env: Env, items: tuple[n.Expression, ...], place: Place) -> tuple[list[str], TrinoType]:
    """Translate expressions that must meet in one type."""
    values = [env.translate(item) for item in items]
    kind = t.UNKNOWN
    for value in values:
        common = common_type(kind, value.type)
        if common is None:
            mismatch(place, f"All expressions must be of the same type: {kind}, {value.type}")
        kind = common
    return [coerce(value, kind, place) for value in values], kind


def array(env: Env, node: n.ArrayOf) -> Typed:
    """Make an array."""
    items, kind = unify(env, node.items, node.place)
    return Typed(f"CAST([{', '.join(items)}] AS {t.array(kind).to_duckdb()})", t.array(kind))


def row(env: Env, node: n.RowOf) -> Typed:
    """Make a row; its fields have no names."""
    values = [env.translate(item) for item in node.items]
    kind = t.row([None] * len(values), [value.type for value in values])
    return Typed(f"CAST(row({', '.join(value.sql for value in values)}) AS {kind.to_duckdb()})", kind)


def subscript(env: Env, node: n.Subscript) -> Typed:
    """Take an element: out of range and missing keys fail, as in Trino."""
    base, index = env.translate(node.base), env.translate(node.index)
    if base.volatile or index.volatile:
        refuse(node.place, "a subscript of a value that is random")
    if base.type.name == "array":
        position = coerce(index, t.BIGINT, node.place)
        return Typed(f"trino_subscript({base.sql}, {position})", base.type.elements[0])
    if base.type.name == "map":
        key = coerce(index, base.type.elements[0], node.place)
        return Typed(f"trino_map_value({base.sql}, {key}, {_key_text(key)})", base.type.elements[1])
    if base.type.name == "row" and isinstance(index.constant, int) and 0 < index.constant <= len(base.type.elements):
        return Typed(f"struct_extract_at({base.sql}, {index.constant})", base.type.elements[index.constant - 1])
    mismatch(node.place, f"Cannot use {index.type} for subscript of {base.type}")


def _key_text(key: str) -> str:
    return f"CAST({key} AS VARCHAR)"
