"""Whole runs on a stack: skipped, resumed, backfilled, and ended from outside in every way at every notebook."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fault_lab import plant_faults

from workbench.leftovers import RUN_MARK
from workbench.notebooks import STEPS

DATASET = "student_sample"
ERRORS = {"cell": "ValueError", "kernel": "KernelDied", "limit": "TimeLimit", "disk": "DiskFull"}
EVENTS = ("SIGINT", "SIGTERM", "SIGKILL", *ERRORS)
LIMIT_SECONDS = 25  # above what a step takes on a busy machine
ROUNDS = int(os.environ.get("ROUNDS", "1"))


def workbench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the stack of the tests."""
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def records() -> list[dict[str, Any]]:
    """Return all records, the newest last."""
    paths = Path(os.environ["WORKBENCH_RUNS"]).glob("*/manifest.json")
    found = [json.loads(path.read_text()) for path in paths if not path.parent.is_symlink()]
    return sorted(found, key=lambda record: (record["started_at"], record["process"]["started"]))


@pytest.fixture(scope="module")
def good(stack: Path) -> Iterator[dict[str, Any]]:
    """The record of an undisturbed run."""
    done = workbench("run", "--dataset", DATASET)
    assert done.returncode == 0, done.stderr
    yield records()[-1]


def test_a_second_run_skips_and_keeps_what_it_left(good: dict[str, Any]) -> None:
    """Nothing changed, so nothing runs; the plan says the same, and the two runs are equal."""
    planned = workbench("plan", "--dataset", DATASET)
    assert planned.stdout.count("up to date since") == 4
    assert workbench("run", "--dataset", DATASET).returncode == 0
    again = records()[-1]
    assert [step["status"] for step in again["steps"]] == ["skipped"] * 4
    assert again["table"] == good["table"] and again["answers"] == good["answers"]
    done = workbench("runs", "diff", good["run_id"], again["run_id"])
    assert done.returncode == 0 and "the runs are equal" in done.stdout


def test_a_lost_output_is_made_again(good: dict[str, Any], stack: Path) -> None:
    """An object that is gone is a reason to run the step that wrote it, and those behind it."""
    [answers] = (stack / "lake").glob("*-results-*/_answers/student_sample.json")
    content = answers.read_bytes()
    answers.unlink()
    planned = workbench("plan", "--dataset", DATASET).stdout
    answers.write_bytes(content)
    assert planned.count(" skip ") == 2 and "is gone" in planned.replace("\n", " ")


@pytest.mark.parametrize(("event", "step"), [("SIGTERM", "02_transform"), ("disk", "03_catalog_query")])
def test_a_run_that_was_ended_is_repaired(good: dict[str, Any], tmp_path: Path, event: str, step: str) -> None:
    """A sample of the sweep below."""
    end_and_repair(good, tmp_path, event, step)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("step", STEPS)
def test_every_event_at_every_notebook(
    good: dict[str, Any], tmp_path: Path, event: str, step: str, number: int
) -> None:
    """The status is right, nothing is left under way, and repair comes to the same tables (ROUNDS=5: five times)."""
    end_and_repair(good, tmp_path, event, step, delay=0.2 + 0.6 * number)


