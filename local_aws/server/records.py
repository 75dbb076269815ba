"""Record-keeping for services beside Glue and Athena: moto's backends, for the operations listed here and no others.

Nothing is executed for these: a role is written down and given back. moto keeps them in memory, so they are gone
after a restart; provisioning writes them again each time the stack comes up.

moto is called through its response classes: its own WSGI application only routes, and needs Flask.
"""

import importlib
import threading
from typing import Any

from local_aws.server.operations import Operation
from local_aws.server.wire import Answer, Call


def _record(members: str, note: str = "") -> Operation:
    return Operation("", "record", frozenset(members.split()), note)


_PAGES = "Marker MaxItems"
_POLICY = "PolicyName PolicyDocument Path Description Tags"

RECORDS: dict[str, dict[str, Operation]] = {
    "iam": {
        "CreateRole": _record(
            "Path RoleName AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags",
            "local keys are not limited by policies",
        ),
        "GetRole": _record("RoleName"),
        "UpdateRole": _record("RoleName Description MaxSessionDuration"),
        "UpdateAssumeRolePolicy": _record("RoleName PolicyDocument"),
        "DeleteRole": _record("RoleName"),
        "ListRoles": _record(f"PathPrefix {_PAGES}"),
        "TagRole": _record("RoleName Tags"),
        "UntagRole": _record("RoleName TagKeys"),
        "ListRoleTags": _record(f"RoleName {_PAGES}"),
        "PutRolePolicy": _record("RoleName PolicyName PolicyDocument"),
        "GetRolePolicy": _record("RoleName PolicyName"),
        "DeleteRolePolicy": _record("RoleName PolicyName"),
        "ListRolePolicies": _record(f"RoleName {_PAGES}"),
        "CreatePolicy": _record(_POLICY),
        "GetPolicy": _record("PolicyArn"),
        "DeletePolicy": _record("PolicyArn"),
        "ListPolicies": _record(f"Scope OnlyAttached PathPrefix {_PAGES}"),
        "CreatePolicyVersion": _record("PolicyArn PolicyDocument SetAsDefault"),
        "GetPolicyVersion": _record("PolicyArn VersionId"),
        "SetDefaultPolicyVersion": _record("PolicyArn VersionId"),
        "DeletePolicyVersion": _record("PolicyArn VersionId"),
        "ListPolicyVersions": _record(f"PolicyArn {_PAGES}"),
        "AttachRolePolicy": _record("RoleName PolicyArn"),
        "DetachRolePolicy": _record("RoleName PolicyArn"),
        "ListAttachedRolePolicies": _record(f"RoleName PathPrefix {_PAGES}"),
    },
    "logs": {
        "CreateLogGroup": _record("logGroupName tags", "job logs are files under logs/jobs/, not log events"),
        "DescribeLogGroups": _record("logGroupNamePrefix nextToken limit"),
        "DeleteLogGroup": _record("logGroupName"),
        "PutRetentionPolicy": _record("logGroupName retentionInDays", "nothing is deleted when the days are over"),
        "DeleteRetentionPolicy": _record("logGroupName"),
        "CreateLogStream": _record("logGroupName logStreamName"),
        "DescribeLogStreams": _record("logGroupName logStreamNamePrefix orderBy descending nextToken limit"),
        "DeleteLogStream": _record("logGroupName logStreamName"),
        "PutLogEvents": _record("logGroupName logStreamName logEvents"),
        "GetLogEvents": _record("logGroupName logStreamName startTime endTime nextToken limit startFromHead"),
        "TagResource": _record("resourceArn tags"),
        "UntagResource": _record("resourceArn tagKeys"),
        "ListTagsForResource": _record("resourceArn"),
    },
}

# Where moto answers for a service. The modules are heavy: they are imported after the start.
_RESPONSES = {"iam": ("moto.iam.responses", "IamResponse"), "logs": ("moto.logs.responses", "LogsResponse")}

_lock = threading.Lock()  # moto's backends are plain dictionaries, made for one thread


def load_moto() -> None:
    """Import what `ask_moto` needs, so that the first to ask does not wait for it."""
    for service in _RESPONSES:
        with _lock:
            _load(service)


def ask_moto(call: Call, account_id: str) -> Answer:
    """Let moto answer a listed call, for the local account."""
    with _lock:
        response, request_class = _load(call.service)
        sent = {**call.request.headers, "x-moto-account-id": account_id}
        url = f"http://{call.service}.amazonaws.com{call.request.path}?{call.request.query}"
        request = request_class.from_primitives(call.request.method, url, sent, call.body)
        status, headers, body = response.dispatch(request)
    wire = body if isinstance(body, bytes) else str(body).encode()
    kinds = {key.lower(): str(value) for key, value in headers.items()}
    extra = [("x-amzn-ErrorType", kinds["x-amzn-errortype"])] if "x-amzn-errortype" in kinds else []
    return Answer(int(status), kinds.get("content-type", "application/x-amz-json-1.1"), wire, tuple(extra))


def _load(service: str) -> tuple[Any, Any]:
    module, name = _RESPONSES[service]
    return getattr(importlib.import_module(module), name), importlib.import_module("moto.core.request").Request
