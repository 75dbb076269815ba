"""Query executions: their states, what they report, and their records, which outlive the server."""

import hashlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from local_aws.athena.engine import QueryStopped, Session
from local_aws.athena.errors import SYSTEM, QueryError
from local_aws.athena.failures import RETRYABLE
from local_aws.errors import LocalAwsError, ServiceError
from local_aws.store import Store

KIND = "query_execution"
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
DAYS_KEPT = 45  # as Athena does
ENGINE_VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
LOG = logging.getLogger(__name__)
Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What StartQueryExecution asked for, completed from the workgroup."""

    query: str
    workgroup: str
    database: str
    folder: str  # the s3:// URI of the folder of results, ends with /
    statement_type: str
    substatement_type: str
    enforced: bool = False
    context: Json = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    cutoff_bytes: int | None = None
    configuration: Json = field(default_factory=dict)
    reuse: Json = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return what must be equal in two requests with one token."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What a statement left behind: the result object, its columns, rows written, the manifest, bytes read."""

    output: str
    columns: tuple[Json, ...]
    rows: int | None = None
    update_count: int | None = None
    manifest: str | None = None
    bytes_scanned: int = 0
    planning_ms: int = 0


class CutoffExceeded(LocalAwsError):
    """The query read more than its workgroup allows."""


class Execution:
    """One query from submission to its final state; a worker thread sets the state."""

    def __init__(self, request: Request, token: tuple[str, str] | None = None) -> None:
        self.token = token
        self.id = str(uuid.uuid4())
        self.request = request
        self.submitted = time.time()
        self.started: float | None = None
        self.finished: float | None = None
        self.state = "QUEUED"
        self.reason: str | None = None
        self.error: Json | None = None
        self.outcome: Outcome | None = None
        self.session: Session | None = None
        self.lock = threading.Lock()

    def attach(self, session: Session) -> None:
        """Name the session that StopQueryExecution interrupts."""
        with self.lock:
            if self.state in FINAL:
                raise QueryStopped("Query was stopped")
            self.session = session

    @property
    def output(self) -> str:
        """The result object's URI: what the statement left, or where it is expected."""
        if self.outcome is not None:
            return self.outcome.output
        suffix = {"DML": ".csv"}.get(self.request.statement_type, ".txt")
        writes = self.request.substatement_type in ("INSERT", "UNLOAD", "CREATE_TABLE_AS_SELECT")
        return f"{self.request.folder}{self.id}" + ("" if writes else suffix)

    def describe(self) -> Json:
        """Return the execution in the API's shape."""
        request = self.request
        status: Json = {"State": self.state, "SubmissionDateTime": self.submitted}
        optional = {"CompletionDateTime": self.finished, "StateChangeReason": self.reason, "AthenaError": self.error}
        status |= {name: value for name, value in optional.items() if value is not None}
        described: Json = {
            "QueryExecutionId": self.id,
            "Query": request.query,
            "StatementType": request.statement_type,
            "SubstatementType": request.substatement_type,
            "ResultConfiguration": {**request.configuration, "OutputLocation": self.output},
            "ResultReuseConfiguration": request.reuse,
            "QueryExecutionContext": request.context,
            "Status": status,
            "Statistics": self._statistics(),
            "WorkGroup": request.workgroup,
            "EngineVersion": ENGINE_VERSION,
        }
        if request.parameters:
            described["ExecutionParameters"] = list(request.parameters)
        return described

    def _statistics(self) -> Json:
        end = self.finished or time.time()
        start = self.started or end
        statistics: Json = {
            "EngineExecutionTimeInMillis": _ms(end - start),
            "DataScannedInBytes": self.outcome.bytes_scanned if self.outcome else 0,
            "TotalExecutionTimeInMillis": _ms(end - self.submitted),
            "QueryQueueTimeInMillis": _ms(start - self.submitted),
            "QueryPlanningTimeInMillis": self.outcome.planning_ms if self.outcome else 0,
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }
        if self.outcome and self.outcome.manifest:
            statistics["DataManifestLocation"] = self.outcome.manifest
        return statistics

    def record(self) -> Json:
        """Return what is kept of the execution: its description, and what GetQueryResults needs."""
        outcome = self.outcome
        result = (
            {"columns": outcome.columns, "update_count": outcome.update_count, "rows": outcome.rows}
            if outcome
            else None
        )
        return {"description": self.describe(), "result": result, "token": self.token}


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


