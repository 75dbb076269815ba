"""Provision a template's resources by ordinary API calls against the endpoint that the clients speak to.

There is no CreateStack here: an endpoint that only says CREATE_COMPLETE would hide what it did not make. Each resource
type has one small function; a type or property that has none is an error that names the resource, unless it stands in
SKIPPED_LOCALLY. Run again, it changes what differs and nothing else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.analytics import make_crawler, make_database, make_job, make_log_group, make_workgroup
from infra.bucket import make_bucket
from infra.errors import InfraError, ProvisionError
from infra.functions import make_function, make_mapping, make_permission
from infra.identity import make_managed_policy, make_role
from infra.messaging import make_queue, make_rule, make_schedule, set_queue_policy
from infra.parameters import resolve_parameters
from infra.properties import Properties
from infra.template import Resolver, Template

ClientFactory = Callable[[str], Any]

# What the local endpoint cannot do, and why that is right: a resource type, or a property of one.
SKIPPED_LOCALLY = {
    "AWS::S3::BucketPolicy": "the policies refuse plain HTTP, which is what the endpoint on loopback speaks",
    "AWS::Glue::Database CatalogId": "the endpoint holds the catalog of one account only",
    "AWS::Athena::WorkGroup RecursiveDeleteOption": "says what deleting the stack does; `reset` empties everything",
}


@dataclass(frozen=True)
class Place:
    """The account and region that names and ARNs are made for."""

    account_id: str
    region: str
    partition: str = "aws"

    def arn(self, service: str, resource: str, with_region: bool = True) -> str:
        """Return an ARN in this place."""
        region = self.region if with_region else ""
        return f"arn:{self.partition}:{service}:{region}:{self.account_id}:{resource}"


@dataclass(frozen=True)
class ProvisionResult:
    """The stack's outputs, and (type, Ref) of each resource by logical id; skipped ones stand in `skipped`."""

    outputs: Mapping[str, str]
    resources: Mapping[str, tuple[str, str]]
    skipped: tuple[str, ...]
    parameters: Mapping[str, Any]
    stack_id: str


Made = tuple[str, dict[str, str]]


def provision_stack(
    template: Template, client_factory: ClientFactory, parameters: Mapping[str, Any], place: Place, stack_name: str
) -> ProvisionResult:
    """Make every resource of the template, in order of dependency, and return the outputs.

    `client_factory` gives the boto3 client of a service. Raises TemplateError or ProvisionError naming the resource.
    """
    values = resolve_parameters(template, parameters)
    pseudo = _pseudo_parameters(place, stack_name)
    resolver = Resolver(template, values, pseudo)
    made, skipped = {}, []
    for logical_id in resolver.order():
        kind = template.resources[logical_id]["Type"]
        if kind in SKIPPED_LOCALLY:
            skipped.append(logical_id)
            resolver.record(logical_id, logical_id, {})
            continue
        if kind not in MAKERS:
            raise ProvisionError(f"{logical_id}: resource type {kind} is not provisioned locally (infra/provision.py)")
        reference, attributes = _make(logical_id, kind, resolver, client_factory, place)
        resolver.record(logical_id, reference, attributes)
        made[logical_id] = (kind, reference)
    return ProvisionResult(resolver.outputs(), made, tuple(skipped), values, pseudo["AWS::StackId"])


def _make(logical_id: str, kind: str, resolver: Resolver, clients: ClientFactory, place: Place) -> Made:
    where = f"{logical_id} ({kind})"
    properties = Properties(resolver.properties(logical_id), where)
    properties.take_all(*(name.split()[1] for name in SKIPPED_LOCALLY if name.startswith(f"{kind} ")))
    try:
        return MAKERS[kind](clients, properties, place)
    except InfraError as error:
        raise type(error)(str(error) if str(error).startswith(where) else f"{where}: {error}") from None
    except (ClientError, BotoCoreError) as error:
        said = " ".join(str(error).split())
        raise ProvisionError(f"{where} cannot be provisioned: {said}; `workbench status` says what runs") from error


def _pseudo_parameters(place: Place, stack_name: str) -> dict[str, str]:
    unique = uuid.uuid5(uuid.NAMESPACE_URL, stack_name)
    return {
        "AWS::AccountId": place.account_id,
        "AWS::Region": place.region,
        "AWS::Partition": place.partition,
        "AWS::StackName": stack_name,
        "AWS::StackId": place.arn("cloudformation", f"stack/{stack_name}/{unique}"),
        "AWS::URLSuffix": "amazonaws.com",
    }


def _bucket(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    name = make_bucket(clients("s3"), properties, place.region)
    return name, {"Arn": f"arn:{place.partition}:s3:::{name}"}


def _role(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    name = make_role(clients("iam"), properties)
    return name, {"Arn": place.arn("iam", f"role/{name}", with_region=False)}


def _managed_policy(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    return make_managed_policy(clients("iam"), properties, f"arn:{place.partition}:iam::{place.account_id}"), {}


def _log_group(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    name = make_log_group(clients("logs"), properties)
    return name, {"Arn": place.arn("logs", f"log-group:{name}:*")}


def _queue(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    url, arn = make_queue(clients("sqs"), properties)
    return url, {"Arn": arn}


def _rule(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    name, arn = make_rule(clients("events"), properties)
    return name, {"Arn": arn}


def _schedule(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    name, arn = make_schedule(clients("scheduler"), properties)
    return name, {"Arn": arn}


def _function(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    name, arn = make_function(clients("lambda"), properties)
    return name, {"Arn": arn}


def _permission(clients: ClientFactory, properties: Properties, place: Place) -> Made:
    return make_permission(clients("lambda"), properties, properties.name), {}


MAKERS: dict[str, Callable[[ClientFactory, Properties, Place], Made]] = {
    "AWS::S3::Bucket": _bucket,
    "AWS::IAM::Role": _role,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Glue::Database": lambda clients, properties, place: (make_database(clients("glue"), properties), {}),
    "AWS::Glue::Job": lambda clients, properties, place: (make_job(clients("glue"), properties), {}),
    "AWS::Glue::Crawler": lambda clients, properties, place: (make_crawler(clients("glue"), properties), {}),
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": lambda clients, properties, place: (set_queue_policy(clients("sqs"), properties), {}),
    "AWS::Events::Rule": _rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::EventSourceMapping": lambda clients, properties, place: (
        make_mapping(clients("lambda"), properties),
        {},
    ),
    "AWS::Athena::WorkGroup": lambda clients, properties, place: (make_workgroup(clients("athena"), properties), {}),
}
