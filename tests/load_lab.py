"""The embedded PostgreSQL alone, and loads into it from bytes: what the tests of step 04 share."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
from psycopg2 import sql

from helpers.load_postgres_copy import Copied, CopyTarget, Source, copy_source
from helpers.load_postgres_ledger import PUBLIC, VERSIONS, Load, mark_ready, open_load, prepare_schemas
from helpers.load_postgres_publish import Terms, publish_load
from helpers.load_postgres_split import LoadProgress
from helpers.load_postgres_sweep import drop_old_versions
from helpers.load_postgres_types import VersionTable, make_columns
from helpers.objects import S3Object
from local_aws.endpoints import read_endpoints
from local_aws.lifecycle import start, stop

READER = "workbench_reader"
STAND_INS = f"{Path(__file__).with_name('lifecycle_stand_ins.py')}:with_postgres"


@dataclass(frozen=True)
class Server:
    """A running server and its state folder."""

    home: Path

    def connect(self, role: str = "loader", **options: Any) -> Any:
        """Connect as loader, reader or superuser, wherever the server listens now."""
        endpoints = read_endpoints(self.home)
        assert endpoints is not None
        place = endpoints.postgres
        return psycopg2.connect(
            host=place["host"],
            port=place["port"],
            dbname=place["dbname"],
            user=place.get(role, "wb"),
            password=(self.home / "secrets" / f"postgres-{role}").read_text(),
            **options,
        )

    def read(self, query: str, role: str = "reader") -> list[tuple[Any, ...]]:
        """Return the rows of a query, in a transaction of its own."""
        with closing(self.connect(role)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(query)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def run(self, *statements: str, role: str = "loader") -> None:
        """Run statements in one transaction."""
        with closing(self.connect(role)) as connection, connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def serve(home: Path) -> Iterator[Server]:
    """Start the server, prepare the schemas, and stop it at the end."""
    start(home, servers=STAND_INS)
    server = Server(home)
    try:
        with closing(server.connect()) as connection:
            prepare_schemas(connection)
        yield server
    finally:
        stop(home)


def source_of(data: bytes, name: str = "answer.csv") -> Source:
    """Return bytes as the source of a load, with what S3 says of an object."""
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Source(S3Object("results", name, etag, len(data), 0.0), lambda at: (io.BytesIO(data[at:]), etag))


def stage_load(
    connection: Any, dataset: str, columns: dict[str, str], rows: list[tuple[Any, ...]], content: str = ""
) -> Load:
    """Fill a new version of the dataset's one relation and say that it is ready."""
    load = open_load(connection, {"dataset": dataset, "run_id": "r", "content": content or repr(rows)}, [dataset])
    table = VersionTable(
        VERSIONS,
        load.tables[dataset],
        make_columns(columns, {name: f"about {name}" for name in columns}),
        f"all {dataset}",
    )
    with connection, connection.cursor() as cursor:
        for statement in table.create_statements():
            cursor.execute(statement)
        for row in rows:
            values = sql.SQL(", ").join(map(sql.Literal, row))
            cursor.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(table.identifier, values))
    return mark_ready(connection, load, {dataset: len(rows)}, [])


def publish(
    connection: Any, dataset: str, columns: dict[str, str], rows: list[tuple[Any, ...]], terms: Terms | None = None
) -> Load:
    """Load `rows` as the dataset's one relation and publish it."""
    load = stage_load(connection, dataset, columns, rows)
    publish_load(connection, load, terms or Terms(READER))
    drop_old_versions(connection, dataset)
    return load


def copy_bytes(server: Server, name: str, columns: dict[str, str], data: bytes, connections: int = 1) -> Copied:
    """Make a table of the versions' schema anew and fill it from a CSV."""
    table = VersionTable(VERSIONS, name, make_columns(columns, {}))
    with closing(server.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table.identifier))
        for statement in table.create_statements():
            cursor.execute(statement)
    progress = LoadProgress("loading", len(data))
    with progress:
        target = CopyTarget(VERSIONS, name, tuple(columns))
        return copy_source(server.connect, source_of(data), target, progress, connections)


def public(relation: str) -> str:
    """Return a relation's quoted name as readers write it."""
    return f'{PUBLIC}."{relation}"'


def restart(server: Server) -> None:
    """Stop and start the server: its supervisor gives up on one that dies too often."""
    stop(server.home)
    start(server.home, servers=STAND_INS)


def kill_server(server: Server) -> None:
    """Kill the postmaster and its backends, as `kill -9`; the supervisor starts another.

    Backends that nobody kills notice a moment later that the postmaster is gone, and may commit until then.
    """
    endpoints = read_endpoints(server.home)
    assert endpoints is not None
    postmaster = psutil.Process(endpoints.processes["postgres"].pid)
    for process in [postmaster, *postmaster.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
