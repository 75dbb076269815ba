"""Load one CSV object into PostgreSQL as step 04 does, in a process of its own.

    python -m benchmarks.load_process BUCKET KEY TABLE [CONNECTIONS [ROWS]]

Prints {"rows", "seconds", "cpu", "before_mb", "peak_mb"}: the load alone, without imports and without key and indexes;
with ROWS, as Athena would have counted them, the whole protocol. CPU and resident memory are this process's, before the
load and at its peak.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

from psycopg2 import sql

from benchmarks.memory import read_memory, start_watching
from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_copy import CopyTarget, copy_source, s3_source
from helpers.load_postgres_extract import Extract
from helpers.load_postgres_ledger import VERSIONS, prepare_schemas
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_split import LoadProgress
from helpers.load_postgres_sweep import load_connection
from helpers.load_postgres_types import VersionTable, make_columns
from helpers.objects import list_objects
from helpers.session import open_session

# ten columns of the kinds that an answer has
COLUMNS = {
    "id": "bigint",
    "gender": "varchar",
    "region": "varchar",
    "taken_on": "date",
    "math": "int",
    "reading": "int",
    "writing": "int",
    "percentage": "decimal(5,2)",
    "remarks": "varchar",
    "recorded_at": "timestamp",
}


def load_object(bucket: str, key: str, name: str, connections: int = 1) -> dict[str, Any]:
    """Fill a new table of the versions' schema from the object."""
    session = open_session()
    [place] = list_objects(session.client("s3"), bucket, key)
    table = VersionTable(VERSIONS, name, make_columns(COLUMNS, {}))
    with closing(session.connect_postgres()) as connection:
        prepare_schemas(connection)
        with connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table.identifier))
            for statement in table.create_statements():
                cursor.execute(statement)
        source, target = s3_source(session.client("s3"), place), CopyTarget(VERSIONS, name, tuple(COLUMNS))
        before = start_watching()
        begun, cpu = time.perf_counter(), time.process_time()
        progress = LoadProgress("loading", place.bytes)
        with progress:
            copied = copy_source(session.connect_postgres, source, target, progress, connections)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {"rows": copied.rows, "seconds": seconds, "cpu": cpu, "before_mb": before, "peak_mb": read_memory("VmHWM")}


def publish_object(bucket: str, key: str, name: str, connections: int, rows: int) -> dict[str, Any]:
    """Load the object as a relation: key and index, figures of every column, switched views."""
    session = open_session()
    [place] = list_objects(session.client("s3"), bucket, key)
    rules = LoadRules(key=("id",), indexes=(("region", "taken_on"),), required=frozenset({"id"}))
    columns = make_columns(COLUMNS, {}, rules.required)
    s3 = session.client("s3")
    # Athena computes its figures while it answers; here the rows stand for them, and PostgreSQL computes all of its own
    extract = Extract(f"{name}_published", place, columns, (str(rows),), rules=rules)
    job = LoadJob(f"{name}_published", str(time.time()), session.connect_postgres, lambda o: s3_source(s3, o))
    job = replace(job, reader=session.reader, connections=connections)
    with load_connection(session, job.dataset) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM analytics_versions.loads WHERE dataset = %s", (job.dataset,))
        before = start_watching()
        begun, cpu = time.perf_counter(), time.process_time()
        load, _ = load_extracts(connection, job, [extract])
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {
        "rows": load.rows[extract.relation],
        "seconds": seconds,
        "cpu": cpu,
        "before_mb": before,
        "peak_mb": read_memory("VmHWM"),
    }


if __name__ == "__main__":
    measured = publish_object if sys.argv[5:] else load_object
    print(json.dumps(measured(*sys.argv[1:4], *map(int, sys.argv[4:]))))
