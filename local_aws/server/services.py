"""Every operation that the endpoint answers, by service: the one list that routing, refusals and docs go by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.athena.operations import AthenaOperations
from local_aws.events.function_operations import FunctionOperations
from local_aws.events.queue_operations import QueueOperations
from local_aws.events.rule_operations import RuleOperations
from local_aws.events.schedule_operations import ScheduleOperations
from local_aws.glue.catalog_operations import CatalogOperations
from local_aws.glue.catalog_records import CatalogRecords
from local_aws.glue.crawler_operations import CrawlerOperations
from local_aws.glue.job_operations import JobOperations
from local_aws.glue.partition_operations import PartitionOperations
from local_aws.server.context import Context
from local_aws.server.identity import IdentityOperations
from local_aws.server.operations import Operation
from local_aws.server.records import RECORDS
from local_aws.server.stacks import StackOperations

HANDLERS: dict[str, tuple[Any, ...]] = {
    "glue": (CatalogOperations, PartitionOperations, CatalogRecords, JobOperations, CrawlerOperations),
    "athena": (AthenaOperations,),
    "sqs": (QueueOperations,),
    "events": (RuleOperations,),
    "scheduler": (ScheduleOperations,),
    "lambda": (FunctionOperations,),
    "cloudformation": (StackOperations,),
    "sts": (IdentityOperations,),
}

Handler = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """Where an operation goes: to `handler`, or to moto's records where there is none."""

    operation: Operation
    handler: Handler | None


def list_operations() -> dict[str, dict[str, Operation]]:
    """Return {service: {API name: Operation}} of everything that is answered. An API name has one handler only."""
    listed: dict[str, dict[str, Operation]] = {service: dict(operations) for service, operations in RECORDS.items()}
    for service, classes in HANDLERS.items():
        known = listed.setdefault(service, {})
        for handler in classes:
            twice = known.keys() & handler.OPERATIONS.keys()
            if twice:
                raise ValueError(f"{service}: {sorted(twice)} is listed by {handler.__name__} and by another class")
            known.update(handler.OPERATIONS)
    return listed


class Services:
    """The handlers of one state folder; making them recovers what a stop or a kill left unfinished."""

    def __init__(self, context: Context) -> None:
        listed = list_operations()
        self._handlers: list[Any] = []
        self.routes: Mapping[str, dict[str, Route]] = {
            service: {name: Route(operation, None) for name, operation in operations.items()}
            for service, operations in listed.items()
        }
        for service, classes in HANDLERS.items():
            for handler_class in classes:
                handler = handler_class(context)
                self._handlers.append(handler)
                for name, operation in handler.OPERATIONS.items():
                    self.routes[service][name] = Route(operation, getattr(handler, operation.method))

    def close(self) -> None:
        """Stop what the handlers have under way."""
        for handler in reversed(self._handlers):
            if hasattr(handler, "close"):
                handler.close()
