"""Whole runs on a stack: skipped, resumed, backfilled, and ended from outside in every way at every notebook."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from fault_lab import plant_faults

from workbench.leftovers import RUN_MARK
from workbench.notebooks import STEPS
from workbench.warm_kernels import server_socket

ROOT = Path(__file__).resolve().parent.parent
CHECKOUT = ("workbench", "helpers", "local_aws", "infra", "glue", "lambdas", "datasets", "notebooks")
DATASET = "student_sample"
ERRORS = {"cell": "ValueError", "kernel": "KernelDied", "limit": "TimeLimit", "disk": "DiskFull"}
EVENTS = ("SIGINT", "SIGTERM", "SIGKILL", *ERRORS)
LIMIT_SECONDS = 25  # above what a step takes on a busy machine
ROUNDS = int(os.environ.get("ROUNDS", "1"))


def workbench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the stack of the tests, in this checkout or the one that CHECKOUT names."""
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=variables.pop("CHECKOUT", ROOT),
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


def test_a_run_that_was_ended_is_repaired(good: dict[str, Any], tmp_path: Path) -> None:
    """A sample of the sweep below."""
    end_and_repair(good, tmp_path, "SIGTERM", "02_transform")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("step", STEPS)
def test_every_event_at_every_notebook(
    good: dict[str, Any], tmp_path: Path, event: str, step: str, number: int
) -> None:
    """The status is right, nothing is left under way, and repair comes to the same tables (ROUNDS=5: five times)."""
    at = STEPS.index(step)
    took = median(run["steps"][at]["seconds"] for run in records() if run["steps"][at]["status"] == "succeeded")
    end_and_repair(good, tmp_path, event, step, delay=0.6 * took * (number + 0.5) / ROUNDS)


def end_and_repair(good: dict[str, Any], folder: Path, event: str, step: str, delay: float = 1.0) -> None:
    """Run, end the run at a step by an event, look at what is left, and repair.

    A signal that comes `delay` seconds after the step began may find it over on a fast day: then it ends the next one,
    or comes before that has begun.
    """
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
    at = next(at for at, each in enumerate(record["steps"]) if each["status"] != "succeeded")
    ended, late = record["steps"][at], at - STEPS.index(step)
    assert record["status"] == status and late in ((0,) if event in ERRORS else (0, 1))
    assert ended["status"] in ((status, "pending") if late else (status,))
    assert {each["status"] for each in record["steps"][at + 1 :]} <= {"pending"}
    assert event not in ERRORS or ended["error"]["type"] == ERRORS[event]
    assert not left_under_way(run_id)
    copies = list(Path(os.environ["WORKBENCH_RUNS"]).glob(f"{run_id}/*.ipynb"))
    assert all(json.loads(notebook.read_text())["cells"] for notebook in copies)
    assert copies or event not in ERRORS  # a signal may come before the first notebook has a kernel
    done = workbench("repair", run_id)
    assert done.returncode == 0, done.stderr
    repaired = records()[-1]
    assert repaired["parent"] == {"run": run_id, "relation": "repairs"}
    assert [each["status"] for each in repaired["steps"]].index("succeeded") == at
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


def known_servers(server: str) -> set[int]:
    """Return the fork servers of a socket: a kernel has its server's command line, but a server as its parent."""
    return {process.pid for process in psutil.process_iter(["cmdline"]) if server in (process.info["cmdline"] or ())}


def left_under_way(run_id: str) -> list[str]:
    """Return the processes and job runs of a run that still run, and forked kernels, which show no run's mark."""
    from helpers.session import open_session

    found, server = [], str(server_socket())
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_MARK) == run_id:
                found.append(" ".join(process.cmdline()))
            if server in process.cmdline() and process.ppid() in known_servers(server):
                found.append(f"forked kernel {process.pid}")
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
@pytest.mark.parametrize("kernels", ["forked", "cold"])
def test_a_planted_secret_is_nowhere(good: dict[str, Any], tmp_path: Path, kernels: str) -> None:
    """A secret that a parameter's value, a cell's output, a kernel's own words and a traceback hold is in no file."""
    word = secrets.token_hex(4)  # in no file of the checkout, whose changes are in the record
    secret = f'planted"{word}<secret>'
    planted = {"IPYTHONDIR": str(plant_faults(tmp_path)), "FAULT": "01_ingest secret", "SOME_PASSWORD": secret}
    for arguments in (["-p", f"files=nowhere/{secret}.csv"], []):
        done = workbench("run", "--dataset", DATASET, "--full", *arguments, WORKBENCH_KERNELS=kernels, **planted)
        assert done.returncode == 1 and "cannot connect as me with" in done.stderr, done.stderr
        record = records()[-1]
        assert record["steps"][0]["error"]["message"] == "cannot connect as me with [redacted]"
        files = [path for path in Path(os.environ["WORKBENCH_RUNS"]).rglob("*") if path.is_file()]
        assert not [path for path in files if word.encode() in path.read_bytes()]
    assert workbench("run", "--dataset", DATASET, "-p", f"db_password={secret}").returncode == 2
    assert records()[-1]["run_id"] == record["run_id"]


