"""Forked kernels: as good as cold ones, and none sees another's state, environment or random numbers."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from notebook_lab import execute

from workbench import spare_kernels, warm_kernels
from workbench.kernels import SocketKernelManager
from workbench.leftovers import end_spare
from workbench.warm_kernels import stop_server

PLOT = (
    "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2, 3], [3, 1, 2])\n"
    "axes.set_title('Figures')\nNone"
)
BORN = """
import os, time
ticks = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])  # proc_pid_stat(5): since the boot
age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
print(time.time() - age, os.environ["WORKBENCH_STEP_RESULT"])
"""
DESCRIBE = """
import botocore.session, hashlib, json
for _ in range(2):
    loader = botocore.session.Session().get_component("data_loader")
    for service in ("s3", "athena", "sts"):
        print(hashlib.sha256(json.dumps(loader.load_service_model(service, "service-2")).encode()).hexdigest())
print(loader.load_service_model("glue", "service-2")["metadata"]["endpointPrefix"])
"""
SAID = {("spoke", "log"), ("old", "log")}
ROOT = Path(__file__).resolve().parent.parent
# Python's audit events tell of every name that leaves the environment.
IMPORTING = """
import sys, threading
from workbench.execute import _import_ahead, _settle_environment
gone = []
sys.addaudithook(lambda event, found: gone.append(found[0]) if event == "os.unsetenv" else None)
_settle_environment()
_import_ahead()
for thread in threading.enumerate()[1:]:
    thread.join()
print(*{"numpy"} & set(sys.modules), not gone)
"""


@pytest.fixture(scope="module", autouse=True)
def own_server(tmp_path_factory: pytest.TempPathFactory, scrubbed_environment: None) -> Iterator[None]:
    """A fork server of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield
        stop_server()


def outputs(document: dict[str, Any]) -> list[str]:
    """Return what the cells behind the parameters printed or showed."""
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    found = [output for cell in cells for output in cell["outputs"]]
    texts = [output.get("text") or output["data"].get("image/png") or output["data"]["text/plain"] for output in found]
    return ["".join(text) for text in texts]


def test_a_plots_bytes_are_those_of_a_cold_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend is the kernel's, so a plot is shown, and it is the same PNG."""
    forked, document = execute(tmp_path, PLOT)
    monkeypatch.setenv("WORKBENCH_KERNELS", "cold")
    cold, other = execute(tmp_path, PLOT)
    assert (forked.kernel, cold.kernel) == ("forked", "cold")
    assert outputs(document) == outputs(other) and outputs(document)[0].startswith("iVBOR")


