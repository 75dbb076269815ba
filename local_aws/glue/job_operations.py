"""Glue's operations on jobs and their runs. The work is done in job_runs.py; here requests are checked and answered."""

import time
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.glue.job_arguments import check_arguments, merge_arguments
from local_aws.glue.job_runs import ACTIVE, JobRuns
from local_aws.server.context import Context
from local_aws.server.operations import Operation
from local_aws.server.pages import take_page

Json = dict[str, Any]

GLUE_VERSION = "5.1"  # Spark 3.5.6, Python 3.11, Java 17: what is installed here
DEFAULTS: Json = {"MaxRetries": 0, "Timeout": 480, "ExecutionProperty": {"MaxConcurrentRuns": 1}}

_DEFINITION = (
    "Description Role ExecutionProperty Command DefaultArguments NonOverridableArguments MaxRetries Timeout "
    "MaxCapacity GlueVersion NumberOfWorkers WorkerType ExecutionClass JobMode"
)
_SIZES = "the size is written down: a run uses this machine"


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class JobOperations:
    """Answer Glue's operations on jobs; runs that a killed control plane left active become FAILED at the start."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateJob": _real("create_job", f"Name Tags {_DEFINITION}", _SIZES),
        "GetJob": _real("get_job", "JobName"),
        "GetJobs": _real("get_jobs", "NextToken MaxResults"),
        "BatchGetJobs": _real("batch_get_jobs", "JobNames"),
        "ListJobs": _real("list_jobs", "NextToken MaxResults"),
        "UpdateJob": _real("update_job", "JobName JobUpdate", "the definition is replaced whole, as Glue does"),
        "DeleteJob": _real("delete_job", "JobName", "its active runs are stopped"),
        "StartJobRun": _real(
            "start_job_run", "JobName Arguments Timeout MaxCapacity WorkerType NumberOfWorkers ExecutionClass", _SIZES
        ),
        "GetJobRun": _real("get_job_run", "JobName RunId PredecessorsIncluded"),
        "GetJobRuns": _real("get_job_runs", "JobName NextToken MaxResults"),
        "BatchStopJobRun": _real("batch_stop_job_run", "JobName JobRunIds"),
    }

    def __init__(self, context: Context, seconds_per_minute: float = 60.0) -> None:
        self._store = context.store
        self._runs = JobRuns(context, seconds_per_minute)

    def close(self) -> None:
        """End the runs under way; they are FAILED, since their work was not done."""
        self._runs.close()

    def create_job(self, request: Json) -> Json:
        """Define a job."""
        name = request["Name"]
        definition = {key: value for key, value in request.items() if key not in ("Name", "Tags")}
        job = _checked(name, definition)
        with self._store.transaction():
            if self._store.get("job", name) is not None:
                raise ServiceError("AlreadyExistsException", f"Job {name} already exists.")
            now = _now()
            self._store.put("job", name, {**job, "CreatedOn": now, "LastModifiedOn": now})
        return {"Name": name}

    def update_job(self, request: Json) -> Json:
        """Replace a job's definition; runs under way keep the one that they started with."""
        name = request["JobName"]
        unknown = sorted(request["JobUpdate"].keys() - set(_DEFINITION.split()))
        if unknown:
            raise ServiceError("InvalidInputException", f"JobUpdate: {', '.join(unknown)} is not supported here.")
        job = _checked(name, request["JobUpdate"])
        with self._store.transaction():
            old = self._job(name)
            self._store.put("job", name, {**job, "CreatedOn": old["CreatedOn"], "LastModifiedOn": _now()})
        return {"JobName": name}

    def get_job(self, request: Json) -> Json:
        """Return one job."""
        return {"Job": self._job(request["JobName"])}

    def get_jobs(self, request: Json) -> Json:
        """Return every job, by name, in pages."""
        page, more = take_page((job for _, job in self._store.list("job")), lambda job: str(job["Name"]), request, 1000)
        return {"Jobs": page, **more}

    def batch_get_jobs(self, request: Json) -> Json:
        """Return the jobs that exist and the names of those that do not."""
        found = {name: self._store.get("job", name) for name in request["JobNames"]}
        return {
            "Jobs": [job for job in found.values() if job],
            "JobsNotFound": [name for name, job in found.items() if not job],
        }

    def list_jobs(self, request: Json) -> Json:
        """Return the jobs' names, in pages."""
        page, more = take_page((name for name, _ in self._store.list("job")), str, request, 1000)
        return {"JobNames": page, **more}

    def delete_job(self, request: Json) -> Json:
        """Delete a job and the record of its runs; a job that is not there is no error, as on Glue."""
        name = request["JobName"]
        if self._store.delete("job", name):
            self._runs.forget(name)
        return {"JobName": name}

    def start_job_run(self, request: Json) -> Json:
        """Start the job's script in a process of its own."""
        job = self._job(request["JobName"])
        check_arguments(merge_arguments(job, request.get("Arguments", {})))
        return {"JobRunId": self._runs.start(job, request)}

    def get_job_run(self, request: Json) -> Json:
        """Return one run."""
        self._job(request["JobName"])
        run = self._runs.get(request["JobName"], request["RunId"])
        if run is None:
            raise ServiceError("EntityNotFoundException", f"Job run {request['RunId']} not found.")
        return {"JobRun": _so_far(run)}

    def get_job_runs(self, request: Json) -> Json:
        """Return a job's runs, the newest first, in pages."""
        self._job(request["JobName"])
        runs = self._runs.list(request["JobName"])
        order = {run["Id"]: f"{index:08d}" for index, run in enumerate(reversed(runs))}
        # Counted from the oldest, so that a run that starts between two pages moves none of the others.
        page, more = take_page(runs, lambda run: f"{10**8 - 1 - int(order[run['Id']]):08d}", request, 200)
        return {"JobRuns": [_so_far(run) for run in page], **more}

    def batch_stop_job_run(self, request: Json) -> Json:
        """Stop runs: their whole process tree is killed, and they end as STOPPED."""
        name = request["JobName"]
        self._job(name)
        stopped, errors = [], []
        for run_id in request["JobRunIds"]:
            if self._runs.stop(name, run_id):
                stopped.append({"JobName": name, "JobRunId": run_id})
            else:
                errors.append({"JobName": name, "JobRunId": run_id, "ErrorDetail": self._why_not(name, run_id)})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def _why_not(self, name: str, run_id: str) -> Json:
        run = self._runs.get(name, run_id)
        if run is None:
            return {"ErrorCode": "EntityNotFoundException", "ErrorMessage": f"Job run {run_id} not found."}
        return {"ErrorCode": "InvalidInputException", "ErrorMessage": f"The run is {run['JobRunState']}, not active."}

    def _job(self, name: str) -> Json:
        job = self._store.get("job", name)
        if job is None:
            raise ServiceError("EntityNotFoundException", f"Job {name} not found.")
        return job


