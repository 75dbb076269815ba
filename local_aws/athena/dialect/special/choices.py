"""COALESCE, NULLIF, IF, TRY, GREATEST, LEAST, CONCAT, TYPEOF, GROUPING and the session's values."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.attempts import attempt
from local_aws.athena.dialect.coercion import common_type
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse, text
from local_aws.athena.dialect.grouping import grouping
from local_aws.athena.dialect.literals import unify
from local_aws.athena.dialect.operators import choose
from local_aws.athena.dialect.predicates import compare, condition
from local_aws.athena.dialect.special.arguments import arguments, count, plain, steady


def coalesce(env: Env, node: n.Call) -> Typed:
    """Translate COALESCE."""
    plain(node)
    count(node, 2)
    items, kind = unify(env, node.args, node.place)
    return Typed(f"coalesce({', '.join(items)})", kind)


def nullif(env: Env, node: n.Call) -> Typed:
    """Translate NULLIF, whose type is the first argument's."""
    first, second = arguments(env, node, 2, 2)
    steady(node, first)
    equal = compare("=", first, second, node.place)
    return Typed(f"CASE WHEN {equal.sql} THEN NULL ELSE {first.sql} END", first.type)


def if_(env: Env, node: n.Call) -> Typed:
    """Translate IF."""
    plain(node)
    count(node, 2, 3)
    test = condition(env, node.args[0], "IF condition must evaluate to a boolean")
    return choose([test], [env.translate(arg) for arg in node.args[1:]], node.place)


def try_(env: Env, node: n.Call) -> Typed:
    """Translate TRY: NULL in place of an error in the value."""
    (value,) = arguments(env, node, 1, 1)
    if value.zoned is not None:
        return Typed(attempt(value.zoned, node.place), t.with_zone(value.type, "UTC"))
    return Typed(attempt(value.sql, node.place), value.type)


def extreme(env: Env, node: n.Call) -> Typed:
    """Translate GREATEST and LEAST: NULL as soon as one argument is NULL."""
    values = arguments(env, node, 1)
    steady(node, *values)
    items, kind = unify(env, node.args, node.place)
    if kind.elements or kind.name in ("json", "unknown"):
        mismatch(node.place, f"Unexpected parameters ({kind}) for function {node.name}")
    nulls = " OR ".join(f"{item} IS NULL" for item in items)
    if kind.name in ("real", "double"):
        risky = " OR ".join(f"isnan({item})" for item in items)
        chosen = f"CASE WHEN {risky} THEN CAST('nan' AS {kind.to_duckdb()}) ELSE {node.name}({', '.join(items)}) END"
    else:
        chosen = f"{node.name}({', '.join(items)})"
    return Typed(f"CASE WHEN {nulls} THEN NULL ELSE {chosen} END", kind)


def concat(env: Env, node: n.Call) -> Typed:
    """Translate CONCAT as `||` from left to right."""
    plain(node)
    count(node, 2)
    chain: n.Expression = node.args[0]
    for arg in node.args[1:]:
        chain = n.Arithmetic(node.place, "||", chain, arg)
    return env.translate(chain)


def typeof(env: Env, node: n.Call) -> Typed:
    """Translate TYPEOF: the type is known here, the value does not matter."""
    (value,) = arguments(env, node, 1, 1)
    return Typed(f"CAST({text(str(value.type))} AS VARCHAR)", t.VARCHAR)


def mod(env: Env, node: n.Call) -> Typed:
    """Translate MOD as `%`."""
    plain(node)
    count(node, 2, 2)
    return env.translate(n.Arithmetic(node.place, "%", *node.args))


def random(env: Env, node: n.Call) -> Typed:
    """Translate RANDOM and RAND, with one or two bounds of whole numbers."""
    values = arguments(env, node, 0, 2)
    if not values:
        return Typed("random()", t.DOUBLE)
    kind = values[0].type
    for value in values:
        common = common_type(kind, value.type)
        if common is None or common.name not in t.INTEGERS:
            refuse(node.place, f"random of {value.type}")
        kind = common
    steady(node, *values)
    low, high = (["0"] if len(values) == 1 else []) + [coerce(value, kind, node.place) for value in values]
    return Typed(f"CAST({low} + floor(random() * ({high} - {low})) AS {kind.to_duckdb()})", kind)


FORMS = {
    "coalesce": coalesce, "nullif": nullif, "if": if_, "try": try_, "greatest": extreme, "least": extreme,
    "concat": concat, "typeof": typeof, "mod": mod, "random": random, "rand": random, "grouping": grouping,
}  # fmt: skip