@pytest.mark.slow
def test_a_replay_runs_all_again_and_is_equal(good: dict[str, Any]) -> None:
    """A new record that names the one it replays, with its date; one that failed is not replayed but repaired."""
    assert workbench("run", "--dataset", DATASET, "-p", "as_of=2024-05-06").returncode == 0
    first = records()[-1]
    done = workbench("replay", first["run_id"])
    assert done.returncode == 0, done.stderr
    replayed = records()[-1]
    assert replayed["parent"] == {"run": first["run_id"], "relation": "replays"}
    assert [step["status"] for step in replayed["steps"]] == ["succeeded"] * 4
    assert replayed["as_of"] == "2024-05-06" and replayed["table"] == first["table"]
    done = workbench("runs", "diff", first["run_id"], replayed["run_id"])
    assert done.returncode == 0, done.stdout
    failed = workbench("run", "--dataset", DATASET, "-p", "files=nowhere.csv")
    assert failed.returncode == 1
    done = workbench("replay", records()[-1]["run_id"])
    assert (done.returncode, "workbench repair" in done.stderr) == (2, True)


@pytest.mark.slow
def test_runs_of_two_clones_are_equal_until_a_cell_changes(good: dict[str, Any], stack: Path, tmp_path: Path) -> None:
    """Another copy of the checkout with an empty state folder comes to the same; a changed input cell is named."""
    clone, file = tmp_path / "clone", tmp_path / "day.csv"
    clone.mkdir()
    for name in CHECKOUT:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", clone)
    [sample] = list((stack / "lake").glob("*-raw-*/student_sample/*/*2024-01.csv"))[:1]
    file.write_text(sample.read_text())
    told = ("run", "--dataset", DATASET, "--full", "-p", f"files={file}", "-p", "as_of=2031-02-03")
    ours = {"WORKBENCH_HOME": str(tmp_path / "a"), "WORKBENCH_RUNS": str(tmp_path / "runs-a")}
    theirs = {"WORKBENCH_HOME": str(tmp_path / "b"), "WORKBENCH_RUNS": str(tmp_path / "runs-b")}
    theirs["CHECKOUT"] = str(clone)
    try:
        assert workbench(*told, **ours).returncode == 0
        done = workbench(*told, **theirs)
        assert done.returncode == 0, done.stderr
        pair = [str(tmp_path / name / "latest") for name in ("runs-a", "runs-b")]
        compared = workbench("runs", "diff", *pair)
        assert (compared.returncode, "the runs are equal" in compared.stdout) == (0, True), compared.stdout
        change_a_score(file)
        workbench("reset", "--yes", **theirs)
        assert workbench(*told, **theirs).returncode == 0
        compared = workbench("runs", "diff", *pair, "--html", str(tmp_path / "diff.html"))
        assert compared.returncode == 1 and "equal: Steps, Parameters" in compared.stdout, compared.stdout
        assert "day.csv" in compared.stdout and "column math_score" in compared.stdout
        assert "column student_id" not in compared.stdout and "day.csv" in (tmp_path / "diff.html").read_text()
    finally:
        for each in (ours, theirs):
            workbench("reset", "--yes", **each)


def change_a_score(file: Path) -> None:
    """Raise the math score, and the percentage with it, of a file's first whole row with a score below 90."""
    lines = file.read_text().splitlines()
    names = lines[0].split(",")
    score, percentage = names.index("math_score"), names.index("final_percentage")
    for number, line in enumerate(lines[1:], start=1):
        cells = line.split(",")
        whole = len(cells) == len(names) and '"' not in line and re.fullmatch(r"\d\d\.\d\d", cells[percentage])
        if whole and cells[score].isdigit() and int(cells[score]) < 90:
            cells[score], cells[percentage] = str(int(cells[score]) + 3), f"{float(cells[percentage]) + 1:.2f}"
            lines[number] = ",".join(cells)
            file.write_text("\n".join(lines) + "\n")
            return
    raise AssertionError("no score to change")
