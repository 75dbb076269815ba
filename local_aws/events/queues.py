"""SQS queues over the store: messages, their visibility, and the dead letters.

Sole owner of the kinds `queue` and `message`. Standard queues only. A message is in the store until it is deleted, so
a stop or a kill loses none.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.errors import ServiceError
from local_aws.glue.catalog import SEPARATOR
from local_aws.store import Store

Json = dict[str, Any]

DEFAULTS = {
    "VisibilityTimeout": "30",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
    "MaximumMessageSize": "262144",
    "ReceiveMessageWaitTimeSeconds": "0",
}
SETTABLE = frozenset({*DEFAULTS, "RedrivePolicy", "Policy", "SqsManagedSseEnabled"})


@dataclass(frozen=True)
class Message:
    """A received message; `receipt` deletes it or changes its visibility. Times are epoch milliseconds."""

    id: str
    body: str
    receipt: str
    sent: int
    receives: int
    first_received: int
    attributes: Mapping[str, Any]


class Queues:
    """The queues of one account and region; `now` gives epoch seconds."""

    def __init__(self, store: Store, arn_prefix: str, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._arn_prefix = arn_prefix
        self._now = now

    def arn(self, name: str) -> str:
        """Return a queue's ARN."""
        return f"{self._arn_prefix}:{name}"

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of the queues, sorted."""
        return self._store.keys("queue", prefix)

    def create(self, name: str, attributes: Mapping[str, str]) -> None:
        """Make a queue; one that is there with other attributes is an error, as on SQS."""
        if not name or len(name) > 80 or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
            raise ServiceError("InvalidParameterValue", f"{name!r} is no name of a standard queue.")
        _check(attributes)
        with self._store.transaction():
            found = self._store.get("queue", name)
            if found is None:
                now = str(int(self._now()))
                stamps = {"CreatedTimestamp": now, "LastModifiedTimestamp": now}
                self._store.put("queue", name, {**DEFAULTS, **attributes, **stamps})
            elif any(found.get(key) != value for key, value in attributes.items()):
                raise ServiceError("QueueNameExists", f"Queue {name} exists with other attributes.")

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Change attributes; an empty text takes an optional one away."""
        _check(attributes)
        with self._store.transaction():
            changed = {**self._queue(name), **attributes, "LastModifiedTimestamp": str(int(self._now()))}
            self._store.put("queue", name, {key: value for key, value in changed.items() if value != ""})

    def attributes(self, name: str) -> dict[str, str]:
        """Return a queue's attributes, with how many messages it has."""
        queue, now = self._queue(name), self._milliseconds()
        messages = [message for _, message in self._messages(name)]
        hidden = sum(message["visible"] > now and message["receives"] > 0 for message in messages)
        delayed = sum(message["visible"] > now and message["receives"] == 0 for message in messages)
        counts = {
            "ApproximateNumberOfMessages": len(messages) - hidden - delayed,
            "ApproximateNumberOfMessagesNotVisible": hidden,
            "ApproximateNumberOfMessagesDelayed": delayed,
        }
        return {**queue, "QueueArn": self.arn(name), **{key: str(value) for key, value in counts.items()}}

    def delete(self, name: str) -> None:
        """Delete a queue and what it holds."""
        with self._store.transaction():
            self._queue(name)
            self._store.delete("queue", name)
            self._store.delete_prefix("message", name + SEPARATOR)

    def purge(self, name: str) -> None:
        """Delete all messages of a queue."""
        self._queue(name)
        self._store.delete_prefix("message", name + SEPARATOR)

    def send(self, name: str, bodies: Iterable[tuple[str, Mapping[str, Any]]], delay: int | None = None) -> list[str]:
        """Put messages (body, attributes) into a queue, all or none; return their ids."""
        ids = []
        with self._store.transaction():
            queue, now = self._queue(name), self._milliseconds()
            wait = int(queue["DelaySeconds"]) if delay is None else delay
            for body, attributes in bodies:
                if not 1 <= len(body.encode()) <= int(queue["MaximumMessageSize"]):
                    raise ServiceError("InvalidParameterValue", "A message has 1 to MaximumMessageSize bytes.")
                ids.append(str(uuid.uuid4()))
                document = {"id": ids[-1], "body": body, "attributes": dict(attributes), "sent": now}
                state = {"visible": now + wait * 1000, "receives": 0, "first": 0, "receipt": ""}
                self._store.put("message", self._key(name, now, ids[-1]), {**document, **state})
        return ids

    def receive(self, name: str, limit: int, visibility: int | None = None) -> list[Message]:
        """Take up to `limit` visible messages, the oldest first; they are hidden for `visibility` seconds."""
        received: list[Message] = []
        with self._store.transaction():
            queue, now = self._queue(name), self._milliseconds()
            hidden = (int(queue["VisibilityTimeout"]) if visibility is None else visibility) * 1000
            redrive = json.loads(queue.get("RedrivePolicy", "{}"))
            for key, message in self._messages(name):
                if message["sent"] + int(queue["MessageRetentionPeriod"]) * 1000 < now:
                    self._store.delete("message", key)
                elif message["visible"] > now:
                    continue
                elif redrive and message["receives"] >= int(redrive["maxReceiveCount"]):
                    self._bury(key, message, redrive["deadLetterTargetArn"])
                elif len(received) < limit:
                    receipt = f"{key.rpartition(SEPARATOR)[2]}:{secrets.token_hex(8)}"
                    seen = {"receives": message["receives"] + 1, "first": message["first"] or now}
                    self._store.put("message", key, {**message, **seen, "visible": now + hidden, "receipt": receipt})
                    facts = (message["id"], message["body"], receipt, message["sent"])
                    received.append(Message(*facts, seen["receives"], seen["first"], message["attributes"]))
        return received

    def visible(self, name: str) -> list[int]:
        """Return since when (epoch milliseconds) each message that could be received now could be."""
        now = self._milliseconds()
        return [message["visible"] for _, message in self._messages(name) if message["visible"] <= now]

    def remove(self, name: str, receipts: Iterable[str]) -> None:
        """Delete received messages; one that is gone is no error."""
        with self._store.transaction():
            self._queue(name)
            for receipt in receipts:
                self._store.delete("message", name + SEPARATOR + _place(receipt))

    def hide(self, name: str, receipt: str, seconds: int) -> None:
        """Change for how long from now a received message is hidden."""
        with self._store.transaction():
            self._queue(name)
            key = name + SEPARATOR + _place(receipt)
            message = self._store.get("message", key)
            if message is None or message["receipt"] != receipt:
                raise ServiceError("ReceiptHandleIsInvalid", "The receipt handle is not the message's last one.")
            self._store.put("message", key, {**message, "visible": self._milliseconds() + seconds * 1000})

    def _bury(self, key: str, message: Json, arn: str) -> None:
        """Move a message to the dead letters; its age goes on, as on SQS."""
        dead = arn.rpartition(":")[2]
        self._queue(dead)
        self._store.put("message", self._key(dead, message["sent"], message["id"]), {**message, "receives": 0})
        self._store.delete("message", key)

    def _messages(self, name: str) -> list[tuple[str, Json]]:
        return self._store.list("message", name + SEPARATOR)

    def _queue(self, name: str) -> Json:
        queue = self._store.get("queue", name)
        if queue is None:
            raise ServiceError("QueueDoesNotExist", "The specified queue does not exist.")
        return queue

    def _key(self, name: str, sent: int, message_id: str) -> str:
        return f"{name}{SEPARATOR}{sent:014d}-{message_id}"

    def _milliseconds(self) -> int:
        return int(self._now() * 1000)


def _place(receipt: str) -> str:
    place, mark, _ = receipt.rpartition(":")
    if not mark:
        raise ServiceError("ReceiptHandleIsInvalid", "The receipt handle is not one of this queue's.")
    return place


def _check(attributes: Mapping[str, str]) -> None:
    if unknown := sorted(set(attributes) - SETTABLE):
        raise ServiceError("InvalidAttributeName", f"{', '.join(unknown)} is not supported locally.")
    for name in DEFAULTS.keys() & attributes.keys():
        if not attributes[name].isdigit():
            raise ServiceError("InvalidAttributeValue", f"{name} must be a number.")
    for name in {"RedrivePolicy", "Policy"} & attributes.keys():
        try:
            document = json.loads(attributes[name] or "{}")
            whole = name == "Policy" or not document or {"deadLetterTargetArn", "maxReceiveCount"} <= document.keys()
        except ValueError:
            whole = False
        if not whole:
            raise ServiceError("InvalidAttributeValue", f"{name} cannot be read.")
