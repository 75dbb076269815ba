"""Comparisons, logic, IN, LIKE, EXISTS and subqueries."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.coercion import common_type
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError

ORDERED = ("boolean", "tinyint", "smallint", "integer", "bigint", "decimal", "real", "double", "varchar", "char",
           "varbinary", "date", "time", "timestamp", "timestamp with time zone", "uuid", "interval day to second",
           "interval year to month", "unknown")  # fmt: skip


def logical(env: Env, node: n.Logical) -> Typed:
    """Translate AND and OR."""
    terms = [condition(env, term, f"Logical expression term must evaluate to a boolean: {node.operator}")
             for term in node.terms]  # fmt: skip
    return Typed("(" + f" {node.operator} ".join(terms) + ")", t.BOOLEAN)


def condition(env: Env, node: n.Expression, complaint: str) -> str:
    """Translate what must be a boolean."""
    value = env.translate(node)
    if value.type.name not in ("boolean", "unknown"):
        mismatch(node.place, f"{complaint} (actual: {value.type})")
    return coerce(value, t.BOOLEAN, node.place)


def negation(env: Env, node: n.Not) -> Typed:
    """Translate NOT."""
    return Typed(f"(NOT {condition(env, node.operand, 'Value of logical NOT expression must evaluate to a boolean')})",
                 t.BOOLEAN)  # fmt: skip


def comparison(env: Env, node: n.Comparison) -> Typed:
    """Translate a comparison; both sides must meet in one type."""
    left, right = env.translate(node.left), env.translate(node.right)
    return compare(node.operator, left, right, node.place)


def compare(operator: str, left: Typed, right: Typed, place: Place) -> Typed:
    """Write a comparison of two values."""
    kind = common_type(left.type, right.type)
    if kind is None or (kind.name in ("map", "json") and operator not in ("=", "<>")):
        mismatch(place, f"Cannot apply operator: {left.type} {operator} {right.type}")
    a, b = coerce(left, kind, place), coerce(right, kind, place)
    if "DISTINCT" in operator:
        if kind.name in ("array", "map", "row", "json"):
            refuse(place, f"{operator} of {kind}")
        return Typed(f"({a} {operator} {b})", t.BOOLEAN)
    if kind.elements:
        return Typed(_nested(operator, (a, b), kind, (left, right), place), t.BOOLEAN)
    if kind.name in ("real", "double"):
        return Typed(_floating(operator, a, b, left, right), t.BOOLEAN)
    if kind.name not in ORDERED and operator not in ("=", "<>"):
        mismatch(place, f"Cannot apply operator: {left.type} {operator} {right.type}")
    return Typed(f"({a} {operator} {b})", t.BOOLEAN)


def _floating(operator: str, a: str, b: str, left: Typed, right: Typed) -> str:
    """Write a comparison in which NaN is unequal to everything, where DuckDB ranks it above all numbers."""
    risky = [side for side, value in ((a, left), (b, right)) if value.constant is None and value.type.name in
             ("real", "double")]  # fmt: skip
    plain = f"{a} {operator} {b}"
    if operator == "<>":
        if len(risky) < 2:
            return f"({plain})"
        return f"({plain} OR (isnan({a}) AND isnan({b})))"
    guarded = {"=": risky if len(risky) == 2 else [], "<": [b], "<=": [b], ">": [a], ">=": [a]}[operator]
    guards = [f"(NOT isnan({side}) OR {b if side is a else a} IS NULL)" for side in guarded if side in risky][:1]
    return "(" + " AND ".join([plain, *guards]) + ")"


def _nested(operator: str, written: tuple[str, str], kind: TrinoType, sides: tuple[Typed, Typed], place: Place) -> str:
    a, b = written
    if any(side.volatile for side in sides):
        refuse(place, "a comparison of nested values that are random")
    if operator not in ("=", "<>"):
        refuse(place, f"{operator} of {kind}")
    if kind.name == "row":
        parts = []
        for i, element in enumerate(kind.elements, start=1):
            first, second = (Typed(f"struct_extract_at({side}, {i})", element) for side in (a, b))
            parts.append(compare("=", first, second, place).sql)
        equal = f"CASE WHEN {a} IS NOT NULL AND {b} IS NOT NULL THEN {' AND '.join(parts)} END"
    elif kind.name == "array" and kind.elements[0].name in ORDERED and kind.elements[0].name not in ("real", "double"):
        equal = f"trino_array_equal({a}, {b})"
    else:
        refuse(place, f"{operator} of {kind}")
    return f"({equal})" if operator == "=" else f"(NOT ({equal}))"


def between(env: Env, node: n.Between) -> Typed:
    """Translate BETWEEN as its two comparisons; each meets in a type of its own."""
    operand, low, high = (env.translate(part) for part in (node.operand, node.low, node.high))
    if operand.volatile:
        bounds = [coerce(bound, operand.type, node.place) for bound in (low, high)]
        return Typed(f"({operand.sql} BETWEEN {bounds[0]} AND {bounds[1]})", t.BOOLEAN)
    above, below = compare(">=", operand, low, node.place), compare("<=", operand, high, node.place)
    return Typed(f"({above.sql} AND {below.sql})", t.BOOLEAN)


def in_list(env: Env, node: n.InList) -> Typed:
    """Translate IN over a list; all options meet in one type with the operand."""
    operand = env.translate(node.operand)
    options = [env.translate(option) for option in node.options]
    kind: TrinoType | None = operand.type
    for option in options:
        kind = common_type(kind, option.type) if kind is not None else None
        if kind is None:
            mismatch(node.place, f"IN value and list items must be the same type: {operand.type}, {option.type}")
    assert kind is not None
    if kind.elements or (kind.name in ("real", "double") and any(option.constant is None for option in options)):
        if operand.volatile:
            refuse(node.place, "IN of a random value")
        tests = [compare("=", operand, option, node.place).sql for option in options]
        return Typed("(" + " OR ".join(tests) + ")", t.BOOLEAN)
    written = ", ".join(coerce(option, kind, node.place) for option in options)
    return Typed(f"({coerce(operand, kind, node.place)} IN ({written}))", t.BOOLEAN)


def in_query(env: Env, node: n.InQuery) -> Typed:
    """Translate IN over a query, as the comparison with ANY of its rows."""
    if isinstance(node.operand, n.RowOf):
        return _row_in_query(env, node)
    return quantified(env, n.Quantified(node.place, "=", "ANY", node.operand, node.query))


def _row_in_query(env: Env, node: n.InQuery) -> Typed:
    assert isinstance(node.operand, n.RowOf)
    values = [env.translate(item) for item in node.operand.items]
    inner = env.statement.query(env, node.query)
    if len(inner.columns) != len(values):
        mismatch(node.place, f"row of {len(values)} fields against a query of {len(inner.columns)} columns")
    alias = env.statement.alias()
    tests = [
        compare("=", value, Typed(f"{alias}.c{i}", column.type), node.place).sql
        for i, (value, column) in enumerate(zip(values, inner.columns, strict=True))
    ]
    # bool_or forgets NULLs: a row that matches decides, else one that might match makes the answer NULL.
    matched = " AND ".join(tests)
    sql = (f"(SELECT CASE WHEN bool_or({matched}) THEN true WHEN count(*) > count({matched}) THEN NULL ELSE false END"
           f" FROM ({inner.sql}) AS {alias})")  # fmt: skip
    return Typed(sql, t.BOOLEAN)


def quantified(env: Env, node: n.Quantified) -> Typed:
    """Translate a comparison with ANY or ALL rows of a query."""
    left = env.translate(node.left)
    inner = env.statement.query(env, node.query)
    if len(inner.columns) != 1:
        mismatch(node.place, "Multiple columns returned by subquery are not yet supported")
    kind = common_type(left.type, inner.columns[0].type)
    if kind is None:
        mismatch(node.place, f"value and result of subquery must be of the same type: {left.type} vs"
                             f" {inner.columns[0].type}")  # fmt: skip
    if kind.elements or kind.name in ("real", "double", "json"):
        refuse(node.place, f"a comparison of {kind} with the rows of a query")
    alias = env.statement.alias()
    column = coerce(Typed(f"{alias}.c0", inner.columns[0].type), kind, node.place)
    rows = f"(SELECT {column} FROM ({inner.sql}) AS {alias})"
    operand = coerce(left, kind, node.place)
    if node.operator == "=" and node.quantifier == "ANY":
        return Typed(f"({operand} IN {rows})", t.BOOLEAN)
    return Typed(f"({operand} {node.operator} {node.quantifier} {rows})", t.BOOLEAN)


def like(env: Env, node: n.Like) -> Typed:
    """Translate LIKE; both sides are text, and nothing escapes unless ESCAPE says so."""
    parts = [env.translate(part) for part in (node.operand, node.pattern, node.escape) if part is not None]
    for part, label in zip(parts, ("Left side", "Pattern", "Escape"), strict=False):
        if part.type.name not in ("varchar", "unknown"):
            mismatch(node.place, f"{label} of LIKE expression must evaluate to a varchar (actual: {part.type})")
    written = [coerce(part, t.VARCHAR, node.place) for part in parts]
    if node.escape is not None and (not isinstance(parts[2].constant, str) or len(parts[2].constant) != 1):
        raise QueryError("INVALID_FUNCTION_ARGUMENT", f"{node.place}: Escape string must be a single character")
    escape = f" ESCAPE {written[2]}" if node.escape is not None else ""
    return Typed(f"({written[0]} LIKE {written[1]}{escape})", t.BOOLEAN)


def is_null(env: Env, node: n.IsNull) -> Typed:
    """Translate IS NULL."""
    operand = env.translate(node.operand)
    return Typed("true" if operand.type.name == "unknown" else f"({operand.sql} IS NULL)", t.BOOLEAN)


def exists(env: Env, node: n.Exists) -> Typed:
    """Translate EXISTS."""
    return Typed(f"EXISTS ({env.statement.query(env, node.query).sql})", t.BOOLEAN)


def subquery(env: Env, node: n.Subquery) -> Typed:
    """Translate a query whose one row is a value."""
    inner = env.statement.query(env, node.query)
    if len(inner.columns) != 1:
        mismatch(node.place, "a subquery that is a value must have one column; make it a row")
    return Typed(f"({inner.sql})", inner.columns[0].type)
