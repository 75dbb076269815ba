"""Start, stop, status and reset of a stack, with small servers in place of the stack's own."""

import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from local_aws.errors import HomeLockedError, ServerDownError, StackError
from local_aws.home import is_locked, require_space
from local_aws.lifecycle import Endpoints, read_endpoints, reset, start, status, stop
from local_aws.processes import marked_processes

ROOT = Path(__file__).resolve().parent.parent
STAND_INS = f"{ROOT / 'tests' / 'lifecycle_stand_ins.py'}:http_servers"
STARTER = (
    "import sys; from pathlib import Path; from local_aws.lifecycle import start;"
    f"print(start(Path(sys.argv[1]), servers={STAND_INS!r}).processes['supervisor'].pid)"
)


@pytest.fixture
def folder(home: Path) -> Iterator[Path]:
    """A state folder whose stack is ended after the test."""
    yield home
    if (home / "lock").exists():
        reset(home)


def begin(folder: Path) -> Endpoints:
    """Start the stand-ins."""
    return start(folder, wait=30, servers=STAND_INS)


def processes_of(endpoints: Endpoints) -> list[psutil.Process]:
    """Return the processes that live of those that endpoints.json names."""
    return [process for ref in endpoints.processes.values() if (process := ref.process())]


def test_starting_twice_is_harmless(folder: Path) -> None:
    """A second start finds everything up and changes nothing."""
    first = begin(folder)
    assert begin(folder) == first
    assert set(first.processes) == {"supervisor", "s3", "api"}
    assert status(folder).healthy


def test_starters_at_the_same_time_get_one_stack(folder: Path) -> None:
    """Four starters at once end up with the same supervisor."""
    command = [sys.executable, "-c", STARTER, str(folder)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) for _ in range(4)]
    answers = {starter.communicate(timeout=60)[0] for starter in starters}
    assert len(answers) == 1
    assert [starter.returncode for starter in starters] == [0] * 4


def test_stop_leaves_nothing_behind(folder: Path) -> None:
    """After a stop no process and no endpoints.json is left, and stopping again is harmless."""
    endpoints = begin(folder)
    assert len(processes_of(endpoints)) == 3
    stop(folder)
    assert not processes_of(endpoints) and not marked_processes(folder)
    assert read_endpoints(folder) is None and not is_locked(folder)
    assert not status(folder).healthy
    stop(folder)


@pytest.mark.parametrize("name", ["s3", "api", "supervisor"])
def test_start_mends_what_was_killed(folder: Path, name: str) -> None:
    """Whatever is killed with -9 is back after a start, on the ports that open notebooks know."""
    before = begin(folder)
    os.kill(before.processes[name].pid, 9)
    after = begin(folder)
    assert len(processes_of(after)) == 3
    assert after.processes[name] != before.processes[name]
    assert (after.s3, after.aws) == (before.s3, before.aws)


def test_a_dead_server_comes_back_by_itself(folder: Path) -> None:
    """The supervisor starts a dead server again without being asked, and writes it down."""
    before = begin(folder)
    os.kill(before.processes["api"].pid, 9)
    deadline = time.monotonic() + 20
    while (now := read_endpoints(folder)) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert now and now.processes["api"] != before.processes["api"]
    assert "api ended with signal SIGKILL" in (folder / "logs" / "supervisor.log").read_text()
    assert "restarted 1 times" in [server.note for server in status(folder).servers]


def test_stop_after_the_supervisor_was_killed(folder: Path) -> None:
    """Servers that outlived a killed supervisor are ended by stop."""
    endpoints = begin(folder)
    os.kill(endpoints.processes["supervisor"].pid, 9)
    stop(folder)
    assert not processes_of(endpoints) and not marked_processes(folder)


@pytest.mark.slow
def test_start_replaces_a_server_that_hangs(folder: Path) -> None:
    """A server that lives and does not answer is killed and started again."""
    before = begin(folder)
    os.kill(before.processes["api"].pid, 19)
    after = begin(folder)
    assert after.processes["api"] != before.processes["api"]


def test_a_port_taken_meanwhile_is_no_problem(folder: Path) -> None:
    """A server whose port another program took gets another one."""
    before = begin(folder)
    stop(folder)
    with socket.create_server(("127.0.0.1", urlsplit(before.s3).port or 0)):
        after = begin(folder)
    assert after.s3 != before.s3 and after.aws == before.aws


def test_a_port_taken_while_a_server_was_dead(folder: Path) -> None:
    """The port is asked for again at each restart, and endpoints.json tells the new one."""
    before = begin(folder)
    port = urlsplit(before.aws).port or 0
    os.kill(before.processes["supervisor"].pid, 19)
    try:
        os.kill(before.processes["api"].pid, 9)
        deadline = time.monotonic() + 10
        while psutil.pid_exists(before.processes["api"].pid) and time.monotonic() < deadline:
            try:
                taker = socket.create_server(("127.0.0.1", port))
                break
            except OSError:
                time.sleep(0.05)
    finally:
        os.kill(before.processes["supervisor"].pid, 18)
    with taker:
        assert begin(folder).aws != before.aws


