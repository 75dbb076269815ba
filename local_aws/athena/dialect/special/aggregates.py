"""COUNT, SUM, AVG: aggregates whose type follows from their argument's."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.operators import decimal_quotient
from local_aws.athena.dialect.special.arguments import count as count_arguments
from local_aws.athena.dialect.types import INTEGERS, TrinoType
from local_aws.athena.dialect.windows import clauses


def count(env: Env, node: n.Call) -> Typed:
    """Translate COUNT."""
    count_arguments(node, 0, 1)
    parts = clauses(env, node)
    if not node.args:
        return Typed(f"count(*){parts['s']}", t.BIGINT)
    value = env.translate(node.args[0])
    sql = "CAST(NULL AS INTEGER)" if value.type.name == "unknown" else value.sql
    return Typed(f"count({parts['d']}{sql}){parts['s']}", t.BIGINT)


def total(env: Env, node: n.Call) -> Typed:
    """Translate SUM: whole numbers add up to a bigint or overflow, decimals to 38 digits."""
    count_arguments(node, 1, 1)
    value, parts = env.translate(node.args[0]), clauses(env, node)
    kind = value.type

    def call(sql: str) -> str:
        return f"sum({parts['d']}{sql}){parts['s']}"

    if kind.name in INTEGERS or kind.name == "unknown":
        return Typed(f"CAST({call(coerce(value, t.BIGINT, node.place))} AS BIGINT)", t.BIGINT)
    if kind.name == "decimal":
        result = t.decimal(38, kind.scale)
        return Typed(f"CAST({call(value.sql)} AS {result.to_duckdb()})", result)
    if kind.name == "double":
        return Typed(call(value.sql), kind)
    if kind.name == "real":
        return Typed(f"CAST({call(f'CAST({value.sql} AS DOUBLE)')} AS FLOAT)", kind)
    if kind == t.DAY_TO_SECOND:
        micros = call(f"CAST(epoch_us({value.sql}) AS BIGINT)")
        return Typed(f"to_microseconds(CAST({micros} AS BIGINT))", kind)
    if kind == t.YEAR_TO_MONTH:
        refuse(node.place, f"sum of {kind}")
    mismatch(node.place, f"Unexpected parameters ({kind}) for function sum")


def average(env: Env, node: n.Call) -> Typed:
    """Translate AVG: of a decimal it keeps the decimal's type and rounds half up."""
    count_arguments(node, 1, 1)
    value, parts = env.translate(node.args[0]), clauses(env, node)
    kind = value.type
    if kind.name == "decimal":
        sums = f"sum({parts['d']}{value.sql}){parts['s']}"
        counts = f"CAST(count({parts['d']}{value.sql}){parts['s']} AS DECIMAL(19,0))"
        filled = f"CASE WHEN {counts} = 0 THEN NULL ELSE {counts} END"
        return Typed(decimal_quotient(sums, _sum_type(kind), filled, t.decimal(19, 0), kind), kind)
    if kind.name == "real":
        return Typed(f"CAST(avg({parts['d']}CAST({value.sql} AS DOUBLE)){parts['s']} AS FLOAT)", kind)
    if kind.name in (*INTEGERS, "double", "unknown"):
        return Typed(f"avg({parts['d']}{coerce(value, t.DOUBLE, node.place)}){parts['s']}", t.DOUBLE)
    mismatch(node.place, f"Unexpected parameters ({kind}) for function avg")


def _sum_type(kind: TrinoType) -> TrinoType:
    # A sum of fewer than 10^16 values; its digits decide whether whole numbers suffice for the division.
    return t.decimal(min(37, kind.precision + 16), kind.scale)


FORMS = {"count": count, "sum": total, "avg": average}
