"""Which chains are owed after nobody watched a job run to its end."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.record import describe_process
from workbench.watch_lost import close_killed_chains, find_lost_chains, owes_load
from workbench.watch_record import ChainRecord
from workbench.watch_retry import Retries

TRIGGERED = "trigger-"
NOW = 1_790_000_000.0
DEAD = {"pid": 1, "started": 1.0, "boot_id": "another"}


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of records of the test's own."""
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path))
    return tmp_path


def job_run(number: int, state: str = "SUCCEEDED", token: str = "trigger-1", dataset: str = "pupils") -> dict[str, Any]:
    """Return a job run as the control plane keeps it; the number makes id and time."""
    started = NOW + 100 * number
    times = {"StartedOn": started, "CompletedOn": started + 10}
    return {
        "Id": f"jr_{number}",
        "JobRunState": state,
        "Arguments": {"--DATASET": dataset, "--RUN_TOKEN": token},
        **times,
    }


def record(runs: Path, number: int, status: str, parameters: dict[str, Any], load: str = "", **facts: Any) -> None:
    """Write the record of a run that began 20 s after job run `number` did; its load ended as it did unless said."""
    folder = runs / f"2026-{number}-{len(list(runs.iterdir()))}"
    folder.mkdir()
    steps = [{"notebook": "02_transform", "status": "running" if status == "running" else "succeeded"}]
    steps.append({"notebook": "04_load_postgres", "status": load or status})
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + 100 * number + 20))
    manifest = {
        "run_id": folder.name, "profile": "local", "dataset": "pupils", "as_of": "2026-01-01", "schema": 2,
        "parameters": parameters, "started_at": began, "process": DEAD, "git": {}, "lock_sha256": "", "steps": steps,
        "status": status, **facts,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))


def chain(number: int, **more: Any) -> dict[str, Any]:
    """Return the parameters of a chain's record."""
    return {"started_by": "upload", "job_run_id": f"jr_{number}", **more}


def owed(*job_runs: dict[str, Any]) -> list[str]:
    """Return the ids of the job runs whose chains are owed."""
    return [run["Id"] for run in find_lost_chains(job_runs, TRIGGERED)]


def test_the_latest_run_without_a_record_is_owed() -> None:
    """Of an upload's runs that succeeded, or are under way, the latest of each dataset; what failed owes nothing."""
    assert owed(job_run(1), job_run(2), job_run(3, "FAILED"), job_run(1, dataset="others", token="trigger-2")) == [
        "jr_1",
        "jr_2",
    ]
    assert owed(job_run(1, "RUNNING")) == ["jr_1"]
    assert owed(job_run(1, token="20260101T000000-pupils-1")) == []


@pytest.mark.parametrize(
    ("status", "more", "is_owed"),
    [
        ("succeeded", {}, False),
        ("failed", {}, True),
        ("interrupted", {}, True),
        ("running", {}, True),
        ("interrupted", {"trigger_only": True}, False),
    ],
)
def test_a_chain_that_was_cut_short_is_owed(runs: Path, status: str, more: dict[str, Any], is_owed: bool) -> None:
    """A chain that was killed, stopped or failed is owed; one that loaded, or was to stop after the job, is not."""
    record(runs, 1, status, chain(1, **more))
    assert owed(job_run(1)) == (["jr_1"] if is_owed else [])


def test_a_chain_under_way_is_not_owed(runs: Path) -> None:
    """A record whose process lives is somebody's business already."""
    record(runs, 1, "running", chain(1), process=describe_process())
    assert owed(job_run(1)) == [] and close_killed_chains() == []
    assert os.getpid() == describe_process()["pid"]


def test_a_later_run_makes_a_chain_unneeded(runs: Path) -> None:
    """A run of the dataset that began after the job run ended, and succeeded, published what that one wrote."""
    record(runs, 1, "interrupted", chain(1))
    record(runs, 0, "succeeded", {})
    assert owed(job_run(1)) == ["jr_1"]
    record(runs, 2, "succeeded", {})
    assert owed(job_run(1)) == []


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_a_chain_that_found_nothing_new_makes_up_for_none(runs: Path, status: str) -> None:
    """After a load that failed the next job run has nothing to do, and its chain none: the load is owed until it is."""
    record(runs, 1, status, chain(1))
    assert owes_load("pupils")
    record(runs, 2, "succeeded", chain(2), load="skipped")
    assert owed(job_run(1), job_run(2)) == ["jr_2"] and owes_load("pupils")
    record(runs, 3, "succeeded", chain(2, started_by="lost chain"))
    assert owed(job_run(1), job_run(2)) == [] and not owes_load("pupils")
    record(runs, 4, "succeeded", chain(4), load="skipped")
    assert owed(job_run(4)) == [] and not owes_load("pupils")


def test_a_job_run_that_failed_owes_no_load(runs: Path) -> None:
    """It wrote nothing; and a chain that goes on owes nothing yet."""
    failed = ChainRecord("pupils", job_run(1), [])
    failed.end("failed", "job run jr_1 ended FAILED: no message")
    assert not owes_load("pupils")
    record(runs, 2, "running", chain(2), process=describe_process())
    assert not owes_load("pupils")


@pytest.mark.parametrize(("code", "tries"), [(4, 2), (3, 0)])
def test_what_a_service_held_up_is_tried_again(code: int, tries: int) -> None:
    """A server that was down gets more tries, each after its pause; data that a gate refused does not become better."""
    retries = Retries(pauses=(0.0, 0.0))
    failed = ChainRecord("pupils", job_run(1), [])
    error = {"type": "AnyError", "message": "it is down", "exit_code": code}
    failed.update("04_load_postgres", "failed", {"error": error})
    failed.end("failed")
    for _ in range(tries):
        assert retries.note(failed) == 0.0
        [(dataset, again)] = retries.take_due()
        assert (dataset, ChainRecord(dataset, again, [], {"started_by": "lost chain"}).job_run) == ("pupils", again)
        assert again["Id"] == "jr_1"
    assert retries.note(failed) is None and retries.take_due() == []


def test_a_chain_that_begins_meanwhile_takes_the_retrys_place() -> None:
    """It loads what the failed one did not, so that nothing is done twice; once one succeeded, counting begins anew."""
    retries = Retries(pauses=(0.0,))
    failed = ChainRecord("pupils", job_run(1), [])
    failed.update("04_load_postgres", "failed", {"error": {"type": "E", "message": "down", "exit_code": 4}})
    failed.end("failed")
    assert retries.note(failed) == 0.0
    retries.forget("pupils")
    assert retries.take_due() == []
    well = ChainRecord("pupils", job_run(2), [])
    well.end("succeeded")
    assert retries.note(well) is None
    assert retries.note(failed) == 0.0


def test_the_record_of_a_killed_watcher_is_closed(runs: Path) -> None:
    """Its chain is interrupted, and so is the step under way; the records of runs are left to `workbench run`."""
    record(runs, 1, "running", chain(1))
    record(runs, 2, "running", {})
    [closed] = close_killed_chains()
    manifest = json.loads((runs / closed / "manifest.json").read_text())
    assert manifest["status"] == manifest["steps"][0]["status"] == "interrupted"
    assert owed(job_run(1)) == ["jr_1"]
