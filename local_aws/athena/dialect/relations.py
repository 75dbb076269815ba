"""What stands behind FROM: tables, views, subqueries, VALUES, UNNEST, joins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.coercion import common_type
from local_aws.athena.dialect.conversion import coerce
from local_aws.athena.dialect.env import Column, Env, Scope, Typed, mismatch, quote, refuse
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.predicates import compare, condition
from local_aws.athena.dialect.query_grammar import parse
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError

CATALOG = "awsdatacatalog"
INFORMATION_SCHEMA = {
    "tables": ("table_catalog", "table_schema", "table_name", "table_type"),
    "columns": ("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default",
                "is_nullable", "data_type"),
    "schemata": ("catalog_name", "schema_name"),
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A relation in DuckDB's SQL with its columns."""

    sql: str
    columns: list[Column]


@dataclass(frozen=True)
class Cte:
    """A query of a WITH clause."""

    name: str
    columns: list[Column]
    recursive: bool = False


def relation(env: Env, node: q.Relation) -> Source:
    """Translate a relation; `env.scope` holds what a lateral one may see."""
    if isinstance(node, q.Table):
        return table(env, node)
    if isinstance(node, q.QueryRelation):
        return _query(env, node)
    if isinstance(node, q.Aliased):
        return _aliased(env, node)
    if isinstance(node, q.Join):
        return _join(env, node)
    if isinstance(node, q.Unnest):
        return _unnest(env, node)
    if isinstance(node, q.Sample):
        return _sample(env, node)
    refuse(node.place, type(node).__name__)


def table(env: Env, node: q.Table) -> Source:
    """Find a table: a query of WITH first, then the catalog's tables and views."""
    alias = env.statement.alias()
    if len(node.parts) == 1 and node.parts[0] in env.ctes:
        return _cte(env, node, env.ctes[node.parts[0]], alias)
    database, name = _qualify(env, node)
    qualifier = (CATALOG, database, name)
    written = f"{quote(database)}.{quote(name)} AS {alias}"
    if database == "information_schema":
        if name not in INFORMATION_SCHEMA:
            _no_table(node, database, name)
        kinds = {"ordinal_position": t.BIGINT}
        found = [(column, kinds.get(column, t.VARCHAR)) for column in INFORMATION_SCHEMA[name]]
    else:
        if not env.statement.catalog.has_database(database):
            raise QueryError("SCHEMA_NOT_FOUND", f"{node.place}: Schema '{database}' does not exist")
        view = env.statement.catalog.view_sql(database, name)
        if view is not None:
            return _view(env, node, (database, name), view)
        listed = env.statement.catalog.columns(database, name)
        if listed is None:
            _no_table(node, database, name)
        found = [(column.lower(), _readable(kind)) for column, kind in listed]
    env.statement.tables[(database, name)] = None
    return Source(written, [_stored(alias, column, kind, qualifier) for column, kind in found])


def _readable(written: str) -> TrinoType:
    kind = TrinoType.from_text(written)
    return t.with_zone(kind, "UTC") if kind.name == "timestamp with time zone" else kind


def _stored(alias: str, name: str, kind: TrinoType, qualifier: tuple[str, ...]) -> Column:
    sql = f"{alias}.{quote(name)}"
    # A char is held without its padding, whatever the file has.
    return Column(name, f"rtrim({sql}, ' ')" if kind.name == "char" else sql, kind, qualifier)


def _no_table(node: q.Table, database: str, name: str) -> NoReturn:
    raise QueryError("TABLE_NOT_FOUND", f"{node.place}: Table '{CATALOG}.{database}.{name}' does not exist")


def _qualify(env: Env, node: q.Table) -> tuple[str, str]:
    if len(node.parts) > 3:
        raise QueryError("SYNTAX_ERROR", f"{node.place}: Too many parts in table name: {'.'.join(node.parts)}")
    if len(node.parts) == 3 and node.parts[0] != CATALOG:
        raise QueryError("CATALOG_NOT_FOUND", f"{node.place}: Catalog '{node.parts[0]}' does not exist")
    if len(node.parts) == 1:
        return env.database, node.parts[0]
    return node.parts[-2], node.parts[-1]