def test_the_starter_is_left_alone(folder: Path) -> None:
    """A pipe of the starter reaches its end as soon as the starter ends, though the servers go on."""
    reader, writer = os.pipe()
    command = [sys.executable, "-c", STARTER, str(folder)]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=ROOT, pass_fds=[writer], check=True)
    os.close(writer)
    assert os.read(reader, 1) == b"" and done.stderr == b""
    os.close(reader)
    supervisor = psutil.Process(int(done.stdout))
    assert os.getsid(supervisor.pid) == supervisor.pid and supervisor.terminal() is None


def test_an_idle_stack_stops_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing was asked for the idle time, everything ends."""
    monkeypatch.setenv("WORKBENCH_IDLE_HOURS", str(1 / 3600))
    endpoints = begin(folder)
    deadline = time.monotonic() + 20
    while endpoints.processes["supervisor"].alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(endpoints)
    assert "nothing was asked for" in (folder / "logs" / "supervisor.log").read_text()


def test_a_folder_that_another_checkout_holds_is_refused(folder: Path, tmp_path: Path) -> None:
    """A second stack on a held state folder is refused with who holds it."""
    begin(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "local_aws").symlink_to(ROOT / "local_aws")
    copy = subprocess.run(["cp", "-rL", tmp_path / "other" / "local_aws", tmp_path / "other" / "copy"], check=False)
    assert copy.returncode == 0
    (tmp_path / "other" / "local_aws").unlink()
    (tmp_path / "other" / "copy").rename(tmp_path / "other" / "local_aws")
    command = [sys.executable, "-c", STARTER, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path / "other")
    assert f"{HomeLockedError.__name__}: {folder} is held by the stack of {ROOT}" in done.stderr


def test_a_server_that_cannot_start_is_named(folder: Path) -> None:
    """The error names the server, its last words and its log."""
    broken = STAND_INS.replace("http_servers", "broken")
    with pytest.raises(ServerDownError, match=r"api cannot start: ended with exit code 1: no room in the inn \(log: "):
        start(folder, wait=30, servers=broken)
    dead = next(server for server in status(folder).servers if server.name == "api")
    assert "no room in the inn" in dead.note and "`workbench up` starts it" in dead.note


def test_a_supervisor_that_cannot_start_is_named(folder: Path) -> None:
    """An error before the supervisor leaves its starter is the error of the start."""
    with pytest.raises(StackError, match=r"supervisor does not stay up: .*no_such_module"):
        start(folder, wait=30, servers="no_such_module:servers")


def test_folders_that_cannot_be_a_state_folder(folder: Path, tmp_path: Path) -> None:
    """Somebody's own folder, a file in the way and a full disk are refused with the folder's name."""
    (folder / "thesis.odt").touch()
    with pytest.raises(StackError, match="holds files that are not a stack's"):
        begin(folder)
    with pytest.raises(StackError, match="no stack's folder: nothing was deleted"):
        reset(folder)
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="cannot be used: Not a directory"):
        begin(tmp_path / "file" / "home")
    with pytest.raises(StackError, match="MB are needed: free some space"):
        require_space(tmp_path, 2**62)


@pytest.mark.parametrize("name", ["Smith, John", "2026:11"])
def test_a_path_that_lists_would_be_split_at_is_refused(tmp_path: Path, name: str) -> None:
    """A comma or a colon in the state folder's path would send Spark's files elsewhere: nothing is made or started."""
    with pytest.raises(StackError, match=r'has a "[,:]" in its path, .* name another folder in WORKBENCH_HOME'):
        start(tmp_path / name / "home")
    assert not (tmp_path / name).exists()


def test_secrets_are_for_their_owner_alone(folder: Path) -> None:
    """Secrets are 0600 in a 0700 folder, mended if somebody opened them, and kept over a restart."""
    begin(folder)
    secrets = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    (folder / "secrets" / "aws-admin.json").chmod(0o644)
    begin(folder)
    assert secrets == {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / "secrets").iterdir()}
    assert modes == {0o600} and stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711
    assert stat.S_IMODE((folder / "endpoints.json").stat().st_mode) == 0o600


def test_reset_empties_the_folder(folder: Path) -> None:
    """After a reset the folder holds nothing but its lock, and a start makes a new stack."""
    begin(folder)
    (folder / "lake" / "bucket").mkdir()
    reset(folder)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    assert status(folder).servers == ()
    assert begin(folder).s3
