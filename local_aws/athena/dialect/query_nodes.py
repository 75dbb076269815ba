"""The syntax tree's queries and relations."""

from __future__ import annotations

from dataclasses import dataclass

from local_aws.athena.dialect.nodes import Expression, Name, Node, SortItem, Window


class Relation(Node):
    """Anything that stands behind FROM."""


@dataclass(frozen=True)
class Table(Relation):
    """A table by its name."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class QueryRelation(Relation):
    """A query in parentheses, perhaps LATERAL."""

    query: Query
    lateral: bool = False


@dataclass(frozen=True)
class Unnest(Relation):
    """UNNEST of arrays or maps."""

    expressions: tuple[Expression, ...]
    ordinality: bool


@dataclass(frozen=True)
class Sample(Relation):
    """TABLESAMPLE over a relation."""

    relation: Relation
    method: str
    percentage: Expression


@dataclass(frozen=True)
class Aliased(Relation):
    """A relation under another name, perhaps with names for its columns."""

    relation: Relation
    alias: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Join(Relation):
    """`kind` is INNER, LEFT, RIGHT, FULL or CROSS."""

    kind: str
    left: Relation
    right: Relation
    condition: Expression | None = None
    using: tuple[Name, ...] = ()


@dataclass(frozen=True)
class SelectItem(Node):
    """One selected expression, perhaps named."""

    expression: Expression
    alias: str | None


@dataclass(frozen=True)
class AllColumns(Node):
    """`*`, or `base.*` with its optional column aliases."""

    base: Expression | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grouping(Node):
    """`kind` is SIMPLE, ROLLUP, CUBE or SETS; each set is a list of expressions."""

    kind: str
    sets: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True)
class Select(Node):
    """SELECT with its clauses up to HAVING."""

    distinct: bool
    items: tuple[SelectItem | AllColumns, ...]
    relation: Relation | None
    where: Expression | None
    grouping: tuple[Grouping, ...] | None
    grouping_distinct: bool
    having: Expression | None
    windows: tuple[tuple[str, Window], ...]


@dataclass(frozen=True)
class Values(Node):
    """VALUES."""

    rows: tuple[Expression, ...]


@dataclass(frozen=True)
class SetOperation(Node):
    """UNION, INTERSECT or EXCEPT."""

    operator: str
    distinct: bool
    left: Body
    right: Body


@dataclass(frozen=True)
class With(Node):
    """WITH and its named queries."""

    recursive: bool
    queries: tuple[tuple[str, tuple[str, ...], Query], ...]


@dataclass(frozen=True)
class Query(Node):
    """`limit` and `offset` are whole numbers; `ties` belongs to FETCH FIRST n ROWS WITH TIES."""

    with_: With | None
    body: Body
    order: tuple[SortItem, ...]
    offset: int | None
    limit: int | None
    ties: bool


Body = Select | Values | SetOperation | Table | Query
