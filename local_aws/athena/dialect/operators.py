"""Arithmetic, concatenation, CASE, casts, time zones."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.attempts import forgiving_cast
from local_aws.athena.dialect.coercion import NUMERIC, arithmetic_decimal, as_decimal, common_type
from local_aws.athena.dialect.conversion import coerce, convert
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.literals import zone_name
from local_aws.athena.dialect.types import INTEGERS, TrinoType

MOMENTS = ("date", "timestamp", "timestamp with time zone")
INTERVALS = ("interval day to second", "interval year to month")


def unary(env: Env, node: n.Unary) -> Typed:
    """Negate a number or an interval."""
    operand = env.translate(node.operand)
    if operand.type.name in NUMERIC or operand.type.name in INTERVALS:
        return operand if node.operator == "+" else Typed(f"(-({operand.sql}))", operand.type)
    mismatch(node.place, f"Cannot negate {operand.type}")


def arithmetic(env: Env, node: n.Arithmetic) -> Typed:
    """Translate `+ - * / %` and `||` by the types of both sides."""
    left, right = env.translate(node.left), env.translate(node.right)
    if node.operator == "||":
        return _concatenate(left, right, node.place)
    names = (left.type.name, right.type.name)
    if set(names) & {*MOMENTS, *INTERVALS}:
        return _moment(node, left, right)
    kind = common_type(left.type, right.type)
    if kind is None or kind.name not in NUMERIC:
        mismatch(node.place, f"Cannot apply operator: {left.type} {node.operator} {right.type}")
    if kind.name == "decimal":
        return _decimal(node.operator, left, right, node.place)
    operator = "//" if node.operator == "/" and kind.name in INTEGERS else node.operator
    a, b = coerce(left, kind, node.place), coerce(right, kind, node.place)
    return Typed(f"({a} {operator} {b})", kind)


def _decimal(operator: str, left: Typed, right: Typed, place: Place) -> Typed:
    first, second = as_decimal(left.type), as_decimal(right.type)
    kind = arithmetic_decimal(operator, first, second)
    if kind is None:
        mismatch(place, f"DECIMAL scale must be at most 38: {left.type} * {right.type}")
    a, b = coerce(left, first, place), coerce(right, second, place)
    if operator == "/":
        return Typed(decimal_quotient(a, first, b, second, kind), kind)
    digits = max(first.precision - first.scale, second.precision - second.scale) + kind.scale
    if operator == "%" and digits > 38:
        texts = f"CAST({a} AS VARCHAR), CAST({b} AS VARCHAR)"
        return Typed(f"CAST(trino_decimal_rest({texts}) AS {kind.to_duckdb()})", kind)
    if operator in "+-%":
        # Both sides get the result's scale first; its precision can be beyond either side's.
        wide = t.decimal(38 if operator == "%" else kind.precision, kind.scale).to_duckdb()
        a, b = f"CAST({a} AS {wide})", f"CAST({b} AS {wide})"
    elif kind.precision > 18:
        # DuckDB may narrow such a product to 18 digits by what it knows of the values, and then overflows at 10^18.
        a = f"CAST({a} AS {t.decimal(38, first.scale).to_duckdb()})"
    return Typed(f"CAST({a} {operator} {b} AS {kind.to_duckdb()})", kind)


def decimal_quotient(a: str, first: TrinoType, b: str, second: TrinoType, kind: TrinoType) -> str:
    """Write a decimal division that rounds half up at the scale of `kind`, over whole numbers where they suffice."""
    shift = kind.scale - first.scale + second.scale
    if first.precision + first.scale <= 37 and first.precision + shift <= 37 and second.precision + second.scale <= 37:
        quotient = f"trino_half_up({_unscaled(a, first)} * {10**shift}::HUGEINT, {_unscaled(b, second)})"
        unit = f" * CAST('{_unit(kind.scale)}' AS DECIMAL({kind.scale},{kind.scale}))" if kind.scale else ""
        return f"CAST(CAST({quotient} AS DECIMAL(38,0)){unit} AS {kind.to_duckdb()})"
    texts = f"CAST({a} AS VARCHAR), CAST({b} AS VARCHAR)"
    return f"CAST(trino_decimal_divide({texts}, {kind.scale}) AS {kind.to_duckdb()})"


def _unscaled(sql: str, kind: TrinoType) -> str:
    """Write a decimal's digits as a whole number."""
    if not kind.scale:
        return f"CAST({sql} AS HUGEINT)"
    # In 38 digits from the start: DuckDB may compute a product of narrow constants in 18 digits.
    wide = f"CAST({sql} AS DECIMAL(38,{kind.scale}))"
    return f"CAST({wide} * CAST({10**kind.scale} AS DECIMAL({kind.scale + 1},0)) AS HUGEINT)"


