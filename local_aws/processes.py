"""Processes by pid *and* start time, since the system gives a pid again: are they alive, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.home import LOCK, read_json

if TYPE_CHECKING:
    import psutil

# Every process that the supervisor starts, and every one that those start, carries it in its environment.
MARK = "WORKBENCH_STACK"
_CLOCK_SECONDS = 2.0  # a start time is told from the system's boot time, which moves when the clock is set


@dataclass(frozen=True)
class ProcessRef:
    """One process, told apart from a later one with the same pid."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessRef:
        """Return the reference of a process that runs now."""
        import psutil

        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return cls(pid, 0.0)

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> ProcessRef | None:
        """Return the reference that was written as {"pid": …, "started": …}, if it is one."""
        if not document or not isinstance(document.get("pid"), int):
            return None
        return cls(document["pid"], float(document.get("started") or 0.0))

    def process(self) -> psutil.Process | None:
        """Return the process if it is alive and the one that was meant; a zombie is dead."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _CLOCK_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self.process() is not None

    def send(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        process = self.process()
        if process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def lock_holder(home: Path) -> ProcessRef | None:
    """Return the supervisor that wrote itself into the folder's lock, if it lives."""
    ref = ProcessRef.read(read_json(home / LOCK))
    return ref if ref and ref.alive() else None


def marked_processes(home: Path) -> list[psutil.Process]:
    """Return the processes that were started for the stack of `home`, other than this one.

    A job run's environment is not inherited from its server: it is known by its HOME, a folder under jobs/.
    """
    import psutil

    found, jobs = [], f"{home / 'jobs'}{os.sep}"
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            ours = environment.get(MARK) == str(home) or environment.get("HOME", "").startswith(jobs)
            if ours and process.pid != os.getpid():
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone meanwhile
    return found


def end_leftovers(home: Path, record: Mapping[str, Any], grace: float = 3.0) -> None:
    """End the servers that servers.json (`record`) names, and whatever else was started for the stack of `home`."""
    leftovers = marked_processes(home)
    for entry in record.get("servers", {}).values():
        ref = ProcessRef.read(entry)
        if ref and (process := ref.process()):
            ref.send(entry.get("stop_signal", signal.SIGTERM))
            leftovers.append(process)
    end_processes(set(leftovers), grace)


def end_processes(processes: Iterable[psutil.Process], grace: float = 3.0) -> None:
    """Ask the processes to end, kill those that still run after `grace` seconds, and wait until all are gone."""
    import psutil

    rest = list(processes)
    for ask in ("terminate", "kill"):
        for process in rest:
            try:
                getattr(process, ask)()
            except psutil.Error:
                continue
        deadline = time.monotonic() + (grace if ask == "terminate" else 5.0)
        while (rest := [process for process in rest if _runs(process)]) and time.monotonic() < deadline:
            time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
