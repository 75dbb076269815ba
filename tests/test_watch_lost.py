"""Which chains are owed after nobody watched a job run to its end."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.record import describe_process
from workbench.watch_lost import close_killed_chains, find_lost_chains

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


def record(runs: Path, number: int, status: str, parameters: dict[str, Any], **facts: Any) -> None:
    """Write the record of a run that began 20 s after job run `number` did."""
    folder = runs / f"2026-{number}-{len(list(runs.iterdir()))}"
    folder.mkdir()
    steps = [{"notebook": "02_transform", "status": "running" if status == "running" else "succeeded"}]
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
        ("failed", {}, False),
        ("interrupted", {}, True),
        ("running", {}, True),
        ("interrupted", {"trigger_only": True}, False),
    ],
)
def test_a_chain_that_was_cut_short_is_owed(runs: Path, status: str, more: dict[str, Any], is_owed: bool) -> None:
    """A killed or stopped chain is owed; one that ended, well or not, or was to stop after the job, is not."""
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


def test_the_record_of_a_killed_watcher_is_closed(runs: Path) -> None:
    """Its chain is interrupted, and so is the step under way; the records of runs are left to `workbench run`."""
    record(runs, 1, "running", chain(1))
    record(runs, 2, "running", {})
    [closed] = close_killed_chains()
    manifest = json.loads((runs / closed / "manifest.json").read_text())
    assert manifest["status"] == manifest["steps"][0]["status"] == "interrupted"
    assert owed(job_run(1)) == ["jr_1"]
