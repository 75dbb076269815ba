"""The control plane as a WSGI application: who asks, what for, whether it is listed, and who answers.

A request that is not signed with a key of the state folder, or asks for what is not listed, is refused with the
error, and in the protocol, that the service itself would use. Nothing is answered 200 without being listed.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local_aws.errors import LocalAwsError, ServiceError
from local_aws.server.caller import CALLER, Caller
from local_aws.server.context import Context
from local_aws.server.query import answer_xml
from local_aws.server.records import ask_moto
from local_aws.server.rest import find_operation
from local_aws.server.services import Route, Services
from local_aws.server.validation import SUPPORT_PAGE, read_request, service_model
from local_aws.server.wire import Answer, Call, answer_error, answer_json, read_call
from local_aws.signing import (
    KeyRing,
    MissingSignatureError,
    Signature,
    SigningError,
    UnknownKeyError,
    verify_request,
)

StartResponse = Callable[..., Any]

ACTIVITY_SECONDS = 60.0
_INTERNAL = {"glue": "InternalServiceException", "athena": "InternalServerException"}


class ControlPlane:
    """Answer the requests of one state folder."""

    def __init__(self, context: Context, services: Services) -> None:
        self._context = context
        self._services = services
        self._keys = KeyRing(context.home / "secrets")
        self._activity = _Activity(context.home / "activity")

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/health" and environ["REQUEST_METHOD"] == "GET":
            return _send(start_response, Answer(200, "application/json", b'{"status":"ok"}'))
        call = read_call(environ)
        answer = self._answer(call)
        if environ["REQUEST_METHOD"] == "HEAD":
            answer = Answer(answer.status, answer.content_type, b"", answer.headers)
        return _send(start_response, answer, call.request_id)

    def _answer(self, call: Call) -> Answer:
        role = "nobody"
        try:
            signature = self._verify(call)
            role = signature.role
            self._activity.touch()
            token = CALLER.set(Caller(role, signature.key.access_key_id))
            try:
                return self._perform(call)
            finally:
                CALLER.reset(token)
        except ServiceError as error:
            if call.service or call.request.method != "HEAD":  # the supervisor asks so whether we are up
                _log(call, role, error.code, error.status)
            return answer_error(call, error.code, str(error), error.status)
        except Exception as error:
            code = _INTERNAL.get(call.service, "InternalFailure")
            _log(call, role, code, 500)
            traceback.print_exc(file=sys.stderr)
            # Our own errors are written for the reader; of any other only the class is, the text may hold anything.
            what = str(error) if isinstance(error, LocalAwsError) else type(error).__name__
            return answer_error(call, code, f"{call.operation} failed ({what}): see logs/api.log.", 500)

    def _verify(self, call: Call) -> Signature:
        try:
            return verify_request(call.request, self._keys)
        except SigningError as error:
            raise _signing_error(call, error) from None

    def _perform(self, call: Call) -> Answer:
        listed = self._services.routes.get(call.service, {})
        if call.protocol == "rest-json" and listed:
            call = replace(call, operation=find_operation(call, set(listed)))
        route = listed.get(call.operation or "")
        if route is None or not _is_addressed(call):
            raise _not_listed(call)
        members = read_request(call, route.operation)
        if members.get("CatalogId", self._context.account_id) != self._context.account_id:
            raise ServiceError("EntityNotFoundException", f"Catalog {members['CatalogId']} not found.")
        if route.handler is None:
            return self._ask_records(call, route)
        document = route.handler(members)
        model = service_model(call.service)
        if call.protocol in ("json", "rest-json"):
            return answer_json(call, document, model.operation_model(call.operation).http.get("responseCode", 200))
        shape = model.operation_model(call.operation).output_shape
        return answer_xml(call, document, shape, model.metadata.get("xmlNamespace", ""))

    def _ask_records(self, call: Call, route: Route) -> Answer:
        answer = ask_moto(call, self._context.account_id)
        if answer.status >= 400:
            _log(call, CALLER.get().role, "error of the records", answer.status)
        return answer


def _is_addressed(call: Call) -> bool:
    """Say whether the protocol, and for JSON the target's prefix, is that of the service in the scope."""
    metadata = service_model(call.service).metadata
    target = call.request.headers.get("x-amz-target", "")
    return bool(
        call.protocol == metadata["protocol"]
        and (call.protocol != "json" or target == f"{metadata['targetPrefix']}.{call.operation}")
    )


def _not_listed(call: Call) -> ServiceError:
    if call.service in ("s3", "s3express"):
        return ServiceError("NotImplemented", "S3 has an endpoint of its own: see `workbench env`.", 501)
    message = f"{call.name} is not supported locally: {SUPPORT_PAGE} lists what is."
    if call.protocol in ("query", "ec2"):
        return ServiceError("InvalidAction", message)
    if call.protocol in ("json", "cbor"):
        return ServiceError("UnknownOperationException", message)
    return ServiceError("NotImplemented", message, 501)


def _signing_error(call: Call, error: SigningError) -> ServiceError:
    """Turn a signing error into the service's own: the XML protocols and the JSON ones name them differently."""
    xml = call.protocol in ("query", "ec2", "rest-xml")
    if isinstance(error, MissingSignatureError):
        code = "MissingAuthenticationToken" if xml else "MissingAuthenticationTokenException"
    elif isinstance(error, UnknownKeyError):
        code = "InvalidClientTokenId" if xml else "UnrecognizedClientException"
    else:
        code = "SignatureDoesNotMatch" if xml else "InvalidSignatureException"
    status = 400 if call.protocol in ("json", "cbor") else 403
    return ServiceError(code, f"{error} What is supported: {SUPPORT_PAGE}.", status)


class _Activity:
    """The file whose time says when the stack was last used; the supervisor stops an idle stack by it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._touched = -ACTIVITY_SECONDS

    def touch(self) -> None:
        """Renew the file's time, at most once a minute."""
        now = time.monotonic()
        if now - self._touched >= ACTIVITY_SECONDS:
            self._touched = now
            self._path.touch(mode=0o600)


def _send(start_response: StartResponse, answer: Answer, request_id: str = "") -> Iterable[bytes]:
    headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body))), *answer.headers]
    if request_id:
        headers.append(("x-amzn-RequestId", request_id))
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [answer.body]


def _log(call: Call, role: str, code: str, status: int) -> None:
    """Write one line about a refused or failed request: neither its members nor the key are in it."""
    line = {"time": round(time.time(), 3), "call": call.name, "role": role, "status": status, "code": code}
    print(json.dumps({**line, "request_id": call.request_id}), file=sys.stderr, flush=True)
