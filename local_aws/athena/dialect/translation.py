"""The translation of one statement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_aws.athena.dialect import calls, finish, literals, operators, predicates, queries
from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect.env import CatalogLookup, Env, Scope, Statement, Typed
from local_aws.athena.dialect.query_grammar import parse
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError

HANDLERS: dict[type[n.Node], Callable[[Env, Any], Typed]] = {
    n.Literal: literals.literal,
    n.TypedLiteral: literals.typed_literal,
    n.IntervalLiteral: literals.interval,
    n.Name: literals.name,
    n.Field: literals.field,
    n.ArrayOf: literals.array,
    n.RowOf: literals.row,
    n.Subscript: literals.subscript,
    n.Unary: operators.unary,
    n.Arithmetic: operators.arithmetic,
    n.Cast: operators.cast,
    n.Case: operators.case,
    n.AtTimeZone: operators.at_time_zone,
    n.Logical: predicates.logical,
    n.Not: predicates.negation,
    n.Comparison: predicates.comparison,
    n.Between: predicates.between,
    n.InList: predicates.in_list,
    n.InQuery: predicates.in_query,
    n.Quantified: predicates.quantified,
    n.Like: predicates.like,
    n.IsNull: predicates.is_null,
    n.Exists: predicates.exists,
    n.Subquery: predicates.subquery,
    n.Call: calls.call,
    n.Extract: calls.extract,
    n.Lambda: calls.handler,
}


@dataclass(frozen=True)
class Translation:
    """A statement in DuckDB's SQL, its result's columns with Trino's types, and the (database, table) pairs it reads.

    The statement refers to each table as "database"."table"; those of `information_schema` are in `tables`, too.
    """

    sql: str
    columns: list[tuple[str, TrinoType]]
    tables: list[tuple[str, str]]


def translate(sql: str, catalog: CatalogLookup, default_database: str) -> Translation:
    """Translate a Trino query; QueryError says what is wrong with it, or what is not supported."""
    statement = Statement(catalog, HANDLERS, _query)
    env = Env(statement, Scope([]), default_database.lower(), {})
    try:
        result = queries.query(env, parse(sql), top=True)
    except RecursionError:
        raise QueryError("STACK_OVERFLOW", "statement is too large (stack overflow during analysis)") from None
    columns = [(column.name or f"_col{i}", column.type) for i, column in enumerate(result.columns)]
    return Translation(result.sql, columns, list(statement.tables))


def _query(env: Env, node: q.Query) -> finish.Result:
    """Translate a query within an expression: the scope around it becomes the one it may look out to."""
    return queries.query(env, node)
