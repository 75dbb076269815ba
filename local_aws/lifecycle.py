"""The embedded stack as a whole: start, stop, status, reset.

`start` is safe to call at any time and by several processes at once: it joins a running stack, waits for one that is
starting, has dead servers started again, and starts a supervisor where there is none. It imports nothing heavy, so
that finding everything up takes milliseconds.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws import home as state
from local_aws.endpoints import Endpoints, read_endpoints
from local_aws.errors import HomeLockedError, ServerDownError, StackError
from local_aws.home import default_home
from local_aws.probes import answers_http, answers_postgres
from local_aws.processes import MARK, ProcessRef, end_leftovers, end_processes, lock_holder
from local_aws.secrets import ensure_secrets
from local_aws.servers import STACK

__all__ = ["Endpoints", "ServerStatus", "Status", "default_home", "read_endpoints", "reset", "start", "status", "stop"]

Progress = Callable[[str], None]
LAUNCHES = 3
STOP_SECONDS = 60.0
_POLL_SECONDS = 0.03


@dataclass(frozen=True)
class ServerStatus:
    """One server: its state (running, starting, down, off), where it is, since when, and what to do if it is down."""

    name: str
    state: str
    pid: int | None
    port: int | None
    since: str
    note: str


@dataclass(frozen=True)
class Status:
    """What runs of the stack of a state folder."""

    home: Path
    running: bool
    servers: tuple[ServerStatus, ...]

    @property
    def healthy(self) -> bool:
        """Say whether the supervisor and every server that is wanted run."""
        return self.running and all(server.state in ("running", "off") for server in self.servers)


def _quiet(line: str) -> None:
    """Show nothing."""


def start(home: Path, wait: float = 90.0, progress: Progress = _quiet, servers: str = STACK) -> Endpoints:
    """Return the endpoints of the running stack, starting and mending it as needed, within `wait` seconds.

    Raises StackError (HomeLockedError, ServerDownError) with what could not be started, its last words and its log.
    """
    home = home.resolve()
    state.prepare_home(home)
    ensure_secrets(home)
    _choose_database(home)
    began, deadline, launches, asked = time.time(), time.monotonic() + wait, 0, False
    while True:
        if state.is_locked(home):
            supervisor = lock_holder(home)
            if supervisor:
                record = state.read_json(home / state.SERVERS)
                endpoints = _healthy_endpoints(home, supervisor, record)
                if endpoints:
                    os.utime(home / state.ACTIVITY)
                    return endpoints
                if not launches and not asked:
                    progress(f"waiting for the stack in {home}: its supervisor was asked to look after its servers")
                    supervisor.send(signal.SIGUSR1)
                    asked = True
                _raise_failure(home, record, began)
        else:
            if not launches:
                progress(f"starting the embedded stack in {home}")
            launches += 1
            _launch_supervisor(home, servers, launches)
        if time.monotonic() > deadline:
            raise StackError(_describe_delay(home, wait))
        time.sleep(_POLL_SECONDS)


def stop(home: Path) -> None:
    """Stop the stack cleanly; what it holds stays on disk. Leaves no process behind, also after a kill -9."""
    home = home.resolve()
    if not home.exists():
        return
    deadline = time.monotonic() + STOP_SECONDS
    asked: ProcessRef | None = None
    while (state.is_locked(home) or (asked and asked.alive())) and time.monotonic() < deadline:
        supervisor = lock_holder(home)
        if supervisor and supervisor != asked:
            supervisor.send(signal.SIGTERM)
            asked = supervisor
        time.sleep(_POLL_SECONDS)
    if asked and (process := asked.process()):
        end_processes([process])
    end_leftovers(home, state.read_json(home / state.SERVERS))
    (home / state.ENDPOINTS).unlink(missing_ok=True)


def status(home: Path) -> Status:
    """Say what runs, without starting anything."""
    home = home.resolve()
    record = state.read_json(home / state.SERVERS)
    supervisor = lock_holder(home) if state.is_locked(home) else None
    if not home.exists() or not record:
        return Status(home, False, ())
    own = ServerStatus("supervisor", "down", None, None, "", "`workbench up` starts the stack")
    if supervisor:
        own = ServerStatus("supervisor", "running", supervisor.pid, None, _clock(supervisor.started), "")
    servers = [_describe_server(home, name, entry) for name, entry in record.get("servers", {}).items()]
    return Status(home, supervisor is not None, (own, *servers))


def reset(home: Path) -> None:
    """Stop the stack and delete everything that it holds, its secrets included. Asks nothing."""
    home = home.resolve()
    if not home.exists():
        return
    if not (home / state.LOCK).exists():
        raise StackError(f"{home} is no stack's folder: nothing was deleted; WORKBENCH_HOME names another one?")
    stop(home)
    with state.hold_lock(home) as lock:
        if lock is None:
            raise HomeLockedError(f"a stack was started in {home} meanwhile: nothing was deleted; run it again")
        from local_aws.postgres_place import remove_private_folder

        remove_private_folder(home)
        for name in sorted(state.OURS - {state.LOCK}):
            path = home / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _choose_database(home: Path) -> None:
    """Check the server that the environment names, and tell the supervisor which one is wanted."""
    named = os.environ.get("WORKBENCH_DATABASE_URL")
    if named:
        from local_aws.postgres_roles import check_named_server

        check_named_server(named)
        (home / state.DATABASE_MODE).touch(0o600)
    else:
        (home / state.DATABASE_MODE).unlink(missing_ok=True)


def _launch_supervisor(home: Path, servers: str, attempt: int) -> None:
    import subprocess

    log = home / "logs" / "supervisor.log"
    if log.exists() and log.stat().st_size > 2**20:
        os.replace(log, log.with_suffix(".log.1"))
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    argv = [sys.executable, "-m", "local_aws.supervisor", "--home", str(home), "--servers", servers]
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=state.CHECKOUT, env=environment
        )
    if done.returncode != 0 or attempt > LAUNCHES:
        raise StackError(f"the stack's supervisor does not stay up: {state.last_line(log)} (log: {log})")
    until = time.monotonic() + 2.0  # the daemon takes the lock within milliseconds
    while not state.is_locked(home) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)


def _healthy_endpoints(home: Path, supervisor: ProcessRef, record: dict[str, Any]) -> Endpoints | None:
    """Return the endpoints if they are this supervisor's, every process lives and every server answers."""
    if ProcessRef.read(record.get("supervisor")) != supervisor:
        return None
    if record["version"] != state.VERSION or record["checkout"] != str(state.CHECKOUT):
        raise HomeLockedError(
            f"{home} is held by the stack of {record['checkout']} (pid {supervisor.pid}): "
            "stop it there with `workbench down`, or name another folder in WORKBENCH_HOME"
        )
    endpoints = read_endpoints(home)
    if not endpoints or endpoints.processes.get("supervisor") != supervisor:
        return None
    named = bool(endpoints.postgres.get("url_from_environment"))
    if "postgres" in record["servers"] and named != (home / state.DATABASE_MODE).exists():
        return None
    for name, entry in record["servers"].items():
        if entry["state"] == "off":
            continue
        ref = ProcessRef.read(entry)
        answers = answers_postgres if name == "postgres" else answers_http
        if not ref or endpoints.processes.get(name) != ref:
            return None
        # In this order: the answer may come from the process that took this one's place.
        if not answers(entry["port"], 2.0) or not ref.alive():
            return None
    return endpoints


