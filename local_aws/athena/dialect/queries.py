"""Queries: WITH, SELECT with its clauses, set operations, order and limit."""

from __future__ import annotations

from dataclasses import replace

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect.coercion import common_type
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Column, Env, Scope, Typed, mismatch, refuse
from local_aws.athena.dialect.finish import Draft, Result, finish
from local_aws.athena.dialect.grouping import group_by
from local_aws.athena.dialect.literals import of_column
from local_aws.athena.dialect.predicates import condition
from local_aws.athena.dialect.relations import Cte, relation, table, values
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.dialect.windows import direction
from local_aws.athena.errors import QueryError

MAX_RECURSION = 10


def query(env: Env, node: q.Query, top: bool = False) -> Result:
    """Translate a query. `env.scope` is what the query around it lets it see."""
    prefix = ""
    if node.with_ is not None:
        env, prefix = _with(env, node.with_)
    if isinstance(node.body, q.Select):
        result = _select(env, node.body, node, top)
    else:
        result = _ordered(env, _body(env, node.body), node, top)
    return replace(result, sql=prefix + result.sql)


def _with(env: Env, node: q.With) -> tuple[Env, str]:
    written = []
    for name, names, inner in node.queries:
        alias = f"w{env.statement.alias()}"
        recursive = node.recursive and names and _mentions(inner, name)
        if recursive:
            sql, columns = _recursive(env, name, names, inner, alias)
        else:
            result = query(env, inner)
            if names and len(names) != len(result.columns):
                raise QueryError("MISMATCHED_COLUMN_ALIASES", f"{inner.place}: column alias list has {len(names)}"
                                 f" entries but WITH query '{name}' has {len(result.columns)} columns")  # fmt: skip
            labels: tuple[str | None, ...] = names or tuple(column.name for column in result.columns)
            columns = [Column(label, f"c{i}", column.type)
                       for i, (label, column) in enumerate(zip(labels, result.columns, strict=True))]  # fmt: skip
            sql = f"{alias} AS ({result.sql})"
        written.append(sql)
        env = replace(env, ctes={**env.ctes, name: Cte(alias, columns)})
    return env, f"WITH {'RECURSIVE ' if node.recursive else ''}{', '.join(written)} "


def _mentions(node: object, name: str) -> bool:
    if isinstance(node, q.Table):
        return node.parts == (name,)
    if isinstance(node, n.Node):
        return any(_mentions(value, name) for value in vars(node).values())
    return isinstance(node, tuple) and any(_mentions(item, name) for item in node)


def _recursive(env: Env, name: str, names: tuple[str, ...], node: q.Query, alias: str) -> tuple[str, list[Column]]:
    body = node.body
    plain = isinstance(body, q.SetOperation) and body.operator == "UNION" and not body.distinct
    if not plain or node.order or node.limit is not None or node.with_:
        refuse(node.place, "a recursive query other than a UNION ALL of its base and its step")
    assert isinstance(body, q.SetOperation)
    base, step = _body(env, body.left), body.right
    if not isinstance(step, q.Select) or step.grouping or step.distinct or step.having:
        refuse(step.place, "a recursive step that groups or is no plain SELECT")
    if len(names) != len(base.columns):
        raise QueryError("MISMATCHED_COLUMN_ALIASES",
                         f"{node.place}: WITH query '{name}' has {len(base.columns)} columns")  # fmt: skip
    columns = [Column(label, f"c{i}", column.type)
               for i, (label, column) in enumerate(zip(names, base.columns, strict=True))]  # fmt: skip
    inner = replace(env, ctes={**env.ctes, name: Cte(alias, columns, recursive=True)})
    before = len(env.statement.recursions)
    result = _select(inner, step, q.Query(step.place, None, step, (), None, None, False), top=False, recursion=before)
    side = [Typed(f"s$.c{i}", column.type) for i, column in enumerate(result.columns)]
    if len(side) != len(columns):
        mismatch(step.place, "base and step of a recursive query have different columns")
    casts = ", ".join(coerce(value, column.type, step.place) for value, column in zip(side, columns, strict=True))
    labels = ", ".join(f"c{i}" for i in range(len(columns)))
    first = f"SELECT {labels}, 0 FROM ({base.sql})"
    further = f"SELECT {casts}, s$.depth$ FROM ({result.sql}) AS s$ WHERE trino_depth(s$.depth$, {MAX_RECURSION})"
    return f"{alias}({labels}, depth$) AS ({first} UNION ALL {further})", columns


