"""Start one run of the Glue job for the raw objects that landed. This file is the function's code on AWS as it stands.

An event only rings: the job lists raw itself and compares with its ledger, so doubled, late or lost events change
nothing. At most one run is under way (the job's MaxConcurrentRuns): while it is, messages go back to the queue.
Events come through SQS or alone, as EventBridge or S3 itself writes them; the nightly schedule sends a Sweep.
"""

import hashlib
import json
import os
import time
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

Json = dict[str, Any]

FAILED = ("FAILED", "ERROR", "TIMEOUT", "STOPPED", "EXPIRED")
WRONG = (AttributeError, KeyError, IndexError, TypeError, ValueError)  # what reading an event that is none raises


@cache
def client(service: str) -> Any:
    """Return a client that never repeats a call: a lost answer to StartJobRun would start a second run."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=10)
    return boto3.client(service, config=config)  # type: ignore[call-overload]


def handler(event: Json, context: Any) -> Json:
    """Answer a batch of the queue; what is in batchItemFailures comes again. A single event that must, raises."""
    queued = is_batch(event)
    alone = {"messageId": context.aws_request_id, "body": json.dumps(event)}
    rings: dict[str, dict[str, float]] = {}  # dataset -> message -> since when there is something to do
    known, again = list_datasets(), []
    for message in event["Records"] if queued else [alone]:
        name = message["messageId"]
        sent = float(message.get("attributes", {}).get("SentTimestamp", time.time() * 1000)) / 1000
        try:
            for dataset, since in read_event(json.loads(message["body"]), known, sent).items():
                rings.setdefault(dataset, {})[name] = since
        except WRONG as error:
            again += bury(message, f"{type(error).__name__}: {error}")
        except (BotoCoreError, ClientError) as error:
            say(f"put back: {error}", message=name)
            again.append(name)
    for dataset, messages in rings.items():
        if not ring(dataset, messages):
            again += messages
    if again and not queued:
        raise RuntimeError("not done: to be tried again")
    return {"batchItemFailures": [{"itemIdentifier": name} for name in dict.fromkeys(again)]}


def is_batch(event: Any) -> bool:
    """Tell whether an event is a batch of SQS messages."""
    try:
        return bool(event["Records"][0]["messageId"])
    except WRONG:
        return False


def list_datasets() -> set[str]:
    """Return the datasets that have a contract."""
    listing = client("s3").get_paginator("list_objects_v2")
    pages = listing.paginate(Bucket=os.environ["CURATED_BUCKET"], Prefix="_contracts/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key.removeprefix("_contracts/").removesuffix(".json") for key in keys}


def read_event(event: Json, known: set[str], sent: float) -> dict[str, float]:
    """Return the datasets that an event rings for, and since when. Raises one of WRONG where it is no event of ours."""
    if event.get("detail-type") == "Sweep":
        if "dataset" in event.get("detail", {}):
            return dict.fromkeys({event["detail"]["dataset"]} & known, sent)
        listed = client("s3").list_objects_v2(Bucket=os.environ["RAW_BUCKET"], Delimiter="/")
        delivered = {entry["Prefix"].rstrip("/") for entry in listed.get("CommonPrefixes", [])}
        for dataset in sorted(known & delivered):  # a message for each, since one run is under way at a time
            body = json.dumps({"detail-type": "Sweep", "detail": {"dataset": dataset}})
            client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=body)
        return {}
    if event.get("Event") == "s3:TestEvent":
        return {}
    if event.get("detail-type") == "Object Created":  # EventBridge: the key as it is
        found = [(event["detail"]["bucket"]["name"], event["detail"]["object"]["key"], event["time"])]
    else:  # S3 itself: the key encoded as in a form
        made = [entry for entry in event["Records"] if entry["eventName"].startswith("ObjectCreated:")]
        objects = [(entry["s3"]["bucket"]["name"], entry["s3"]["object"]["key"], entry["eventTime"]) for entry in made]
        found = [(bucket, unquote_plus(key), at) for bucket, key, at in objects]
    rung: dict[str, float] = {}
    for bucket, key, at in found:
        since = datetime.fromisoformat(at).timestamp()
        dataset, _, rest = key.partition("/")
        hidden = rest.rpartition("/")[2][:1] in ("", "_", ".")  # the job passes over these, too
        if bucket == os.environ["RAW_BUCKET"] and dataset in known and not hidden:
            rung[dataset] = max(since, rung.get(dataset, since))
        else:
            say("passed over: no object of a dataset that has a contract", bucket=bucket, key=key)
    return rung


def ring(dataset: str, messages: dict[str, float]) -> bool:
    """Start a run, unless one answers these messages already; False where they must come again."""
    token = "trigger-" + hashlib.sha256(" ".join(sorted(messages)).encode()).hexdigest()[:16]
    facts = {"dataset": dataset, "token": token, "messages": len(messages)}
    run = None
    try:
        if run := find_run(dataset, token, max(messages.values())):
            say("answered already", **facts, run=run)
            return True
        arguments = {"--DATASET": dataset, "--RUN_TOKEN": token}
        run = client("glue").start_job_run(JobName=os.environ["JOB_NAME"], Arguments=arguments)["JobRunId"]
    except (BotoCoreError, ClientError) as error:
        response = getattr(error, "response", None) or {}
        code = response.get("Error", {}).get("Code", type(error).__name__)
        try:  # the answer may be what was lost, not the call
            run = find_run(dataset, token)
        except (BotoCoreError, ClientError) as second:
            error = second
        if not run:
            busy = code == "ConcurrentRunsExceededException"
            say("busy: put back" if busy else f"put back: {error}", **facts, code=code)
            return False
    say("started", **facts, run=run)
    return True


def find_run(dataset: str, token: str, since: float | None = None) -> str | None:
    """Return the run with this token, or one of the dataset that began after `since`: it lists all that rang."""
    for run in client("glue").get_job_runs(JobName=os.environ["JOB_NAME"], MaxResults=50)["JobRuns"]:
        arguments = run.get("Arguments", {})
        later = since is not None and run["StartedOn"].timestamp() > since and run["JobRunState"] not in FAILED
        if arguments.get("--RUN_TOKEN") == token or (later and arguments.get("--DATASET") == dataset):
            return str(run["Id"])
    return None


def bury(message: Json, reason: str) -> list[str]:
    """Send a message that nobody can read to the dead letters, with the reason; return it where that fails."""
    text = {"DataType": "String", "StringValue": reason[:200] or "unreadable"}
    say("no event: to the dead letters", message=message["messageId"], reason=reason[:200])
    letter = {"MessageBody": message["body"] or "(empty)", "MessageAttributes": {"Reason": text}}
    try:
        client("sqs").send_message(QueueUrl=os.environ["DEAD_LETTERS_URL"], **letter)
    except (BotoCoreError, ClientError) as error:
        say(f"no dead letter: {error}", message=message["messageId"])
        return [message["messageId"]]
    return []


def say(text: str, **facts: object) -> None:
    """Write one line of the log."""
    print(json.dumps({"event": text, **facts}))