def test_files_of_servers_that_are_gone_are_swept(tmp_path: Path) -> None:
    """A held lock keeps its files, as does what a server wrote lately; all else of servers that ended is removed."""
    for name in ("gone", "held", "spoke", "old"):
        for kind in ("lock", "log", "sock"):
            (tmp_path / f"{name}.{kind}").write_text("a traceback" if (name, kind) in SAID else "")
    os.utime(tmp_path / "old.log", times=(time.time() - warm_kernels.KEPT_SECONDS - 60,) * 2)
    with (tmp_path / "held.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        warm_kernels.sweep_files(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"held", "spoke"} and len(list(tmp_path.iterdir())) == 6


def test_starting_a_server_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that starts removes what one of a state folder that is gone left behind, and nothing of its own."""
    folder = warm_kernels.server_socket().parent
    left = folder / "0123456789abcdef.lock"
    left.touch(mode=0o600)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    assert warm_kernels.start_server(wait=True)
    assert not left.exists() and warm_kernels.server_socket().with_suffix(".lock").exists()
    assert stop_server()


def test_kernels_share_no_state_and_no_random_numbers(tmp_path: Path) -> None:
    """A variable, a module's attribute, the environment and random numbers of one kernel are not the next one's."""
    numbers = "random.random(), numpy.random.random()"
    source = f"import os, random, numpy, pandas\nprint({numbers}, os.environ.get('LEFT'), 'x' in dir(pandas))"
    change = "os.environ['LEFT'] = '1'; pandas.x = 1"
    first = outputs(execute(tmp_path, source, change)[1])[0].split()
    second = outputs(execute(tmp_path, source, change)[1])[0].split()
    assert first[:2] != second[:2] and first[0] != second[0] and first[1] != second[1]
    assert first[2:] == second[2:] == ["None", "False"]


def test_a_kernel_has_the_runners_environment_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the runner's environment says reaches the kernel, its time zone too; the folder is the checkout."""
    monkeypatch.setenv("TOLD", "yes")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    source = "import os, time\nprint(os.environ['TOLD'], time.strftime('%z'), 'helpers' in os.listdir())"
    assert outputs(execute(tmp_path, source)[1])[0].split() == ["yes", "+0545", "True"]


def test_the_projects_own_modules_are_not_preloaded(tmp_path: Path) -> None:
    """A kernel imports the project's modules as they are on disk when it runs."""
    source = "import sys\nprint([name for name in sys.modules if name.split('.')[0] in ('helpers', 'workbench')])"
    assert outputs(execute(tmp_path, source)[1])[0].strip() == "[]"


TELL = "import os, time\ntime.sleep(1.5)\nprint(os.getpid(), os.environ['WORKBENCH_STEP_RESULT'], 'left' in dir())"


def spare_pid() -> int | None:
    """Return the spare kernel's number."""
    return spare_kernels._SPARE[0].kernel.pid if spare_kernels._SPARE else None


def test_the_next_notebooks_kernel_is_there_beforehand(tmp_path: Path) -> None:
    """It is forked while the one before works, has its own environment and nothing of the other, and ends with it."""
    first = outputs(execute(tmp_path, TELL + "\nleft = 1", then="02")[1])[0].split()
    waiting = spare_pid()
    outcome, document = execute(tmp_path, TELL, then="03", name="02")
    second = outputs(document)[0].split()
    assert waiting is not None and waiting == int(second[0]) != int(first[0]) and outcome.kernel == "forked"
    assert second[1] == str(tmp_path / "out" / "02.result.json") and second[2] == "False"
    assert not psutil.pid_exists(waiting)
    last = spare_pid()
    end_spare()
    assert last is not None and spare_pid() is None and has_ended(last)


def test_the_first_notebooks_kernel_is_there_beforehand(tmp_path: Path) -> None:
    """It was forked before papermill began, with the notebook's own environment, and leaves none behind."""
    outcome, document = execute(tmp_path, BORN)
    forked, result = outputs(document)[0].split()
    begun = datetime.fromisoformat(document["metadata"]["papermill"]["start_time"]).replace(tzinfo=UTC).timestamp()
    assert outcome.kernel == "forked" and float(forked) < begun
    assert result == str(tmp_path / "out" / "01_small.result.json") and spare_pid() is None


def test_what_a_service_can_do_is_read_once_for_all_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client has the same operations as in a cold kernel, also of the second session; a file of one's own counts."""
    models = tmp_path / "models" / "glue" / "2999-01-01"
    models.mkdir(parents=True)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "models"))
    content = {"metadata": {"protocol": "json", "endpointPrefix": "own"}, "operations": {}, "shapes": {}}
    (models / "service-2.json").write_text(json.dumps(content))
    forked, document = execute(tmp_path, DESCRIBE)
    monkeypatch.setenv("WORKBENCH_KERNELS", "cold")
    cold, other = execute(tmp_path, DESCRIBE)
    assert (forked.kernel, cold.kernel) == ("forked", "cold")
    assert outputs(document) == outputs(other) and outputs(document)[0].split()[-1] == "own"


def test_a_spare_kernel_that_does_not_fit_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for another notebook, or for another environment, or one that died meanwhile, is replaced by a new one."""
    for name, told, dies in (("02", "1", False), ("01_small", "1", False), ("02", None, True)):
        execute(tmp_path, TELL, then="02")
        waiting = spare_pid()
        assert waiting is not None
        if dies:
            os.kill(waiting, signal.SIGKILL)
            assert has_ended(waiting)
        with monkeypatch.context() as patch:
            if told and name == "02":
                patch.setenv("TOLD", told)
            outcome, document = execute(tmp_path, TELL, name=name)
        assert outcome.status == "succeeded", outcome
        found = outputs(document)[0].split()
        assert int(found[0]) != waiting and found[1] == str(tmp_path / "out" / f"{name}.result.json")
        assert has_ended(waiting) and spare_pid() is None


def has_ended(pid: int) -> bool:
    """Say whether a process is gone within a few seconds."""
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


def test_sockets_lie_in_a_private_folder() -> None:
    """Neither the server's socket nor a kernel's folder is open to another user."""
    assert warm_kernels.server_socket().parent.stat().st_mode & 0o077 == 0
    manager = SocketKernelManager()
    assert manager.folder.stat().st_mode & 0o077 == 0
    manager.folder.rmdir()


def test_what_is_imported_ahead_takes_nothing_out_of_the_environment() -> None:
    """A kernel's environment is copied meanwhile in another thread, name by name: one that goes would end the run."""
    done = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["numpy", "True"]
