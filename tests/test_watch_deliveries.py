"""Rules, queues and functions at work: what the store says is done, and what it does not allow is not."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.functions import pack_code
from local_aws.endpoints import Endpoints
from local_aws.events.deliveries import Deliveries
from local_aws.events.function_process import Functions
from local_aws.events.queues import Queues
from local_aws.glue.catalog import SEPARATOR
from local_aws.store import Store

ARN = "arn:aws:sqs:us-east-1:000000000000"
RULE = "arn:aws:events:us-east-1:000000000000:rule/r"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
ECHO = """
import os, sys, time
def handler(event, context):
    print("took", len(event.get("Records", [])), os.environ["COLOUR"])
    if event.get("do") == "hang":
        time.sleep(60)
    if event.get("do") == "die":
        os._exit(3)
    if event.get("do") == "fail":
        raise ValueError("no")
    bad = [r["messageId"] for r in event.get("Records", []) if r["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in bad]} if "Records" in event else event
"""


@dataclass
class Post:
    """A store with one queue, one function and one rule; what was said."""

    store: Store
    endpoints: Endpoints
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.functions = Functions(self.store, self.endpoints)
        self.queues = Queues(self.store, ARN)
        self.deliveries = Deliveries(self.store, self.queues, self.functions, self.said.append)
        self.queues.create("q", {"VisibilityTimeout": "0"})
        self.put_function(ECHO)
        self.put_rule({"source": ["a"]}, f"{ARN}:q")
        self.allow(f"{ARN}:q")

    def put_function(self, code: str) -> None:
        """Keep a function with this code."""
        settings = {"FunctionName": "f", "Handler": "index.handler", "Timeout": 5}
        settings["Environment"] = {"Variables": {"COLOUR": "red"}}
        archive = base64.b64encode(pack_code(code)).decode()
        self.store.put("function", "f", {"Settings": settings, "Code": archive})

    def put_rule(self, pattern: Any, target: str, state: str = "ENABLED") -> None:
        """Keep the rule with one target."""
        self.store.put("rule", "r", {"Name": "r", "Arn": RULE, "State": state, "EventPattern": json.dumps(pattern)})
        self.store.put("target", f"r{SEPARATOR}1", {"Id": "1", "Arn": target})

    def allow(self, arn: str, source: str = RULE, action: str = "sqs:SendMessage") -> None:
        """Let EventBridge send to the queue."""
        statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": action}
        statement |= {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": source}}}
        self.queues.set_attributes("q", {"Policy": json.dumps({"Statement": [statement]})})

    def put_mapping(self, **changes: Any) -> None:
        """Let the queue feed the function."""
        mapping = {"EventSourceArn": f"{ARN}:q", "FunctionName": "f", "Enabled": True, "BatchSize": 10}
        mapping |= {"MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
        self.store.put("event_source_mapping", "m", mapping | changes)

    def waiting(self) -> int:
        """Return how many messages are in the queue."""
        return len(self.store.keys("message", f"q{SEPARATOR}"))


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    """A post whose function's processes end with the test."""
    for name in ("secrets", "logs"):
        (tmp_path / name).mkdir()
    keys = {"access_key_id": "WBLAMBDA", "secret_access_key": "secret"}
    (tmp_path / "secrets" / "aws-lambda.json").write_text(json.dumps(keys))
    store = Store(tmp_path / "catalog.sqlite")
    endpoints = Endpoints(tmp_path, "us-east-1", "000000000000", "http://s3", "http://aws", {}, {}, {})
    made = Post(store, endpoints)
    yield made
    made.functions.close()
    store.close()


def test_a_rule_sends_what_it_matches(post: Post) -> None:
    """Matching events are in the queue as they are; a disabled rule sends nothing."""
    post.deliveries.publish([{"source": "a", "n": 1}, {"source": "b"}])
    assert [json.loads(message.body) for message in post.queues.receive("q", 10)] == [{"source": "a", "n": 1}]
    post.put_rule({"source": ["a"]}, f"{ARN}:q", "DISABLED")
    post.deliveries.publish([{"source": "a"}])
    assert post.waiting() == 1


@pytest.mark.parametrize(
    "statement",
    [{"source": f"{RULE}-another"}, {"action": "sqs:ReceiveMessage"}, {"arn": f"{ARN}:another"}],
)
def test_a_queue_whose_policy_does_not_allow_it_gets_nothing(post: Post, statement: dict[str, str]) -> None:
    """Another rule, action or queue in the policy is no permission, and it is said."""
    post.allow(**{"arn": f"{ARN}:q", **statement})
    post.deliveries.publish([{"source": "a"}])
    assert post.waiting() == 0 and "does not allow sqs:SendMessage" in post.said[0]


def test_a_batch_feeds_the_function_and_failures_stay(post: Post) -> None:
    """What the function reports as failed stays in the queue, the rest is gone."""
    post.put_mapping()
    post.queues.send("q", [("good", {}), ("bad", {}), ("good", {})])
    [(name, outcome)] = post.deliveries.work()
    assert (name, outcome.printed, outcome.error, post.waiting()) == ("f", ["took 3 red"], "", 1)


@pytest.mark.parametrize(
    "answer", ["5", "{'batchItemFailures': [{}]}", "{'batchItemFailures': [{'itemIdentifier': 'x'}]}"]
)
def test_an_answer_that_is_none_keeps_the_batch(post: Post, answer: str) -> None:
    """As Lambda has it, a malformed answer is a failure of the whole batch."""
    post.put_function(f"def handler(event, context):\n    return {answer}\n")
    post.put_mapping()
    post.queues.send("q", [("a", {}), ("b", {})])
    post.deliveries.work()
    assert post.waiting() == 2


def test_the_window_and_the_size_gather_a_batch(post: Post) -> None:
    """Nothing is invoked before the window is over, unless the batch is full; a disabled mapping feeds nothing."""
    post.put_mapping(MaximumBatchingWindowInSeconds=60, BatchSize=3)
    post.queues.send("q", [("a", {}), ("b", {})])
    assert post.deliveries.work() == []
    post.queues.send("q", [("c", {})])
    assert len(post.deliveries.work()) == 1 and post.waiting() == 0
    post.put_mapping(Enabled=False)
    post.queues.send("q", [("d", {})])
    assert post.deliveries.work() == []


def test_a_batch_has_at_most_lambdas_payload(post: Post) -> None:
    """What would make the event larger than 6 MB stays for the next one."""
    post.put_mapping(BatchSize=100)
    post.queues.send("q", [("x" * 250_000, {}) for _ in range(30)])
    assert post.deliveries.work()[0][1].printed == ["took 25 red"]
    assert post.waiting() == 5


def test_a_function_is_invoked_again_after_an_error(post: Post) -> None:
    """A rule's function needs its own permission; what it fails at is tried three times in all."""
    post.deliveries.retry_seconds = 0.0
    post.put_rule({"source": ["a"]}, FUNCTION)
    post.deliveries.publish([{"source": "a", "do": "fail"}])
    assert post.deliveries.work() == [] and "does not allow lambda:InvokeFunction" in post.said[0]
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Resource": FUNCTION}
    statement |= {"Action": "lambda:InvokeFunction", "Condition": {"ArnLike": {"AWS:SourceArn": RULE}}}
    post.store.put("function_policy", "f", {"s": statement})
    post.deliveries.publish([{"source": "a", "do": "fail"}])
    errors = [outcome.error for _ in range(5) for _, outcome in post.deliveries.work()]
    assert errors == ["ValueError: no"] * 3


@pytest.mark.parametrize(
    ("what", "error"),
    [("die", "the process ended with code 3"), ("fail", "ValueError: no"), ("", "")],
)
def test_a_function_that_fails_works_again(post: Post, what: str, error: str) -> None:
    """An exception and the death of the process are errors of one invocation, not of the next."""
    assert post.functions.invoke("f", {"do": what}).error == error
    assert post.functions.invoke("f", {"n": 1}).result == {"n": 1}
    assert post.functions.invoke("nobody", {}).error == "there is no function nobody"


def test_a_function_that_hangs_is_ended(post: Post) -> None:
    """After its Timeout the process is killed, and the next event has a new one."""
    function = post.store.get("function", "f")
    assert function
    function["Settings"]["Timeout"] = 1
    post.store.put("function", "f", function)
    assert post.functions.invoke("f", {"do": "hang"}).error == "Task timed out after 1 seconds"
    assert post.functions.invoke("f", {"n": 1}).result == {"n": 1}


def test_new_code_is_run_at_once(post: Post) -> None:
    """After an update the next event meets the new code, with the Lambda role's key and no variable of ours."""
    post.functions.invoke("f", {})
    post.put_function("import os\n\n\ndef handler(event, context):\n    return dict(os.environ)\n")
    os.environ["WORKBENCH_OUTSIDE"] = "x"
    try:
        seen = post.functions.invoke("f", {}).result
    finally:
        del os.environ["WORKBENCH_OUTSIDE"]
    assert (seen["AWS_ACCESS_KEY_ID"], seen["AWS_ENDPOINT_URL"], seen["COLOUR"]) == ("WBLAMBDA", "http://aws", "red")
    assert "WORKBENCH_OUTSIDE" not in seen
