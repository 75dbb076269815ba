"""Dates and times as text, and their zones."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.conversion import coerce, local_time
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse, text
from local_aws.athena.dialect.literals import zone_name
from local_aws.athena.dialect.operators import in_zone
from local_aws.athena.dialect.runtime.calendars import check_patterns
from local_aws.athena.dialect.runtime.failure import Failure
from local_aws.athena.dialect.special.arguments import arguments, constant_text
from local_aws.athena.dialect.special.moments import ZONED
from local_aws.athena.dialect.special.patterns import mysql_format
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError


def at_timezone(env: Env, node: n.Call) -> Typed:
    """Translate AT_TIMEZONE: the instant stays."""
    value, zone = arguments(env, node, 2, 2)
    return in_zone(value, zone, node.place)


def with_timezone(env: Env, node: n.Call) -> Typed:
    """Translate WITH_TIMEZONE: the local time stays."""
    value, zone = arguments(env, node, 2, 2)
    if value.type.name != "timestamp":
        mismatch(node.place, f"Unexpected parameters ({value.type}) for function with_timezone")
    name = zone_name(constant_text(zone, node, "a time zone"), node.place)
    return Typed(f"timezone({text(name)}, {value.sql})", t.timestamp(value.type.precision, name))


def from_iso8601_timestamp(env: Env, node: n.Call) -> Typed:
    """Translate FROM_ISO8601_TIMESTAMP; the zone is the value's own, and must be UTC where it matters."""
    (value,) = arguments(env, node, 1, 1)
    written = coerce(value, t.VARCHAR, node.place)
    kind = TrinoType(ZONED, (3,), zone=None)
    instant, utc = (f"trino_iso_instant({check}({written}))" for check in ("trino_iso_check", "trino_iso_utc_check"))
    return Typed(instant, kind, zoned=utc)


def to_iso8601(env: Env, node: n.Call) -> Typed:
    """Translate TO_ISO8601."""
    (value,) = arguments(env, node, 1, 1)
    kind = value.type
    if kind.name == "date":
        return Typed(f"CAST({value.sql} AS VARCHAR)", t.varchar(16))
    if kind.name == "timestamp":
        digits = max(kind.precision, 3)
        return Typed(f"left(strftime({value.sql}, '%Y-%m-%dT%H:%M:%S.%f'), {20 + digits})", t.varchar(26))
    if kind.name == ZONED and kind.zone == "UTC":
        digits = max(kind.precision, 3)
        sql = f"left(strftime(timezone('UTC', {value.sql}), '%Y-%m-%dT%H:%M:%S.%f'), {20 + digits})"
        return Typed(f"({sql} || 'Z')", t.varchar(32))
    refuse(node.place, f"to_iso8601 of {kind} in this zone")


def _printable(value: Typed, node: n.Call) -> str:
    if value.type.name == ZONED:
        sql = local_time(value, node.place)[0]
    elif value.type.name in ("date", "timestamp"):
        sql = f"CAST({value.sql} AS TIMESTAMP)"
    else:
        mismatch(node.place, f"Unexpected parameters ({value.type}) for function {node.name}")
    return f"trino_round_timestamp({sql}, 1000)" if value.type.precision > 3 else sql


def date_format(env: Env, node: n.Call) -> Typed:
    """Translate DATE_FORMAT for a literal format."""
    value, pattern = arguments(env, node, 2, 2)
    written = mysql_format(constant_text(pattern, node, "a date format"), node.place)
    return Typed(f"strftime({_printable(value, node)}, {text(written)})", t.VARCHAR)


def format_datetime(env: Env, node: n.Call) -> Typed:
    """Translate FORMAT_DATETIME."""
    value, pattern = arguments(env, node, 2, 2)
    if value.type.name == ZONED and value.type.zone not in ("UTC", None):
        refuse(node.place, "format_datetime in a time zone other than UTC")
    function, written = _pattern(node, pattern)
    return Typed(f"{function}({_printable(value, node)}, {written})", t.VARCHAR)


def _pattern(node: n.Call, pattern: Typed) -> tuple[str, str]:
    """Choose the function for a pattern: one that is a literal is read now, and can refuse nothing later."""
    written = coerce(pattern, t.VARCHAR, node.place)
    if not isinstance(pattern.constant, str):
        return f"trino_{node.name}_any", written
    try:
        check_patterns(node.name, pattern.constant)
    except Failure as failure:
        kind, _, message = str(failure).strip("@").partition(": ")
        raise QueryError(kind, f"{node.place}: {message}") from None
    return f"trino_{node.name}", written


def date_parse(env: Env, node: n.Call) -> Typed:
    """Translate DATE_PARSE."""
    value, pattern = arguments(env, node, 2, 2)
    function, written = _pattern(node, pattern)
    return Typed(f"{function}({coerce(value, t.VARCHAR, node.place)}, {written})", t.timestamp(3))


def parse_datetime(env: Env, node: n.Call) -> Typed:
    """Translate PARSE_DATETIME for patterns without a zone, which mean UTC."""
    value, pattern = arguments(env, node, 2, 2)
    written = coerce(value, t.VARCHAR, node.place)
    function, letters = _pattern(node, pattern)
    return Typed(f"timezone('UTC', {function}({written}, {letters}))", t.timestamp(3, "UTC"))


FORMS = {
    "at_timezone": at_timezone, "with_timezone": with_timezone, "from_iso8601_timestamp": from_iso8601_timestamp,
    "to_iso8601": to_iso8601, "date_format": date_format, "date_parse": date_parse, "format_datetime": format_datetime,
    "parse_datetime": parse_datetime,
}  # fmt: skip
