"""ROUND, CEIL, FLOOR, TRUNCATE of decimals, whose result has digits of its own; all else is in the tables."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.env import Env, Typed, refuse
from local_aws.athena.dialect.invocation import from_table
from local_aws.athena.dialect.special.arguments import count, plain
from local_aws.athena.errors import QueryError


def rounding(env: Env, node: n.Call) -> Typed:
    """Round a decimal; the result has room for one digit more, and no scale unless a number of digits is given."""
    plain(node)
    count(node, 1, 2)
    value = env.translate(node.args[0])
    kind = value.type
    if kind.name != "decimal":
        return from_table(env, node)
    function = {"round": "round", "truncate": "trunc", "floor": "floor"}.get(node.name, "ceil")
    if len(node.args) == 1:
        extra = 0 if node.name == "truncate" else min(kind.scale, 1)
        result = t.decimal(max(kind.precision - kind.scale + extra, 1), 0)
        return Typed(f"CAST({function}({value.sql}) AS {result.to_duckdb()})", result)
    digits = env.translate(node.args[1])
    if node.name not in ("round", "truncate"):
        raise QueryError("FUNCTION_NOT_FOUND", f"{node.place}: Unexpected parameters for function {node.name}")
    if not isinstance(digits.constant, int):
        refuse(node.place, f"{node.name} of a decimal to a number of digits that is no literal")
    result = kind if node.name == "truncate" else t.decimal(kind.precision + 1, kind.scale)
    kept = digits.constant
    if kept >= kind.scale:
        return Typed(f"CAST({value.sql} AS {result.to_duckdb()})", result)
    if kept < 0 or kind.precision >= 38:
        refuse(node.place, f"{node.name} of {kind} to {kept} digits")
    narrowed = t.decimal(kind.precision + 1, kept).to_duckdb()
    if node.name == "round":
        return Typed(f"CAST(CAST({value.sql} AS {narrowed}) AS {result.to_duckdb()})", result)
    less = f"({value.sql} - {value.sql} % CAST('{_unit(kept)}' AS {kind.to_duckdb()}))"
    if value.volatile:
        refuse(node.place, "truncate of a random value")
    return Typed(f"CAST({less} AS {result.to_duckdb()})", result)


def _unit(digits: int) -> str:
    return "1" if digits == 0 else "0." + "0" * (digits - 1) + "1"


FORMS = {name: rounding for name in ("round", "ceil", "ceiling", "floor", "truncate")}
