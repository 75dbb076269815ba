"""Dates and times: fields, units, the session's clock."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.conversion import coerce, convert, local_time
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.literals import zone_name
from local_aws.athena.dialect.special.arguments import arguments, constant_text, steady
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError

DAY_UNITS = ("day", "week", "month", "quarter", "year")
TIME_UNITS = ("millisecond", "second", "minute", "hour")
ZONED = "timestamp with time zone"
_FIELDS = {
    "year": "year({x})", "quarter": "quarter({x})", "month": "month({x})", "week": "week({x})",
    "week_of_year": "week({x})", "day": "day({x})", "day_of_month": "day({x})", "day_of_week": "isodow({x})",
    "dow": "isodow({x})", "day_of_year": "dayofyear({x})", "doy": "dayofyear({x})", "year_of_week": "isoyear({x})",
    "yow": "isoyear({x})", "hour": "hour({x})", "minute": "minute({x})", "second": "second({x})",
    "millisecond": "(millisecond({x}) % 1000)",
}  # fmt: skip


def field(env: Env, node: n.Call) -> Typed:
    """Translate YEAR to MILLISECOND: of a timestamp with time zone they are those of its local time."""
    (value,) = arguments(env, node, 1, 1)
    sql = value.sql
    if value.type.name == ZONED:
        sql, _ = local_time(value, node.place)
    elif value.type.name == "date":
        if node.name in ("hour", "minute", "second", "millisecond"):
            mismatch(node.place, f"Unexpected parameters (date) for function {node.name}")
    elif value.type.name != "timestamp":
        refuse(node.place, f"{node.name} of {value.type}")
    return Typed(f"CAST({_FIELDS[node.name].format(x=sql)} AS BIGINT)", t.BIGINT)


def _unit(node: n.Call, value: Typed, kind: TrinoType) -> str:
    unit = constant_text(value, node, "a unit").lower()
    if unit not in DAY_UNITS + TIME_UNITS or (kind.name == "date" and unit in TIME_UNITS):
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"{node.place}: '{unit}' is not a valid {kind.name} field")
    return unit


def date_trunc(env: Env, node: n.Call) -> Typed:
    """Translate DATE_TRUNC; the type stays."""
    first, value = arguments(env, node, 2, 2)
    kind = value.type
    if kind.name not in ("date", "timestamp", ZONED):
        mismatch(node.place, f"Unexpected parameters ({first.type}, {kind}) for function date_trunc")
    unit = _unit(node, first, kind)
    if kind.name == ZONED:
        sql, zone = local_time(value, node.place)
        if zone != "UTC":
            refuse(node.place, "date_trunc in a time zone other than UTC")
        return Typed(f"timezone('UTC', date_trunc('{unit}', {sql}))", t.with_zone(kind, "UTC"))
    return Typed(f"CAST(date_trunc('{unit}', {value.sql}) AS {kind.to_duckdb()})", kind)


def date_add(env: Env, node: n.Call) -> Typed:
    """Translate DATE_ADD; months end on the month's last day at the latest."""
    first, amount, value = arguments(env, node, 3, 3)
    kind = value.type
    if kind.name not in ("date", "timestamp", ZONED):
        mismatch(node.place, f"Unexpected parameters ({kind}) for function date_add")
    unit = _unit(node, first, kind)
    if kind.name == ZONED and kind.zone != "UTC" and unit not in TIME_UNITS:
        refuse(node.place, "date_add of days or more in a time zone other than UTC")
    count = coerce(amount, t.BIGINT, node.place)
    if unit in ("month", "quarter", "year"):
        step = f"to_months(CAST({count} * {dict(month=1, quarter=3, year=12)[unit]} AS INTEGER))"
    elif unit in ("day", "week"):
        step = f"to_days(CAST({count} * {7 if unit == 'week' else 1} AS INTEGER))"
    else:
        micros = dict(millisecond=1_000, second=1_000_000, minute=60_000_000, hour=3_600_000_000)[unit]
        step = f"to_microseconds({count} * {micros})"
    if kind.name != "date" and unit == "millisecond":
        kind = TrinoType(kind.name, (max(kind.precision, 3),), zone=kind.zone)
    return Typed(f"CAST({value.sql} + {step} AS {kind.to_duckdb()})", kind)


