"""`workbench watch` on a real stack: from a file to PostgreSQL without a person."""

import datetime as dt
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from watch_lab import RAW, ROOT, WatchLab, sample_rows, wait_for, watch_lab

from local_aws.secrets import postgres_password

KEY = "student_sample/ingest_date=2026-01-01/first.csv"
OURS = "workbench.watch_chain", "workbench.history", "events/runtime.py"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchLab]:
    """A stack of these tests' own."""
    with watch_lab(tmp_path_factory.mktemp("watch")) as made:
        yield made


@pytest.fixture
def loaded(lab: WatchLab) -> None:
    """A first file has been loaded, whichever tests are run."""
    if not lab.records():
        with lab.watching():
            put(lab, KEY, sample_rows(20))
            wait_for_record(lab, 1)


def put(lab: WatchLab, key: str, body: bytes) -> None:
    """Upload an object with boto3."""
    lab.client("s3").put_object(Bucket=RAW, Key=key, Body=body)


def wait_for_record(lab: WatchLab, number: int) -> dict[str, Any]:
    """Return the record with this number, once it is closed."""
    closed = wait_for(lambda: [found for found in lab.records() if found["status"] != "running"][number - 1 :])
    return dict(closed[0])


def count_rows(lab: WatchLab) -> int:
    """Return how many rows readers find in PostgreSQL."""
    [(rows,)] = ask(lab, "SELECT count(*) FROM analytics.student_sample")
    return int(rows)


def read_history(lab: WatchLab) -> list[tuple[Any, ...]]:
    """Return run, status and rows of what PostgreSQL tells of runs."""
    return ask(lab, "SELECT run_id, status, rows_out FROM analytics.workbench_runs ORDER BY 1")


def ask(lab: WatchLab, query: str) -> list[tuple[Any, ...]]:
    """Ask PostgreSQL as readers do."""
    place = json.loads((lab.home / "endpoints.json").read_text())["postgres"]
    where = {name: place[name] for name in ("host", "port", "dbname")}
    connection = psycopg2.connect(user=place["reader"], password=postgres_password(lab.home, "reader"), **where)
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    connection.close()
    return list(rows)


