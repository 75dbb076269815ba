"""Deliver events: rules send them to queues and functions, and queues feed functions in batches.

Source: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from local_aws.errors import ServiceError
from local_aws.events.function_process import Functions, Outcome
from local_aws.events.patterns import matches
from local_aws.events.queues import Message, Queues
from local_aws.glue.catalog import SEPARATOR
from local_aws.store import Store

Json = dict[str, Any]
PAYLOAD_BYTES = 6 * 2**20
ENVELOPE_BYTES = 700
ASYNC_TRIES = 3
RETRY_SECONDS = 2.0  # on AWS a minute, then two


@dataclass
class _Invocation:
    function: str
    event: Json
    id: str
    tries: int = 0
    due: float = 0.0


class Deliveries:
    """What the rules, targets and mappings in the store say, done. `told` hears of each invocation's outcome."""

    def __init__(self, store: Store, queues: Queues, functions: Functions, say: Callable[[str], None]) -> None:
        self._store = store
        self._queues = queues
        self._functions = functions
        self._say = say
        self._waiting: list[_Invocation] = []
        self.retry_seconds = RETRY_SECONDS

    def publish(self, events: Iterable[Json]) -> None:
        """Send events to the targets of the rules that they match."""
        events = list(events)
        for name, rule in self._store.list("rule"):
            pattern = json.loads(rule["EventPattern"])
            matched = [event for event in events if matches(pattern, event)] if rule["State"] == "ENABLED" else []
            if matched:
                for _, target in self._store.list("target", name + SEPARATOR):
                    self._send(rule, target["Arn"], matched)

    def send(self, arn: str, body: str) -> None:
        """Send a schedule's message to a queue."""
        try:
            self._queues.send(arn.rpartition(":")[2], [(body, {})])
        except ServiceError as error:
            self._say(f"{arn} does not take the message: {error}")

    def work(self) -> list[tuple[str, Outcome]]:
        """Invoke what is due, of queues and of rules; return each function with its outcome."""
        outcomes = []
        for _, mapping in self._store.list("event_source_mapping"):
            if mapping["Enabled"] and (outcome := self._feed(mapping)):
                outcomes.append((mapping["FunctionName"], outcome))
        for invocation in [entry for entry in self._waiting if entry.due <= time.monotonic()]:
            outcome = self._functions.invoke(invocation.function, invocation.event, invocation.id)
            invocation.tries += 1
            invocation.due = time.monotonic() + self.retry_seconds * invocation.tries
            if not outcome.error or invocation.tries >= ASYNC_TRIES:
                self._waiting.remove(invocation)
            outcomes.append((invocation.function, outcome))
        return outcomes

    def _send(self, rule: Json, arn: str, events: list[Json]) -> None:
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        try:
            if service == "sqs":
                policy = json.loads(self._queues.attributes(name).get("Policy", "{}"))
                self._check(policy.get("Statement", []), "sqs:SendMessage", rule["Arn"], arn)
                self._queues.send(name, [(json.dumps(event), {}) for event in events])
            else:
                policy = self._store.get("function_policy", name) or {}
                self._check(list(policy.values()), "lambda:InvokeFunction", rule["Arn"], arn)
                self._waiting += [_Invocation(name, event, str(uuid.uuid4())) for event in events]
        except ServiceError as error:
            self._say(f"rule {rule['Name']}: {arn} does not take the event: {error}")

    def _check(self, statements: list[Json], action: str, source: str, arn: str) -> None:
        """Raise AccessDenied unless the target's policy lets EventBridge act for this rule."""
        for statement in statements:
            conditions = [value for entries in statement.get("Condition", {}).values() for value in entries.values()]
            if (
                statement["Effect"] == "Allow"
                and statement["Principal"] == {"Service": "events.amazonaws.com"}
                and statement["Action"] == action
                and statement["Resource"] == arn
                and all(value == source for value in conditions)
            ):
                return
        raise ServiceError("AccessDenied", f"its policy does not allow {action} to events.amazonaws.com for {source}.")

    def _feed(self, mapping: Json) -> Outcome | None:
        """Give a function its next batch, when the window is over or the batch full; None where neither is."""
        name, size = mapping["EventSourceArn"].rpartition(":")[2], mapping["BatchSize"]
        try:
            since = self._queues.visible(name)
            waited = time.time() - min(since, default=0) / 1000
            if not since or (len(since) < size and waited < mapping["MaximumBatchingWindowInSeconds"]):
                return None
            batch = self._take(name, size)
        except ServiceError as error:
            self._say(f"{mapping['EventSourceArn']} feeds nothing: {error}")
            return None
        if not batch:
            return None
        records = [_describe(message, mapping["EventSourceArn"]) for message in batch]
        outcome = self._functions.invoke(mapping["FunctionName"], {"Records": records})
        failed = {message.id for message in batch}
        if not outcome.error:
            partly = "ReportBatchItemFailures" in mapping["FunctionResponseTypes"]
            failed = _read_failures(outcome.result, failed) if partly else set()
        self._queues.remove(name, [message.receipt for message in batch if message.id not in failed])
        return outcome

    def _take(self, name: str, size: int) -> list[Message]:
        """Receive a batch of at most `size` messages and of Lambda's largest payload."""
        batch, total = [], 0
        for message in self._queues.receive(name, size):
            total += len(message.body.encode()) + ENVELOPE_BYTES
            if total > PAYLOAD_BYTES:
                self._queues.hide(name, message.receipt, 0)
            else:
                batch.append(message)
        return batch


def _describe(message: Message, arn: str) -> Json:
    """Return a message as Lambda gives it to a function."""
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(message.sent),
            "ApproximateFirstReceiveTimestamp": str(message.first_received),
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }


def _read_failures(result: Any, ids: set[str]) -> set[str]:
    """Return the messages that failed; all of them where the answer cannot be understood, as Lambda has it."""
    if not result:
        return set()
    try:
        failed = {entry["itemIdentifier"] for entry in result.get("batchItemFailures") or []}
    except (AttributeError, KeyError, TypeError):
        return ids
    return failed if failed <= ids else ids
