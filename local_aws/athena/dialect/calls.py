"""Calls of functions: special forms first, then the table of signatures; all else is refused by name."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.functions import KNOWN, OVERLOADS
from local_aws.athena.dialect.functions.aggregates import WINDOW_ONLY
from local_aws.athena.dialect.invocation import from_table
from local_aws.athena.dialect.special import SPECIAL
from local_aws.athena.errors import QueryError


def call(env: Env, node: n.Call) -> Typed:
    """Translate a call, or refuse the function by its name."""
    if node.name in WINDOW_ONLY and node.window is None:
        raise QueryError("MISSING_OVER", f"{node.place}: Window function {node.name} requires an OVER clause")
    special = SPECIAL.get(node.name)
    if special is not None:
        return special(env, node)
    if node.name in OVERLOADS:
        return from_table(env, node)
    if node.name in KNOWN:
        refuse(node.place, f"the function {node.name}")
    raise QueryError("FUNCTION_NOT_FOUND", f"{node.place}: Function '{node.name}' not registered")


def handler(env: Env, node: n.Lambda) -> Typed:
    """Refuse a lambda that is no argument of a function which takes one."""
    mismatch(node.place, "Lambda expression should always be used inside a function")


def extract(env: Env, node: n.Extract) -> Typed:
    """Translate EXTRACT as the function of the same name."""
    aliases = {"dow": "day_of_week", "day_of_month": "day", "doy": "day_of_year", "yow": "year_of_week"}
    fields = ("year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "year_of_week", "hour", "minute",
              "second")  # fmt: skip
    name = aliases.get(node.part, node.part)
    if name not in fields:
        refuse(node.place, f"EXTRACT of {node.part}")
    return call(env, n.Call(node.place, name, (node.operand,)))