def processes_of(lab: WatchLab) -> list[str]:
    """Return the command lines of functions and chains of this stack that still run."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if any(name in line for name in OURS) and (str(lab.home) in line or str(lab.runs) in line):
            found.append(line)
    return found


def test_an_upload_becomes_rows_in_postgres(lab: WatchLab) -> None:
    """Job, crawler, queries and load follow an upload by any client, with a record; one run processed the object."""
    with lab.watching() as process:
        put(lab, KEY, sample_rows(20))
        put(lab, "nobody/else.csv", b"x")
        record = wait_for_record(lab, 1)
        second = subprocess.run(
            [sys.executable, "-m", "workbench", "watch"], env=lab.variables(), cwd=ROOT, capture_output=True, text=True
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert record["status"] == "succeeded" and [step["status"] for step in record["steps"]] == ["succeeded"] * 4
    assert record["inputs"][0]["uri"] == f"s3://{RAW}/{KEY}" and record["parameters"]["started_by"] == "upload"
    assert count_rows(lab) == 20 == record["steps"][0]["rows_out"]
    assert [run["Arguments"]["--DATASET"] for run in lab.job_runs()] == ["student_sample"]
    assert second.returncode == 4 and "is watched already" in second.stderr
    assert "nobody/else.csv" in lab.printed() and "stopped" in lab.printed() and not processes_of(lab)
    assert read_history(lab) == [(record["run_id"], "succeeded", 20)], "the data-quality tab shows the chain"


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_a_file_dropped_in_while_nobody_watched_is_found(lab: WatchLab) -> None:
    """The first listing notes what no ledger has; --trigger-only stops after the job."""
    before = len(lab.records())
    target = lab.home / "lake" / RAW / "student_sample" / "ingest_date=2026-01-02"
    target.mkdir(parents=True)
    (target / "dropped.csv").write_bytes(sample_rows(5, 1000))
    with lab.watching("--trigger-only"):
        record = wait_for_record(lab, before + 1)
    assert [step["status"] for step in record["steps"]] == ["succeeded", "skipped", "skipped", "skipped"]
    assert record["steps"][0]["rows_out"] == 25 and count_rows(lab) == 20


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_nothing_new_starts_nothing(lab: WatchLab) -> None:
    """Watching again over the same objects begins no run; what cannot be read is named and the next file is taken."""
    before = len(lab.job_runs())
    folder = lab.home / "lake" / RAW / "student_sample"
    with lab.watching("--trigger-only"):
        (folder / "loop.csv").symlink_to("loop.csv")
        url = lab.client("sqs", "admin").get_queue_url(QueueName="workbench-local-uploads")["QueueUrl"]
        lab.client("sqs", "admin").send_message(QueueUrl=url, MessageBody="no event")
        wait_for(lambda: "no event: to the dead letters" in lab.printed())
        assert len(lab.job_runs()) == before
        put(lab, "student_sample/ingest_date=2026-01-03/next.csv", sample_rows(5, 2000))
        wait_for(lambda: len(lab.ended_runs()) == before + 1)
    (folder / "loop.csv").unlink()
    dead = lab.client("sqs", "admin").get_queue_url(QueueName="workbench-local-dead-letters")["QueueUrl"]
    [letter] = lab.client("sqs", "admin").receive_message(QueueUrl=dead)["Messages"]
    assert letter["Body"] == "no event" and "Error" in letter["MessageAttributes"]["Reason"]["StringValue"]


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_watching_survives_a_restart_of_the_stack(lab: WatchLab) -> None:
    """After `down` and `up` the same process goes on; a run that the stop killed is made up for."""
    before = len(lab.records())
    command = [sys.executable, "-m", "workbench"]
    with lab.watching() as process:
        put(lab, "student_sample/ingest_date=2026-01-04/restart.csv", sample_rows(5, 3000))
        wait_for(lambda: "RUNNING" in lab.printed())
        for name in ("down", "up"):
            subprocess.run([*command, name], env=lab.variables(), cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
        assert wait_for_record(lab, before + 1)["status"] == "failed"
        made = wait_for_record(lab, before + 2)
        assert made["status"] == "succeeded"
        assert process.poll() is None and "the stack stopped: waiting" in lab.printed()
    assert count_rows(lab) == made["steps"][0]["rows_out"] >= 25


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_a_chain_that_was_lost_is_made_up_for(lab: WatchLab) -> None:
    """Where the watcher is killed between the job's success and the load, the next one loads; once, not again."""
    before, rows = len(lab.records()), count_rows(lab)
    with lab.watching() as process:
        put(lab, "student_sample/ingest_date=2026-01-05/lost.csv", sample_rows(5, 4000))
        wait_for(lambda: "SUCCEEDED" in lab.printed())
        process.kill()
        process.wait(30)
    assert count_rows(lab) == rows and lab.records()[-1]["status"] == "running"
    with lab.watching():
        record = wait_for_record(lab, before + 2)
    assert [found["status"] for found in lab.records()[before:]] == ["interrupted", "succeeded"]
    assert record["parameters"]["started_by"] == "lost chain" and count_rows(lab) == rows + 5
    assert [step["status"] for step in record["steps"]] == ["succeeded"] * 4
    job_runs = len(lab.job_runs())
    with lab.watching():
        time.sleep(3)
    assert (len(lab.records()), len(lab.job_runs())) == (before + 2, job_runs) and not processes_of(lab)


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_the_schedule_fires(lab: WatchLab) -> None:
    """When it is due, every dataset that has raw objects is looked at; nothing new is said in the record."""
    before = len(lab.records())
    scheduler = lab.client("scheduler", "admin")
    names = ("Name", "FlexibleTimeWindow", "Target", "State")
    found = scheduler.get_schedule(Name="workbench-local-sweep")
    schedule = {name: found[name] for name in names}
    with lab.watching():
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=4)
        scheduler.update_schedule(**schedule, ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})")
        record = wait_for_record(lab, before + 1)
    assert record["parameters"]["started_by"] == "schedule" and record["dataset"] == "student_sample"
    assert [step["reason"] for step in record["steps"][1:]] == ["the job found nothing new"] * 3


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_a_run_and_a_trigger_never_work_twice(lab: WatchLab) -> None:
    """A workbench run beside the watching: one job run published, 02 followed it or made the trigger's unneeded."""
    before, records = {run["Id"] for run in lab.job_runs()}, len(lab.records())
    shutil.rmtree(lab.home / "lake" / RAW / "student_sample")
    with lab.watching():
        run = [sys.executable, "-m", "workbench", "run", "--dataset", "student_sample"]
        subprocess.run(run, env=lab.variables(), cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
        wait_for(lambda: len(lab.ended_runs()) == len(lab.job_runs()))
        time.sleep(8)  # a message that was put back would come again by now
    new = [run for run in lab.job_runs() if run["Id"] not in before]
    assert [lab.report(run)["status"] for run in new] == ["published"]
    assert len(lab.records()) == records + 1, "the chain was left to the run, which has a record already"


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_without_the_buckets_notification_nothing_starts(lab: WatchLab, tmp_path: Path) -> None:
    """The local half does what the template says: a bucket that tells EventBridge nothing is not watched."""
    s3 = lab.client("s3", "admin")
    s3.put_bucket_notification_configuration(Bucket=RAW, NotificationConfiguration={})
    with lab.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench", "watch"], env=lab.variables(), cwd=ROOT, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: "no bucket tells EventBridge" in lab.printed())
    finally:
        process.terminate()
        process.wait(30)
    bridge: dict[str, Any] = {"EventBridgeConfiguration": {}}
    s3.put_bucket_notification_configuration(Bucket=RAW, NotificationConfiguration=bridge)
