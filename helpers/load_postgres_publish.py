"""Publish a load: switch all views of a dataset in one short transaction; or go back to the version before.

The switch waits a fifth of a second for all its locks together, lets readers pass, and tries again: a reader that is
idle in a transaction delays us and nobody else. What readers, or views built on ours, would lose stops it unless they
are named.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg2 import errors, sql

from helpers.errors import LoadError, ServiceError, UsageError
from helpers.load_postgres_crash import crash_point
from helpers.load_postgres_ledger import PUBLIC, VERSIONS, Load, find_published, list_loads
from helpers.load_postgres_views import Kept, Switch, plan_switch

LOCK_SECONDS = 0.2
GIVE_UP_SECONDS = 30.0
_BROKEN = (errors.UndefinedColumn, errors.UndefinedFunction, errors.DatatypeMismatch, errors.UndefinedTable)
_HOLDERS = """
SELECT l.pid, a.usename, a.application_name, a.state, date_trunc('second', a.xact_start), n.nspname || '.' || c.relname
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid <> pg_backend_pid() AND c.oid = ANY(%s)
ORDER BY a.xact_start NULLS LAST LIMIT 1
"""


@dataclass(frozen=True)
class Terms:
    """On what terms versions are published.

    Attributes:
        reader: the role that may read what is published; None where the server is not ours.
        named: relations whose columns may be taken away or changed, and views on them that may be lost.
        give_up_seconds: how long a reader may be in the way.
        changes: statements that belong into the publishing transaction: an append or upsert in place.
    """

    reader: str | None = None
    named: frozenset[str] = frozenset()
    give_up_seconds: float = GIVE_UP_SECONDS
    changes: tuple[sql.Composable, ...] = field(default=())


def publish_load(connection: Any, load: Load, terms: Terms) -> Load:
    """Switch all views of the dataset to the load's tables, and enter it in the ledger as published.

    Raises:
        LoadError: something that readers have would be lost and is not named; the version stays ready. Or a table of
            it was dropped.
        ServiceError: a reader holds a lock until the time is up; the version stays ready.
    """
    before = find_published(list_loads(connection, load.dataset))
    gone = [name for name in (before[0].tables if before else {}) if name not in load.tables]
    entered = sql.SQL(
        f"UPDATE {VERSIONS}.loads SET state = 'published', published_at = clock_timestamp() WHERE load_id = {{}}"
    ).format(sql.Literal(load.load_id))
    _switch_patiently(connection, load.tables, gone, terms, [*terms.changes, entered])
    crash_point("published")
    return load


def roll_back(connection: Any, dataset: str, terms: Terms) -> tuple[Load, Load]:
    """Switch all views of a dataset to the version before; return the load that readers see now and the one they saw.

    The version that is taken back is kept ready: publishing it again is possible until the next load.

    Raises:
        UsageError: there is no version before.
        LoadError: a table of the version before was dropped.
    """
    published = find_published(list_loads(connection, dataset))
    if len(published) < 2:
        raise UsageError(f"{dataset} has no version before the one that is published: nothing was changed")
    now, before = published[:2]
    if set(before.tables.values()) & set(now.tables.values()):
        raise UsageError(
            f"{dataset} was loaded in place (inPlace: true in its contract), so there is no version to go back to"
        )
    entered = sql.SQL(f"UPDATE {VERSIONS}.loads SET state = 'ready', published_at = NULL WHERE load_id = {{}}").format(
        sql.Literal(now.load_id)
    )
    gone = [name for name in now.tables if name not in before.tables]
    _switch_patiently(connection, before.tables, gone, terms, [entered])
    return before, now


def _switch_patiently(
    connection: Any, tables: dict[str, str], gone: Sequence[str], terms: Terms, entries: Sequence[sql.Composable]
) -> None:
    """Try the switch until it gets its locks, with growing pauses in which readers pass."""
    deadline = time.monotonic() + terms.give_up_seconds
    pause = 0.05
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path = pg_catalog")  # so that definitions come out fully qualified
            switches = [plan_switch(cursor, relation, table, terms.reader) for relation, table in tables.items()]
            drops = [plan_drop(cursor, relation) for relation in gone]
        _refuse_losses(switches, terms.named)
        try:
            with connection, connection.cursor() as cursor:
                _switch(cursor, switches, [drop for drop in drops if drop], terms, entries)
            return
        except errors.LockNotAvailable as error:
            asked = [(PUBLIC, name) for name in (*tables, *gone)]
            # a change in place needs the tables as well
            holder = _find_holder(connection, asked + [(VERSIONS, name) for name in tables.values() if terms.changes])
            if time.monotonic() > deadline:
                kept = f"the new version is kept ready: end that process, then `workbench publish {next(iter(tables))}`"
                if terms.changes:
                    kept = "and what is loaded in place is not kept: end that process, then load again"
                raise ServiceError("PostgreSQL", f"{holder}; nothing was published, {kept}") from error
        time.sleep(pause)
        pause = min(1.0, pause * 2)


def plan_drop(cursor: Any, relation: str) -> sql.Composable | None:
    """Return what drops the view of a relation that is no more; None where it is gone already."""
    cursor.execute("SELECT to_regclass(quote_ident(%s) || '.' || quote_ident(%s))", (PUBLIC, relation))
    there = cursor.fetchone()[0] is not None
    return sql.SQL("DROP VIEW {} RESTRICT").format(sql.Identifier(PUBLIC, relation)) if there else None


def _refuse_losses(switches: Sequence[Switch], named: Collection[str]) -> None:
    """Stop where readers would lose something of a relation that is not named."""
    for switch in switches:
        if switch.breaking and not {switch.relation, f"{PUBLIC}.{switch.relation}"} & set(named):
            built = ", ".join(view.label for view in switch.dependents) or "no view of the database"
            raise LoadError(
                f"{PUBLIC}.{switch.relation}: {'; '.join(switch.changes)}; built on it: {built}; nothing was published,"
                f" the version is kept ready: `workbench publish {switch.relation} --break {switch.relation}` goes on"
            )


def _switch(
    cursor: Any,
    switches: Sequence[Switch],
    drops: Sequence[sql.Composable],
    terms: Terms,
    entries: Sequence[sql.Composable],
) -> None:
    """Make all changes inside the caller's transaction; all waits for locks of views last LOCK_SECONDS at most."""
    cursor.execute("SET LOCAL search_path = pg_catalog")
    _wait_until(cursor, time.monotonic() + LOCK_SECONDS)
    if terms.reader:
        _grant_schema(cursor, terms.reader)
    for entry in entries:  # a change in place may take long, and keeps no reader waiting
        cursor.execute(entry)
    deadline = time.monotonic() + LOCK_SECONDS
    lost: list[str] = []
    for switch in switches:
        _wait_until(cursor, deadline)
        if switch.changes:
            lost += _make_anew(cursor, switch, terms.named)
        else:
            for statement in switch.statements:
                cursor.execute(statement)
    if lost:
        raise LoadError(
            f"{', '.join(lost)} cannot be built on the new columns; nothing was published, the new version is kept "
            f"ready: mend them, or name each: `workbench publish {switches[0].relation} "
            + " ".join(f"--break {name}" for name in lost)
            + "`"
        )
    for drop in drops:
        _wait_until(cursor, deadline)
        _drop(cursor, drop)
    crash_point("switching")


