"""One supervised server: started, watched until it answers, started again when it dies."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_aws.errors import StackError
from local_aws.home import last_line
from local_aws.probes import is_free, pick_port
from local_aws.processes import ProcessRef
from local_aws.servers import Server, child_environment

ATTEMPTS = 3  # quick deaths in a row that count as "cannot start"
LONGEST_WAIT = 30.0
STEADY_SECONDS = 30.0  # a server that ran this long starts with a clean record
LOG_BYTES = 5 * 2**20
_PR_SET_PDEATHSIG = 1


class Child:
    """Keep one server running. States: off, starting, running, waiting (for the next try), failed (and waiting)."""

    def __init__(self, server: Server, home: Path, ports: dict[str, int], say: Callable[[str], None]) -> None:
        self.server = server
        self.log = home / "logs" / f"{server.name}.log"
        self.state = "waiting"
        self.since = time.time()
        self.restarts = -1
        self.failure = ""
        self.failed_at = 0.0
        self._home = home
        self._ports = ports
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._ref: ProcessRef | None = None
        self._deaths = 0
        self._first_death = 0.0
        self._next_try = 0.0
        self._was_ready = False

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._ports[self.server.name]

    def describe(self) -> dict[str, Any]:
        """Return what servers.json says of the server."""
        ref = self._ref
        return {
            "state": self.state,
            "pid": ref.pid if ref else None,
            "started": ref.started if ref else None,
            "port": self.port,
            "since": self.since,
            "restarts": max(self.restarts, 0),
            "failure": self.failure,
            "failed_at": self.failed_at,
            "stop_signal": int(self.server.stop_signal),
        }

    def step(self) -> bool:
        """Look after the server once; say whether its state, process or port changed."""
        before = (self.state, self._ref, self.port, self.failed_at)
        if self._process and self._process.poll() is not None:
            self._note_death(f"ended with {_describe_end(self._process.returncode)}")
        if self.state in ("waiting", "failed") and time.monotonic() >= self._next_try:
            self._spawn()
        if self.state == "starting" and self._process and self.server.answers(self.port):
            self._finish_start()
        return before != (self.state, self._ref, self.port, self.failed_at)

    def hurry(self) -> None:
        """Forget earlier failures and try at once; kill a server that runs and does not answer."""
        self._deaths, self._next_try = 0, 0.0
        if self.state == "off":
            self._enter("waiting")
        if self.state == "running" and self._process and not any(self.server.answers(self.port) for _ in range(5)):
            self._say(f"{self.server.name} (pid {self._process.pid}) does not answer: killed")
            self._process.kill()
            self._process.wait()

    def stop(self, grace: float) -> None:
        """End the server and leave it off."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(self.server.stop_signal)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._say(f"{self.server.name} did not stop within {grace:.0f} s: killed")
                self._process.kill()
                self._process.wait()
        self._process = self._ref = None
        self._enter("off")

    def _spawn(self) -> None:
        if not is_free(self.port):
            earlier = self.port
            self._ports[self.server.name] = pick_port(None, self._ports.values())
            self._say(f"{self.server.name}: port {earlier} was taken by another program, using {self.port}")
        try:
            self.server.before()
            _rotate(self.log)
            self._process = _start_process(self.server, self._home, self._ports, self.log)
        except (StackError, OSError) as error:
            self._note_death(str(error), for_good=True)
            return
        self._ref = ProcessRef.of(self._process.pid)
        self.restarts += 1
        self._say(f"{self.server.name} started: pid {self._process.pid}, port {self.port}")
        self._enter("starting")

    def _finish_start(self) -> None:
        try:
            if not self._was_ready:
                self.server.ready(self.port)
        except StackError as error:
            assert self._process
            self._process.kill()
            self._process.wait()
            self._note_death(str(error), for_good=True)
            return
        self._was_ready = True
        self.failure, self.failed_at = "", 0.0
        self._enter("running")

    def _note_death(self, reason: str, for_good: bool = False) -> None:
        now = time.monotonic()
        if self.state == "running" and time.time() - self.since > STEADY_SECONDS:
            self._deaths = 0
        if self._deaths == 0:
            self._first_death = now
        own_words = last_line(self.log) if self._process and not for_good else ""
        self._process = self._ref = None
        self._deaths += 1
        pause = 0.0 if self._deaths == 1 else min(0.25 * 2 ** (self._deaths - 2), LONGEST_WAIT)
        self._next_try = now + pause
        self._say(f"{self.server.name} {reason}; next try in {pause:g} s")
        self.failure = f"{reason}: {own_words}" if own_words else reason
        if for_good or (self._deaths >= ATTEMPTS and now - self._first_death >= self.server.patience):
            self.failed_at = time.time()
            self._enter("failed")
        else:
            self._enter("waiting")

    def _enter(self, state: str) -> None:
        if state != self.state:
            self.state, self.since = state, time.time()


def _start_process(server: Server, home: Path, ports: dict[str, int], log: Path) -> subprocess.Popen[bytes]:
    command = server.command(ports)
    user: dict[str, Any] = {}
    if command.uid is not None:
        user = {"user": command.uid, "group": command.uid, "extra_groups": []}
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        return subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=command.folder,
            env={**child_environment(home), **command.environment},
            process_group=0,
            preexec_fn=_die_with_parent(server.stop_signal),
            **user,
        )


def _die_with_parent(stop_signal: int) -> Callable[[], None] | None:
    """Return what a child does before its exec, so that Linux stops it when the supervisor is killed."""
    if sys.platform != "linux":
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return bind


def _describe_end(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _rotate(log: Path) -> None:
    """Move a long log aside when its server starts; one older log is kept."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        os.replace(log, log.with_suffix(".log.1"))
