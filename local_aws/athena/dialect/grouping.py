"""GROUP BY: positions and expressions, ROLLUP, CUBE, GROUPING SETS; and GROUPING()."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.errors import QueryError


def group_by(env: Env, node: q.Select, items: list[Typed]) -> str:
    """Write the GROUP BY clause; a whole number stands for the select item at that position."""
    if node.grouping_distinct:
        refuse(node.place, "GROUP BY DISTINCT")
    return ", ".join(_element(env, element, items) for element in node.grouping or ())


def _element(env: Env, element: q.Grouping, items: list[Typed]) -> str:
    sets = [[_key(env, expression, items) for expression in one] for one in element.sets]
    if element.kind == "SIMPLE":
        return ", ".join(sets[0]) if sets[0] else "()"
    written = ", ".join(f"({', '.join(one)})" for one in sets)
    return f"{'GROUPING SETS' if element.kind == 'SETS' else element.kind} ({written})"


def _key(env: Env, expression: n.Expression, items: list[Typed]) -> str:
    if isinstance(expression, n.Literal) and expression.kind == "integer":
        position = int(expression.text)
        if not 1 <= position <= len(items):
            raise QueryError("INVALID_COLUMN_REFERENCE",
                             f"{expression.place}: GROUP BY position {position} is not in select list")  # fmt: skip
        value = items[position - 1]
    else:
        value = env.translate(expression)
    if value.volatile:
        refuse(expression.place, "a group by a random value")
    if value.type.name in ("unknown",):
        return "CAST(NULL AS INTEGER)"
    return value.sql


def grouping(env: Env, node: n.Call) -> Typed:
    """Translate GROUPING(columns): the first column is the highest bit."""
    if not node.args or len(node.args) > 31:
        mismatch(node.place, "GROUPING takes 1 to 31 columns")
    names = ", ".join(env.translate(arg).sql for arg in node.args)
    return Typed(f"CAST(grouping({names}) AS {'BIGINT' if len(node.args) > 31 else 'INTEGER'})", t.INTEGER)
