"""The local Athena behind its server process: kill -9 and restart."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from athena_lab import ENDLESS
from control_plane import Server, run_server

OUTPUT = {"OutputLocation": "s3://results/q/"}


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    for bucket in ("data/t", "results"):
        (home / "lake" / bucket).mkdir(parents=True)
    pq.write_table(pa.table({"id": list(range(20_000))}), home / "lake/data/t/a.parquet")
    with run_server(home) as server:
        yield server


def start(athena: Any, sql: str) -> str:
    context = {"Database": "default"}
    answer = athena.start_query_execution(QueryString=sql, QueryExecutionContext=context, ResultConfiguration=OUTPUT)
    return str(answer["QueryExecutionId"])


def wait(athena: Any, execution_id: str, *states: str) -> dict[str, Any]:
    for _ in range(2000):
        status: dict[str, Any] = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]["Status"]
        if status["State"] in states:
            return status
        time.sleep(0.01)
    raise AssertionError(f"never {states}: {status}")


def test_a_killed_server_forgets_nothing(server: Server) -> None:
    """After kill -9 finished executions and their results are there, and the one that ran has failed with a reason."""
    athena = server.client("athena")
    table = "CREATE EXTERNAL TABLE t (id bigint) STORED AS PARQUET LOCATION 's3://data/t/'"
    for statement in ("CREATE DATABASE IF NOT EXISTS default", table):
        wait(athena, start(athena, statement), "SUCCEEDED")
    done = start(athena, "SELECT sum(id) AS s FROM t")
    wait(athena, done, "SUCCEEDED")
    running = start(athena, ENDLESS)
    wait(athena, running, "RUNNING")
    server.kill()
    server.start()
    athena = server.client("athena")
    status = wait(athena, running, "FAILED")
    assert "was stopped while the query ran" in status["StateChangeReason"] and status["AthenaError"]["Retryable"]
    rows = athena.get_query_results(QueryExecutionId=done)["ResultSet"]["Rows"]
    assert rows[1]["Data"] == [{"VarCharValue": "199990000"}]
    assert athena.list_query_executions()["QueryExecutionIds"][:2] == [running, done]
    assert list((server.home / "athena").iterdir()) == []
