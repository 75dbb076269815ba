"""Requests and answers as they stand on the wire, in each protocol of AWS.

The protocols are those of the Smithy specifications (AWS JSON 1.0 and 1.1, Query, EC2 Query, REST JSON, REST XML,
RPC v2 CBOR). Requests are read as far as a refusal needs it: which service, which operation.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from local_aws.signing import SignedRequest

Protocol = Literal["json", "query", "ec2", "cbor", "rest-json", "rest-xml"]

# Signing names of the services that speak REST XML; every other REST service speaks JSON.
_REST_XML = frozenset({"s3", "s3express", "s3-object-lambda", "cloudfront", "route53"})
# SQS once spoke Query, and its clients still look for the codes of that time.
_QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}
_SCOPE = re.compile(r"Credential=[^/]+(?:/|%2F)\d{8}(?:/|%2F)[^/%]*(?:/|%2F)([^/%]+)(?:/|%2F)aws4_request")


@dataclass(frozen=True)
class Call:
    """One request: `service` is the signing name in its credential scope (empty where it is not signed)."""

    service: str
    operation: str | None  # None for the REST protocols, where method and path stand for it
    protocol: Protocol
    request: SignedRequest
    body: bytes
    request_id: str

    @property
    def name(self) -> str:
        """The call in words, for messages and the log."""
        return f"{self.service or 'unsigned'} {self.operation or f'{self.request.method} {self.request.path}'}"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the headers that every answer carries are added when it is sent."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def read_call(environ: Mapping[str, Any]) -> Call:
    """Read a request from its WSGI environment."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    # PATH_INFO is decoded already, and what was signed is what was sent.
    path = environ.get("REQUEST_URI", environ["PATH_INFO"]).split("?", 1)[0]
    query = environ.get("QUERY_STRING", "")
    request = SignedRequest(environ["REQUEST_METHOD"], path, query, headers, hashlib.sha256(body).hexdigest())
    scope = _SCOPE.search(headers.get("authorization", "")) or _SCOPE.search(query)
    service = scope[1] if scope else ""
    protocol, operation = _read_operation(request, service, body)
    return Call(service, operation, protocol, request, body, str(uuid.uuid4()))


def _read_operation(request: SignedRequest, service: str, body: bytes) -> tuple[Protocol, str | None]:
    headers = request.headers
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor", request.path.rpartition("/operation/")[2]
    if target := headers.get("x-amz-target"):
        return "json", target.rpartition(".")[2]
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = dict(read_form(body)).get("Action")
        if action:
            return ("ec2" if service == "ec2" else "query"), action
    return ("rest-xml" if service in _REST_XML else "rest-json"), None


def read_form(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form body, in order."""
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def answer_json(call: Call, document: Mapping[str, Any], status: int = 200) -> Answer:
    """Answer in a JSON protocol; times are epoch seconds already. An answer 204 has no body."""
    body = json.dumps(document, ensure_ascii=False, allow_nan=False).encode() if status != 204 else b""
    if call.protocol == "rest-json":
        return Answer(status, "application/json", body)
    return Answer(status, call.request.headers.get("content-type", "application/x-amz-json-1.1"), body)


def answer_error(call: Call, code: str, message: str, status: int) -> Answer:
    """Answer with an error in the shape that the call's protocol has for it."""
    if call.protocol == "json":
        # Older services write Message, newer ones message: clients of both read their own.
        body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
        kind = call.request.headers.get("content-type", "application/x-amz-json-1.1")
        if call.service != "sqs":
            return Answer(status, kind, body)
        return Answer(status, kind, body, (("x-amzn-query-error", f"{_QUERY_CODES.get(code, code)};Sender"),))
    if call.protocol == "rest-json":
        body = json.dumps({"message": message}).encode()
        return Answer(status, "application/json", body, (("x-amzn-ErrorType", code),))
    if call.protocol == "cbor":
        body = b"\xa2" + b"".join(_cbor_text(text) for text in ("__type", code, "message", message))
        return Answer(status, "application/cbor", body, (("smithy-protocol", "rpc-v2-cbor"),))
    return Answer(status, "text/xml", _xml_error(call, code, message).encode())


def _xml_error(call: Call, code: str, message: str) -> str:
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.protocol == "ec2":
        errors = f"<Errors><Error>{inner}</Error></Errors>"
        return f"<Response>{errors}<RequestID>{call.request_id}</RequestID></Response>"
    if call.service == "s3":
        return f"<Error>{inner}<RequestId>{call.request_id}</RequestId></Error>"
    error = f"<Error><Type>Sender</Type>{inner}</Error>"
    return f"<ErrorResponse>{error}<RequestId>{call.request_id}</RequestId></ErrorResponse>"


def _cbor_text(text: str) -> bytes:
    """Encode a text of less than 64 KiB as RFC 8949 has it: major type 3, a 16-bit length, UTF-8."""
    data = text.encode()[:65535]
    return b"\x79" + len(data).to_bytes(2, "big") + data