def _body(env: Env, node: q.Body) -> Result:
    if isinstance(node, q.Select):
        return _select(env, node, q.Query(node.place, None, node, (), None, None, False), top=False)
    if isinstance(node, q.Values):
        sql, columns = values(env, node)
        return Result(sql, columns)
    if isinstance(node, q.Query):
        return query(env, node)
    if isinstance(node, q.Table):
        source = table(env, node)
        items = ", ".join(f"{column.sql} AS c{i}" for i, column in enumerate(source.columns))
        return Result(f"SELECT {items} FROM {source.sql}", source.columns)
    return _set_operation(env, node)


def _set_operation(env: Env, node: q.SetOperation) -> Result:
    left, right = _body(env, node.left), _body(env, node.right)
    if len(left.columns) != len(right.columns):
        raise QueryError("TYPE_MISMATCH", f"{node.place}: {node.operator} query has different number of fields:"
                                          f" {len(left.columns)}, {len(right.columns)}")  # fmt: skip
    kinds: list[TrinoType] = []
    for position, (a, b) in enumerate(zip(left.columns, right.columns, strict=True), start=1):
        common = common_type(a.type, b.type)
        if common is None:
            mismatch(node.place, f"column {position} in {node.operator} query has incompatible types:"
                                 f" {a.type}, {b.type}")  # fmt: skip
        kinds.append(common)
    word = f"{node.operator}{'' if node.distinct else ' ALL'}"
    sides = " ".join((_as_types(env, left, kinds, node), word, _as_types(env, right, kinds, node)))
    columns = [replace(column, type=kind) for column, kind in zip(left.columns, kinds, strict=True)]
    return Result(sides, columns)


def _as_types(env: Env, side: Result, kinds: list[TrinoType], node: q.SetOperation) -> str:
    alias = env.statement.alias()
    items = ", ".join(
        f"{coerce(Typed(f'{alias}.c{i}', column.type), kind, node.place)} AS c{i}"
        for i, (column, kind) in enumerate(zip(side.columns, kinds, strict=True))
    )
    return f"SELECT {items} FROM ({side.sql}) AS {alias}"


def _ordered(env: Env, inner: Result, node: q.Query, top: bool) -> Result:
    alias = env.statement.alias()
    columns = [replace(column, sql=f"{alias}.c{i}", qualifier=()) for i, column in enumerate(inner.columns)]
    items = [(column.name, Typed(column.sql, column.type)) for column in columns]
    keys = _order(replace(env, scope=Scope(columns, outer=env.scope)), node.order, items, distinct=False)
    return finish(env, Draft(f"FROM ({inner.sql}) AS {alias}", keys), items, node, top)


