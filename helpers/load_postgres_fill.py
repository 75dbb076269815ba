"""Fill the tables of a load from Athena's results: create, copy, index, verify; or merge what is new into a copy.

A table is created and committed before it is filled: one of a transaction that dies with the server would leave its
file behind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import sql

from helpers.errors import LoadError
from helpers.load_postgres_copy import CopyTarget, Source, copy_source
from helpers.load_postgres_crash import crash_point
from helpers.load_postgres_extract import Extract
from helpers.load_postgres_ledger import VERSIONS, Load
from helpers.load_postgres_merge import merge_statements, rows_in_place
from helpers.load_postgres_split import LoadProgress
from helpers.load_postgres_types import VersionTable
from helpers.load_postgres_verify import Check, compare_figures, read_figures, refuse_differences


@dataclass
class Filled:
    """What the tables of a load hold: rows by relation, the figures compared, and statements left for publishing."""

    rows: dict[str, int] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    changes: list[sql.Composable] = field(default_factory=list)


@dataclass(frozen=True)
class Filling:
    """What filling needs: a connection of its own, how more are opened, how an object is read, who is told."""

    connection: Any
    connect: Callable[[], Any]
    open_source: Callable[[Any], Source]
    progress: LoadProgress
    connections: int = 0


def fill_tables(filling: Filling, load: Load, extracts: Sequence[Extract], before: Load | None) -> Filled:
    """Fill every table of the load and verify it.

    Raises:
        LoadError: a value that PostgreSQL refuses, a key that is not unique, a figure that differs.
    """
    filled = Filled()
    tables = {extract.relation: _describe_table(extract, load) for extract in extracts}
    staged = {e.relation: _describe_staging(e, load) for e in extracts if e.change is not None}
    with filling.connection as connection, connection.cursor() as cursor:
        for extract in extracts:
            if not _is_in_place(extract):
                _run(cursor, tables[extract.relation].create_statements())
            if extract.relation in staged:
                _run(cursor, staged[extract.relation].create_statements())
    crash_point("created")
    for extract in extracts:
        target = staged.get(extract.relation, tables[extract.relation])
        copied = copy_source(
            filling.connect,
            filling.open_source(extract.place),
            CopyTarget(target.schema, target.name, tuple(column.name for column in target.columns)),
            filling.progress,
            filling.connections,
        )
        filled.rows[extract.relation] = copied.rows
    crash_point("copied")
    for extract in extracts:
        finish_table(filling.connection, extract, staged.get(extract.relation, tables[extract.relation]), filled)
        if extract.relation in staged and before is not None:
            _merge(filling.connection, extract, (tables[extract.relation], staged[extract.relation]), before, filled)
    crash_point("verified")
    return filled


def finish_table(connection: Any, extract: Extract, table: VersionTable, filled: Filled) -> None:
    """Build key and indexes, gather statistics, and compare the figures.

    Raises:
        LoadError: the key is not unique, or a figure differs.
    """
    build_indexes(connection, extract.relation, table)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(table.identifier))
        found = read_figures(cursor, table.identifier, extract.columns, extract.rules.full)
    checks = compare_figures(extract.relation, extract.columns, extract.rules.full, extract.figures, found)
    refuse_differences(checks)
    filled.checks += checks


def build_indexes(connection: Any, relation: str, table: VersionTable) -> None:
    """Build the key and the indexes of a table that is filled.

    Raises:
        LoadError: the key is not unique.
    """
    try:
        for statement in table.index_statements():
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
    except psycopg2.IntegrityError as error:
        said = " ".join(f"{error.diag.message_primary}: {error.diag.message_detail}".split())
        raise LoadError(
            f"{relation}: the contract's key ({', '.join(table.key)}) does not tell its rows apart ({said}); "
            "nothing was published"
        ) from error
    crash_point("indexed")


def _is_in_place(extract: Extract) -> bool:
    return extract.change is not None and extract.rules.in_place


def _describe_table(extract: Extract, load: Load) -> VersionTable:
    names, rules = {column.name for column in extract.columns}, extract.rules
    return VersionTable(
        VERSIONS,
        load.tables[extract.relation],
        extract.columns,
        rules.comment,
        rules.key if set(rules.key) <= names else (),
        tuple(index for index in rules.indexes if set(index) <= names),
    )


def _describe_staging(extract: Extract, load: Load) -> VersionTable:
    return VersionTable(VERSIONS, load.staging[0], extract.columns)


def _run(cursor: Any, statements: Sequence[sql.Composable]) -> None:
    for statement in statements:
        cursor.execute(statement)


def _merge(
    connection: Any, extract: Extract, tables: tuple[VersionTable, VersionTable], before: Load, filled: Filled
) -> None:
    """Bring what was staged into the new version, or leave the statements for publishing where it is done in place."""
    table, staging = tables
    current = sql.Identifier(VERSIONS, before.tables[extract.relation])
    statements = merge_statements(extract, table, staging, current)
    if _is_in_place(extract):
        with connection, connection.cursor() as cursor:
            filled.rows[extract.relation] = rows_in_place(cursor, extract, staging, current)
        filled.changes += statements
        return
    with connection, connection.cursor() as cursor:
        if extract.rules.mode == "upsert":  # the key is what the upsert goes by
            cursor.execute(statements[0])
    if extract.rules.mode == "upsert":
        build_indexes(connection, extract.relation, table)
        statements = statements[1:]
    with connection, connection.cursor() as cursor:
        _run(cursor, statements)
    if extract.rules.mode != "upsert":
        build_indexes(connection, extract.relation, table)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(table.identifier))
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier))
        filled.rows[extract.relation] = int(cursor.fetchone()[0])
        cursor.execute(sql.SQL("DROP TABLE {}").format(staging.identifier))
