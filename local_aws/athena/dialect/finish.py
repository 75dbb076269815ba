"""The end of a query: what is selected, under which names, in which order and how many."""

from __future__ import annotations

from dataclasses import dataclass

from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.env import Column, Env, Typed, quote, refuse
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError


@dataclass(frozen=True)
class Result:
    """A query in DuckDB's SQL, whose columns are named c0, c1, ... (or as asked, at the top)."""

    sql: str
    columns: list[Column]


@dataclass(frozen=True)
class Draft:
    """What stands around a select list: its clauses, DISTINCT, the ORDER BY keys, columns that only we see."""

    clauses: str
    keys: str
    distinct: str = ""
    extra: str = ""


def finish(env: Env, draft: Draft, items: list[tuple[str | None, Typed]], node: q.Query, top: bool) -> Result:
    """Write the statement: select list with its names, clauses, order and limits."""
    written, columns = [], []
    for position, (name, value) in enumerate(items):
        sql, kind = _output(value, top, node)
        label = _label(name, position) if top and not node.ties else f"c{position}"
        written.append(f"{sql} AS {label}")
        columns.append(Column(name, f"c{position}", kind))
    sql = f"SELECT {draft.distinct}{', '.join(written)}{draft.extra} {draft.clauses}".rstrip()
    if node.ties:
        return _with_ties(env, Result(sql, columns), draft.keys, node, top)
    if draft.keys:
        sql += f" ORDER BY {draft.keys}"
    if node.limit is not None:
        sql += f" LIMIT {node.limit}"
    if node.offset is not None:
        sql += f" OFFSET {node.offset}"
    return Result(sql, columns)


def _label(name: str | None, position: int) -> str:
    return quote(name or f"_col{position}")


def _output(value: Typed, top: bool, node: q.Query) -> tuple[str, TrinoType]:
    """Write a selected value; a zone that is not known beforehand cannot leave the statement."""
    kind = value.type
    if kind.name == "unknown":
        return "CAST(NULL AS INTEGER)", kind
    kind.to_duckdb()
    if value.zoned is not None:
        return value.zoned, t.with_zone(kind, "UTC")
    if top and None in t.zones(kind):
        refuse(node.place, "a result whose time zone varies by value (give it one with AT TIME ZONE)")
    return value.sql, kind


def _with_ties(env: Env, inner: Result, keys: str, node: q.Query, top: bool) -> Result:
    if not keys:
        raise QueryError("MISSING_ORDER_BY", f"{node.place}: FETCH FIRST WITH TIES clause requires ORDER BY")
    positions = [key.split(" ", 1) for key in keys.split(", ")]
    if node.offset is not None or not all(position.isdigit() for position, _ in positions):
        refuse(node.place, "FETCH FIRST WITH TIES with OFFSET, or by a key that is not selected")
    alias = env.statement.alias()
    labels = ", ".join(
        f"c{i} AS {_label(column.name, i) if top else f'c{i}'}" for i, column in enumerate(inner.columns)
    )
    ranking = ", ".join(f"c{int(position) - 1} {rest}" for position, rest in positions)
    sql = (f"SELECT {labels} FROM (SELECT *, rank() OVER (ORDER BY {ranking}) AS rank$ FROM ({inner.sql}))"
           f" AS {alias} WHERE rank$ <= {node.limit} ORDER BY {ranking}")  # fmt: skip
    return Result(sql, inner.columns)
