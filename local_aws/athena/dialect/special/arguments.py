"""What special forms share: the number of arguments, plain calls, constants."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect.env import Env, Typed, refuse
from local_aws.athena.errors import QueryError


def arguments(env: Env, node: n.Call, least: int, most: int | None = None) -> list[Typed]:
    """Translate the arguments of a call that has no clauses; their number must lie within the bounds."""
    plain(node)
    count(node, least, most)
    return [env.translate(arg) for arg in node.args]


def count(node: n.Call, least: int, most: int | None = None) -> None:
    """Check the number of arguments; `most` None means no bound."""
    if len(node.args) < least or (most is not None and len(node.args) > most):
        raise QueryError("FUNCTION_NOT_FOUND", f"{node.place}: Unexpected parameters for function {node.name}:"
                                               f" {len(node.args)} arguments")  # fmt: skip


def plain(node: n.Call) -> None:
    """Refuse DISTINCT, ORDER BY, FILTER and OVER behind a function that is no aggregate."""
    if node.distinct or node.order or node.filter is not None or node.window is not None or node.star:
        raise QueryError(
            "FUNCTION_NOT_AGGREGATE", f"{node.place}: {node.name} is neither an aggregate nor a window function"
        )


def constant_text(value: Typed, node: n.Node, what: str) -> str:
    """Give a string constant; anything else is refused."""
    if not isinstance(value.constant, str):
        refuse(node.place, f"{what} that is no literal")
    return value.constant


def steady(node: n.Call, *values: Typed) -> None:
    """Refuse random values where the translation evaluates an argument twice."""
    if any(value.volatile for value in values):
        refuse(node.place, f"a random value as an argument of {node.name}")