def _grant_schema(cursor: Any, reader: str) -> None:
    cursor.execute("SELECT has_schema_privilege(%s, %s, 'USAGE')", (reader, PUBLIC))
    if not cursor.fetchone()[0]:
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(PUBLIC), sql.Identifier(reader)))


def _wait_until(cursor: Any, deadline: float) -> None:
    left = max(1, int((deadline - time.monotonic()) * 1000))
    cursor.execute(f"SET LOCAL lock_timeout = '{left}ms'")


def _drop(cursor: Any, statement: sql.Composable) -> None:
    try:
        cursor.execute(statement)
    except errors.DependentObjectsStillExist as error:
        said = " ".join(f"{error.diag.message_primary}: {error.diag.message_detail}".split())
        raise LoadError(
            f"{said}; nothing was published, the new version is kept ready: drop or mend it first"
        ) from error


def _make_anew(cursor: Any, switch: Switch, named: Collection[str]) -> list[str]:
    """Drop the view with what is built on it and make all of it again; return what could not be made."""
    for view in (*reversed(switch.dependents), *([switch.view] if switch.view else [])):
        _drop(cursor, view.drop())
    for statement in switch.statements[:1]:
        cursor.execute(statement)
    if switch.view:
        _restore(cursor, _without_lost_columns(cursor, switch.view))
    for statement in switch.statements[1:]:
        cursor.execute(statement)
    lost = []
    for view in switch.dependents:
        if not _make_again(cursor, view) and not {view.label, view.name} & set(named):
            lost.append(view.label)
    return lost


def _without_lost_columns(cursor: Any, view: Kept) -> Kept:
    """Leave out comments and grants of columns that the view has no more."""
    cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(view.schema, view.name)))
    there = {column.name for column in cursor.description}
    comments = {name: text for name, text in view.shape.comments.items() if name in there}
    grants = tuple(grant for grant in view.grants if not grant[0] or grant[0] in there)
    return replace(view, shape=replace(view.shape, comments=comments), grants=grants)


def _restore(cursor: Any, view: Kept) -> None:
    try:
        for statement in view.restore():
            cursor.execute(statement)
    except errors.InsufficientPrivilege as error:
        raise LoadError(
            f"{view.label} belongs to {view.owner} and cannot be made again by this role "
            f"({error.diag.message_primary}); nothing was published, the new version is kept ready: "
            "make this role a member of the owner's"
        ) from error


def _make_again(cursor: Any, view: Kept) -> bool:
    """Make a dependent view as it was; False where the new columns do not allow it."""
    cursor.execute("SAVEPOINT dependent")
    try:
        made = view.create()
        cursor.execute(made[0])
        for statement in made[1 : 1 + len(view.indexes)]:
            cursor.execute(statement)
    except _BROKEN:
        cursor.execute("ROLLBACK TO SAVEPOINT dependent")
        return False
    cursor.execute("RELEASE SAVEPOINT dependent")
    _restore(cursor, _without_lost_columns(cursor, view))
    return True


def _find_holder(connection: Any, relations: Sequence[tuple[str, str]]) -> str:
    """Say which process is in the way, and since when."""
    with connection, connection.cursor() as cursor:
        names = [sql.Identifier(*relation).as_string(cursor) for relation in relations]
        cursor.execute("SELECT array_remove(array_agg(to_regclass(n)::oid), NULL) FROM unnest(%s) n", (names,))
        oids = cursor.fetchone()[0] or []
        cursor.execute(_HOLDERS, (oids,))
        found = cursor.fetchone()
    if not found:
        return f"a lock on {', '.join(name for _, name in relations)} was not to be had"
    pid, user, application, state, since, relation = found
    who = ", ".join(filter(None, (user, application, state)))
    return f"process {pid} ({who or 'unknown'}) holds a lock on {relation} since {since or 'an unknown time'}"
