"""The local half of the event path: what S3, Glue, EventBridge, Scheduler and Lambda do by themselves on AWS.

One thread calls `tick`, several times a second; only watchdog has threads of its own. All that must survive a stop is
in the store; what happened meanwhile is found by the reconciling listing, which comes at once after a start.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.endpoints import Endpoints
from local_aws.errors import LocalAwsError
from local_aws.events.clients import make_client
from local_aws.events.cron import parse_expression
from local_aws.events.deliveries import Deliveries
from local_aws.events.function_process import Functions, Outcome
from local_aws.events.landing import Landed, Landing
from local_aws.events.ledgers import find_unprocessed
from local_aws.events.queues import Queues
from local_aws.glue.catalog import SEPARATOR
from local_aws.store import Store

Json = dict[str, Any]
RECONCILE_SECONDS = 30.0
LOOK_SECONDS = 0.4
ACTIVITY_SECONDS = 60.0
ENDED = ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR")


class Listener(Protocol):
    """Who is told what happens."""

    def said(self, text: str) -> None:
        """Hear of something that went wrong, or of what the service itself does."""

    def landed(self, objects: Sequence[Landed]) -> None:
        """Hear of new objects."""

    def invoked(self, function: str, outcome: Outcome) -> None:
        """Hear how an invocation ended."""

    def run_changed(self, run: Json) -> None:
        """Hear of a job run that started or changed its state."""


class LocalEvents:
    """The event path of one running stack; make another one when the stack was restarted.

    With `after_job` False no event of the job is sent, so that no crawler starts. `states` are those of job runs that
    an earlier one has told of; without them, what there is at the start is taken as known.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        listener: Listener,
        after_job: bool = True,
        states: Mapping[str, str] | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._listener = listener
        self._after_job = after_job
        self._store = Store(endpoints.home / "catalog.sqlite")
        prefix = f"arn:aws:sqs:{endpoints.region}:{endpoints.account_id}"
        self._functions = Functions(self._store, endpoints)
        self._deliveries = Deliveries(self._store, Queues(self._store, prefix), self._functions, listener.said)
        self._landing = Landing(endpoints.home / "lake", listener.said)
        self._s3 = make_client(endpoints, "s3", "admin")
        found = {key: str(run["JobRunState"]) for key, run in self._store.list("job_run")}
        self.states: dict[str, str] = found if states is None else dict(states)
        self._reconcile_at = self._look_at = self._touch_at = 0.0
        self._checked = dt.datetime.now(dt.UTC)
        self._started = self._checked

    def start(self) -> list[str]:
        """Begin to watch the buckets that tell EventBridge; return their names."""
        buckets = [entry["Name"] for entry in self._s3.list_buckets()["Buckets"]]
        telling = [name for name in buckets if self._tells(name)]
        self._landing.start(telling)
        return telling

    def list_runs(self) -> list[str]:
        """Return the ids of all job runs."""
        return [str(run["Id"]) for _, run in self._store.list("job_run")]

    def read_runs(self) -> list[Json]:
        """Return all job runs."""
        return [dict(run) for _, run in self._store.list("job_run")]

    def close(self) -> None:
        """Stop watching and end the functions' processes."""
        self._landing.close()
        self._functions.close()
        self._s3.close()
        self._store.close()

    def tick(self) -> None:
        """Do what is due: tell of whole objects, of job runs and schedules, and invoke functions."""
        now = time.monotonic()
        if now >= self._touch_at:
            self._touch_at = now + ACTIVITY_SECONDS
            with contextlib.suppress(OSError):
                (self._endpoints.home / "activity").touch(mode=0o600)  # a watched stack is not an idle one
        if now >= self._reconcile_at:
            self._reconcile()
            self._reconcile_at = time.monotonic() + RECONCILE_SECONDS
        if landed := self._landing.settle():
            self._listener.landed(landed)
            self._deliveries.publish([self._describe_object(found) for found in landed])
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look_at_runs()
        self._fire_schedules()
        for function, outcome in self._deliveries.work():
            self._listener.invoked(function, outcome)

    def _tells(self, bucket: str) -> bool:
        return "EventBridgeConfiguration" in self._s3.get_bucket_notification_configuration(Bucket=bucket)

    def _reconcile(self) -> None:
        """Note what no ledger has; what was told of already waits for its run."""
        outputs = self._endpoints.outputs
        raw = outputs["RawBucket"]
        try:
            if self._tells(raw):
                for key in find_unprocessed(self._s3, raw, outputs["CuratedBucket"]):
                    self._landing.note_unless_told(raw, key)
        except (BotoCoreError, ClientError) as error:
            self._listener.said(f"the reconciling listing failed: {error}")

    def _look_at_runs(self) -> None:
        for key, run in self._store.list("job_run"):
            state = run["JobRunState"]
            if self.states.get(key) == state:
                continue
            self.states[key] = state
            self._listener.run_changed({**run, "JobName": key.split(SEPARATOR)[0]})
            if state in ENDED and self._after_job:
                self._deliveries.publish([self._describe_run(run)])

    def _fire_schedules(self) -> None:
        now = dt.datetime.now(dt.UTC)
        for name, schedule in self._store.list("schedule"):
            zone = ZoneInfo(schedule["ScheduleExpressionTimezone"])
            after, start = (moment.astimezone(zone) for moment in (self._checked, self._started))
            try:
                due = parse_expression(schedule["ScheduleExpression"]).next_after(after, start)
            except LocalAwsError as error:
                self._listener.said(str(error))
                continue
            if schedule["State"] == "ENABLED" and due and due <= now:
                self._listener.said(f"schedule {name} is due")
                self._deliveries.send(schedule["Target"]["Arn"], schedule["Target"].get("Input", "{}"))
        self._checked = now

    def _describe_object(self, found: Landed) -> Json:
        """Return the event that S3 sends; there is no ETag in it, which would mean to read the file."""
        detail = {
            "version": "0",
            "bucket": {"name": found.bucket},
            "object": {"key": found.key, "size": found.size, "sequencer": found.sequencer},
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": self._endpoints.account_id,
            "reason": "PutObject",
        }
        return {
            **self._envelope("Object Created", "aws.s3", [f"arn:aws:s3:::{found.bucket}"], detail),
            # S3's times have no fraction; here one tells a run that began just before the object from one just after.
            "time": dt.datetime.fromtimestamp(found.at, dt.UTC).isoformat().replace("+00:00", "Z"),
        }

    def _describe_run(self, run: Json) -> Json:
        succeeded = run["JobRunState"] == "SUCCEEDED"
        detail = {
            "jobName": run["JobName"],
            "severity": "INFO" if succeeded else "ERROR",
            "state": run["JobRunState"],
            "jobRunId": run["Id"],
            "message": "Job run succeeded" if succeeded else run.get("ErrorMessage", "Job run did not succeed"),
        }
        return self._envelope("Glue Job State Change", "aws.glue", [], detail)

    def _envelope(self, kind: str, source: str, resources: list[str], detail: Json) -> Json:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": kind,
            "source": source,
            "account": self._endpoints.account_id,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": self._endpoints.region,
            "resources": resources,
            "detail": detail,
        }
