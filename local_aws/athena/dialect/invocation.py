"""The choice among a function's signatures, and the call written out."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.functions import OVERLOADS
from local_aws.athena.dialect.signatures import Bindings, Overload, Pattern, bind, substitute
from local_aws.athena.dialect.windows import clauses
from local_aws.athena.errors import QueryError


def from_table(env: Env, node: n.Call) -> Typed:
    """Translate a call by the tables of signatures alone."""
    if node.star:
        mismatch(node.place, f"{node.name}(*) is not possible")
    args = [None if isinstance(arg, n.Lambda) else env.translate(arg) for arg in node.args]
    return invoke(env, node, OVERLOADS[node.name], args)


def invoke(env: Env, node: n.Call, candidates: tuple[Overload, ...], args: list[Typed | None]) -> Typed:
    """Choose the overload that needs the fewest conversions, and write it."""
    fitting = []
    for overload in candidates:
        bindings: Bindings = {}
        cost = _fit(overload, args, bindings)
        if cost is not None:
            fitting.append((cost, overload, bindings))
    if not fitting:
        _no_overload(node, candidates, args)
    _, overload, bindings = min(fitting, key=lambda one: one[0])
    return _write(env, node, overload, bindings, args)


def _patterns(overload: Overload, count: int) -> tuple[Pattern, ...]:
    if overload.repeats:
        return overload.parameters + overload.parameters[-1:] * (count - len(overload.parameters))
    return overload.parameters


def _fit(overload: Overload, args: list[Typed | None], bindings: Bindings) -> int | None:
    patterns = _patterns(overload, len(args))
    if len(patterns) != len(args):
        return None
    total = 0
    for pattern, arg in zip(patterns, args, strict=True):
        if (arg is None) != (pattern.name == "function"):
            return None
        if arg is not None:
            cost = bind(pattern, arg.type, bindings)
            if cost is None:
                return None
            total += cost
    return total


def _no_overload(node: n.Call, candidates: tuple[Overload, ...], args: list[Typed | None]) -> None:
    given = ", ".join(str(arg.type) if arg else "function" for arg in args)
    expected = ", ".join(overload.text for overload in candidates)
    raise QueryError(
        "FUNCTION_NOT_FOUND",
        f"{node.place}: Unexpected parameters ({given}) for function {node.name}. Expected: {expected}",
    )


def _write(env: Env, node: n.Call, overload: Overload, bindings: Bindings, args: list[Typed | None]) -> Typed:
    patterns = _patterns(overload, len(args))
    written: list[str] = []
    for position, (pattern, arg, source) in enumerate(zip(patterns, args, node.args, strict=True)):
        if arg is None:
            assert isinstance(source, n.Lambda)
            written.append(lambda_sql(env, source, pattern, bindings))
            continue
        target = substitute(pattern, bindings)
        written.append(arg.sql if target.name == "unknown" else coerce(arg, target, source.place))
        if arg.volatile and (overload.uses(position) > 1 or "trino_" in overload.template):
            refuse(source.place, f"a random value as an argument of {node.name}")
    result = substitute(overload.result, bindings)
    result.to_duckdb()
    parts = clauses(env, node) if overload.aggregate else _no_clauses(node)
    rest = ", ".join(written[len(overload.parameters) - 1 :]) if overload.repeats else ""
    sql = overload.template.format(*written, rest=rest, type=result.to_duckdb(), **parts)
    return Typed(sql, result)


def _no_clauses(node: n.Call) -> dict[str, str]:
    if node.window is not None or node.filter is not None or node.distinct or node.order:
        raise QueryError(
            "FUNCTION_NOT_AGGREGATE", f"{node.place}: {node.name} is neither an aggregate nor a window function"
        )
    return {}


def lambda_sql(env: Env, node: n.Lambda, pattern: Pattern, bindings: Bindings) -> str:
    """Write a lambda; the last part of function(...) is its result, bound by its body where it is a letter."""
    *parameters, result = pattern.elements
    if len(parameters) != len(node.parameters):
        got = len(node.parameters)
        mismatch(node.place, f"Expected a lambda that takes {len(parameters)} argument(s) but got {got}")
    variables = {
        name: Typed(f"v{env.statement.alias()}", substitute(parameter, bindings))
        for name, parameter in zip(node.parameters, parameters, strict=True)
    }
    body = env.with_variables(variables).translate(node.body)
    if "(SELECT " in body.sql:
        refuse(node.place, "a query within a lambda")
    if bind(result, body.type, bindings) is None:
        mismatch(node.place, f"the lambda gives {body.type}, not {substitute(result, bindings)}")
    target = substitute(result, bindings)
    names = ", ".join(variable.sql for variable in variables.values())
    return f"lambda {names}: {coerce(body, target, node.place) if target != t.UNKNOWN else body.sql}"
