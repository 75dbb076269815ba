"""The syntax tree's queries and relations."""

from __future__ import annotations

from dataclasses import dataclass

from local_aws.athena.dialect.nodes import Expression, Name, Node, SortItem, Window


class Relation(Node):
    """Anything that stands behind FROM."""


@dataclass(frozen=True)
class Table(Relation):
    parts: tuple[str, ...]


@dataclass(frozen=True)
class QueryRelation(Relation):
    query: Query
    lateral: bool = False


@dataclass(frozen=True)
class Unnest(Relation):
    expressions: tuple[Expression, ...]
    ordinality: bool


@dataclass(frozen=True)
class Sample(Relation):
    relation: Relation
    method: str
    percentage: Expression


@dataclass(frozen=True)
class Aliased(Relation):
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