def _cte(env: Env, node: q.Table, found: Cte, alias: str) -> Source:
    if found.recursive:
        env.statement.recursions.append(alias)
    columns = [Column(column.name, f"{alias}.{column.sql}", column.type, (node.parts[0],)) for column in found.columns]
    return Source(f"{found.name} AS {alias}", columns)


def _view(env: Env, node: q.Table, key: tuple[str, str], sql: str) -> Source:
    if key in env.statement.views:
        raise QueryError("INVALID_VIEW", f"{node.place}: View '{CATALOG}.{'.'.join(key)}' refers to itself")
    env.statement.views = (*env.statement.views, key)
    inner = Env(env.statement, Scope([]), key[0], {})
    try:
        result = env.statement.query(inner, parse(sql))
    except QueryError as error:
        raise QueryError("INVALID_VIEW", f"{node.place}: Failed analyzing stored view '{CATALOG}.{'.'.join(key)}':"
                                         f" {error.message}") from error  # fmt: skip
    env.statement.views = env.statement.views[:-1]
    return _source(env, result, (CATALOG, *key))


def _source(env: Env, result: object, qualifier: tuple[str, ...], lateral: bool = False) -> Source:
    alias = env.statement.alias()
    columns = [
        Column(column.name, f"{alias}.c{i}", column.type, qualifier)
        for i, column in enumerate(result.columns)  # type: ignore[attr-defined]
    ]
    return Source(f"{'LATERAL ' if lateral else ''}({result.sql}) AS {alias}", columns)  # type: ignore[attr-defined]


def _query(env: Env, node: q.QueryRelation) -> Source:
    inner = env if node.lateral else replace(env, scope=env.scope.outer or Scope([]))
    return _source(env, env.statement.query(inner, node.query), (), node.lateral)


def _aliased(env: Env, node: q.Aliased) -> Source:
    source = relation(env, node.relation)
    if node.columns and len(node.columns) != len(source.columns):
        raise QueryError(
            "MISMATCHED_COLUMN_ALIASES",
            f"{node.place}: Column alias list has {len(node.columns)} entries but '{node.alias}' has"
            f" {len(source.columns)} columns available",
        )
    names: tuple[str | None, ...] = node.columns or tuple(column.name for column in source.columns)
    columns = [
        replace(column, name=name, qualifier=(node.alias,)) for column, name in zip(source.columns, names, strict=True)
    ]
    return replace(source, columns=columns)


def _join(env: Env, node: q.Join) -> Source:
    left = relation(env, node.left)
    # What is on the left can be seen by a lateral relation and by UNNEST on the right.
    beside = replace(env, scope=Scope(left.columns, outer=env.scope.outer, fallback=env.scope))
    right = relation(beside, node.right)
    columns = left.columns + right.columns
    lateral = _is_lateral(node.right)
    if node.kind == "CROSS":
        return Source(f"{left.sql} CROSS JOIN {right.sql}", columns)
    if lateral and node.kind not in ("INNER", "LEFT"):
        refuse(node.place, f"{node.kind} JOIN with UNNEST or LATERAL")
    if node.using:
        return _using(node, left, right)
    assert node.condition is not None
    if lateral and not (isinstance(node.condition, n.Literal) and node.condition.text == "true"):
        refuse(node.place, "UNNEST or LATERAL joined on anything but TRUE")
    inner = replace(env, scope=Scope(columns, outer=env.scope.outer))
    test = condition(inner, node.condition, "JOIN ON clause must evaluate to a boolean")
    return Source(f"({left.sql} {node.kind} JOIN {right.sql} ON {test})", columns)


def _is_lateral(node: q.Relation) -> bool:
    while isinstance(node, q.Aliased | q.Sample):
        node = node.relation
    return isinstance(node, q.Unnest) or (isinstance(node, q.QueryRelation) and node.lateral)