def _unit(scale: int) -> str:
    return "0." + "0" * (scale - 1) + "1"


def _concatenate(left: Typed, right: Typed, place: Place) -> Typed:
    names = {left.type.name, right.type.name}
    if names <= {"varchar", "unknown"}:
        return Typed(f"({coerce(left, t.VARCHAR, place)} || {coerce(right, t.VARCHAR, place)})", t.VARCHAR)
    if names == {"varbinary"}:
        return Typed(f"({left.sql} || {right.sql})", t.VARBINARY)
    if "array" in names:
        return _concatenate_arrays(left, right, place)
    mismatch(place, f"Unexpected parameters ({left.type}, {right.type}) for function concat")


def _concatenate_arrays(left: Typed, right: Typed, place: Place) -> Typed:
    lists = []
    kind = common_type(left.type, right.type)
    if kind is None:
        single = right if left.type.name == "array" else left
        many = left if left.type.name == "array" else right
        element = common_type(many.type.elements[0], single.type)
        if element is None:
            mismatch(place, f"Unexpected parameters ({left.type}, {right.type}) for function concat")
        kind = t.array(element)
    for side in (left, right):
        if side.type.name == "array" or side.type.name == "unknown":
            lists.append(coerce(side, kind, place))
        else:
            lists.append(f"[{coerce(side, kind.elements[0], place)}]")
    return Typed(f"trino_list_concat({lists[0]}, {lists[1]})", kind)


def _moment(node: n.Arithmetic, left: Typed, right: Typed) -> Typed:
    operator, place = node.operator, node.place
    if left.type.name in INTERVALS and right.type.name in MOMENTS and operator == "+":
        left, right = right, left
    if left.type.name in MOMENTS and right.type.name in INTERVALS and operator in "+-":
        return _shift(left, operator, right, place)
    if left.type.name in INTERVALS and right.type == left.type and operator in "+-":
        return Typed(f"({left.sql} {operator} {right.sql})", left.type)
    kind = common_type(left.type, right.type)
    if operator == "-" and kind is not None and kind.name == "date":
        refuse(place, "a date minus a date (use date_diff)")
    if operator == "-" and kind is not None and kind.name in MOMENTS:
        a, b = coerce(left, kind, place), coerce(right, kind, place)
        return Typed(f"to_microseconds(epoch_us({a}) - epoch_us({b}))", t.DAY_TO_SECOND)
    if operator == "*" and {left.type.name, right.type.name} & set(INTEGERS):
        duration, factor = (left, right) if left.type.name in INTERVALS else (right, left)
        if duration.type.name in INTERVALS:
            return _multiplied(duration, factor, place)
    mismatch(place, f"Cannot apply operator: {left.type} {operator} {right.type}")


def _multiplied(duration: Typed, factor: Typed, place: Place) -> Typed:
    if not isinstance(duration.constant, int):
        refuse(place, "a multiplication of an interval that is no literal")
    times = coerce(factor, t.BIGINT, place)
    if duration.type == t.YEAR_TO_MONTH:
        return Typed(f"to_months(CAST({times} * {duration.constant} AS INTEGER))", duration.type)
    return Typed(f"to_microseconds({times} * ({duration.constant})::BIGINT)", duration.type)


