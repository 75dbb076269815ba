"""`--full` reaches the job, and what a person takes out of a dataset is something new to read."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.session import open_session
from helpers.transform_reject import reject_object
from workbench.fingerprint import Services, describe_parts
from workbench.notebooks import find_notebook
from workbench.plan import explain
from workbench.request import RunConfig, check_request

DATASET = "tennessee_star"
KEY = f"{DATASET}/ingest_date=2026-01-01/0123456789ab-extra.csv"


@pytest.mark.parametrize("config", [RunConfig(DATASET, full=True), RunConfig(DATASET, pairs=["full=true"])])
def test_full_is_a_parameter_of_the_job_step(config: RunConfig) -> None:
    """The flag and the parameter mean the same: every notebook runs, and 02 is told."""
    request = check_request(config, {})
    assert request.full and request.parameters["full"] is True
    assert [n.name for n in request.notebooks if "full" in n.schema] == ["02_transform"]


def test_without_it_nothing_is_said() -> None:
    """A run without the flag leaves the notebook's default."""
    assert "full" not in check_request(RunConfig(DATASET), {}).parameters


@pytest.fixture
def extra(stack: Path) -> Iterator[Any]:
    """A raw object of the dataset, which is gone afterwards with what was said of it; the value is a client of S3."""
    session = open_session()
    s3, bucket = session.client("s3"), session.outputs.raw_bucket
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"pupil_id\n")
    yield s3
    for prefix in (KEY, f"{DATASET}/_rejected/"):
        for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=found["Key"])


def test_rejected_delivery_makes_the_job_step_run_again(extra: Any) -> None:
    """A mark, and taking it back, are new input; having read everything anew is not."""
    notebook = find_notebook("02")

    def parts(**more: Any) -> dict[str, Any]:
        return describe_parts(notebook, Services(check_request(RunConfig(DATASET, **more), {})))

    before = parts()
    assert explain(before, parts(full=True)) == ""
    assert reject_object(KEY, "a test says so") == KEY
    marked = parts()
    assert explain(before, marked).endswith(".json is new")
    reject_object(KEY, "a mistake", undo=True)
    assert explain(marked, parts()).endswith(".json changed")


@pytest.mark.slow
def test_full_run_reads_everything_and_a_rejection_is_planned(stack: Path) -> None:
    """The job run has --FULL true and reads what the ledger knows; after `workbench reject` the plan runs 02 again."""

    def workbench(*arguments: str) -> str:
        command = [sys.executable, "-m", "workbench", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    session = open_session()
    for flags in ([], ["--full"]):
        workbench("run", "--dataset", DATASET, *flags)
    newest = session.client("glue").get_job_runs(JobName=session.outputs.job)["JobRuns"][0]
    assert newest["Arguments"]["--FULL"] == "true"
    record = json.loads((Path(os.environ["WORKBENCH_RUNS"]) / "latest" / "manifest.json").read_text())
    assert record["parameters"]["full"] is True
    token = newest["Arguments"]["--RUN_TOKEN"]
    body = (
        session.client("s3")
        .get_object(Bucket=session.outputs.curated_bucket, Key=f"_reports/{DATASET}/{token}.json")["Body"]
        .read()
    )
    report = json.loads(body)
    assert report["status"] == "published" and len(report["read"]) == 4
    assert workbench("plan", "--dataset", DATASET).count("up to date") == 4
    workbench("reject", "grade_3.csv", "--reason", "a test says so")
    assert "02_transform" in workbench("plan", "--dataset", DATASET)
    workbench("run", "--dataset", DATASET)
    assert workbench("plan", "--dataset", DATASET).count("up to date") == 4
    workbench("reject", "grade_3.csv", "--reason", "a mistake", "--undo")
    workbench("run", "--dataset", DATASET)
