"""The processes of a job run: one session, led by job_process.py, with Spark's JVM and its Python workers in it.

A session and not a process group: Spark's Python daemon makes a group of its own. Each process also carries the run's
id in its environment, so that what a killed control plane left can be told apart from another program's.
"""

import os
import signal
import time

import psutil

RUN_MARK = "WORKBENCH_JOB_RUN"
_SECONDS = 10.0


def end_session(leader: int) -> None:
    """Kill every process of the session that `leader` leads, and wait until they are gone."""
    deadline = time.monotonic() + _SECONDS
    while (members := _members(leader)) and time.monotonic() < deadline:
        for pid in members:
            _kill(pid)
        time.sleep(0.01)


def wait_for_session(leader: int) -> None:
    """Give the rest of a session, whose leader has ended, time to end by itself."""
    deadline = time.monotonic() + _SECONDS
    while _members(leader) and time.monotonic() < deadline:
        time.sleep(0.02)


def end_leftovers(run_id: str) -> int:
    """Kill what a run left behind when its control plane was killed; return how many processes that were."""
    found = [process for process in psutil.process_iter() if _mark(process) == run_id]
    for process in found:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(found, timeout=_SECONDS)
    return len(found)


def _members(leader: int) -> list[int]:
    return [pid for pid in psutil.pids() if _session(pid) == leader and _runs(pid)]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(RUN_MARK)
    except (psutil.Error, OSError):
        return None  # another user's, or gone meanwhile


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
