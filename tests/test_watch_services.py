"""SQS, EventBridge, Scheduler and Lambda of the control plane, by boto3 against a real server."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from control_plane import Server, run_server

from infra.functions import pack_code

NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:work"
ROLE = "arn:aws:iam::000000000000:role/any"
SCHEDULE: dict[str, Any] = {
    "Name": "nightly",
    "ScheduleExpression": "cron(0 3 * * ? *)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "{}"},
}
FUNCTION: dict[str, Any] = {"FunctionName": "f", "Role": ROLE, "Handler": "index.handler", "Runtime": "python3.13"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A control plane."""
    with run_server(tmp_path_factory.mktemp("services")) as made:
        yield made


def make_queue(server: Server, name: str, **attributes: str) -> tuple[Any, str]:
    """Return a client, and the URL of a new queue."""
    sqs = server.client("sqs")
    return sqs, sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def test_a_message_is_there_until_it_is_deleted(server: Server) -> None:
    """A received message is hidden, comes again when its time is over, and is gone once deleted."""
    sqs, url = make_queue(server, "again", VisibilityTimeout="0")
    sqs.send_message(
        QueueUrl=url, MessageBody="hello", MessageAttributes={"R": {"DataType": "String", "StringValue": "x"}}
    )
    [first] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)["Messages"]
    assert (first["Body"], first["MessageAttributes"]["R"]["StringValue"]) == ("hello", "x")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    [second] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_what_is_received_too_often_goes_to_the_dead_letters(server: Server) -> None:
    """After maxReceiveCount receives the message is in the other queue."""
    sqs, dead = make_queue(server, "dead")
    redrive = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": "2"})
    _, url = make_queue(server, "alive", VisibilityTimeout="0", RedrivePolicy=redrive)
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    for expected in (1, 1, 0):
        assert len(sqs.receive_message(QueueUrl=url).get("Messages", [])) == expected
    assert sqs.receive_message(QueueUrl=dead)["Messages"][0]["Body"] == "poison"


def test_messages_survive_a_kill(tmp_path: Path) -> None:
    """What was sent is there after a kill -9 of the control plane."""
    with run_server(tmp_path) as server:
        sqs, url = make_queue(server, "kept")
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": f"m{n}"} for n in range(10)])
        server.kill()
        server.start()
        found = server.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        assert {message["Body"] for message in found} == {f"m{n}" for n in range(10)}


