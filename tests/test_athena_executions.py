"""States of executions: success, failure, cancel, cutoff, replaced files, restarts."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from athena_lab import ENDLESS, OUTPUT, AthenaLab, Json

from local_aws.athena.executions import KIND
from local_aws.errors import ServiceError


@pytest.fixture
def lab(home: Path) -> Iterator[AthenaLab]:
    lab = AthenaLab(home)
    lab.put("t/a.parquet", pa.table({"id": list(range(20_000))}))
    lab.setup("CREATE EXTERNAL TABLE t (id bigint) STORED AS PARQUET LOCATION 's3://data/t/'")
    yield lab
    lab.close()


def wait_for(lab: AthenaLab, execution_id: str, state: str) -> Json:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        described: Json = lab.athena.get_query_execution({"QueryExecutionId": execution_id})["QueryExecution"]
        if described["Status"]["State"] == state:
            return described
        time.sleep(0.005)
    raise AssertionError(f"never {state}: {described['Status']}")


def test_a_finished_execution_tells_what_it_did(lab: AthenaLab) -> None:
    """Statistics are measured: bytes read from the files, times that add up."""
    described = lab.succeed("SELECT sum(id) AS s FROM t")
    statistics, status = described["Statistics"], described["Status"]
    footer = 16_384  # DuckDB fetches the end of a file at once, and column chunks after it
    assert 0 < statistics["DataScannedInBytes"] <= (lab.context.lake / "data/t/a.parquet").stat().st_size + footer
    parts = statistics["QueryQueueTimeInMillis"] + statistics["EngineExecutionTimeInMillis"]
    assert abs(statistics["TotalExecutionTimeInMillis"] - parts) <= 1
    assert status["SubmissionDateTime"] <= status["CompletionDateTime"]
    assert described["ResultConfiguration"]["OutputLocation"] == f"{OUTPUT}{described['QueryExecutionId']}.csv"
    assert (described["StatementType"], described["SubstatementType"]) == ("DML", "SELECT")
    runtime = lab.athena.get_query_runtime_statistics({"QueryExecutionId": described["QueryExecutionId"]})
    assert runtime["QueryRuntimeStatistics"]["Rows"]["OutputRows"] == 1


def test_a_failure_is_classed_as_athena_does(lab: AthenaLab) -> None:
    """The reason begins with the error's name; category and type stand beside it."""
    status = lab.run("SELECT * FROM missing")["Status"]
    assert status["State"] == "FAILED" and status["StateChangeReason"].startswith("TABLE_NOT_FOUND")
    error = status["AthenaError"]
    assert (error["ErrorCategory"], error["Retryable"]) == (2, False)
    assert error["ErrorMessage"] == status["StateChangeReason"]


def test_what_follows_no_grammar_never_becomes_an_execution(lab: AthenaLab) -> None:
    """A syntax error is refused by StartQueryExecution, with its place."""
    before = lab.athena.list_query_executions({})
    for sql, place in (("selec 1", "line 1:1"), ("\nSELECT 1 +", "line 2:11"), ("SELECT ?", "line 1:8")):
        with pytest.raises(ServiceError, match=f"^{place}: (mismatched input|Incorrect number)") as refusal:
            lab.start(sql)
        assert refusal.value.code == "InvalidRequestException"
    assert lab.athena.list_query_executions({}) == before


def test_a_running_query_can_be_stopped(lab: AthenaLab) -> None:
    """StopQueryExecution interrupts the engine; the state is CANCELLED and no result remains."""
    execution_id = lab.start(ENDLESS)
    wait_for(lab, execution_id, "RUNNING")
    lab.athena.stop_query_execution({"QueryExecutionId": execution_id})
    described = lab.wait(execution_id)
    assert described["Status"]["State"] == "CANCELLED"
    assert not (lab.context.lake / f"results/q/{execution_id}.csv").exists()
    lab.athena.stop_query_execution({"QueryExecutionId": execution_id})
    assert lab.wait(execution_id)["Status"]["State"] == "CANCELLED"


def test_a_queued_query_can_be_stopped(lab: AthenaLab) -> None:
    """Queries wait for a slot, and one that waits never runs once it was stopped."""
    running = [lab.start(ENDLESS) for _ in range(2)]
    queued = lab.start("SELECT 1 AS a")
    for execution_id in running:
        wait_for(lab, execution_id, "RUNNING")
    assert wait_for(lab, queued, "QUEUED")["Statistics"]["DataScannedInBytes"] == 0
    for execution_id in [queued, *running]:
        lab.athena.stop_query_execution({"QueryExecutionId": execution_id})
    states = [lab.wait(execution_id)["Status"]["State"] for execution_id in [queued, *running]]
    assert states == ["CANCELLED"] * 3


