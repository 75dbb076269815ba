"""What the template must say of the event path: each resource as AWS would see it, and how they fit together."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.template import Template

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
ACCOUNT, PLACE = "111122223333", "eu-central-1:111122223333"
RAW, CURATED = (f"workbench-dev-{kind}-{ACCOUNT}" for kind in ("raw", "curated"))
JOB, CRAWLER = "workbench-dev-curate", "workbench-dev-curated"
UPLOADS, DEAD = (f"arn:aws:sqs:{PLACE}:workbench-dev-{name}" for name in ("uploads", "dead-letters"))
LAMBDAS = {"UploadFunction": "on_upload.py", "JobDoneFunction": "on_job_done.py"}
# What a rule's target may be (EventBridge's list of targets), by the service in its ARN; a crawler is none of them.
TARGETS = frozenset(
    "apigateway batch codebuild codepipeline ecs events execute-api firehose glue inspector kinesis lambda logs"
    " redshift redshift-serverless sagemaker sns sqs ssm ssm-incidents states".split()
)


def queue_url(name: str) -> str:
    """Return what Ref gives of a queue."""
    return f"https://sqs.{PLACE.replace(':', '.amazonaws.com/')}/{name}"


def policy(*statements: Json) -> Json:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Any, resources: Any, **condition: Json) -> Json:
    """Return a statement that allows; `condition` by operator."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def role(name: str, service: str, policy_name: str, *statements: Json) -> Json:
    """Return a role that one service may take."""
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    if service == "scheduler":
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    policies = [{"PolicyName": policy_name, "PolicyDocument": policy(*statements)}]
    return {"RoleName": f"workbench-dev-{name}", "AssumeRolePolicyDocument": policy(trust), "Policies": policies}


def function(name: str, role_name: str, logs: str, variables: Json) -> Json:
    """Return a function but for its code."""
    return {
        "FunctionName": f"workbench-dev-{name}",
        "Role": f"arn:aws:iam::{ACCOUNT}:role/workbench-dev-{role_name}",
        "Runtime": "python3.13",
        "Architectures": ["arm64"],
        "Handler": "index.handler",
        "Timeout": 30,
        "MemorySize": 256,
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": logs},
        "Environment": {"Variables": variables},
    }


def log_group(name: str) -> Json:
    """Return a function's log group."""
    return {"LogGroupName": f"/aws/lambda/workbench-dev-{name}", "RetentionInDays": 30}


def write_logs(name: str) -> Json:
    """Return the statement that lets a function log."""
    arn = f"arn:aws:logs:{PLACE}:log-group:/aws/lambda/workbench-dev-{name}:*"
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], arn)


def rule(name: str, pattern: Json, target: Json) -> Json:
    """Return a rule with one target."""
    return {"Name": f"workbench-dev-{name}", "State": "ENABLED", "EventPattern": pattern, "Targets": [target]}


