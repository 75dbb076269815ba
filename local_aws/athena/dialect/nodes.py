"""The syntax tree's expressions. Each node knows its place in the statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.types import TrinoType

if TYPE_CHECKING:
    from local_aws.athena.dialect.query_nodes import Query


@dataclass(frozen=True)
class Node:
    """Anything that the parser makes."""

    place: Place = field(compare=False, repr=False)


class Expression(Node):
    """Anything that has a value."""


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
    """INTERVAL, a signed amount and a unit."""

    sign: int
    text: str
    start: str
    end: str | None


@dataclass(frozen=True)
class Name(Expression):
    """A column, perhaps qualified."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Field(Expression):
    """`base.name`: a qualified column or a row's field."""

    base: Expression
    name: str


@dataclass(frozen=True)
class SortItem(Node):
    """One key of an ORDER BY."""

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
    """OVER: partition, order and frame."""

    reference: str | None
    partition: tuple[Expression, ...]
    order: tuple[SortItem, ...]
    frame: Frame | None


@dataclass(frozen=True)
class Call(Expression):
    """A function call with all that may follow its arguments."""

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
    """A function without a name: `x -> x + 1`."""

    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True)
class Cast(Expression):
    """CAST or TRY_CAST."""

    operand: Expression
    target: TrinoType
    safe: bool


@dataclass(frozen=True)
class Extract(Expression):
    """EXTRACT(field FROM operand)."""

    part: str
    operand: Expression


@dataclass(frozen=True)
class Case(Expression):
    """CASE with or without an operand."""

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
    """NOT over an operand."""

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
    """BETWEEN, both bounds included."""

    operand: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True)
class InList(Expression):
    """IN over a list."""

    operand: Expression
    options: tuple[Expression, ...]


@dataclass(frozen=True)
class InQuery(Expression):
    """IN over a query."""

    operand: Expression
    query: Query


@dataclass(frozen=True)
class Like(Expression):
    """LIKE with an optional escape."""

    operand: Expression
    pattern: Expression
    escape: Expression | None


@dataclass(frozen=True)
class IsNull(Expression):
    """IS NULL."""

    operand: Expression


@dataclass(frozen=True)
class Exists(Expression):
    """EXISTS over a query."""

    query: Query


@dataclass(frozen=True)
class Subquery(Expression):
    """A query that yields one value."""

    query: Query


@dataclass(frozen=True)
class ArrayOf(Expression):
    """ARRAY[…]."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class RowOf(Expression):
    """ROW(…), or values in parentheses."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Subscript(Expression):
    """base[index]."""

    base: Expression
    index: Expression


@dataclass(frozen=True)
class AtTimeZone(Expression):
    """AT TIME ZONE."""

    operand: Expression
    zone: Expression