def _shift(moment: Typed, operator: str, duration: Typed, place: Place) -> Typed:
    if moment.type.name == "date":
        if duration.type == t.DAY_TO_SECOND:
            if not isinstance(duration.constant, int):
                refuse(place, "a date with an interval of seconds that is no literal")
            if duration.constant % 86_400_000_000:
                mismatch(place, "Cannot add hour, minutes or seconds to a date")
        return Typed(f"CAST({moment.sql} {operator} {duration.sql} AS DATE)", t.DATE)
    if moment.type.name == "timestamp":
        precision = moment.type.precision if duration.type == t.YEAR_TO_MONTH else max(moment.type.precision, 3)
        return Typed(f"({moment.sql} {operator} {duration.sql})", t.timestamp(precision))
    if duration.type == t.YEAR_TO_MONTH and moment.type.zone != "UTC":
        refuse(place, "months added to a timestamp with a time zone other than UTC")
    kind = TrinoType(moment.type.name, (max(moment.type.precision, 3),), zone=moment.type.zone)
    zoned = moment.zoned and f"({moment.zoned} {operator} {duration.sql})"
    return Typed(f"({moment.sql} {operator} {duration.sql})", kind, zoned=zoned)


def cast(env: Env, node: n.Cast) -> Typed:
    """Translate CAST, and TRY_CAST as a CAST whose failure is NULL."""
    operand = env.translate(node.operand)
    if operand.type.elements and t.zones(operand.type) - {"UTC"}:
        refuse(node.place, "a cast of nested timestamps with a time zone other than UTC")
    if node.safe:
        inner, before, after = forgiving_cast(operand, node.place)
        sql = before + convert(inner, node.target, node.place) + after
    else:
        sql = convert(operand, node.target, node.place)
    if node.target.name == "timestamp with time zone" and operand.type.name == "timestamp with time zone":
        kind = t.with_zone(node.target, operand.type.zone)
        return Typed(sql, kind, zoned=None if node.safe else operand.zoned)
    return Typed(sql, node.target)


def case(env: Env, node: n.Case) -> Typed:
    """Translate CASE; all results meet in one type."""
    conditions, results = [], []
    if node.operand is not None and len(node.branches) > 1 and env.translate(node.operand).volatile:
        refuse(node.place, "CASE of a random value")
    for condition, result in node.branches:
        if node.operand is None:
            tested = env.translate(condition)
            if tested.type.name not in ("boolean", "unknown"):
                mismatch(condition.place, f"CASE WHEN clause must evaluate to a BOOLEAN (actual: {tested.type})")
            conditions.append(coerce(tested, t.BOOLEAN, condition.place))
        else:
            conditions.append(env.translate(n.Comparison(condition.place, "=", node.operand, condition)).sql)
        results.append(env.translate(result))
    if node.otherwise is not None:
        results.append(env.translate(node.otherwise))
    return choose(conditions, results, node.place)


def choose(conditions: list[str], results: list[Typed], place: Place) -> Typed:
    """Write a CASE over results that may have different types; one more result than conditions is the ELSE."""
    kind = t.UNKNOWN
    for result in results:
        common = common_type(kind, result.type)
        if common is None:
            mismatch(place, f"All CASE results must be the same type: {kind}, {result.type}")
        kind = common
    written = [coerce(result, kind, place) for result in results]
    branches = " ".join(f"WHEN {c} THEN {r}" for c, r in zip(conditions, written, strict=False))
    otherwise = f" ELSE {written[-1]}" if len(written) > len(conditions) else ""
    return Typed(f"CASE {branches}{otherwise} END", kind)


def at_time_zone(env: Env, node: n.AtTimeZone) -> Typed:
    """Give an instant another zone; the instant stays."""
    return in_zone(env.translate(node.operand), env.translate(node.zone), node.place)


def in_zone(operand: Typed, zone: Typed, place: Place) -> Typed:
    """Give a timestamp with time zone (or one without, which is taken as UTC) a zone that must be a literal."""
    if not isinstance(zone.constant, str):
        refuse(place, "a time zone that is no literal")
    name = zone_name(zone.constant, place)
    if operand.type.name == "timestamp":
        kind = t.timestamp(operand.type.precision, name)
        return Typed(f"CAST({operand.sql} AS TIMESTAMPTZ)", kind)
    if operand.type.name != "timestamp with time zone":
        mismatch(place, f"Type of value must be a time or timestamp with or without time zone (actual {operand.type})")
    return Typed(operand.sql, t.timestamp(operand.type.precision, name))
