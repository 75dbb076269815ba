"""Run translated queries: one fresh in-memory DuckDB for each, with a view per table and no other file in reach."""

import json
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import psutil

from local_aws.athena import dialect
from local_aws.athena.column_types import file_pattern, literal, path_list, quoted
from local_aws.athena.failures import changed_error, query_error
from local_aws.athena.information_schema import (
    INFORMATION_SCHEMA,
    OWN_SCHEMA,
    listing,
    with_own_schema,
)
from local_aws.athena.lake import DataFile, Lake
from local_aws.athena.relations import build_relation
from local_aws.athena.rendering import MACROS
from local_aws.athena.tables import Tables
from local_aws.athena.words import TableName
from local_aws.errors import LocalAwsError

SETTINGS = (
    "SET preserve_insertion_order = true",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_profiling = 'no_output'",
)
SPARES = 2
STOP_TRIES, STOP_SECONDS = 40, 0.05
GIB = 2**30


class QueryStopped(LocalAwsError):
    """The query was stopped by StopQueryExecution."""


@dataclass(frozen=True)
class Limits:
    """What one query may use, and how many run at a time."""

    slots: int = 4
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory_bytes: int = field(default_factory=lambda: min(4 * GIB, psutil.virtual_memory().total // 4))


class Engine:
    """Opens a session for each query; keeps prepared connections in store, so that a query need not wait."""

    def __init__(self, lake: Lake, tables: Tables, work: Path, limits: Limits) -> None:
        self.lake = lake
        self.tables = tables
        self.work = work
        self.limits = limits
        self._spares: list[duckdb.DuckDBPyConnection] = []
        self._closed = False
        self._lock = threading.Lock()
        shutil.rmtree(work, ignore_errors=True)  # left by a server that died
        work.mkdir(mode=0o700, parents=True)

    def session(self, execution_id: str, database: str) -> "Session":
        """Open a session for one execution, with `database` for names that have none."""
        return Session(self, execution_id, database)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a connection that nothing was done with yet; wait for one that is being made."""
        with self._lock:
            if self._spares:
                return self._spares.pop()
        return self._connect()

    def refill(self) -> None:
        """Prepare connections for the next executions; making one takes longer than a small query."""
        while True:
            with self._lock:
                if self._closed or len(self._spares) >= SPARES:
                    return
                self._spares.append(self._connect())

    def close(self) -> None:
        """Close the spare connections and remove the work folder."""
        with self._lock:
            self._closed = True
            spares, self._spares = self._spares, []
        for spare in spares:
            spare.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        limits: dict[str, str | bool | int | float | list[str]] = {
            "threads": str(self.limits.threads),
            "memory_limit": f"{self.limits.memory_bytes}B",
        }
        connection = duckdb.connect(":memory:", config=limits)
        for statement in (*SETTINGS, *MACROS):
            connection.execute(statement)
        dialect.prepare(connection)
        return connection


class Session:
    """One execution's connection, the files that it may read, and a folder of its own for what it writes."""

    def __init__(self, engine: Engine, execution_id: str, database: str) -> None:
        self.engine = engine
        self.connection: duckdb.DuckDBPyConnection | None = None  # DDL needs none
        self.database = database
        self.folder = engine.work / execution_id
        self.folder.mkdir(mode=0o700)
        self.files: dict[str, DataFile] = {}
        self.bytes_read = 0
        self.planning_seconds = 0.0
        self._stopped = False
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self.connection is not None:
                self.connection.close()
            self.connection, self._stopped = None, True
        self._ended.set()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """Interrupt the statement that runs, and let no other one start (called by another thread)."""
        for _ in range(STOP_TRIES):
            with self._lock:
                self._stopped = True
                if self.connection is not None:
                    self.connection.interrupt()
            if self._ended.wait(STOP_SECONDS):  # an interrupt between two statements is lost: repeat it
                return

    def check_stopped(self) -> None:
        """Fail where the query was stopped."""
        if self._stopped:
            raise QueryStopped("Query was stopped")

    def translate(self, sql: str) -> "dialect.Translation":
        """Translate a query and make a view of each table that it reads; after this no other file can be opened."""
        started = time.monotonic()
        translation = dialect.translate(sql, self.engine.tables, self.database)
        for database, table in translation.tables:
            if database == INFORMATION_SCHEMA:
                self._run(f"CREATE SCHEMA IF NOT EXISTS {OWN_SCHEMA}")
                self._run(f"CREATE TABLE {OWN_SCHEMA}.{table} AS {listing(self.engine.tables.catalog, table)}")
                translation = replace(translation, sql=with_own_schema(translation.sql))
            else:
                self._bind(TableName(database, table))
        self._close_in()
        self.planning_seconds = time.monotonic() - started
        return translation

    def _bind(self, name: TableName) -> None:
        tables = self.engine.tables
        relation = build_relation(tables.table(name), lambda: tables.partitions(name), self.engine.lake)
        self.files |= {file.path: file for file in relation.files}
        self._run(f"CREATE SCHEMA IF NOT EXISTS {quoted(name.database)}")
        self._run(f"CREATE VIEW {quoted(name.database)}.{quoted(name.name)} AS {relation.sql}")

    def _close_in(self) -> None:
        folder = f"{self.folder}/"
        allowed = path_list(dict.fromkeys(name for path in self.files for name in (path, file_pattern(path))))
        self._run(f"SET temp_directory = {literal(folder + 'spill')}")
        self._run(f"SET allowed_paths = {allowed}")
        self._run(f"SET allowed_directories = [{literal(folder)}]")
        self._run("SET enable_external_access = false")
        self._run("SET lock_configuration = true")

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one DuckDB statement over the bound tables; fail where a file changed meanwhile.

        Adds what was read to `bytes_read`: the bytes that DuckDB fetched from the files (column chunks of Parquet).
        """
        rows = self._run(sql)
        profile = json.loads(self.connection.get_profiling_information() if self.connection else "{}")
        self.bytes_read += int(profile.get("io", {}).get("total_bytes_read", 0))
        for file in self.files.values():
            if not file.unchanged():
                raise changed_error(self.engine.lake.uri(file.path))
        return rows

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.connection or self.engine.connection()
        with self._lock:
            self.connection = connection
            self.check_stopped()
        try:
            rows = connection.execute(sql).fetchall()
            self.check_stopped()  # a stop that came too late to interrupt it counts all the same
            return rows
        except duckdb.InterruptException as error:
            raise QueryStopped("Query was stopped") from error
        except duckdb.Error as error:
            for file in self.files.values():
                if not file.unchanged():
                    raise changed_error(self.engine.lake.uri(file.path)) from error
            raise query_error(error, sql) from error


def names_of(columns: Sequence[Any]) -> str:
    """Return column aliases c0, c1, ... for a query whose own names may repeat."""
    return ", ".join(f"c{number}" for number in range(len(columns)))
