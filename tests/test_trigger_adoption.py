"""Notebook 02 beside the trigger: a run that an upload began is followed where it is enough, and no other started."""

from pathlib import Path
from typing import Any

import pytest
from watch_lab import CURATED, JOB, RAW, WatchLab, sample_rows, wait_for

from helpers.config import build_config
from helpers.errors import WorkbenchError
from helpers.transform import renew_code, run_job

DATASET = "student_sample"


@pytest.fixture
def lab(stack: Path) -> Any:
    """The stack of all tests, with nothing in the dataset's raw prefix."""
    lab = WatchLab(stack)
    s3 = lab.client("s3", "admin")
    for entry in s3.list_objects_v2(Bucket=RAW, Prefix=f"{DATASET}/").get("Contents", []):
        s3.delete_object(Bucket=RAW, Key=entry["Key"])
    renew_code(build_config(DATASET, "adoption"))
    yield lab
    wait_for(lambda: len(lab.ended_runs()) == len(lab.job_runs()))


def trigger(lab: WatchLab, token: str) -> str:
    """Start a run as the function does."""
    arguments = {"--DATASET": DATASET, "--RUN_TOKEN": f"trigger-{token}"}
    return str(lab.client("glue", "lambda").start_job_run(JobName=JOB, Arguments=arguments)["JobRunId"])


def test_a_run_that_an_upload_began_is_followed(lab: WatchLab, capsys: pytest.CaptureFixture[str]) -> None:
    """02 starts no run of its own, reports what the other did, and says so."""
    lab.client("s3").put_object(Bucket=RAW, Key=f"{DATASET}/a.csv", Body=sample_rows(7))
    before, run = len(lab.job_runs()), trigger(lab, f"adopted{len(lab.job_runs())}")
    result = run_job(build_config(DATASET, "adoption-1"))
    assert (result.job_run_id, result.adopted, result.rows["curated"]) == (run, True, 7)
    assert len(lab.job_runs()) == before + 1 and "an upload had begun job run" in capsys.readouterr().out
    assert result.figures()["adopted"] is True


@pytest.mark.slow
def test_a_run_that_is_not_enough_is_not(lab: WatchLab) -> None:
    """Where an object came or went after the trigger's run had begun, 02 starts its own."""
    s3 = lab.client("s3", "admin")
    s3.put_object(Bucket=RAW, Key=f"{DATASET}/a.csv", Body=sample_rows(7))
    s3.put_object(Bucket=RAW, Key=f"{DATASET}/b.csv", Body=sample_rows(7, 100))
    trigger(lab, f"early{len(lab.job_runs())}")
    wait_for(lambda: len(lab.ended_runs()) == len(lab.job_runs()))
    s3.delete_object(Bucket=RAW, Key=f"{DATASET}/b.csv")
    gone = run_job(build_config(DATASET, "adoption-2"))
    assert (gone.adopted, gone.rows["curated"]) == (False, 7)
    s3.put_object(Bucket=RAW, Key=f"{DATASET}/c.csv", Body=sample_rows(7, 200))
    came = run_job(build_config(DATASET, "adoption-3"))
    assert (came.adopted, came.rows["curated"]) == (False, 14)


@pytest.mark.slow
def test_a_trigger_that_a_gate_refused_is_not_tried_again(lab: WatchLab) -> None:
    """The refusal is 02's own, with the exit code of a gate."""
    lab.client("s3").put_object(Bucket=RAW, Key=f"{DATASET}/bad.csv", Body=sample_rows(50).replace(b",50,", b",no,"))
    trigger(lab, f"refused{len(lab.job_runs())}")
    before = len(lab.job_runs())
    with pytest.raises(WorkbenchError, match="rejected") as caught:
        run_job(build_config(DATASET, "adoption-4"))
    assert caught.value.exit_code == 3 and len(lab.job_runs()) == before
    lab.client("s3", "admin").delete_object(Bucket=RAW, Key=f"{DATASET}/bad.csv")
    assert lab.client("s3").list_objects_v2(Bucket=CURATED, Prefix=f"_ledger/{DATASET}/")["KeyCount"]
