"""Name what a library raised: which service, what happened, and how to go on.

boto3, awswrangler, psycopg2 and SQLAlchemy each have their own words for a service that is down. They are matched by
the names of their classes, so that a step which never used a library need not import it.
"""

import errno

from helpers.errors import LoadError, ServiceError, StepError, WorkbenchError

RESTART = "start it again with `workbench up`, then run this cell again"
_PASSWORDS = "WORKBENCH_DATABASE_URL has them, or `workbench up` sets those of the embedded server anew"
_UNREACHABLE = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "EndpointConnectionError",
    "IncompleteReadError",
    "ProxyConnectionError",
    "ReadTimeoutError",
    "ResponseStreamingError",
    "SSLError",
}
_NO_IDENTITY = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"}
_REFUSED = {"AccessDenied", "AccessDeniedException", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


def name_failure(error: BaseException) -> WorkbenchError | None:
    """Return the WorkbenchError that says in one line what `error` means, or None where it is no known failure."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return ServiceError("disk", f"no space left for {error.filename or 'what is being written'}; free some space")
    names = [kind.__name__ for kind in type(error).__mro__]
    package = type(error).__module__.partition(".")[0]
    if package == "botocore" or package == "boto3":
        return _name_aws_failure(error, names)
    if package == "awswrangler":
        return StepError(f"Athena: {error}")
    if package == "sqlalchemy":
        original = getattr(error, "orig", None)
        return name_failure(original) if original is not None else None
    if package == "psycopg2":
        return _name_postgres_failure(error, names)
    return None


def _name_aws_failure(error: BaseException, names: list[str]) -> WorkbenchError | None:
    if _UNREACHABLE.intersection(names):
        return ServiceError("AWS endpoint", f"does not answer ({error}); {RESTART}")
    if _NO_IDENTITY.intersection(names):
        return ServiceError("AWS", f"no usable credentials ({error}); sign in or set AWS_PROFILE")
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return None
    code = str(response.get("Error", {}).get("Code", "unknown"))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    operation = getattr(error, "operation_name", "a request")
    said = f"{code}: {response.get('Error', {}).get('Message', error)}"
    if code in _REFUSED or status == 403:
        return ServiceError(operation, f"refused ({said}); check the role's permissions")
    if status >= 500:
        return ServiceError(operation, f"failed in the service itself ({said}); see its log, or run again")
    return StepError(f"{operation}: {said}")


def _name_postgres_failure(error: BaseException, names: list[str]) -> WorkbenchError:
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "DiskFull" in names:
        return ServiceError("PostgreSQL", f"{line}; free some space on the server's disk, then run this cell again")
    if "authentication failed" in line:
        return ServiceError("PostgreSQL", f"{line}; check user and password: {_PASSWORDS}")
    if {"OperationalError", "InterfaceError"}.intersection(names):
        return ServiceError("PostgreSQL", f"{line}; {RESTART}")
    where = [text.strip() for text in str(error).splitlines() if text.startswith("CONTEXT:")]
    return LoadError(f"PostgreSQL refused the data: {line} {' '.join(where)}; nothing was published")
