"""EventBridge Scheduler's API: schedules of the default group that send to a queue. `workbench watch` fires them."""

from __future__ import annotations

import time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_aws.errors import ServiceError
from local_aws.events.cron import parse_expression
from local_aws.server.context import Context
from local_aws.server.operations import Operation

Json = dict[str, Any]
_DEFINITION = "Name Description ScheduleExpression ScheduleExpressionTimezone State FlexibleTimeWindow Target"


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class ScheduleOperations:
    """Answer Scheduler's operations. Owner of the kind `schedule`."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateSchedule": _real(
            "create_schedule", f"{_DEFINITION} ClientToken", "`workbench watch` fires it; its target is a queue"
        ),
        "UpdateSchedule": _real("update_schedule", f"{_DEFINITION} ClientToken", "replaced whole, as Scheduler does"),
        "GetSchedule": _real("get_schedule", "Name"),
        "ListSchedules": _real("list_schedules", "NamePrefix"),
        "DeleteSchedule": _real("delete_schedule", "Name ClientToken"),
    }

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._arn = f"arn:aws:scheduler:{context.region}:{context.account_id}:schedule/default/"

    def create_schedule(self, request: Json) -> Json:
        """Make a schedule."""
        with self._store.transaction():
            if self._store.get("schedule", request["Name"]) is not None:
                raise ServiceError("ConflictException", f"Schedule {request['Name']} already exists.", 409)
            return self._put(request, time.time())

    def update_schedule(self, request: Json) -> Json:
        """Replace a schedule."""
        with self._store.transaction():
            return self._put(request, self._schedule(request["Name"])["CreationDate"])

    def get_schedule(self, request: Json) -> Json:
        """Return one schedule."""
        return self._schedule(request["Name"])

    def list_schedules(self, request: Json) -> Json:
        """Return all schedules, by name."""
        found = [schedule for _, schedule in self._store.list("schedule", request.get("NamePrefix", ""))]
        names = ("Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate")
        short = [{name: schedule[name] for name in names} for schedule in found]
        return {
            "Schedules": [
                {**one, "Target": {"Arn": whole["Target"]["Arn"]}} for one, whole in zip(short, found, strict=True)
            ]
        }

    def delete_schedule(self, request: Json) -> Json:
        """Delete a schedule."""
        self._schedule(request["Name"])
        self._store.delete("schedule", request["Name"])
        return {}

    def _put(self, request: Json, created: float) -> Json:
        name, target = request["Name"], request["Target"]
        parse_expression(request["ScheduleExpression"])
        zone = request.get("ScheduleExpressionTimezone", "UTC")
        problem = ""
        if unknown := sorted(target.keys() - {"Arn", "RoleArn", "Input", "RetryPolicy"}):
            problem = f"Target: {', '.join(unknown)} is not supported locally"
        elif target["Arn"].split(":")[2] != "sqs":
            problem = f"{target['Arn']}: only queues are targets of schedules here"
        elif request["FlexibleTimeWindow"]["Mode"] != "OFF":
            problem = "FlexibleTimeWindow.Mode must be OFF here"
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            problem = f"{zone} is no time zone"
        if problem:
            raise ServiceError("ValidationException", f"Schedule {name}: {problem}.")
        stamps = {"Arn": self._arn + name, "GroupName": "default", "CreationDate": created}
        defaults = {"State": "ENABLED", "ScheduleExpressionTimezone": zone}
        document = {**defaults, **request, **stamps, "LastModificationDate": time.time()}
        document.pop("ClientToken", None)  # one call with it is enough: a second one finds the schedule there
        self._store.put("schedule", name, document)
        return {"ScheduleArn": document["Arn"]}

    def _schedule(self, name: str) -> Json:
        schedule = self._store.get("schedule", name)
        if schedule is None:
            raise ServiceError("ResourceNotFoundException", f"Schedule {name} does not exist.", 404)
        return schedule