def date_diff(env: Env, node: n.Call) -> Typed:
    """Translate DATE_DIFF: complete units from the second argument to the third."""
    first, start, end = arguments(env, node, 3, 3)
    steady(node, start, end)
    kinds = {start.type.name, end.type.name}
    if not kinds <= {"date", "timestamp", ZONED, "unknown"}:
        mismatch(node.place, f"Unexpected parameters ({start.type}, {end.type}) for function date_diff")
    if start.type.name == end.type.name:
        finer = max(start.type, end.type, key=lambda kind: kind.precision)
        kind = TrinoType(finer.name, finer.numbers, zone=start.type.zone)
    else:
        kind = t.timestamp(6, "UTC" if ZONED in kinds else None)
    unit = _unit(node, first, kind)
    if kind.name == ZONED and unit in DAY_UNITS and (start.type.zone, end.type.zone) != ("UTC", "UTC"):
        refuse(node.place, "date_diff in days or more with a time zone other than UTC")
    a, b = (coerce(side, kind, node.place) for side in (start, end)) if kind.name != "date" else (start.sql, end.sql)
    if unit in ("month", "quarter", "year"):
        months = f"trino_months_between(CAST({a} AS TIMESTAMP), CAST({b} AS TIMESTAMP))"
        return Typed(f"({months} // {dict(month=1, quarter=3, year=12)[unit]})", t.BIGINT)
    micros = dict(millisecond=1_000, second=1_000_000, minute=60_000_000, hour=3_600_000_000, day=86_400_000_000,
                  week=604_800_000_000)[unit]  # fmt: skip
    return Typed(f"((epoch_us({b}) - epoch_us({a})) // {micros})", t.BIGINT)


def last_day(env: Env, node: n.Call) -> Typed:
    """Translate LAST_DAY_OF_MONTH."""
    (value,) = arguments(env, node, 1, 1)
    sql = local_time(value, node.place)[0] if value.type.name == ZONED else value.sql
    if value.type.name not in ("date", "timestamp", ZONED):
        mismatch(node.place, f"Unexpected parameters ({value.type}) for function last_day_of_month")
    return Typed(f"CAST(last_day({sql}) AS DATE)", t.DATE)


def clock(env: Env, node: n.Call) -> Typed:
    """Translate CURRENT_DATE, CURRENT_TIMESTAMP, NOW and LOCALTIMESTAMP; the session's zone is UTC."""
    values = arguments(env, node, 0, 1)
    precision = values[0].constant if values else 3
    if not isinstance(precision, int) or precision > 6:
        refuse(node.place, "a timestamp finer than microseconds")
    if node.name == "current_date":
        return Typed("current_date", t.DATE)
    moment = f"trino_round_timestamp(timezone('UTC', now()), {10 ** (6 - precision)})"
    if node.name == "localtimestamp":
        return Typed(moment, t.timestamp(precision))
    return Typed(f"timezone('UTC', {moment})", t.timestamp(precision, "UTC"))


def from_unixtime(env: Env, node: n.Call) -> Typed:
    """Translate FROM_UNIXTIME, to milliseconds, with the session's zone or the one given."""
    values = arguments(env, node, 1, 2)
    zone = "UTC"
    if len(values) == 2:
        zone = zone_name(constant_text(values[1], node, "a time zone"), node.place)
    seconds = coerce(values[0], t.DOUBLE, node.place)
    return Typed(f"timezone('UTC', epoch_ms(CAST(round({seconds} * 1000) AS BIGINT)))", t.timestamp(3, zone))


def to_unixtime(env: Env, node: n.Call) -> Typed:
    """Translate TO_UNIXTIME."""
    (value,) = arguments(env, node, 1, 1)
    if value.type.name not in ("date", "timestamp", ZONED):
        mismatch(node.place, f"Unexpected parameters ({value.type}) for function to_unixtime")
    return Typed(f"(epoch_us({value.sql}) / CAST(1000000 AS DOUBLE))", t.DOUBLE)


def date(env: Env, node: n.Call) -> Typed:
    """Translate DATE(x) as CAST(x AS date)."""
    (value,) = arguments(env, node, 1, 1)
    return Typed(convert(value, t.DATE, node.place), t.DATE)


FORMS = {
    **{name: field for name in _FIELDS},
    **{name: clock for name in ("current_date", "current_timestamp", "now", "localtimestamp")},
    "date_trunc": date_trunc, "date_add": date_add, "date_diff": date_diff, "last_day_of_month": last_day,
    "from_unixtime": from_unixtime, "to_unixtime": to_unixtime, "date": date,
}  # fmt: skip
