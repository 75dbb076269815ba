"""Publish new versions of a dataset's relations in PostgreSQL so that a reader sees all of them old or all new.

    analytics            what readers name: one view a relation
    analytics_versions   the tables behind the views, one a relation and load, and the ledger `loads`

A load fills new tables that nobody reads yet, then switches all its views in one short transaction. The version
before stays for a reader that is still at it; older ones, and those of loads that died, are dropped at the next load.
"""

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, DateTime, MetaData, Table, Text, func, inspect, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema, CreateView, DropTable, SetColumnComment

from helpers.errors import LoadError, ServiceError

PUBLIC = "analytics"
VERSIONS = "analytics_versions"
_LOCK_WAIT = "200ms"
_GIVE_UP_SECONDS = 60

LOADS = Table(
    "loads",
    MetaData(),
    Column("load_id", BigInteger, primary_key=True, autoincrement=True),
    Column("dataset", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("content", Text, nullable=False, comment="what was loaded: a hash of schemas and ETags"),
    Column("tables", JSONB, nullable=False, comment="relation -> table in this schema"),
    Column("rows", JSONB, nullable=False, comment="relation -> rows"),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("published_at", DateTime(timezone=True), comment="empty while a load is under way"),
    schema=VERSIONS,
)


@dataclass(frozen=True)
class Load:
    """One load as the ledger has it."""

    load_id: int
    content: str
    tables: dict[str, str]
    rows: dict[str, int]
    published_at: dt.datetime | None


def lock_dataset(connection: Connection, dataset: str) -> None:
    """Keep every other loader of the dataset away until the connection closes.

    Raises:
        LoadError: another load of it does not end.
    """
    key = func.hashtextextended(f"workbench.load.{dataset}", 0)
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while not connection.scalar(select(func.pg_try_advisory_lock(key))):
        if time.monotonic() > deadline:
            raise LoadError(f"another load of {dataset} is under way for {_GIVE_UP_SECONDS} s: wait for it or end it")
        time.sleep(0.2)
    connection.commit()


def prepare_schemas(connection: Connection) -> None:
    """Create both schemas and the ledger where they are missing."""
    there = inspect(connection).get_schema_names()
    for schema in (PUBLIC, VERSIONS):
        if schema not in there:
            connection.execute(CreateSchema(schema, if_not_exists=True))
    LOADS.create(connection, checkfirst=True)
    connection.commit()


def list_loads(connection: Connection, dataset: str) -> list[Load]:
    """Return the loads of a dataset that the ledger knows, the newest first."""
    columns = LOADS.c.load_id, LOADS.c.content, LOADS.c.tables, LOADS.c.rows, LOADS.c.published_at
    found = connection.execute(
        select(*columns).where(LOADS.c.dataset == dataset).order_by(LOADS.c.load_id.desc())
    ).all()
    return [Load(*row) for row in found]


def find_published(connection: Connection, dataset: str) -> Load | None:
    """Return the load whose tables readers see now."""
    return next((load for load in list_loads(connection, dataset) if load.published_at), None)


def open_load(connection: Connection, facts: dict[str, Any], relations: Sequence[str]) -> Load:
    """Enter a new load in the ledger and commit, so that whatever it leaves behind can be found.

    Args:
        facts: dataset, run_id and content.
        relations: the names that readers will see.
    """
    load_id = connection.scalar(LOADS.insert().values(**facts, tables={}, rows={}).returning(LOADS.c.load_id))
    # The name is for people who look; place and load make it unique where it had to be cut to 63 bytes.
    tables = {
        relation: f"{relation.encode()[:40].decode(errors='ignore')}_{place}_{load_id}"
        for place, relation in enumerate(relations)
    }
    connection.execute(LOADS.update().where(LOADS.c.load_id == load_id).values(tables=tables))
    connection.commit()
    return Load(int(load_id or 0), facts["content"], tables, {}, None)


def publish_load(
    connection: Connection, load: Load, tables: dict[str, Table], rows: dict[str, int], reader: str | None
) -> None:
    """Switch all views to the load's tables in one transaction, and enter it in the ledger as published.

    Raises:
        ServiceError: a reader holds a lock for longer than a minute.
        LoadError: a view of someone else's needs a column that is gone.
    """
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    pause = 0.05
    while True:
        try:
            with connection.begin():
                connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
                for relation, table in tables.items():
                    _switch_view(connection, relation, table, reader)
                _drop_views_no_longer_there(connection, load, tables)
                done = {"rows": rows, "published_at": func.now()}
                connection.execute(LOADS.update().where(LOADS.c.load_id == load.load_id).values(**done))
            return
        except DBAPIError as error:
            code = getattr(error.orig, "pgcode", None)
            if code == "2BP01":
                raise LoadError(f"a view of another needs a column that is gone or changed: {error.orig}") from error
            if code != "55P03":
                raise
            if time.monotonic() > deadline:
                raise ServiceError(
                    "PostgreSQL", f"a reader keeps {', '.join(tables)} locked; end it and run again"
                ) from error
            time.sleep(pause)
            pause = min(1.0, pause * 2)


def _switch_view(connection: Connection, relation: str, table: Table, reader: str | None) -> None:
    """Point the view at the table; make it anew where PostgreSQL would refuse the change of columns."""
    inspector = inspect(connection)
    if relation in inspector.get_view_names(PUBLIC):
        old = [(column["name"], str(column["type"])) for column in inspector.get_columns(relation, PUBLIC)]
        new = [(column["name"], str(column["type"])) for column in inspector.get_columns(table.name, VERSIONS)]
        if new[: len(old)] != old:
            connection.execute(text(f"DROP VIEW {_quote(connection, PUBLIC, relation)} RESTRICT"))
    connection.execute(CreateView(select(table), relation, schema=PUBLIC, or_replace=True))
    shown = [Column(column.name, column.type, comment=column.comment) for column in table.columns]
    for column in Table(relation, MetaData(), *shown, schema=PUBLIC).columns:
        if column.comment:
            connection.execute(SetColumnComment(column))
    if reader:
        role = connection.dialect.identifier_preparer.quote(reader)
        connection.execute(text(f"GRANT USAGE ON SCHEMA {PUBLIC} TO {role}"))
        connection.execute(text(f"GRANT SELECT ON {_quote(connection, PUBLIC, relation)} TO {role}"))


def _drop_views_no_longer_there(connection: Connection, load: Load, tables: dict[str, Table]) -> None:
    """Drop views of this dataset's last load that this load has not: a saved query that was removed."""
    dataset = connection.scalar(select(LOADS.c.dataset).where(LOADS.c.load_id == load.load_id))
    before = find_published(connection, str(dataset))
    for relation in set(before.tables if before else ()) - set(tables):
        connection.execute(text(f"DROP VIEW IF EXISTS {_quote(connection, PUBLIC, relation)} RESTRICT"))


def drop_old_versions(connection: Connection, dataset: str) -> None:
    """Drop the tables of loads that died and of those before the previous one, and their ledger rows.

    A table that a reader still holds stays until the next load.
    """
    loads = list_loads(connection, dataset)
    connection.rollback()  # what reads began a transaction; each drop has one of its own
    keep = [load.load_id for load in loads if load.published_at][:2]
    for load in loads:
        if load.load_id in keep:
            continue
        try:
            with connection.begin():
                connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
                for name in load.tables.values():
                    connection.execute(DropTable(Table(name, MetaData(), schema=VERSIONS), if_exists=True))
                connection.execute(LOADS.delete().where(LOADS.c.load_id == load.load_id))
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != "55P03":
                raise


def _quote(connection: Connection, schema: str, name: str) -> str:
    preparer = connection.dialect.identifier_preparer
    return f"{preparer.quote(schema)}.{preparer.quote(name)}"
