"""EventBridge's API: rules of the default bus and their targets. `workbench watch` acts by them."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.events.patterns import check_pattern
from local_aws.glue.catalog import SEPARATOR
from local_aws.server.context import Context
from local_aws.server.operations import Operation

Json = dict[str, Any]
_NOTE = "`workbench watch` acts by it"


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class RuleOperations:
    """Answer EventBridge's operations on rules and targets. Owner of the kinds `rule` and `target`."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "PutRule": _real("put_rule", "Name EventPattern State Description", f"{_NOTE}; the default bus, no schedule"),
        "DescribeRule": _real("describe_rule", "Name"),
        "ListRules": _real("list_rules", "NamePrefix"),
        "DeleteRule": _real("delete_rule", "Name"),
        "PutTargets": _real("put_targets", "Rule Targets", "queues and functions; the event goes there as it is"),
        "ListTargetsByRule": _real("list_targets", "Rule"),
        "RemoveTargets": _real("remove_targets", "Rule Ids"),
    }

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._arn = f"arn:aws:events:{context.region}:{context.account_id}:rule/"

    def put_rule(self, request: Json) -> Json:
        """Make or replace a rule."""
        try:
            check_pattern(json.loads(request.get("EventPattern", "null")))
        except ValueError:
            raise ServiceError("InvalidEventPatternException", "Event pattern is not valid: it is no JSON.") from None
        name = request["Name"]
        rule = {"State": "ENABLED", **request, "Arn": self._arn + name, "EventBusName": "default"}
        self._store.put("rule", name, rule)
        return {"RuleArn": rule["Arn"]}

    def describe_rule(self, request: Json) -> Json:
        """Return one rule."""
        return self._rule(request["Name"])

    def list_rules(self, request: Json) -> Json:
        """Return all rules, by name."""
        return {"Rules": [rule for _, rule in self._store.list("rule", request.get("NamePrefix", ""))]}

    def delete_rule(self, request: Json) -> Json:
        """Delete a rule that has no targets; one that is not there is no error, as on EventBridge."""
        if self._store.keys("target", request["Name"] + SEPARATOR):
            raise ServiceError("ValidationException", "Rule can't be deleted since it has targets.")
        self._store.delete("rule", request["Name"])
        return {}

    def put_targets(self, request: Json) -> Json:
        """Add targets to a rule, or replace those of the same id."""
        rule = self._rule(request["Rule"])["Name"]
        for target in request["Targets"]:
            if unknown := sorted(target.keys() - {"Id", "Arn", "RetryPolicy"}):
                raise ServiceError("ValidationException", f"Targets: {', '.join(unknown)} is not supported locally.")
            if target["Arn"].split(":")[2] not in ("sqs", "lambda"):
                raise ServiceError("ValidationException", f"{target['Arn']}: targets here are queues and functions.")
        with self._store.transaction():
            for target in request["Targets"]:
                self._store.put("target", f"{rule}{SEPARATOR}{target['Id']}", target)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def list_targets(self, request: Json) -> Json:
        """Return the targets of a rule."""
        rule = self._rule(request["Rule"])["Name"]
        return {"Targets": [target for _, target in self._store.list("target", rule + SEPARATOR)]}

    def remove_targets(self, request: Json) -> Json:
        """Take targets from a rule."""
        rule = self._rule(request["Rule"])["Name"]
        for name in request["Ids"]:
            self._store.delete("target", f"{rule}{SEPARATOR}{name}")
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _rule(self, name: str) -> Json:
        rule = self._store.get("rule", name)
        if rule is None:
            raise ServiceError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus default.")
        return rule
