"""STS: who signed the request."""

from typing import Any, ClassVar

from local_aws.server.caller import CALLER
from local_aws.server.context import Context
from local_aws.server.operations import Operation


class IdentityOperations:
    """Answer GetCallerIdentity from the key that signed it."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "GetCallerIdentity": Operation("get_caller_identity", "real", note="the role of the local key")
    }

    def __init__(self, context: Context) -> None:
        self._account = context.account_id

    def get_caller_identity(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the account and an ARN that ends in the role's name."""
        caller = CALLER.get()
        arn = f"arn:aws:iam::{self._account}:user/{caller.role}"
        return {"UserId": caller.access_key_id, "Account": self._account, "Arn": arn}
