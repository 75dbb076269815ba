"""Nothing answers 200 without being listed: a walk over boto3's service models."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, EndpointResolutionError, NoAuthTokenError
from control_plane import Server, run_server

from local_aws.server.services import list_operations
from local_aws.server.support import render_page
from local_aws.server.validation import service_model

OURS = tuple(sorted(list_operations()))
SEED = 12

# Errors of a client that sent nothing: no bearer token, or a host name made of the request's account id or ARN.
UNSENT = (NoAuthTokenError, EndpointConnectionError, EndpointResolutionError)
# botocore sends some of its operations to a host of its own, whatever endpoint the client was given.
NOT_WALKED = frozenset({"signin"})
MAY_NOT_SEND = frozenset({"s3control", "cloudfront-keyvaluestore", "codecatalyst", "account-access-runtime"})

NAMED = ("docs/aws-support.md", "S3 has an endpoint of its own")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("home")) as running:
        yield running


def smallest(shape: Any, depth: int = 0) -> Any:
    """Return a small value that the shape's client-side serializer takes."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_tagged_union", False) and shape.members and depth < 8:
            name, member = next(iter(shape.members.items()))
            return {name: smallest(member, depth + 1)}
        return {name: smallest(shape.members[name], depth + 1) for name in shape.required_members if depth < 8}
    if kind == "list":
        return [smallest(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 1)) if depth < 8 else []
    if kind == "map":
        return {"key": smallest(shape.value, depth + 1)} if depth < 8 else {}
    if kind == "string":
        return (shape.enum or ["a" * max(1, shape.metadata.get("min", 1))])[0]
    simple = {"integer": 1, "long": 1, "float": 1.0, "double": 1.0, "boolean": True, "timestamp": 0, "blob": b"x"}
    return simple[kind]


def refusal(client: Any, operation: str) -> str:
    """Call an operation; return why that is not a proper refusal, or an empty text."""
    model = client.meta.service_model.operation_model(operation)
    request = smallest(model.input_shape) if model.input_shape is not None else {}
    try:
        client._make_api_call(operation, request)
    except ClientError as error:
        if model.http["method"] == "HEAD":  # no body, so no message
            return "" if error.response["ResponseMetadata"]["HTTPStatusCode"] == 501 else repr(error)
        message = error.response["Error"]["Message"]
        return "" if any(name in message for name in NAMED) else repr(error)
    except UNSENT as error:
        return "" if client.meta.service_model.service_name in MAY_NOT_SEND else repr(error)
    return "answered"


def walk(server: Server, service: str, operations: list[str] | None = None) -> dict[str, str]:
    """Return what is wrong with the answers to a service's unlisted operations."""
    client = server.client(service)
    listed = list_operations().get(client.meta.service_model.signing_name, {})
    # Predict of machinelearning names its own endpoint in the request.
    wanted = [n for n in operations or client.meta.service_model.operation_names if n not in listed and n != "Predict"]
    wrong = {f"{service} {name}": refusal(client, name) for name in wanted}
    server.close_clients()
    return {name: reason for name, reason in wrong.items() if reason}


@pytest.mark.parametrize("service", OURS)
def test_every_operation_of_our_services_is_listed_or_refused(server: Server, service: str) -> None:
    """Each unlisted operation of the services that we answer in part fails, naming the support page."""
    assert walk(server, service) == {}


def test_operations_of_other_services_are_refused(server: Server) -> None:
    """A seeded sample of all other services refuses each operation that it is asked for, in its own protocol."""
    chance = random.Random(SEED)
    session = botocore.session.Session()
    services = sorted(set(session.get_available_services()) - NOT_WALKED - set(OURS))
    wrong = {}
    for service in chance.sample(services, 25):
        names = sorted(session.get_service_model(service).operation_names)
        wrong.update(walk(server, service, chance.sample(names, min(5, len(names)))))
    assert wrong == {}


@pytest.mark.slow
def test_every_operation_that_boto3_knows_is_refused(server: Server) -> None:
    """The whole sweep: all operations of all services."""
    wrong = {}
    for service in sorted(set(botocore.session.Session().get_available_services()) - NOT_WALKED):
        wrong.update(walk(server, service))
    assert wrong == {}


@pytest.mark.parametrize("service", sorted(list_operations()))
def test_listed_operations_exist_and_accept_only_known_members(service: str) -> None:
    """The list says nothing that the service's model does not know."""
    model = service_model(service)
    for name, operation in list_operations()[service].items():
        shape = model.operation_model(name).input_shape
        known = set(shape.members) if shape is not None else set()
        assert operation.accepts <= known, name
        assert set(shape.required_members if shape is not None else ()) <= operation.accepts, name


def test_the_support_page_is_the_generated_one() -> None:
    """docs/aws-support.md is what the list of operations says."""
    page = Path(__file__).parents[1] / "docs" / "aws-support.md"
    assert page.read_text() == render_page(), "renew it: python -m local_aws.server.support > docs/aws-support.md"
