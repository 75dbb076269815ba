"""What is known while a statement is translated: the catalog, the tables met so far, the names in sight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError


class CatalogLookup(Protocol):
    """What a translation asks of the catalog; names are lower case, types as Trino writes them."""

    def has_database(self, name: str) -> bool:
        """Say whether there is such a database."""

    def columns(self, database: str, table: str) -> list[tuple[str, str]] | None:
        """Give a table's columns in order, partition columns last; None if there is no such table."""

    def view_sql(self, database: str, table: str) -> str | None:
        """Give the statement behind a view; None if it is no view."""


@dataclass(frozen=True)
class Typed:
    """An expression in DuckDB's SQL with its type in Trino.

    `constant` is the value of a literal. `zoned` is set where the zone varies by value: an SQL that gives the same
    instant and fails where the zone is not UTC.
    """

    sql: str
    type: TrinoType
    constant: Any = None
    zoned: str | None = None

    @property
    def volatile(self) -> bool:
        """Say whether two evaluations may differ."""
        return any(marker in self.sql for marker in ("random()", "gen_random_uuid()"))


@dataclass(frozen=True)
class Column:
    """A column of a relation: its name (None: it has none), the qualifiers it answers to, its SQL."""

    name: str | None
    sql: str
    type: TrinoType
    qualifier: tuple[str, ...] = ()
    zoned: str | None = None


@dataclass
class Scope:
    """Names in sight: `columns` first, then those of the query around it."""

    columns: list[Column]
    outer: Scope | None = None
    fallback: Scope | None = None

    def find(self, parts: tuple[str, ...]) -> list[Column]:
        """Find the columns that a possibly qualified name means in the nearest scope that has it."""
        qualifier, name = parts[:-1], parts[-1]
        found = [
            column
            for column in self.columns
            if column.name == name and (not qualifier or column.qualifier[-len(qualifier) :] == qualifier)
        ]
        if found:
            return found
        for further in (self.fallback, self.outer):
            if further:
                return further.find(parts)
        return []


@dataclass
class Statement:
    """The state of one translation."""

    catalog: CatalogLookup
    handlers: dict[type[n.Node], Callable[[Env, Any], Typed]]
    query: Callable[..., Any]
    tables: dict[tuple[str, str], None] = field(default_factory=dict)
    views: tuple[tuple[str, str], ...] = ()
    recursions: list[str] = field(default_factory=list)
    counter: int = 0

    def alias(self) -> str:
        """Make a relation's name that no statement can have."""
        self.counter += 1
        return f"r{self.counter}$"


@dataclass(frozen=True)
class Env:
    """Where an expression stands."""

    statement: Statement
    scope: Scope
    database: str
    ctes: dict[str, Any]
    variables: dict[str, Typed] = field(default_factory=dict)
    windows: dict[str, n.Window] = field(default_factory=dict)

    def translate(self, node: n.Expression) -> Typed:
        """Translate an expression; refuse a kind that has no handler."""
        handler = self.statement.handlers.get(type(node))
        if handler is None:
            raise QueryError("NOT_SUPPORTED", f"{node.place}: {type(node).__name__} is not supported here")
        return handler(self, node)

    def with_variables(self, variables: dict[str, Typed]) -> Env:
        """Enter a lambda."""
        return replace(self, variables={**self.variables, **variables})


def quote(name: str) -> str:
    """Write a name for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Write a string for DuckDB."""
    return "'" + value.replace("'", "''") + "'"


def mismatch(place: Place, message: str) -> NoReturn:
    """Fail with TYPE_MISMATCH."""
    raise QueryError("TYPE_MISMATCH", f"{place}: {message}")


def refuse(place: Place, what: str) -> NoReturn:
    """Fail with NOT_SUPPORTED: Trino can, the local Athena cannot."""
    raise QueryError("NOT_SUPPORTED", f"{place}: {what} is not supported locally")