EVENTS: Json = {
    "DeadLetters": {
        "QueueName": "workbench-dev-dead-letters",
        "MessageRetentionPeriod": 1209600,
        "SqsManagedSseEnabled": True,
    },
    "UploadQueue": {
        "QueueName": "workbench-dev-uploads",
        "VisibilityTimeout": 300,
        "MessageRetentionPeriod": 345600,
        "SqsManagedSseEnabled": True,
        "RedrivePolicy": {"deadLetterTargetArn": DEAD, "maxReceiveCount": 1000},
    },
    "UploadQueuePolicy": {
        "Queues": [queue_url("workbench-dev-uploads")],
        "PolicyDocument": policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": UPLOADS,
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": f"arn:aws:events:{PLACE}:rule/workbench-dev-object-created"}
                },
            }
        ),
    },
    "ObjectCreatedRule": rule(
        "object-created",
        {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [RAW]}}},
        {"Id": "uploads", "Arn": UPLOADS},
    ),
    "UploadLogs": log_group("on-upload"),
    "UploadRole": role(
        "on-upload",
        "lambda",
        "start",
        allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], UPLOADS),
        allow("sqs:SendMessage", [UPLOADS, DEAD]),
        allow("s3:ListBucket", f"arn:aws:s3:::{CURATED}", StringEquals={"s3:prefix": "_contracts/"}),
        allow("s3:ListBucket", f"arn:aws:s3:::{RAW}"),
        allow(["glue:StartJobRun", "glue:GetJobRuns"], f"arn:aws:glue:{PLACE}:job/{JOB}"),
        write_logs("on-upload"),
    ),
    "UploadFunction": function(
        "on-upload",
        "on-upload",
        "/aws/lambda/workbench-dev-on-upload",
        {
            "RAW_BUCKET": RAW,
            "CURATED_BUCKET": CURATED,
            "JOB_NAME": JOB,
            "QUEUE_URL": queue_url("workbench-dev-uploads"),
            "DEAD_LETTERS_URL": queue_url("workbench-dev-dead-letters"),
        },
    ),
    "UploadMapping": {
        "EventSourceArn": UPLOADS,
        "FunctionName": "workbench-dev-on-upload",
        "Enabled": True,
        "BatchSize": 10000,
        "MaximumBatchingWindowInSeconds": 60,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    },
    "SweepRole": role("sweep", "scheduler", "send", allow("sqs:SendMessage", UPLOADS)),
    "NightlySweep": {
        "Name": "workbench-dev-sweep",
        "State": "ENABLED",
        "ScheduleExpression": "cron(0 3 * * ? *)",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": UPLOADS,
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/workbench-dev-sweep",
            "Input": '{"detail-type": "Sweep"}',
            "RetryPolicy": {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 3600},
        },
    },
    "JobSucceededRule": rule(
        "job-succeeded",
        {
            "source": ["aws.glue"],
            "detail-type": ["Glue Job State Change"],
            "detail": {"jobName": [JOB], "state": ["SUCCEEDED"]},
        },
        {"Id": "crawl", "Arn": f"arn:aws:lambda:{PLACE}:function:workbench-dev-on-job-done"},
    ),
    "JobDoneLogs": log_group("on-job-done"),
    "JobDoneRole": role(
        "on-job-done",
        "lambda",
        "start",
        allow("glue:StartCrawler", f"arn:aws:glue:{PLACE}:crawler/{CRAWLER}"),
        write_logs("on-job-done"),
    ),
    "JobDoneFunction": function(
        "on-job-done", "on-job-done", "/aws/lambda/workbench-dev-on-job-done", {"CRAWLER_NAME": CRAWLER}
    ),
    "JobDonePermission": {
        "FunctionName": "workbench-dev-on-job-done",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": f"arn:aws:events:{PLACE}:rule/workbench-dev-job-succeeded",
    },
}
BRIDGE = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def find_event_faults(resolved: Json) -> Iterator[str]:
    """Yield what is not as it must be on the path of events."""
    for logical_id, wanted in EVENTS.items():
        found = _plain(resolved.get(logical_id))
        code = found.pop("Code", None) if logical_id in LAMBDAS and isinstance(found, dict) else None
        if found != wanted:
            yield f"{logical_id} is {found!r}, not {wanted!r}"
        if logical_id in LAMBDAS and code != {"ZipFile": (ROOT / "lambdas" / LAMBDAS[logical_id]).read_text()}:
            yield f"{logical_id}: its code is not lambdas/{LAMBDAS[logical_id]}: python -m infra.functions"
    if resolved.get("RawBucket", {}).get("NotificationConfiguration") != BRIDGE:
        yield "RawBucket tells EventBridge nothing"


def find_misfits(template: Template, resolved: Json) -> Iterator[str]:
    """Yield where the resources do not fit together on AWS, which the linter does not see."""
    queue, mapping, upload = (resolved[name] for name in ("UploadQueue", "UploadMapping", "UploadFunction"))
    window = template.parameters["QueueWindowSeconds"]
    if queue["VisibilityTimeout"] < 6 * upload["Timeout"] + window["MaxValue"]:
        yield "UploadQueue: a message would come again while its batch is worked on"
    longest = template.parameters["GlueTimeoutMinutes"]["MaxValue"] * 60
    waited = queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"]
    if not longest < waited < queue["MessageRetentionPeriod"] < resolved["DeadLetters"]["MessageRetentionPeriod"]:
        yield "UploadQueue: a message is given up before the longest run has ended, or is lost before it is given up"
    if mapping["BatchSize"] > 10 and window["MinValue"] < 1:
        yield "UploadMapping: a batch of over 10 needs a window"
    for logical_id, resource in template.resources.items():
        found = resolved[logical_id]
        if resource["Type"] == "AWS::Events::Rule":
            arns = [target["Arn"].split(":") for target in found["Targets"]]
            if any(arn[2] not in TARGETS or (arn[2] == "glue" and not arn[5].startswith("workflow/")) for arn in arns):
                yield f"{logical_id}: EventBridge has no such target"
        if resource["Type"] == "AWS::Scheduler::Schedule":
            fields = found["ScheduleExpression"].removeprefix("cron(").removesuffix(")").split(" ")
            if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
                yield f"{logical_id}: {found['ScheduleExpression']} is no schedule"
            if json.loads(found["Target"]["Input"]) != {"detail-type": "Sweep"}:
                yield f"{logical_id}: the function does not know its message"
        if resource["Type"] == "AWS::Lambda::Function":
            module, _, name = found["Handler"].partition(".")
            if module != "index" or f"\ndef {name}(event" not in found["Code"]["ZipFile"]:
                yield f"{logical_id}: inline code is index.py, and {found['Handler']} is not in it"
            if len(found["Code"]["ZipFile"].encode()) > 4_000_000:
                yield f"{logical_id}: inline code is too long for CloudFormation"


def _plain(value: Any) -> Any:
    """Return a value without what is said for people."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items() if key not in ("Description", "Sid")}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value