class ExecutionBook:
    """Every execution, newest first; the running ones in memory, all of them in the store."""

    def __init__(
        self, store: Store, run: Callable[[Execution], Outcome], slots: int, after: Callable[[], None]
    ) -> None:
        self.store = store
        self.run = run
        self.after = after
        self.live: dict[str, Execution] = {}
        self.index: dict[str, tuple[float, str]] = {}  # id -> (submitted, workgroup)
        self.tokens: dict[str, tuple[str, str]] = {}  # client request token -> (id, fingerprint of the request)
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(slots, thread_name_prefix="athena")
        self._recover()
        self.pool.submit(after)

    def _recover(self) -> None:
        oldest = time.time() - DAYS_KEPT * 86400
        for key, record in self.store.list(KIND):
            described = record["description"]
            status = described["Status"]
            if status["SubmissionDateTime"] < oldest:
                self.store.delete(KIND, key)
                continue
            self.index[key] = (status["SubmissionDateTime"], described["WorkGroup"])
            if record.get("token"):
                self.tokens[record["token"][0]] = (key, record["token"][1])
            if status["State"] not in FINAL:
                reason = "GENERIC_INTERNAL_ERROR: the local Athena was stopped while the query ran: start it again"
                error = {"ErrorCategory": SYSTEM, "ErrorType": 200, "Retryable": True, "ErrorMessage": reason}
                status |= {"State": "FAILED", "StateChangeReason": reason, "AthenaError": error}
                status["CompletionDateTime"] = time.time()
                self.store.put(KIND, key, record)

    def submit(self, request: Request, token: str | None) -> str:
        """Queue a query and return its id; the same token asks for the same execution again."""
        fingerprint = request.fingerprint()
        execution = Execution(request, (token, fingerprint) if token else None)
        with self.lock:
            known, expected = self.tokens.get(token or "", ("", ""))
            if known:
                if expected != fingerprint:
                    raise ServiceError("InvalidRequestException", "Idempotent parameters do not match")
                return known
            self.store.put(KIND, execution.id, execution.record())
            self.live[execution.id] = execution
            self.index[execution.id] = (execution.submitted, request.workgroup)
            if token:
                self.tokens[token] = (execution.id, fingerprint)
        self.pool.submit(self._work, execution)
        return execution.id

    def _work(self, execution: Execution) -> None:
        with execution.lock:
            if execution.state != "QUEUED":
                return
            execution.state, execution.started = "RUNNING", time.time()
        state, reason, error = "SUCCEEDED", None, None
        try:
            execution.outcome = self.run(execution)
        except QueryStopped:
            state, reason = "CANCELLED", "Query cancelled by user"
        except CutoffExceeded as cutoff:
            state, reason = "CANCELLED", str(cutoff)
        except QueryError as failure:
            state, reason = "FAILED", str(failure)
            error = _athena_error(failure)
        except Exception as failure:  # a query must end in a state, whatever happened
            LOG.exception("execution %s failed inside", execution.id)
            internal = QueryError("GENERIC_INTERNAL_ERROR", f"{type(failure).__name__}: {failure}".splitlines()[0])
            state, reason, error = "FAILED", str(internal), _athena_error(internal)
        self._finish(execution, state, reason, error)
        self.after()

    def _finish(self, execution: Execution, state: str, reason: str | None, error: Json | None) -> None:
        with execution.lock:
            execution.session = None
            if execution.state not in FINAL:
                execution.finished = time.time()
                execution.reason, execution.error = reason, error
                self._record(execution, state)
        with self.lock:
            self.live.pop(execution.id, None)

    def _record(self, execution: Execution, state: str) -> None:
        """Store the final state before it shows, so that a query seen as finished stays so."""
        record = execution.record()
        record["description"]["Status"]["State"] = state
        self.store.put(KIND, execution.id, record)
        execution.state = state

    def stop(self, execution_id: str) -> None:
        """Cancel a query that is queued or running; one that has ended stays as it is."""
        execution = self.live.get(execution_id)
        if execution is None:
            self.get(execution_id)
            return
        with execution.lock:
            if execution.state in FINAL:
                return
            session = execution.session
            if session is None:
                execution.finished, execution.reason = time.time(), "Query cancelled by user"
                self._record(execution, "CANCELLED")
        if session is not None:
            session.stop()

    def get(self, execution_id: str) -> Json:
        """Return the record of an execution."""
        execution = self.live.get(execution_id)
        if execution is not None:
            return execution.record()
        record = self.store.get(KIND, execution_id)
        if record is None:
            raise ServiceError("InvalidRequestException", f"QueryExecution {execution_id} was not found")
        return record

    def list(self, workgroup: str) -> list[str]:
        """Return the ids of a workgroup's executions, newest first."""
        with self.lock:
            found = [(submitted, key) for key, (submitted, group) in self.index.items() if group == workgroup]
        return [key for _, key in sorted(found, reverse=True)]

    def close(self) -> None:
        """Stop what runs, and wait for it."""
        for execution_id in list(self.live):
            self.stop(execution_id)
        self.pool.shutdown(wait=True)


def _athena_error(failure: QueryError) -> Json:
    return {
        "ErrorCategory": failure.category,
        "ErrorType": failure.type,
        "Retryable": failure.kind in RETRYABLE,
        "ErrorMessage": str(failure),
    }
