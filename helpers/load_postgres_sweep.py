"""Tell whether a load is still all there, and drop what is of no use any more: stale staging, older versions."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors, sql

from helpers.load_postgres_crash import crash_point
from helpers.load_postgres_ledger import (
    PUBLIC,
    VERSIONS,
    Load,
    find_published,
    list_loads,
    lock_dataset,
    prepare_schemas,
)
from helpers.load_postgres_publish import LOCK_SECONDS
from helpers.session import Session


@contextmanager
def load_connection(session: Session, dataset: str) -> Iterator[Any]:
    """Connect as the loader with the schemas there, no other loader of the dataset, and dead loads' staging gone."""
    with ExitStack() as stack:
        keeper, connection = (stack.enter_context(closing(session.connect_postgres())) for _ in range(2))
        prepare_schemas(connection)
        lock_dataset(keeper, dataset)
        drop_dead_loads(connection, dataset)
        yield connection


def drop_dead_loads(connection: Any, dataset: str) -> None:
    """Drop what loads left behind whose loader died; the caller holds the dataset's lock, so nobody else loads it."""
    loads = list_loads(connection, dataset)
    used = {name for load in find_published(loads) for name in load.tables.values()}
    for load in loads:
        if load.state == "loading":
            discard_load(connection, load, used)


def find_shown(connection: Any, dataset: str) -> Load | None:
    """Return the load whose tables readers see now; None where there is none, or rows of it are missing."""
    published = find_published(list_loads(connection, dataset))
    return published[0] if published and is_whole(connection, published[0]) else None


def find_ready(connection: Any, dataset: str) -> Load | None:
    """Return the newest load if it is one that could be published."""
    loads = list_loads(connection, dataset)
    return loads[0] if loads and loads[0].state == "ready" else None


def drop_old_versions(connection: Any, dataset: str, keep_ready: bool = True) -> None:
    """Drop what loads that died left behind, and versions before the previous one, with their ledger rows.

    A table that a reader still holds stays until the next load. A version that is ready stays if it is the newest load.
    """
    loads = list_loads(connection, dataset)
    kept = find_published(loads)[:2]
    if keep_ready and loads and loads[0].state == "ready":
        kept.append(loads[0])
    used = {name for load in kept for name in load.tables.values()}
    for load in loads:
        if load.load_id not in {one.load_id for one in kept}:
            discard_load(connection, load, used)
    with connection, connection.cursor() as cursor:
        for load in kept:
            for name in load.staging:
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(VERSIONS, name)))
    crash_point("dropped")


def discard_load(connection: Any, load: Load, used: Collection[str] = ()) -> None:
    """Drop the tables of one load, but for those in `used`, and its row in the ledger."""
    names = [name for name in (*load.tables.values(), *load.staging) if name not in used]
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{int(LOCK_SECONDS * 1000)}ms'")
            for name in names:
                cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(VERSIONS, name)))
            cursor.execute(f"DELETE FROM {VERSIONS}.loads WHERE load_id = %s", (load.load_id,))
    except (errors.LockNotAvailable, errors.DependentObjectsStillExist):
        pass  # a reader is still at it, or someone built on the table itself


def is_whole(connection: Any, load: Load) -> bool:
    """Tell whether every table of a load is there with the rows that were loaded."""
    for relation, name in load.tables.items():
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(VERSIONS, name)))
                if cursor.fetchone()[0] != load.rows.get(relation):
                    return False
        except psycopg2.ProgrammingError:
            return False
    return True


def is_shown(connection: Any, load: Load) -> bool:
    """Tell whether every view of a load is there and shows its table."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.relname, t.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid "
            "JOIN pg_class v ON v.oid = r.ev_class JOIN pg_class t ON t.oid = d.refobjid "
            "WHERE v.relnamespace = to_regnamespace(%s) AND t.relnamespace = to_regnamespace(%s) "
            "AND d.refclassid = 'pg_class'::regclass",
            (PUBLIC, VERSIONS),
        )
        shown = set(cursor.fetchall())
    return set(load.tables.items()) <= shown
