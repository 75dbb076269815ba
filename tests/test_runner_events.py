"""However a notebook ends, the runner says so truthfully, keeps a readable copy, and leaves no kernel behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from notebook_lab import execute, states

from workbench.warm_kernels import server_socket, start_server, stop_server

ROOT = Path(__file__).resolve().parent.parent
SLEEP = "import subprocess, sys, time, pathlib, os\n" + (
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
    "pathlib.Path('{place}').write_text(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(300)"
)


@pytest.fixture(scope="module", params=["forked", "cold"])
def kernels(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, scrubbed_environment: None
) -> Iterator[str]:
    """A state folder whose fork server is ended at the end; and once without a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        if request.param == "cold":
            patch.setenv("WORKBENCH_KERNELS", "cold")
        yield request.param
        stop_server()


def test_a_notebook_that_succeeds(kernels: str, tmp_path: Path) -> None:
    """All cells are completed, their seconds are known, and the kernel was of the kind that was asked for."""
    outcome, document = execute(tmp_path, "import time; time.sleep(0.2)", "1 + 1")
    assert (outcome.status, outcome.error, outcome.kernel) == ("succeeded", None, kernels)
    assert states(document) == ["completed"] * 3
    assert len(outcome.cells) == 3 and outcome.cells[1] >= 0.2


def test_an_error_of_a_cell(kernels: str, tmp_path: Path) -> None:
    """The error is named with its cell; the cells behind it are pending."""
    outcome, document = execute(tmp_path, "raise ValueError('no such thing')", "1 + 1")
    assert outcome.status == "failed" and outcome.error is not None
    assert outcome.error == {"cell": 2, "type": "ValueError", "message": "no such thing", "exit_code": 1}
    assert states(document)[-2:] == ["failed", "pending"]


def test_the_death_of_a_kernel(kernels: str, tmp_path: Path) -> None:
    """A killed kernel fails its cell, though papermill calls every cell completed."""
    outcome, document = execute(tmp_path, "import os; os.kill(os.getpid(), 9)", "1 + 1")
    assert outcome.status == "failed" and outcome.error is not None and outcome.error["type"] == "KernelDied"
    assert states(document) == ["completed", "failed", "pending"]


def test_a_time_limit(kernels: str, tmp_path: Path) -> None:
    """A step that takes too long fails; its kernel and what that started are gone."""
    place = tmp_path / "pids"
    outcome, document = execute(tmp_path, SLEEP.format(place=place), seconds=6)
    assert outcome.status == "failed" and outcome.error is not None and outcome.error["type"] == "TimeLimit"
    assert states(document)[-1] == "failed"
    assert not alive(place)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -9)]
)
def test_a_signal_to_the_runner(kernels: str, tmp_path: Path, number: int, code: int) -> None:
    """Whatever ends the runner, its kernel and the kernel's child end with it, and the copy can be read."""
    if kernels == "forked":
        assert start_server(wait=True)
    place = tmp_path / "pids"
    command = [sys.executable, str(ROOT / "tests" / "notebook_lab.py"), str(tmp_path), SLEEP.format(place=place)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as runner:
        wait_for(place)
        runner.send_signal(number)
        assert runner.wait(20) == code
    wait_until_gone(place)
    assert json.loads((tmp_path / "out" / "01_small.ipynb").read_text())["cells"]


def test_a_full_disk(kernels: str, tmp_path: Path) -> None:
    """No space for the executed notebook is a failure that names the disk; what was saved before stays readable."""
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / f".01_small.ipynb.{os.getpid()}.tmp"
    full = f"import os; os.symlink('/dev/full', {str(place)!r})"
    outcome, document = execute(tmp_path, full, "1 + 1")
    assert outcome.error is not None and (outcome.error["type"], outcome.error["exit_code"]) == ("DiskFull", 4)
    assert "no space left" in outcome.error["message"] and document["cells"]


def test_without_a_server_the_kernel_is_cold(kernels: str, tmp_path: Path) -> None:
    """A server that was killed, or that there never was, is not missed: the next kernel is from a new one, or cold."""
    assert start_server(wait=True) is (kernels == "forked")
    servers = [p for p in psutil.process_iter(["cmdline"]) if str(server_socket()) in (p.info["cmdline"] or [])]
    assert len(servers) == (kernels == "forked")
    for server in servers:
        server.kill()
        server.wait(5)
    outcome, _ = execute(tmp_path, "1 + 1")
    assert outcome.status == "succeeded"


def alive(place: Path) -> list[int]:
    """Return those of the processes named in a file that run."""
    return [pid for pid in map(int, place.read_text().split()) if psutil.pid_exists(pid) and _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_for(place: Path, seconds: float = 60.0) -> None:
    """Wait until a file is there and has content."""
    deadline = time.monotonic() + seconds
    while not (place.exists() and place.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert place.exists()


def wait_until_gone(place: Path, seconds: float = 10.0) -> None:
    """Wait until none of the processes named in a file runs."""
    deadline = time.monotonic() + seconds
    while (left := alive(place)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
