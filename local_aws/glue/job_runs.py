"""Job runs: each is a process of its own, watched by a thread, and written down at every change of its state.

Sole owner of the kind `job_run` of the store. A run's state is what its process did: SUCCEEDED only where the script
ended with code 0.
"""

import shutil
import threading
import time
from pathlib import Path
from secrets import token_hex
from typing import Any

from local_aws.errors import LocalAwsError, ServiceError
from local_aws.glue.catalog import SEPARATOR
from local_aws.glue.job_arguments import merge_arguments
from local_aws.glue.job_attempt import Attempt, Standby
from local_aws.glue.job_preparation import Wanted, add_script, prepare_launch, read_wanted
from local_aws.glue.job_sessions import end_leftovers
from local_aws.glue.job_warm import WarmSpark
from local_aws.glue.spark_archive import ArchiveBuild, read_class_list
from local_aws.server.context import Context

Json = dict[str, Any]

ACTIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
STOPPED_WITH_STACK = "control plane was stopped while the job ran"


class JobRuns:
    """Start, watch and stop runs. `seconds_per_minute` lets tests wait less for a Timeout."""

    def __init__(self, context: Context, seconds_per_minute: float = 60.0) -> None:
        self._context = context
        self._store = context.store
        self._minute = seconds_per_minute
        self._runs: dict[str, Attempt] = {}
        self._threads: list[threading.Thread] = []
        self._build: ArchiveBuild | None = None
        self._closing = False
        self._lock = threading.Lock()
        self._warm = WarmSpark(context)
        self._recover()

    def start(self, job: Json, request: Json) -> str:
        """Write the run down as STARTING, start it in the background and return its id.

        Raises ServiceError: ConcurrentRunsExceededException.
        """
        run_id = "jr_" + token_hex(32)
        with self._store.transaction():
            active = [run for run in self.list(job["Name"]) if run["JobRunState"] in ACTIVE]
            most = job.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1)
            if len(active) >= most:
                message = f"Concurrent runs exceeded for {job['Name']}: at most {most}; {active[0]['Id']} is under way."
                raise ServiceError("ConcurrentRunsExceededException", message)
            document = self._describe(job, request, run_id)
            self._store.put("job_run", _key(job["Name"], run_id), document)
        self._launch(job, document)
        return run_id

    def get(self, job: str, run_id: str) -> Json | None:
        """Return the JobRun, or None where there is none."""
        return self._store.get("job_run", _key(job, run_id))

    def list(self, job: str) -> "list[Json]":
        """Return the job's runs, the newest first."""
        runs = [run for _, run in self._store.list("job_run", job + SEPARATOR)]
        return sorted(runs, key=lambda run: (run["StartedOn"], run["Attempt"]), reverse=True)

    def stop(self, job: str, run_id: str) -> bool:
        """Ask an active run to stop; say whether it was active."""
        key = _key(job, run_id)
        with self._store.transaction():
            run = self._store.get("job_run", key)
            if run is None or run["JobRunState"] not in ACTIVE:
                return False
            self._update(key, JobRunState="STOPPING")
        if watched := self._runs.get(key):
            threading.Thread(target=watched.end, args=("STOPPED",), daemon=True).start()
        return True

    def forget(self, job: str) -> None:
        """Stop the runs of a deleted job and drop its history."""
        for run in self.list(job):
            if watched := self._runs.get(_key(job, run["Id"])):
                watched.end("STOPPED")
        self._store.delete_prefix("job_run", job + SEPARATOR)

    def close(self) -> None:
        """End every run, as FAILED, and wait for the threads."""
        self._closing = True
        self._warm.close()
        for run in list(self._runs.values()):
            run.end("FAILED")
        if self._build is not None:
            self._build.stop()
        for thread in self._threads:
            thread.join(timeout=30)

    def _recover(self) -> None:
        """Write down the truth about runs that a killed control plane left active, and end what they left running."""
        end_leftovers(self._warm.mark)
        for key, run in self._store.list("job_run"):
            if run["JobRunState"] in ACTIVE:
                end_leftovers(run["Id"])
                shutil.rmtree(self._context.home / "jobs" / run["Id"], ignore_errors=True)
                self._finish(key, "FAILED", STOPPED_WITH_STACK)

    def _describe(self, job: Json, request: Json, run_id: str) -> Json:
        now = _now()
        sizes = {name: request.get(name, job.get(name)) for name in ("WorkerType", "NumberOfWorkers", "MaxCapacity")}
        capacity = sizes["MaxCapacity"] or sizes["NumberOfWorkers"] or 10
        document = {
            "Id": run_id,
            "Attempt": 0,
            "JobName": job["Name"],
            "JobMode": "SCRIPT",
            "StartedOn": now,
            "LastModifiedOn": now,
            "JobRunState": "STARTING",
            "Arguments": request.get("Arguments", {}),
            "PredecessorRuns": [],
            "AllocatedCapacity": int(capacity),
            "ExecutionTime": 0,
            "Timeout": request.get("Timeout", job.get("Timeout", 480)),
            **sizes,
            "MaxCapacity": float(capacity),
            "LogGroupName": str(self._log(run_id)),
            "GlueVersion": job["GlueVersion"],
        }
        return {name: value for name, value in document.items() if value is not None}

    def _launch(self, job: Json, document: Json) -> None:
        run = Attempt(
            key=_key(job["Name"], document["Id"]),
            job=job,
            arguments=merge_arguments(job, document["Arguments"]),
            log=self._log(document["Id"]),
            timeout=document["Timeout"] * self._minute,
        )
        self._runs[run.key] = run
        thread = threading.Thread(target=self._watch, args=(run, document), name=document["Id"], daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _watch(self, run: Attempt, document: Json) -> None:
        work = self._context.home / "jobs" / document["Id"]
        wanted: Wanted | None = None
        ready: Standby | None = None
        try:
            wanted = read_wanted(self._context, run.job, document["Id"], run.arguments)
            ready = self._warm.take(wanted.launch)
            launched = ready.prepared if ready else prepare_launch(self._context, wanted.launch, document["Id"], work)
            work = launched.specification.parent
            prepared = add_script(self._context, wanted, launched)
            self._note(document["Id"], prepared.description + ("; a process that was ready, with C2" if ready else ""))
            state, message = run.perform(prepared, lambda: self._update(run.key, JobRunState="RUNNING"), ready)
        except (LocalAwsError, OSError) as error:
            state, message = "FAILED", f"{type(error).__name__}: {error}"
        except Exception as error:  # a run must never stay active: the thread that could end it is this one
            state, message = "FAILED", f"the run could not be watched: {type(error).__name__}: {error}"
        finally:
            run.clear()
            if ready is not None and run.process is None:
                ready.end()
        if self._closing and state != "SUCCEEDED":
            state, message = "FAILED", STOPPED_WITH_STACK
        if state != "SUCCEEDED":
            self._note(document["Id"], f"run {state}" + (f": {message}" if message else ""))
        build = self._plan_archive(work / "classes.lst") if state == "SUCCEEDED" else None
        shutil.rmtree(work, ignore_errors=True)
        self._finish(run.key, state, message)
        self._runs.pop(run.key, None)
        if state == "FAILED" and not self._closing:
            self._retry(run, document)
        if build is not None:
            build.run()
        if wanted is not None and state == "SUCCEEDED" and not self._closing:
            self._warm.want(wanted)

    def _plan_archive(self, class_list: Path) -> ArchiveBuild | None:
        """Return the build of an archive from what the run recorded; there is one in a control plane's life."""
        content = read_class_list(class_list)
        with self._lock:
            if content is None or self._build is not None or self._closing:
                return None
            self._build = ArchiveBuild(self._context.home, content)
            return self._build

    def _retry(self, run: Attempt, document: Json) -> None:
        """Start the next attempt where the job's MaxRetries allows one; Glue names it <run id>_attempt_<n>."""
        attempt = document["Attempt"] + 1
        if attempt > run.job.get("MaxRetries", 0) or self.get(run.job["Name"], document["Id"]) is None:
            return
        first = document["Id"].split("_attempt_")[0]
        now = _now()
        again = {**document, "Id": f"{first}_attempt_{attempt}", "Attempt": attempt, "PreviousRunId": document["Id"]}
        again |= {"StartedOn": now, "LastModifiedOn": now, "LogGroupName": str(self._log(again["Id"]))}
        self._store.put("job_run", _key(run.job["Name"], again["Id"]), again)
        self._launch(run.job, again)

    def _finish(self, key: str, state: str, message: str | None) -> None:
        now = _now()
        run = self._store.get("job_run", key)
        seconds = round(now - run["StartedOn"]) if run else 0
        more = {"ErrorMessage": message} if message else {}
        self._update(key, JobRunState=state, CompletedOn=now, ExecutionTime=seconds, **more)

    def _update(self, key: str, **changes: Any) -> None:
        """Change the record of a run, unless it was deleted; a run that is being stopped starts no more."""
        with self._store.transaction():
            run = self._store.get("job_run", key)
            if run is not None and (run["JobRunState"], changes.get("JobRunState")) != ("STOPPING", "RUNNING"):
                self._store.put("job_run", key, {**run, **changes, "LastModifiedOn": _now()})

    def _log(self, run_id: str) -> Path:
        return self._context.home / "logs" / "jobs" / f"{run_id}.log"

    def _note(self, run_id: str, line: str) -> None:
        """Write a line of our own into the run's log."""
        path = self._log(run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"[{time.strftime('%H:%M:%S', time.gmtime())}] {line}\n")


def _key(job: str, run_id: str) -> str:
    return f"{job}{SEPARATOR}{run_id}"


def _now() -> float:
    return round(time.time(), 3)