@pytest.mark.parametrize(
    ("operation", "arguments", "code"),
    [
        ("get_queue_url", {"QueueName": "nobody"}, NO_QUEUE),
        ("create_queue", {"QueueName": "a.fifo"}, "InvalidParameterValue"),
        ("create_queue", {"QueueName": "a", "Attributes": {"KmsMasterKeyId": "x"}}, "InvalidAttributeName"),
        ("create_queue", {"QueueName": "a", "Attributes": {"RedrivePolicy": "no"}}, "InvalidAttributeValue"),
        (
            "send_message",
            {"QueueUrl": "https://x/1/nobody", "MessageBody": "x"},
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("list_queue_tags", {"QueueUrl": "https://x/1/a"}, "UnknownOperationException"),
    ],
)
def test_sqs_refuses_as_sqs_does(server: Server, operation: str, arguments: Any, code: str) -> None:
    """A missing queue, a wrong attribute and an operation that is not listed have SQS's own codes."""
    with pytest.raises(ClientError) as caught:
        getattr(server.client("sqs"), operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == code


def test_rules_and_targets_are_kept(server: Server) -> None:
    """A rule with its pattern and targets is given back; it cannot be deleted before its targets."""
    events = server.client("events")
    events.put_rule(Name="r", EventPattern='{"source": ["aws.s3"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": QUEUE}])
    assert events.describe_rule(Name="r")["State"] == "ENABLED"
    assert events.list_targets_by_rule(Rule="r")["Targets"] == [{"Id": "1", "Arn": QUEUE}]
    with pytest.raises(ClientError, match="has targets"):
        events.delete_rule(Name="r")
    events.remove_targets(Rule="r", Ids=["1"])
    events.delete_rule(Name="r")
    assert events.list_rules()["Rules"] == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{}", "at least one name"),
        ("no", "it is no JSON"),
        ('{"source": "aws.s3"}', "source is neither"),
        ('{"detail": {"a": [{"numeric": [">", 1]}]}}', "detail.a compares by numeric"),
    ],
)
def test_a_pattern_that_is_not_understood_is_refused(server: Server, pattern: str, message: str) -> None:
    """A rule never silently matches less or more than it says."""
    with pytest.raises(ClientError, match=message):
        server.client("events").put_rule(Name="wrong", EventPattern=pattern)
    with pytest.raises(ClientError, match="targets here are queues and functions"):
        server.client("events").put_rule(Name="t", EventPattern='{"source": ["a"]}')
        server.client("events").put_targets(Rule="t", Targets=[{"Id": "1", "Arn": "arn:aws:glue:a:1:crawler/x"}])


def test_schedules_are_kept(server: Server) -> None:
    """A schedule is made once, replaced whole and deleted."""
    scheduler = server.client("scheduler")
    scheduler.create_schedule(**SCHEDULE)
    with pytest.raises(ClientError, match="already exists"):
        scheduler.create_schedule(**SCHEDULE)
    scheduler.update_schedule(**{**SCHEDULE, "State": "DISABLED"})
    found = scheduler.get_schedule(Name="nightly")
    assert (found["State"], found["ScheduleExpressionTimezone"]) == ("DISABLED", "UTC")
    assert [entry["Name"] for entry in scheduler.list_schedules()["Schedules"]] == ["nightly"]
    scheduler.delete_schedule(Name="nightly")
    with pytest.raises(ClientError, match="does not exist"):
        scheduler.get_schedule(Name="nightly")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ScheduleExpression": "cron(0 3 * * *)"}, "six fields"),
        ({"ScheduleExpression": "cron(0 3 * * * *)"}, "only one"),
        ({"ScheduleExpression": "daily"}, "none of cron"),
        ({"ScheduleExpressionTimezone": "Mars/Base"}, "no time zone"),
        ({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}}, "must be OFF"),
        ({"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:glue:startJobRun", "RoleArn": ROLE}}, "only queues"),
    ],
)
def test_a_schedule_that_would_not_fire_is_refused(server: Server, change: Any, message: str) -> None:
    """A wrong expression, zone, window or target is an error when the schedule is made."""
    with pytest.raises(ClientError, match=message):
        server.client("scheduler").create_schedule(**{**SCHEDULE, "Name": "wrong", **change})


def test_functions_are_kept_with_their_code(server: Server) -> None:
    """Code and settings are replaced apart from one another; permissions and mappings belong to a function."""
    client, archive = server.client("lambda"), pack_code("def handler(event, context): ...\n")
    made = client.create_function(**FUNCTION, Code={"ZipFile": archive})
    client.update_function_configuration(FunctionName="f", Timeout=7)
    assert client.get_function_configuration(FunctionName="f")["Timeout"] == 7
    changed = client.update_function_code(FunctionName=made["FunctionArn"], ZipFile=pack_code("x = 1\n"))
    assert changed["CodeSha256"] != made["CodeSha256"] and base64.b64decode(changed["CodeSha256"])
    client.add_permission(
        FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    assert json.loads(client.get_policy(FunctionName="f")["Policy"])["Statement"][0]["Sid"] == "s"
    mapping = client.create_event_source_mapping(
        FunctionName="f", EventSourceArn=QUEUE, BatchSize=100, MaximumBatchingWindowInSeconds=1
    )
    with pytest.raises(ClientError, match="over 10 only with a window"):
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumBatchingWindowInSeconds=0)
    client.delete_event_source_mapping(UUID=mapping["UUID"])
    client.delete_function(FunctionName="f")
    assert client.list_functions()["Functions"] == []


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("get_function", {"FunctionName": "nobody"}, "Function not found"),
        ("invoke", {"FunctionName": "f"}, "not supported locally"),
        ("create_function", {**FUNCTION, "Code": {"ZipFile": b"no"}}, "must be a zip archive"),
        ("create_function", {**FUNCTION, "Code": {"ZipFile": b"no"}, "Layers": ["x"]}, "Layers is not supported"),
        (
            "create_event_source_mapping",
            {"FunctionName": "f", "EventSourceArn": "arn:aws:kinesis:a:1:x"},
            "Only queues",
        ),
    ],
)
def test_lambda_refuses_what_it_does_not_do(server: Server, operation: str, arguments: Any, message: str) -> None:
    """Nothing is answered 200 that is not done."""
    with pytest.raises(ClientError, match=message):
        getattr(server.client("lambda"), operation)(**arguments)
