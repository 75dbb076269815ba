"""CloudFormation, as far as it can be told truthfully: the stack that was provisioned, with its outputs.

Provisioning (infra/provision.py) makes each resource by its own service's API, and the document is written down when
all of them stand: kind `stack`, key the stack's name, members StackName, Outputs, CreatedAt, and StackId and Parameters
if any.
There is no CreateStack here: it would answer for resources that nobody made.
"""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.server.context import Context
from local_aws.server.operations import Operation
from local_aws.server.pages import take_page

Json = dict[str, Any]


class StackOperations:
    """Read the provisioned stacks."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "DescribeStacks": Operation("describe_stacks", "real", frozenset({"StackName", "NextToken"})),
        "ListStacks": Operation("list_stacks", "real", frozenset({"StackStatusFilter", "NextToken"})),
    }

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._place = f"{context.region}:{context.account_id}"

    def describe_stacks(self, request: Json) -> Json:
        """Return one stack by name or ARN, or all of them."""
        stacks = [self._stack(document) for _, document in self._store.list("stack")]
        if wanted := request.get("StackName"):
            stacks = [stack for stack in stacks if wanted in (stack["StackName"], stack["StackId"])]
            if not stacks:
                raise ServiceError("ValidationError", f"Stack with id {wanted} does not exist")
        page, more = take_page(stacks, lambda stack: str(stack["StackName"]), request)
        return {"Stacks": page, **more}

    def list_stacks(self, request: Json) -> Json:
        """Return a summary of every stack."""
        wanted = request.get("StackStatusFilter")
        stacks = [self._stack(document) for _, document in self._store.list("stack")]
        members = ("StackId", "StackName", "CreationTime", "StackStatus")
        summaries = [
            {name: stack[name] for name in members}
            for stack in stacks
            if wanted is None or stack["StackStatus"] in wanted
        ]
        page, more = take_page(summaries, lambda stack: str(stack["StackName"]), request)
        return {"StackSummaries": page, **more}

    def _stack(self, document: Json) -> Json:
        name, created = document["StackName"], document["CreatedAt"]
        if isinstance(created, str):
            created = datetime.fromisoformat(created).timestamp()
        unique = uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{created}")
        return {
            "StackId": document.get("StackId", f"arn:aws:cloudformation:{self._place}:stack/{name}/{unique}"),
            "StackName": name,
            "Parameters": _pairs(document.get("Parameters", {}), "ParameterKey", "ParameterValue"),
            "Outputs": _pairs(document["Outputs"], "OutputKey", "OutputValue"),
            "CreationTime": created,
            "StackStatus": "CREATE_COMPLETE",
        }


def _pairs(values: Json, key: str, value: str) -> list[dict[str, str]]:
    return [{key: name, value: str(text)} for name, text in sorted(values.items())]
