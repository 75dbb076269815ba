"""The helpers' errors: one line each, with the exit code in the type."""

import errno

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from helpers import errors
from helpers.errors import InputError, ServiceError, WorkbenchError, nearest
from helpers.failures import name_failure


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("UsageError", 2),
        ("ConfigError", 2),
        ("ContractError", 2),
        ("InputError", 1),
        ("StepError", 1),
        ("LoadError", 1),
        ("QualityGateError", 3),
    ],
)
def test_the_type_carries_the_exit_code(name: str, code: int) -> None:
    """Each class says with which exit code the command ends, and is a WorkbenchError."""
    kind = getattr(errors, name)
    assert kind.exit_code == code
    assert issubclass(kind, WorkbenchError)


def test_a_service_error_names_its_service() -> None:
    """A service's name comes first, and its exit code is 4."""
    error = ServiceError("PostgreSQL", "does not answer; start it")
    assert str(error) == "PostgreSQL: does not answer; start it"
    assert (error.exit_code, error.service) == (4, "PostgreSQL")


def test_a_message_is_one_line() -> None:
    """Line breaks of a library's message do not reach the terminal."""
    assert str(InputError("first\n  second")) == "first second"


def test_the_nearest_names_are_offered() -> None:
    """A mistyped name is answered with what it looks like; a foreign one with all that is known."""
    assert nearest("student_sampel", ["student_sample", "tennessee_star"]) == 'did you mean "student_sample"?'
    assert nearest("zzz", ["b", "a"]) == "known: a, b"


def test_a_dead_endpoint_is_a_service_error_that_says_how_to_restart() -> None:
    """What boto3 says of an endpoint that does not answer becomes one line with the command to run."""
    named = name_failure(EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"))
    assert isinstance(named, ServiceError)
    assert "http://127.0.0.1:1/" in str(named) and "workbench up" in str(named)


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [("AccessDenied", 403, 4), ("InternalError", 500, 4), ("SlowDown", 503, 4), ("ValidationException", 400, 1)],
)
def test_an_aws_answer_is_classed_by_its_code(code: str, status: int, exit_code: int) -> None:
    """A refusal or a failure of the service exits with 4, a wrong request with 1."""
    answer = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    named = name_failure(ClientError(answer, "GetThing"))  # type: ignore[arg-type]
    assert named is not None
    assert named.exit_code == exit_code
    assert "GetThing" in str(named)


def test_a_full_disk_and_missing_credentials_are_named() -> None:
    """No space and no credentials are resources that cannot be had; a plain bug stays what it is."""
    full = name_failure(OSError(errno.ENOSPC, "No space left on device", "here.csv"))
    assert isinstance(full, ServiceError) and "here.csv" in str(full)
    assert isinstance(name_failure(NoCredentialsError()), ServiceError)
    assert name_failure(ValueError("a bug")) is None
