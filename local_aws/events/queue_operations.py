"""SQS's API. Queues are real: what is sent stands in the store until it is deleted."""

import hashlib
import time
from typing import Any, ClassVar
from urllib.parse import urlsplit

from local_aws.errors import ServiceError
from local_aws.events.queues import Message, Queues
from local_aws.server.context import Context
from local_aws.server.operations import Operation

Json = dict[str, Any]
_POLL_SECONDS = 0.1


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class QueueOperations:
    """Answer SQS's operations on standard queues."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateQueue": _real("create_queue", "QueueName Attributes", "standard queues; encryption is written down"),
        "GetQueueUrl": _real("get_queue_url", "QueueName QueueOwnerAWSAccountId"),
        "ListQueues": _real("list_queues", "QueueNamePrefix MaxResults NextToken"),
        "GetQueueAttributes": _real("get_queue_attributes", "QueueUrl AttributeNames"),
        "SetQueueAttributes": _real("set_queue_attributes", "QueueUrl Attributes"),
        "DeleteQueue": _real("delete_queue", "QueueUrl"),
        "PurgeQueue": _real("purge_queue", "QueueUrl"),
        "SendMessage": _real("send_message", "QueueUrl MessageBody DelaySeconds MessageAttributes"),
        "SendMessageBatch": _real("send_message_batch", "QueueUrl Entries"),
        "ReceiveMessage": _real(
            "receive_message",
            "QueueUrl AttributeNames MessageSystemAttributeNames MessageAttributeNames MaxNumberOfMessages "
            "VisibilityTimeout WaitTimeSeconds",
            "all attributes are given, whichever are asked for",
        ),
        "DeleteMessage": _real("delete_message", "QueueUrl ReceiptHandle"),
        "DeleteMessageBatch": _real("delete_message_batch", "QueueUrl Entries"),
        "ChangeMessageVisibility": _real("change_message_visibility", "QueueUrl ReceiptHandle VisibilityTimeout"),
    }

    def __init__(self, context: Context) -> None:
        self._account = context.account_id
        self._host = f"sqs.{context.region}.amazonaws.com"
        self._queues = open_queues(context)

    def create_queue(self, request: Json) -> Json:
        """Make a queue."""
        self._queues.create(request["QueueName"], request.get("Attributes", {}))
        return {"QueueUrl": self._url(request["QueueName"])}

    def get_queue_url(self, request: Json) -> Json:
        """Return the URL of a queue."""
        self._queues.attributes(request["QueueName"])
        return {"QueueUrl": self._url(request["QueueName"])}

    def list_queues(self, request: Json) -> Json:
        """Return the URLs of all queues."""
        return {"QueueUrls": [self._url(name) for name in self._queues.names(request.get("QueueNamePrefix", ""))]}

    def get_queue_attributes(self, request: Json) -> Json:
        """Return the attributes that are asked for."""
        found = self._queues.attributes(_name(request))
        wanted = request.get("AttributeNames", [])
        return {"Attributes": found if "All" in wanted else {key: found[key] for key in wanted if key in found}}

    def set_queue_attributes(self, request: Json) -> Json:
        """Change attributes."""
        self._queues.set_attributes(_name(request), request["Attributes"])
        return {}

    def delete_queue(self, request: Json) -> Json:
        """Delete a queue with its messages."""
        self._queues.delete(_name(request))
        return {}

    def purge_queue(self, request: Json) -> Json:
        """Delete the messages of a queue."""
        self._queues.purge(_name(request))
        return {}

    def send_message(self, request: Json) -> Json:
        """Send one message."""
        body = request["MessageBody"]
        message = (body, request.get("MessageAttributes", {}))
        [name] = self._queues.send(_name(request), [message], request.get("DelaySeconds"))
        return {"MessageId": name, "MD5OfMessageBody": _md5(body)}

    def send_message_batch(self, request: Json) -> Json:
        """Send several messages, all or none."""
        entries = request["Entries"]
        if unknown := {key for entry in entries for key in entry} - {"Id", "MessageBody", "MessageAttributes"}:
            raise ServiceError("UnsupportedOperation", f"Entries: {', '.join(sorted(unknown))} is not supported here.")
        messages = [(entry["MessageBody"], entry.get("MessageAttributes", {})) for entry in entries]
        names = self._queues.send(_name(request), messages)
        sent = [
            {"Id": entry["Id"], "MessageId": name, "MD5OfMessageBody": _md5(entry["MessageBody"])}
            for entry, name in zip(entries, names, strict=True)
        ]
        return {"Successful": sent, "Failed": []}

    def receive_message(self, request: Json) -> Json:
        """Receive up to ten messages; wait for one as long as is asked for."""
        name, limit = _name(request), request.get("MaxNumberOfMessages", 1)
        if not 1 <= limit <= 10:
            raise ServiceError("InvalidParameterValue", "MaxNumberOfMessages is 1 to 10.")
        deadline = time.monotonic() + min(20, request.get("WaitTimeSeconds", 0))
        while not (found := self._queues.receive(name, limit, request.get("VisibilityTimeout"))):
            if time.monotonic() >= deadline:
                return {}
            time.sleep(_POLL_SECONDS)
        return {"Messages": [_describe(message) for message in found]}

    def delete_message(self, request: Json) -> Json:
        """Delete a received message."""
        self._queues.remove(_name(request), [request["ReceiptHandle"]])
        return {}

    def delete_message_batch(self, request: Json) -> Json:
        """Delete received messages."""
        self._queues.remove(_name(request), [entry["ReceiptHandle"] for entry in request["Entries"]])
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}

    def change_message_visibility(self, request: Json) -> Json:
        """Hide a received message for so many seconds from now."""
        self._queues.hide(_name(request), request["ReceiptHandle"], request["VisibilityTimeout"])
        return {}

    def _url(self, name: str) -> str:
        """Return a URL as SQS has it; clients send to the endpoint that they are given, and name the queue by it."""
        return f"https://{self._host}/{self._account}/{name}"


def open_queues(context: Context) -> Queues:
    """Return the queues of the local account."""
    return Queues(context.store, f"arn:aws:sqs:{context.region}:{context.account_id}")


def _name(request: Json) -> str:
    return urlsplit(request["QueueUrl"]).path.rpartition("/")[2]


def _describe(message: Message) -> Json:
    attributes = {
        "SentTimestamp": str(message.sent),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(message.first_received),
    }
    found: Json = {"MessageId": message.id, "ReceiptHandle": message.receipt, "Body": message.body}
    found |= {"MD5OfBody": _md5(message.body), "Attributes": attributes}
    return found | ({"MessageAttributes": message.attributes} if message.attributes else {})


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
