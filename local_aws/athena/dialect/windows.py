"""What may follow a call: DISTINCT, ORDER BY, FILTER, IGNORE NULLS, OVER."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Env, refuse
from local_aws.athena.dialect.predicates import condition
from local_aws.athena.dialect.types import INTEGERS
from local_aws.athena.errors import QueryError


def clauses(env: Env, node: n.Call) -> dict[str, str]:
    """Write the parts that a template of an aggregate or window function asks for."""
    order = f" ORDER BY {sort_items(env, node.order)}" if node.order else ""
    suffix = ""
    if node.filter is not None:
        suffix += f" FILTER (WHERE {condition(env, node.filter, 'Filter expression must evaluate to a boolean')})"
    if node.window is not None:
        if node.distinct:
            raise QueryError("NOT_SUPPORTED", f"{node.place}: DISTINCT in window function parameters not yet supported")
        suffix += f" OVER ({window(env, node.window)})"
    ignore = " IGNORE NULLS" if node.ignore_nulls else ""
    if node.ignore_nulls and node.window is None:
        refuse(node.place, "IGNORE NULLS without OVER")
    return {"d": "DISTINCT " if node.distinct else "", "o": order, "i": ignore, "s": suffix}


def sort_items(env: Env, items: tuple[n.SortItem, ...]) -> str:
    """Write sort keys; NULL is last whatever the direction, unless NULLS FIRST says otherwise."""
    return ", ".join(direction(env.translate(item.expression).sql, item) for item in items)


def direction(sql: str, item: n.SortItem) -> str:
    """Write one sort key with its direction."""
    return f"{sql}{' DESC' if item.descending else ' ASC'} NULLS {'FIRST' if item.nulls_first else 'LAST'}"


def window(env: Env, node: n.Window) -> str:
    """Write a window's definition, with the named window it may refer to in place of the name."""
    partition, order, frame = node.partition, node.order, node.frame
    if node.reference is not None:
        named = env.windows.get(node.reference)
        if named is None:
            raise QueryError("INVALID_WINDOW_REFERENCE",
                             f"{node.place}: Cannot resolve WINDOW name {node.reference}")  # fmt: skip
        if partition or (order and named.order) or named.reference is not None:
            refuse(node.place, "a window that changes the one it refers to")
        partition, order, frame = named.partition, order or named.order, frame or named.frame
    parts = []
    if partition:
        parts.append("PARTITION BY " + ", ".join(env.translate(item).sql for item in partition))
    if order:
        parts.append("ORDER BY " + sort_items(env, order))
    if frame is not None:
        parts.append(_frame(env, frame, order))
    return " ".join(parts)


def _frame(env: Env, node: n.Frame, order: tuple[n.SortItem, ...]) -> str:
    if node.unit == "RANGE" and (node.start[1] is not None or (node.end and node.end[1] is not None)):
        if len(order) != 1 or env.translate(order[0].expression).type.name not in INTEGERS:
            refuse(node.place, "a RANGE frame with a distance over anything but one whole number")
    start = _bound(env, node.unit, node.start)
    if node.end is None:
        return f"{node.unit} {start}"
    return f"{node.unit} BETWEEN {start} AND {_bound(env, node.unit, node.end)}"


def _bound(env: Env, unit: str, bound: tuple[str, n.Expression | None]) -> str:
    kind, distance = bound
    if distance is None:
        return kind
    value = env.translate(distance)
    if not isinstance(value.constant, int):
        refuse(distance.place, "a frame's distance that is no whole number")
    return f"{coerce(value, t.BIGINT, distance.place)} {kind}"