def _using(node: q.Join, left: Source, right: Source) -> Source:
    tests, joined, used = [], [], []
    for name in node.using:
        pair = []
        for side in (left, right):
            found = [column for column in side.columns if column.name == name.text]
            if len(found) != 1:
                kind = "AMBIGUOUS_NAME" if found else "COLUMN_NOT_FOUND"
                said = "ambiguous" if found else "missing"
                raise QueryError(kind, f"{name.place}: Column '{name.text}' is {said} on one side of join")
            pair.append(found[0])
        a, b = (Typed(column.sql, column.type) for column in pair)
        tests.append(compare("=", a, b, name.place).sql)
        if a.type != b.type:
            refuse(name.place, f"USING of {a.type} and {b.type}")
        sql = {"RIGHT": b.sql, "FULL": f"coalesce({a.sql}, {b.sql})"}.get(node.kind, a.sql)
        joined.append(Column(name.text, sql, a.type))
        used += pair
    rest = [column for column in left.columns + right.columns if not any(column is one for one in used)]
    return Source(f"({left.sql} {node.kind} JOIN {right.sql} ON {' AND '.join(tests)})", joined + rest)


def _unnest(env: Env, node: q.Unnest) -> Source:
    alias = env.statement.alias()
    lists: list[str] = []
    columns: list[Column] = []
    for expression in node.expressions:
        value = env.translate(expression)
        position = len(lists)
        if value.volatile:
            refuse(expression.place, "UNNEST of a value that is random")
        if value.type.name == "array":
            lists.append(f"unnest({value.sql})")
            columns += _elements(f"{alias}.u{position}", value.type.elements[0])
        elif value.type.name == "map":
            lists += [f"unnest(map_keys({value.sql}))", f"unnest(map_values({value.sql}))"]
            columns += [Column(None, f"{alias}.u{position + i}", kind) for i, kind in enumerate(value.type.elements)]
        else:
            mismatch(expression.place, f"Cannot unnest type: {value.type}")
    if node.ordinality:
        length = ", ".join(f"coalesce(len({one.removeprefix('unnest(').removesuffix(')')}), 0)" for one in lists)
        columns.append(Column(None, f"{alias}.u{len(lists)}", t.BIGINT))
        lists.append(f"unnest(range(1, greatest({length}) + 1))")
    selected = ", ".join(f"{sql} AS u{i}" for i, sql in enumerate(lists))
    return Source(f"LATERAL (SELECT {selected}) AS {alias}", columns)


def _elements(sql: str, kind: TrinoType) -> list[Column]:
    if kind.name != "row":
        return [Column(None, sql, kind)]
    return [
        Column(name.lower() if name else None, f"struct_extract_at({sql}, {i})", element)
        for i, (name, element) in enumerate(zip(kind.names, kind.elements, strict=True), start=1)
    ]


def _sample(env: Env, node: q.Sample) -> Source:
    source = relation(env, node.relation)
    percentage = env.translate(node.percentage)
    if percentage.type.name not in ("integer", "bigint", "decimal", "double") or isinstance(node.relation, q.Join):
        refuse(node.place, "this TABLESAMPLE")
    if not isinstance(percentage.constant, int | float) or not 0 <= percentage.constant <= 100:
        raise QueryError("INVALID_ARGUMENTS", f"{node.place}: Sample percentage must be between 0 and 100")
    # SYSTEM samples by file or block in Trino and promises no more than that; both take rows here.
    sampled = f"{source.sql} TABLESAMPLE bernoulli({percentage.constant}%)"
    return Source(sampled, source.columns)


def values(env: Env, node: q.Values) -> tuple[str, list[Column]]:
    """Translate VALUES; each column meets in one type."""
    rows = [list(item.items) if isinstance(item, n.RowOf) else [item] for item in node.rows]
    width = len(rows[0])
    if any(len(one) != width for one in rows):
        mismatch(node.place, "Values rows have mismatched sizes")
    typed = [[env.translate(item) for item in one] for one in rows]
    kinds = [_column_type([one[i] for one in typed], node.place) for i in range(width)]
    written = ", ".join(
        "(" + ", ".join(coerce(value, kind, node.place) for value, kind in zip(one, kinds, strict=True)) + ")"
        for one in typed
    )
    alias = env.statement.alias()
    names = ", ".join(f"c{i}" for i in range(width))
    sql = f"SELECT * FROM (VALUES {written}) AS {alias}({names})"
    return sql, [Column(None, f"c{i}", kind) for i, kind in enumerate(kinds)]


def _column_type(items: list[Typed], place: Place) -> TrinoType:
    kind = t.UNKNOWN
    for item in items:
        common = common_type(kind, item.type)
        if common is None:
            mismatch(place, f"Values rows have mismatched types: {kind} vs {item.type}")
        kind = common
    return kind
