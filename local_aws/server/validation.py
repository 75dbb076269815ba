"""Requests checked against botocore's service models, before a handler sees them."""

import json
from typing import Any

from botocore.validate import ParamValidator

from local_aws.errors import ServiceError
from local_aws.server import rest
from local_aws.server.operations import Operation
from local_aws.server.query import read_members
from local_aws.server.rest import service_model
from local_aws.server.wire import Call

__all__ = ["SUPPORT_PAGE", "read_request", "service_model"]

SUPPORT_PAGE = "docs/aws-support.md"

# What each service calls a request that its model does not allow, and one that it does not do.
_CODES = {
    "glue": ("ValidationException", "InvalidInputException"),
    "athena": ("InvalidRequestException", "InvalidRequestException"),
    "logs": ("InvalidParameterException", "InvalidParameterException"),
    "sqs": ("InvalidParameterValue", "UnsupportedOperation"),
    "events": ("ValidationException", "ValidationException"),
    "scheduler": ("ValidationException", "ValidationException"),
    "lambda": ("InvalidParameterValueException", "InvalidParameterValueException"),
}
_OTHER_CODES = ("ValidationError", "ValidationError")


def read_request(call: Call, operation: Operation) -> dict[str, Any]:
    """Return the request's members, checked. Raises ServiceError where the model or `operation` does not allow them."""
    invalid, unsupported = _CODES.get(call.service, _OTHER_CODES)
    shape = service_model(call.service).operation_model(call.operation).input_shape
    in_json = call.protocol in ("json", "rest-json")
    members = _read_json(call) if in_json else read_members(call)
    if call.protocol == "rest-json":
        members = rest.read_members(call, shape, members)
    known = set(shape.members) if shape is not None else set()
    refused = sorted((known & members.keys()) - operation.accepts)
    if refused:
        message = (
            f"{call.operation}: {', '.join(refused)} is not supported locally: leave it out, or see {SUPPORT_PAGE}."
        )
        raise ServiceError(unsupported, message)
    if in_json and shape is not None:
        report = ParamValidator().validate(members, shape)
        if report.has_errors():
            raise ServiceError(invalid, " ".join(report.generate_report().split()))
        return members
    missing = sorted(set(shape.required_members if shape is not None else ()) - members.keys())
    if missing or members.keys() - known:
        problem = f"lacks {', '.join(missing)}" if missing else f"has no {', '.join(sorted(members.keys() - known))}"
        raise ServiceError(invalid, f"{call.operation} {problem}.")
    return members


def _read_json(call: Call) -> dict[str, Any]:
    try:
        members = json.loads(call.body or b"{}")
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise ServiceError("SerializationException", f"The body of {call.operation} is not a JSON object.")
    return {name: value for name, value in members.items() if value is not None}
