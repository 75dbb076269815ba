"""A small AWS in memory around lambdas/on_upload.py: its clients are fakes, the queue and the job's ledger are real."""

import importlib.util
import io
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from glue import publication
from local_aws.events.queues import Queues
from local_aws.store import Store

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
ARN = "arn:aws:sqs:eu-central-1:111122223333"
RAW, CURATED = "raw", "curated"
DATASETS = ("student_sample", "tennessee_star")
VARIABLES = {
    "RAW_BUCKET": RAW,
    "CURATED_BUCKET": CURATED,
    "JOB_NAME": "curate",
    "QUEUE_URL": "https://sqs/1/uploads",
    "DEAD_LETTERS_URL": "https://sqs/1/dead",
}


def refuse(code: str, operation: str = "StartJobRun") -> ClientError:
    """Return a service's refusal."""
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def iso(seconds: float) -> str:
    """Return a time as S3 writes it into events."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bridge_event(key: str, bucket: str = RAW, at: float = 1000.0) -> Json:
    """Return an event as EventBridge has it."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "sequencer": "0"}}
    return {"detail-type": "Object Created", "source": "aws.s3", "time": iso(at), "detail": detail}


def load_handler(client: Callable[[str], Any]) -> ModuleType:
    """Return lambdas/on_upload.py as a fresh module whose clients are `client`'s."""
    specification = importlib.util.spec_from_file_location("index", ROOT / "lambdas" / "on_upload.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.client = client  # type: ignore[attr-defined]
    return module


class Bucket:
    """S3 as far as handler and ledger need it: one namespace of (bucket, key) -> (etag, body)."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], tuple[str, bytes]] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[Bucket, Key] = (f"etag-{hash(Body)}", Body)

    def get_object(self, Bucket: str, Key: str) -> Json:
        return {"Body": io.BytesIO(self.objects[Bucket, Key][1])}

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=self._paginate)

    def list_objects_v2(self, Bucket: str, Delimiter: str) -> Json:
        found = {key.partition(Delimiter)[0] + Delimiter for bucket, key in self.objects if bucket == Bucket}
        return {"CommonPrefixes": [{"Prefix": prefix} for prefix in sorted(found)]}

    def _paginate(self, Bucket: str, Prefix: str) -> Iterator[Json]:
        found = sorted((key, etag) for (bucket, key), (etag, _) in self.objects.items() if bucket == Bucket)
        yield {"Contents": [{"Key": k, "ETag": f'"{e}"', "Size": 1} for k, e in found if k.startswith(Prefix)]}


class Glue:
    """One job: at most one run at a time. `faults` gives what goes wrong, call by call."""

    def __init__(self, now: Callable[[], float], faults: Callable[[str], str] = lambda call: "") -> None:
        self.now = now
        self.faults = faults
        self.runs: list[Json] = []

    @property
    def active(self) -> Json | None:
        """The run under way."""
        return next((run for run in self.runs if run["JobRunState"] == "RUNNING"), None)

    def start_job_run(self, JobName: str, Arguments: dict[str, str]) -> Json:
        fault = self.faults("start")
        if fault == "throttled":
            raise refuse("ThrottlingException")
        if self.active:
            raise refuse("ConcurrentRunsExceededException")
        started = datetime.fromtimestamp(self.now(), UTC)
        run = {"Id": f"jr_{len(self.runs)}", "Arguments": Arguments, "JobRunState": "RUNNING", "StartedOn": started}
        self.runs.append(run)
        if fault == "lost":
            raise ReadTimeoutError(endpoint_url="https://glue")
        return {"JobRunId": run["Id"]}

    def get_job_runs(self, JobName: str, MaxResults: int) -> Json:
        if self.faults("list") == "throttled":
            raise refuse("ThrottlingException", "GetJobRuns")
        return {"JobRuns": list(reversed(self.runs))[:MaxResults]}


class World:
    """Buckets, queues, job and handler, with a clock that is set by hand."""

    def __init__(self, store: Store, datasets: tuple[str, ...], faults: Callable[[str], str] = lambda call: "") -> None:
        self.clock = 1000.0
        self.s3 = Bucket()
        self.glue = Glue(lambda: self.clock, faults)
        self.faults = faults
        self.queues = Queues(store, ARN, lambda: self.clock)
        self.queues.create("dead", {})
        redrive = json.dumps({"deadLetterTargetArn": f"{ARN}:dead", "maxReceiveCount": 1000})
        self.queues.create("uploads", {"VisibilityTimeout": "300", "RedrivePolicy": redrive})
        for dataset in datasets:
            self.s3.put_object(CURATED, f"_contracts/{dataset}.json", b"{}")
        self.processed: Counter[tuple[str, str]] = Counter()
        self.handler = load_handler(self.client)
        self.log: list[Json] = []

    def client(self, service: str) -> Any:
        """Return a fake client."""
        return {"s3": self.s3, "glue": self.glue, "sqs": SimpleNamespace(send_message=self._send)}[service]

    def _send(self, QueueUrl: str, MessageBody: str, MessageAttributes: Json | None = None) -> None:
        if self.faults("send") == "throttled":
            raise refuse("RequestThrottled", "SendMessage")
        self.queues.send(QueueUrl.rpartition("/")[2], [(MessageBody, MessageAttributes or {})])

    def invoke(self, event: Any) -> Json:
        """Call the handler with one event; keep what it logs."""
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                answer: Json = self.handler.handler(event, SimpleNamespace(aws_request_id="request-1"))
        finally:
            self.log += [json.loads(line) for line in printed.getvalue().splitlines()]
        return answer

    def deliver(self) -> None:
        """Give the handler one batch of the queue, and delete what it did not hand back."""
        batch = self.queues.receive("uploads", 10000)
        if not batch:
            return
        records = [
            {
                "messageId": message.id,
                "body": message.body,
                "eventSource": "aws:sqs",
                "attributes": {"SentTimestamp": str(message.sent)},
            }
            for message in batch
        ]
        try:
            failed = {entry["itemIdentifier"] for entry in self.invoke({"Records": records})["batchItemFailures"]}
        except ClientError:
            return
        self.queues.remove("uploads", [message.receipt for message in batch if message.id not in failed])

    def place(self, run: Json) -> publication.Place:
        """Return where a run writes its ledger."""
        return publication.Place(self.s3, CURATED, run["Arguments"]["--DATASET"], run["Arguments"]["--RUN_TOKEN"])  # type: ignore[arg-type]

    def list_raw(self, run: Json) -> dict[str, str]:
        """Return key -> etag as a run lists it."""
        prefix = f"{run['Arguments']['--DATASET']}/"
        return {found["key"]: found["etag"] for found in publication.list_objects(self.s3, RAW, prefix)}  # type: ignore[arg-type]

    def finish(self, run: Json, listed: dict[str, str]) -> None:
        """End a run as the job does: compare with the ledger, publish what is new."""
        place = self.place(run)
        ledger = publication.read_ledger(place)
        known = {entry["key"]: entry["etag"] for entry in ledger.get("objects", [])}
        self.processed.update((key, etag) for key, etag in listed.items() if known.get(key) != etag)
        run["JobRunState"] = "SUCCEEDED"
        if listed != known:
            name = f"{place.ledger}{ledger['sequence'] + 1:08d}-{place.token}.json"
            objects = [{"key": key, "etag": etag} for key, etag in listed.items()]
            publication.write_json(place.s3, CURATED, name, {"token": place.token, "objects": objects})

    def in_ledgers(self, datasets: tuple[str, ...]) -> set[tuple[str, str]]:
        """Return what all ledgers together have."""
        places = [publication.Place(self.s3, CURATED, dataset, "") for dataset in datasets]  # type: ignore[arg-type]
        ledgers = [publication.read_ledger(place) for place in places]
        return {(entry["key"], entry["etag"]) for ledger in ledgers for entry in ledger.get("objects", [])}

    def in_raw(self) -> set[tuple[str, str]]:
        """Return what raw holds."""
        return {(key, etag) for (bucket, key), (etag, _) in self.s3.objects.items() if bucket == RAW}


@contextmanager
def world(
    path: Path, datasets: tuple[str, ...] = ("student_sample", "tennessee_star"), **options: Any
) -> Iterator[World]:
    """Make a world for the block; the handler's variables are set meanwhile."""
    store = Store(path / "world.sqlite")
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(VARIABLES)
    try:
        yield World(store, datasets, **options)
    finally:
        store.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def seeded_faults(generator: random.Random) -> Callable[[str], str]:
    """Return faults of each call by chance: throttling, and answers to StartJobRun that are lost."""
    chances = {
        "start": (("lost", 0.15), ("throttled", 0.1)),
        "list": (("throttled", 0.05),),
        "send": (("throttled", 0.05),),
    }

    def choose(call: str) -> str:
        drawn = generator.random()
        for fault, chance in chances[call]:
            if drawn < chance:
                return fault
            drawn -= chance
        return ""

    return choose
