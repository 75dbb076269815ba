"""SQS queues, EventBridge rules and schedules by ordinary API calls."""

from __future__ import annotations

import json
from typing import Any

from infra.properties import Properties, covers

QUEUE_ATTRIBUTES = ("VisibilityTimeout", "MessageRetentionPeriod", "SqsManagedSseEnabled", "RedrivePolicy")
SCHEDULE = (
    *("Description", "State", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target"),
)


def make_queue(sqs: Any, properties: Properties) -> tuple[str, str]:
    """Create or update the queue. Returns its URL and ARN."""
    name: str = properties.take("QueueName")
    wanted = {key: _as_text(value) for key, value in properties.take_all(*QUEUE_ATTRIBUTES).items()}
    properties.finish()
    try:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        url = sqs.create_queue(QueueName=name, Attributes=wanted)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    if not covers(found, wanted):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
    return str(url), str(found["QueueArn"])


def set_queue_policy(sqs: Any, properties: Properties) -> str:
    """Set the policy of queues. Returns the first queue's URL."""
    urls: list[str] = properties.take("Queues")
    policy = json.dumps(properties.take("PolicyDocument"))
    properties.finish()
    for url in urls:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return urls[0]


def make_rule(events: Any, properties: Properties) -> tuple[str, str]:
    """Create or replace the rule, and give it these targets and no others. Returns its name and ARN."""
    name: str = properties.take("Name")
    pattern = json.dumps(properties.take("EventPattern"))
    targets: list[Any] = properties.take("Targets")
    wanted = properties.take_all("Description", "State")
    properties.finish()
    arn = events.put_rule(Name=name, EventPattern=pattern, **wanted)["RuleArn"]
    there = {target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]}
    if surplus := sorted(there - {target["Id"] for target in targets}):
        events.remove_targets(Rule=name, Ids=surplus)
    events.put_targets(Rule=name, Targets=targets)
    return name, str(arn)


def make_schedule(scheduler: Any, properties: Properties) -> tuple[str, str]:
    """Create or replace the schedule. Returns its name and ARN."""
    name: str = properties.take("Name")
    wanted = properties.take_all(*SCHEDULE)
    properties.finish()
    try:
        scheduler.get_schedule(Name=name)
    except scheduler.exceptions.ResourceNotFoundException:
        return name, str(scheduler.create_schedule(Name=name, **wanted)["ScheduleArn"])
    return name, str(scheduler.update_schedule(Name=name, **wanted)["ScheduleArn"])


def _as_text(value: Any) -> str:
    """Return an attribute as SQS takes it: texts all."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)
