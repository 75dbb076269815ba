"""Append by partition and upsert by key: the statements that turn a copy of the current version into the new one.

append   the copy leaves out the partitions that changed or vanished; the staged rows take their place
upsert   the copy keeps every row; a staged row replaces the one with its key where it differs (IS DISTINCT FROM), and
         of several staged rows with one key the contract's ordering chooses, then the values themselves
"""

from typing import Any

from psycopg2 import sql

from helpers.load_postgres_extract import Extract
from helpers.load_postgres_types import VersionTable


def merge_statements(
    extract: Extract, table: VersionTable, staging: VersionTable, current: sql.Composable
) -> list[sql.Composable]:
    """Return the statements that fill `table` from `current` and `staging`; in place, those that change `current`."""
    columns = _list(column.name for column in table.columns)
    if extract.rules.mode == "upsert":
        upsert = _upsert(extract, table, staging, current if extract.rules.in_place else table.identifier)
        if extract.rules.in_place:
            return [upsert]
        copy = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(table.identifier, columns, columns, current)
        return [copy, upsert]
    gone = _gone(extract)
    target = current if extract.rules.in_place else table.identifier
    new = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(target, columns, columns, staging.identifier)
    if extract.rules.in_place:
        return [sql.SQL("DELETE FROM {} WHERE {}").format(current, gone), new]
    copy = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE NOT ({})").format(
        table.identifier, columns, columns, current, gone
    )
    return [copy, new]


def _gone(extract: Extract) -> sql.Composable:
    """Say of a row of the current version whether its partition was loaded again or vanished."""
    assert extract.change is not None
    values = [*extract.change.loaded, *extract.change.vanished]
    return sql.SQL("{}::text = ANY({})").format(sql.Identifier(extract.rules.partition), sql.Literal(values or [""]))


def _chosen(extract: Extract, staging: VersionTable) -> sql.Composable:
    """Select one staged row a key, the same one every time."""
    names = [column.name for column in staging.columns]
    ordering = [sql.Identifier(name) for name in extract.rules.key]
    for name, descending in extract.rules.ordering:
        ordering.append(
            sql.SQL("{} " + ("DESC NULLS LAST" if descending else "ASC NULLS LAST")).format(sql.Identifier(name))
        )
    ordering += [sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(name)) for name in names]
    return sql.SQL("SELECT DISTINCT ON ({}) {} FROM {} ORDER BY {}").format(
        _list(extract.rules.key), _list(names), staging.identifier, sql.SQL(", ").join(ordering)
    )


def _upsert(extract: Extract, table: VersionTable, staging: VersionTable, target: sql.Composable) -> sql.Composable:
    names = [column.name for column in table.columns]
    rest = [name for name in names if name not in extract.rules.key]
    insert = sql.SQL("INSERT INTO {} AS t ({}) {} ON CONFLICT ({}) DO ").format(
        target, _list(names), _chosen(extract, staging), _list(extract.rules.key)
    )
    if not rest:
        return insert + sql.SQL("NOTHING")
    return insert + sql.SQL("UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})").format(
        sql.SQL(", ").join(sql.SQL("{} = excluded.{}").format(*[sql.Identifier(name)] * 2) for name in rest),
        sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in rest),
        sql.SQL(", ").join(sql.SQL("excluded.{}").format(sql.Identifier(name)) for name in rest),
    )


def rows_in_place(cursor: Any, extract: Extract, staging: VersionTable, current: sql.Composable) -> int:
    """Count the rows that the current table will have once it is changed."""
    if extract.rules.mode == "upsert":
        query = sql.SQL(
            "SELECT (SELECT count(*) FROM {c}) + count(*) "
            "FROM (SELECT DISTINCT {k} FROM {s} EXCEPT SELECT {k} FROM {c}) n"
        ).format(c=current, s=staging.identifier, k=_list(extract.rules.key))
    else:
        query = sql.SQL("SELECT (SELECT count(*) FROM {} WHERE NOT ({})) + count(*) FROM {}").format(
            current, _gone(extract), staging.identifier
        )
    cursor.execute(query)
    return int(cursor.fetchone()[0])


def _list(names: Any) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
