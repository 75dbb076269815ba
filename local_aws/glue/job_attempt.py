"""One attempt of a job run: its process, from the start to the state that it ended in."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from local_aws.glue import job_process
from local_aws.glue.job_preparation import Prepared
from local_aws.glue.job_sessions import end_session, wait_for_session

TICK_SECONDS = 0.2


@dataclass(frozen=True)
class Standby:
    """A process of a run, or one that waits for a run, with our end of its channel."""

    process: "subprocess.Popen[bytes]"
    channel: socket.socket
    prepared: Prepared

    def hand_over(self, log: IO[bytes]) -> None:
        """Tell a waiting process to read its specification and go, and to print into `log` from now on."""
        socket.send_fds(self.channel, [b"go\n"], [log.fileno()])

    def hear(self) -> set[str]:
        """Return what the process has said since this was asked last: that it is ready."""
        self.channel.settimeout(0)
        try:
            return set(self.channel.recv(64).decode().split())
        except OSError:
            return set()

    def end(self) -> None:
        """Kill the process and what it started."""
        end_session(self.process.pid)
        self.process.wait()
        self.channel.close()


@dataclass
class Attempt:
    """A run that this control plane watches; `ending` is the state that was asked for, if any was."""

    key: str
    job: dict[str, Any]
    arguments: Mapping[str, str]
    log: Path
    timeout: float  # seconds
    ending: str | None = None
    process: "subprocess.Popen[bytes] | None" = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def end(self, state: str) -> None:
        """Kill the run's processes; where it had not ended by itself, `state` is what it ends in."""
        with self._guard:
            self.ending = self.ending or state
            self.clear()

    def clear(self) -> None:
        """Leave no process of the run behind."""
        if self.process is not None:
            end_session(self.process.pid)

    def perform(
        self, prepared: Prepared, on_running: Callable[[], None], ready: "Standby | None" = None
    ) -> tuple[str, str | None]:
        """Run the process to its end, `ready` where one is; return the run's state and why it failed, in one line."""
        with self.log.open("ab") as log:
            with self._guard:
                if self.ending is not None:
                    return self.ending, None
                standby = ready or start_process(prepared, "run", log)
                self.process = standby.process
                if ready:
                    ready.hand_over(log)
            with standby.channel as channel:
                self._follow(self.process, channel, on_running)
        code = self.process.wait()
        if code == 0 and prepared.recording:
            wait_for_session(self.process.pid)
        return self._outcome(code, prepared.result)

    def _follow(
        self, process: "subprocess.Popen[bytes]", channel: socket.socket, on_running: Callable[[], None]
    ) -> None:
        """Wait until the process has ended, noting when the script started; end it when its time is over."""
        deadline = time.monotonic() + self.timeout
        channel.settimeout(TICK_SECONDS)
        while process.poll() is None:
            if time.monotonic() > deadline:
                self.end("TIMEOUT")
            try:
                word = channel.recv(64)
            except TimeoutError:
                continue
            except OSError:
                word = b""
            if word:
                if b"running" in word:
                    on_running()
                continue
            try:  # its end is closed: it is ending
                process.wait(TICK_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _outcome(self, code: int, result: Path) -> tuple[str, str | None]:
        if code == 0:
            return "SUCCEEDED", None
        if self.ending == "TIMEOUT":
            return "TIMEOUT", "the run took longer than its Timeout"
        if self.ending is not None:
            return self.ending, None
        if code < 0:
            return "FAILED", f"the run's process was killed by signal {-code}, not by this stack: see {self.log}"
        try:
            message = json.loads(result.read_text(encoding="utf-8"))["message"]
        except (OSError, ValueError):
            message = None
        return "FAILED", message or f"the script ended with code {code}: see {self.log}"


def start_process(prepared: Prepared, mode: str, log: IO[bytes]) -> Standby:
    """Start job_process.py in a session of its own."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, job_process.__file__, mode, str(prepared.specification), str(theirs.fileno())],
            cwd=prepared.specification.parent,
            env=prepared.environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Standby(process, ours, prepared)
