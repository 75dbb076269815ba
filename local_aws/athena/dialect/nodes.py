"""The syntax tree of a query: expressions, relations, queries. Each node knows its place in the statement."""

from __future__ import annotations

from dataclasses import dataclass, field

from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.types import TrinoType


@dataclass(frozen=True)
class Node:
    """Anything that the parser makes."""

    place: Place = field(compare=False, repr=False)


class Expression(Node):
    """Anything that has a value."""


class Relation(Node):
    """Anything that stands behind FROM."""


@dataclass(frozen=True)
class Literal(Expression):
    """`kind` is null, boolean, integer, decimal, double, string or binary."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class TypedLiteral(Expression):
    """A type's name before a string, such as DATE '2024-01-02'."""

    type_name: str
    text: str


@dataclass(frozen=True)
class IntervalLiteral(Expression):
    sign: int
    text: str
    start: str
    end: str | None


@dataclass(frozen=True)
class Name(Expression):
    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Field(Expression):
    """`base.name`: a qualified column or a row's field."""

    base: Expression
    name: str


@dataclass(frozen=True)
class SortItem(Node):
    expression: Expression
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class Frame(Node):
    """`start` and `end`: (kind, expression), kind such as UNBOUNDED PRECEDING, CURRENT ROW, PRECEDING."""

    unit: str
    start: tuple[str, Expression | None]
    end: tuple[str, Expression | None] | None


@dataclass(frozen=True)
class Window(Node):
    reference: str | None
    partition: tuple[Expression, ...]
    order: tuple[SortItem, ...]
    frame: Frame | None


@dataclass(frozen=True)
class Call(Expression):
    name: str
    args: tuple[Expression, ...]
    star: bool = False
    distinct: bool = False
    order: tuple[SortItem, ...] = ()
    filter: Expression | None = None
    window: Window | None = None
    ignore_nulls: bool | None = None
    option: str = ""  # what special forms add: trim's side, listagg's overflow clause, a JSON function's clauses


@dataclass(frozen=True)
class Lambda(Expression):
    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True)
class Cast(Expression):
    operand: Expression
    target: TrinoType
    safe: bool


@dataclass(frozen=True)
class Extract(Expression):
    part: str
    operand: Expression


@dataclass(frozen=True)
class Case(Expression):
    operand: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None


@dataclass(frozen=True)
class Unary(Expression):
    """`-` or `+`."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Arithmetic(Expression):
    """`+ - * / %` or `||`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Logical(Expression):
    """AND or OR."""

    operator: str
    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Not(Expression):
    operand: Expression


@dataclass(frozen=True)
class Comparison(Expression):
    """`= <> < <= > >=`, IS DISTINCT FROM, IS NOT DISTINCT FROM."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Quantified(Expression):
    """A comparison with ALL, ANY or SOME of a query's rows."""

    operator: str
    quantifier: str
    left: Expression
    query: Query


@dataclass(frozen=True)
class Between(Expression):
    operand: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True)
class InList(Expression):
    operand: Expression
    options: tuple[Expression, ...]


@dataclass(frozen=True)
class InQuery(Expression):
    operand: Expression
    query: Query


@dataclass(frozen=True)
class Like(Expression):
    operand: Expression
    pattern: Expression
    escape: Expression | None


@dataclass(frozen=True)
class IsNull(Expression):
    operand: Expression


@dataclass(frozen=True)
class Exists(Expression):
    query: Query


@dataclass(frozen=True)
class Subquery(Expression):
    query: Query


@dataclass(frozen=True)
class ArrayOf(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class RowOf(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Subscript(Expression):
    base: Expression
    index: Expression


@dataclass(frozen=True)
class AtTimeZone(Expression):
    operand: Expression
    zone: Expression


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
