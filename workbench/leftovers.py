"""What a run can leave behind when it does not end by itself: kernels and what they started, job runs, queries.

Processes carry the run's id in their environment; a job run has it as its token; a query of a step names the
dataset's table and began after the step did.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUN_MARK = "WORKBENCH_RUN"
_STOP_SECONDS = 30.0
_ACTIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING")


def end_kernels(run_id: str) -> int:
    """Kill the kernels of a run and every process that they started; return how many there were."""
    import psutil

    leases = sys.modules.get("workbench.kernel_leases")  # not there: this process has had no kernel
    forked = leases.end_leases() if leases else 0
    found = [process for process in psutil.process_iter() if _is_left(process, run_id)]
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=5)
    return forked + len(found)


def end_spare() -> None:
    """End the kernel that was forked for a notebook whose turn did not come."""
    if spares := sys.modules.get("workbench.spare_kernels"):
        spares.drop()


@contextlib.contextmanager
def watched(run_id: str) -> Iterator[None]:
    """Have a process of its own end what the run's kernels started, should this one be killed within the block.

    It waits for the end of a pipe that this process alone holds, which is all that a killed process can still tell.
    """
    try:
        watch = subprocess.Popen(
            [sys.executable, "-m", "workbench.leftovers", run_id],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:  # no memory for one more: the next start of a runner ends what is left
        yield
        return
    with watch:
        try:
            yield
        finally:
            watch.kill()


def watch_runner(run_id: str) -> None:
    """Wait until the runner at the other end of standard input is gone; then end what it left."""
    sys.stdin.buffer.read()
    end_kernels(run_id)


def _is_left(process: Any, run_id: str) -> bool:
    """Say whether a process belongs to a run's kernel: the runner itself and a stack that it started do not."""
    import psutil

    from local_aws.processes import MARK

    try:
        environment = process.environ()
        if environment.get(RUN_MARK) != run_id or process.pid == os.getpid():
            return False  # of most processes no more than this is read
        command = process.cmdline()
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
    except (psutil.Error, OSError):
        return False  # another user's, or gone meanwhile
    starts_stack = "workbench" in command or any("local_aws" in part or "kernel_server" in part for part in command)
    return MARK not in environment and not starts_stack


def stop_services(run_id: str, dataset: str, profile: str, since: str) -> list[str]:
    """Stop the job runs and queries that a run has under way; return what was stopped, in words.

    A stack that is down has nothing under way. `since` is when the run started, as ISO 8601.
    """
    stopped: list[str] = []
    try:
        session = _reach(profile)
    except Exception as error:  # no network, or credentials that are no longer good
        return [f"could not look for what is left: {type(error).__name__}: {error}"]
    if session is None:
        return stopped
    for stop in (_stop_job_runs, _stop_queries):
        try:
            stopped += stop(session, run_id, dataset, since)
        except Exception as error:  # what cannot be stopped is said; the run's own end matters more
            stopped.append(f"could not look for what is left: {type(error).__name__}: {error}")
    return stopped


def _reach(profile: str) -> Any:
    """Return a session; None where the local stack does not run, which is not started for this."""
    from helpers.errors import WorkbenchError
    from helpers.session import open_session

    if profile == "local":
        from local_aws.endpoints import read_endpoints
        from local_aws.home import default_home, is_locked

        home = default_home()
        if not home.is_dir() or not is_locked(home) or read_endpoints(home) is None:
            return None
    try:
        return open_session(profile)
    except WorkbenchError:
        return None


def _stop_job_runs(session: Any, run_id: str, dataset: str, since: str) -> list[str]:
    glue, job = session.client("glue"), session.outputs.job
    ours = [run for run in glue.get_job_runs(JobName=job)["JobRuns"] if _is_ours(run, run_id)]
    if not ours:
        return []
    ids = [run["Id"] for run in ours]
    glue.batch_stop_job_run(JobName=job, JobRunIds=ids)
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        states = [glue.get_job_run(JobName=job, RunId=each)["JobRun"]["JobRunState"] for each in ids]
        if not any(state in _ACTIVE for state in states):
            break
        time.sleep(session.poll_seconds * 2)
    return [f"job run {each}" for each in ids]


def _is_ours(run: dict[str, Any], run_id: str) -> bool:
    token = run.get("Arguments", {}).get("--RUN_TOKEN", "")
    return run["JobRunState"] in _ACTIVE and (token == run_id or token.startswith(f"{run_id}."))


def _stop_queries(session: Any, run_id: str, dataset: str, since: str) -> list[str]:
    athena, begun = session.client("athena"), dt.datetime.fromisoformat(since)
    ids = athena.list_query_executions(WorkGroup=session.outputs.workgroup, MaxResults=50).get("QueryExecutionIds", [])
    table = re.compile(rf"\b{re.escape(dataset)}\b")
    stopped = []
    for number in range(0, len(ids), 50):
        for query in athena.batch_get_query_execution(QueryExecutionIds=ids[number : number + 50])["QueryExecutions"]:
            status = query["Status"]
            running = status["State"] in ("QUEUED", "RUNNING") and status["SubmissionDateTime"] >= begun
            if running and table.search(query["Query"]):
                athena.stop_query_execution(QueryExecutionId=query["QueryExecutionId"])
                stopped.append(f"query {query['QueryExecutionId']}")
    return stopped


if __name__ == "__main__":
    watch_runner(sys.argv[1])