def _select(env: Env, node: q.Select, outer: q.Query, top: bool, recursion: int | None = None) -> Result:
    clauses = ""
    local = replace(env, scope=Scope([], outer=env.scope), windows=dict(node.windows))
    if node.relation is not None:
        source = relation(local, node.relation)
        clauses = f"FROM {source.sql}"
        local = replace(local, scope=Scope(source.columns, outer=env.scope))
    if node.where is not None:
        clauses += f" WHERE {condition(local, node.where, 'WHERE clause must evaluate to a boolean')}"
    items = _items(local, node)
    if node.grouping is not None:
        clauses += f" GROUP BY {group_by(local, node, [value for _, value in items])}"
    if node.having is not None:
        clauses += f" HAVING {condition(local, node.having, 'HAVING clause must evaluate to a boolean')}"
    named = [Column(name, value.sql, value.type, zoned=value.zoned) for name, value in items if name]
    order_env = replace(local, scope=Scope(named, outer=env.scope, fallback=local.scope))
    keys = _order(order_env, outer.order, items, node.distinct)
    extra = ""
    if recursion is not None:
        seen = env.statement.recursions[recursion:]
        if len(seen) != 1:
            refuse(node.place, "a recursive step that refers to itself more than once")
        extra = f", {seen[0]}.depth$ + 1 AS depth$"
    return finish(env, Draft(clauses, keys, "DISTINCT " if node.distinct else "", extra), items, outer, top)


def _items(env: Env, node: q.Select) -> list[tuple[str | None, Typed]]:
    items: list[tuple[str | None, Typed]] = []
    for item in node.items:
        if isinstance(item, q.AllColumns):
            items += _all_columns(env, item)
            continue
        name = item.alias
        if name is None and isinstance(item.expression, n.Name):
            name = item.expression.text
        elif name is None and isinstance(item.expression, n.Field):
            name = item.expression.name
        items.append((name, env.translate(item.expression)))
    return items


def _all_columns(env: Env, item: q.AllColumns) -> list[tuple[str | None, Typed]]:
    columns = env.scope.columns
    if item.base is not None:
        parts: list[str] = []
        base = item.base
        while isinstance(base, n.Field):
            parts.insert(0, base.name)
            base = base.base
        if not isinstance(base, n.Name):
            refuse(item.place, "all fields of a row that is an expression")
        qualifier = (base.text, *parts)
        columns = [column for column in columns if column.qualifier[-len(qualifier) :] == qualifier]
    if not columns:
        said = ("SELECT * not allowed in queries without FROM clause" if item.base is None
                else f"Unable to resolve reference {'.'.join(qualifier)}")  # fmt: skip
        raise QueryError("COLUMN_NOT_FOUND", f"{item.place}: {said}")
    if item.aliases and len(item.aliases) != len(columns):
        given = len(item.aliases)
        raise QueryError("MISMATCHED_COLUMN_ALIASES", f"{item.place}: Column alias list has {given} entries")
    names: tuple[str | None, ...] = item.aliases or tuple(column.name for column in columns)
    return [(name, of_column(column)) for name, column in zip(names, columns, strict=True)]


def _order(env: Env, order: tuple[n.SortItem, ...], items: list[tuple[str | None, Typed]], distinct: bool) -> str:
    keys = []
    for item in order:
        if isinstance(item.expression, n.Literal) and item.expression.kind == "integer":
            position = int(item.expression.text)
            if not 1 <= position <= len(items):
                raise QueryError("INVALID_COLUMN_REFERENCE",
                                 f"{item.place}: ORDER BY position {position} is not in select list")  # fmt: skip
            key = str(position)
            value = items[position - 1][1]
        else:
            value = env.translate(item.expression)
            key = _key(value, items, item, distinct)
        if value.type.name in ("map", "json") or (value.type.elements and value.type.name != "array"):
            mismatch(item.place, f"Type {value.type} is not orderable, and therefore cannot be used in ORDER BY")
        keys.append(direction(key, item))
    return ", ".join(keys)


def _key(value: Typed, items: list[tuple[str | None, Typed]], item: n.SortItem, distinct: bool) -> str:
    for position, (_, selected) in enumerate(items, start=1):
        if selected.sql == value.sql:
            return str(position)
    if distinct:
        raise QueryError(
            "EXPRESSION_NOT_IN_DISTINCT",
            f"{item.place}: For SELECT DISTINCT, ORDER BY expressions must appear in select list",
        )
    if value.volatile:
        refuse(item.place, "an order by a random value that is not selected")
    return value.sql