def _raise_failure(home: Path, record: dict[str, Any], began: float) -> None:
    for name, entry in record.get("servers", {}).items():
        if entry["failed_at"] > began:
            raise ServerDownError(
                f"{name} cannot start: {entry['failure']} "
                f"(log: {home / 'logs' / name}.log); mend it, then `workbench up`"
            )


def _describe_delay(home: Path, wait: float) -> str:
    servers = state.read_json(home / state.SERVERS).get("servers", {})
    late = [name for name, entry in servers.items() if entry["state"] not in ("running", "off")]
    words = [f"{name}: {line}" for name in late if (line := state.last_line(home / "logs" / f"{name}.log"))]
    return (
        f"the stack is not up after {wait:.0f} s, waiting for {', '.join(late) or 'its supervisor'}"
        f" ({'; '.join(words) or 'nothing was logged'}); logs: {home / 'logs'}; try `workbench up` again"
    )


def _describe_server(home: Path, name: str, entry: dict[str, Any]) -> ServerStatus:
    ref = ProcessRef.read(entry)
    alive = ref is not None and ref.alive()
    if entry["state"] == "off" and (home / state.DATABASE_MODE).exists() and name == "postgres":
        return ServerStatus(name, "off", None, None, _clock(entry["since"]), "WORKBENCH_DATABASE_URL is used instead")
    if not alive:
        note = f"`workbench up` starts it; log: {home / 'logs' / name}.log"
        said = f"{entry['failure']}; " if entry["failure"] else ""
        return ServerStatus(name, "down", None, entry["port"], _clock(entry["since"]), said + note)
    note = f"restarted {entry['restarts']} times" if entry["restarts"] else ""
    return ServerStatus(name, entry["state"], entry["pid"], entry["port"], _clock(entry["since"]), note)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