def test_the_cutoff_cancels_before_anything_is_published(lab: AthenaLab) -> None:
    """A query that reads more than its workgroup allows is cancelled: no result, no table."""
    configuration = {"BytesScannedCutoffPerQuery": 1000, "EnforceWorkGroupConfiguration": False}
    lab.athena.create_work_group({"Name": "small", "Configuration": configuration})
    for sql in ("SELECT sum(id) AS s FROM t", "CREATE TABLE c AS SELECT id FROM t", "INSERT INTO t SELECT id FROM t"):
        described = lab.run(sql, WorkGroup="small")
        assert described["Status"]["State"] == "CANCELLED"
        assert "Bytes scanned limit was exceeded" in described["Status"]["StateChangeReason"]
    assert not list((lab.context.lake / "results").rglob("*.csv"))
    assert lab.rows("SELECT count(*) FROM t") == [["20000"]]


def test_a_file_replaced_while_it_is_read_fails_the_query(lab: AthenaLab) -> None:
    """A query never answers from a mixture of versions: it fails, says which object, and that it can be asked again."""
    path = lab.context.lake / "data/t/a.parquet"
    execution_id = lab.start(ENDLESS.replace("CROSS JOIN t c", "CROSS JOIN (SELECT id FROM t WHERE id < 1) c"))
    wait_for(lab, execution_id, "RUNNING")
    while lab.athena.book.live[execution_id].session is None or not lab.athena.book.live[execution_id].session.files:
        time.sleep(0.002)
    pq.write_table(pa.table({"id": [1]}), path.with_name("_new"))
    os.replace(path.with_name("_new"), path)
    status = lab.wait(execution_id)["Status"]
    assert status["State"] == "FAILED" and status["AthenaError"]["Retryable"] is True
    assert status["StateChangeReason"].startswith("HIVE_CANNOT_OPEN_SPLIT: s3://data/t/a.parquet changed while")
    assert lab.rows("SELECT sum(id) FROM t") == [["1"]]


@pytest.mark.slow
def test_readers_under_constant_replacement_see_one_version_or_an_error(lab: AthenaLab) -> None:
    """While a writer replaces two files again and again, each answer is that of whole files."""
    stop, folder = threading.Event(), lab.context.lake / "data/t"

    def write() -> None:
        version = 0
        while not stop.is_set():
            version += 1
            for name in ("a.parquet", "b.parquet"):
                pq.write_table(pa.table({"id": [version] * 1000}), folder / "_new")
                os.replace(folder / "_new", folder / name)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            described = lab.run("SELECT count(*) AS n, min(id) AS a, max(id) AS b FROM t")
            if described["Status"]["State"] == "SUCCEEDED":
                answer = lab.result(described).decode().splitlines()[1].strip('"').split('","')
                assert int(answer[0]) % 1000 == 0 and int(answer[2]) - int(answer[1]) <= 1
            else:
                assert described["Status"]["AthenaError"]["Retryable"] is True
    finally:
        stop.set()
        writer.join()


def test_the_same_token_is_the_same_execution(lab: AthenaLab) -> None:
    """ClientRequestToken makes StartQueryExecution idempotent, and refuses another request."""
    token = {"ClientRequestToken": "x" * 32}
    first = lab.start("SELECT 1 AS a", **token)
    assert lab.start("SELECT 1 AS a", **token) == first
    with pytest.raises(ServiceError, match="Idempotent parameters do not match"):
        lab.start("SELECT 2 AS a", **token)


def test_executions_survive_a_restart(lab: AthenaLab, home: Path) -> None:
    """What has ended is there after a restart with its results; what ran when the server died has failed."""
    done = lab.succeed("SELECT 1 AS a", ClientRequestToken="y" * 32)
    record = lab.context.store.get(KIND, done["QueryExecutionId"])
    assert record is not None
    record["description"] |= {"QueryExecutionId": "dead", "Status": {**done["Status"], "State": "RUNNING"}}
    lab.context.store.put(KIND, "dead", {**record, "token": None})
    again = AthenaLab(home)
    try:
        assert again.wait(done["QueryExecutionId"]) == done
        answer = again.athena.get_query_results({"QueryExecutionId": done["QueryExecutionId"]})
        assert answer["ResultSet"]["Rows"][1]["Data"] == [{"VarCharValue": "1"}]
        dead = again.wait("dead")["Status"]
        assert dead["State"] == "FAILED" and "was stopped while the query ran" in dead["StateChangeReason"]
        assert again.start("SELECT 1 AS a", ClientRequestToken="y" * 32) == done["QueryExecutionId"]
    finally:
        again.close()


def test_queries_cannot_reach_files(lab: AthenaLab, home: Path) -> None:
    """No SQL reads a file that is not one of its tables'."""
    secret = home / "secret.csv"
    secret.write_text("treasure\n")
    for sql in (
        f"SELECT * FROM read_csv('{secret}')",
        f'SELECT * FROM "{secret}"',
        f"SELECT * FROM '{secret}'",
        f"SELECT content FROM read_text('{secret}')",
        f"COPY (SELECT 1) TO '{home}/out.csv'",
        f"ATTACH '{secret}'",
        "SELECT 1 AS a; SELECT 2 AS b",
    ):
        try:
            described = lab.run(sql)
        except ServiceError:
            continue
        assert described["Status"]["State"] == "FAILED", sql
        assert "treasure" not in described["Status"]["StateChangeReason"]
    assert not (home / "out.csv").exists()