def _checked(name: str, definition: Json) -> Json:
    """Return the job with Glue's defaults filled in. Raises InvalidInputException for what would not run here."""
    command = definition.get("Command", {})
    problem = None
    if not name or any(ord(character) < 32 for character in name):
        problem = f"{name!r} is no name of a job"
    elif command.get("Name") != "glueetl":
        problem = f"Command.Name is {command.get('Name')!r}: only glueetl (Spark) jobs run here"
    elif command.get("PythonVersion", "3") not in ("3", "3.11"):
        problem = f"Command.PythonVersion is {command['PythonVersion']!r}: it must be 3"
    elif not str(command.get("ScriptLocation", "")).startswith("s3://"):
        problem = "Command.ScriptLocation must be s3://bucket/key of the script"
    elif definition.get("GlueVersion", GLUE_VERSION) != GLUE_VERSION:
        problem = f"GlueVersion is {definition['GlueVersion']!r}: only {GLUE_VERSION} (Spark 3.5.6) runs here"
    elif definition.get("JobMode", "SCRIPT") != "SCRIPT":
        problem = f"JobMode is {definition['JobMode']!r}: only SCRIPT runs here"
    if problem:
        raise ServiceError("InvalidInputException", f"Job {name}: {problem}.")
    check_arguments(merge_arguments(definition, {}))
    return {"Name": name, **DEFAULTS, **definition, "GlueVersion": GLUE_VERSION}


def _so_far(run: Json) -> Json:
    """Give an active run the seconds that it has taken until now."""
    if run["JobRunState"] in ACTIVE:
        return {**run, "ExecutionTime": round(_now() - run["StartedOn"])}
    return run


def _now() -> float:
    return round(time.time(), 3)