def end_and_repair(good: dict[str, Any], folder: Path, event: str, step: str, delay: float = 1.0) -> None:
    """Run, end the run at a step by an event, look at what is left, and repair."""
    settings = folder / "settings.yaml"
    settings.write_text(f"retries: 0\nstep_seconds: {LIMIT_SECONDS if event == 'limit' else 600}\n")
    before = {record["run_id"] for record in records()}
    command = [sys.executable, "-m", "workbench", "run", "--dataset", DATASET, "--full"]
    environment = {**os.environ, "WORKBENCH_SETTINGS": str(settings)}
    if event in ERRORS:
        environment |= {"IPYTHONDIR": str(plant_faults(folder)), "FAULT": f"{step} {event}"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as runner:
        if event not in ERRORS:
            wait_for_step(before, step)
            time.sleep(delay)
            runner.send_signal(getattr(signal, event))
        runner.wait(180)
    assert runner.returncode == {"SIGKILL": -9, "SIGINT": 130, "SIGTERM": 130, "disk": 4}.get(event, 1)
    run_id = next(record["run_id"] for record in records() if record["run_id"] not in before)
    workbench("plan", "--dataset", DATASET)  # any next start settles a killed run
    record = next(record for record in records() if record["run_id"] == run_id)
    status = "failed" if event in ERRORS else "interrupted"
    ended = next(each for each in record["steps"] if each["notebook"] == step)
    assert (record["status"], ended["status"]) == (status, status)
    assert event not in ERRORS or ended["error"]["type"] == ERRORS[event]
    assert not left_under_way(run_id)
    copies = list(Path(os.environ["WORKBENCH_RUNS"]).glob(f"{run_id}/*.ipynb"))
    assert copies and all(json.loads(notebook.read_text())["cells"] for notebook in copies)
    done = workbench("repair", run_id)
    assert done.returncode == 0, done.stderr
    repaired = records()[-1]
    assert repaired["parent"] == {"run": run_id, "relation": "repairs"}
    assert [each["status"] for each in repaired["steps"]].index("succeeded") == STEPS.index(step)
    assert repaired["table"] == good["table"]
    assert [a["checksum"] for a in repaired["answers"]] == [a["checksum"] for a in good["answers"]]


def wait_for_step(before: set[str], step: str) -> None:
    """Wait until a new run has begun `step`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for path in Path(os.environ["WORKBENCH_RUNS"]).glob("*/log.jsonl"):
            if path.parent.name in before or path.parent.is_symlink():
                continue
            if any(f'"{step}"' in line and "step started" in line for line in path.read_text().splitlines()):
                return
        time.sleep(0.05)
    raise AssertionError(f"{step} did not start")


def left_under_way(run_id: str) -> list[str]:
    """Return the processes and job runs of a run that still run."""
    from helpers.session import open_session

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_MARK) == run_id:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    session = open_session("local")
    for run in session.client("glue").get_job_runs(JobName=session.outputs.job)["JobRuns"]:
        if run["JobRunState"] in ("STARTING", "RUNNING", "STOPPING") and run_id in str(run["Arguments"]):
            found.append(run["Id"])
    return found


@pytest.mark.slow
def test_a_backfill_puts_each_day_under_its_date(good: dict[str, Any], stack: Path, tmp_path: Path) -> None:
    """Three days of a dated source are three runs, each with its own file under its own ingest_date."""
    [sample] = list((stack / "lake").glob("*-raw-*/student_sample/*/*2024-01.csv"))[:1]
    lines = sample.read_text().splitlines(keepends=True)
    for day in (1, 2, 3):
        (tmp_path / f"2024-03-0{day}.csv").write_text("".join(lines[: 20 + day]))
    source = f"files={tmp_path}/{{as_of}}.csv"
    done = workbench("run", "--dataset", DATASET, "-p", source, "--backfill", "2024-03-01..2024-03-03")
    assert done.returncode == 0, done.stderr
    assert [record["as_of"] for record in records()[-3:]] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    for day in (1, 2, 3):
        folders = list((stack / "lake").glob(f"*-raw-*/student_sample/ingest_date=2024-03-0{day}/*"))
        assert [path.name[13:] for path in folders] == [f"2024-03-0{day}.csv"]


@pytest.mark.slow
def test_a_planted_secret_is_nowhere(good: dict[str, Any]) -> None:
    """A secret of the environment that an error's text holds is in no file of the runs."""
    secret = "planted-hunter2-secret"
    done = workbench("run", "--dataset", DATASET, "-p", f"files=nowhere/{secret}.csv", SOME_PASSWORD=secret)
    assert done.returncode == 1
    files = [path for path in Path(os.environ["WORKBENCH_RUNS"]).rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
