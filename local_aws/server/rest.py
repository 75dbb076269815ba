"""The REST JSON protocol: which operation a method and path stand for, and where the members of its request are.

Source: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html, read from botocore's service models.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session

from local_aws.server.wire import Call


@lru_cache
def service_model(service: str) -> Any:
    """Return botocore's model of a service; read once."""
    return botocore.session.Session().get_service_model(service)


@lru_cache
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Return (method, pattern of the path, operation), paths with fewer variables first."""
    model = service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].split("?", 1)[0].rstrip("/")
        found.append((path.count("{"), http["method"], _pattern(path), name))
    return [(method, pattern, name) for _, method, pattern, name in sorted(found, key=lambda entry: entry[0])]


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\+?\}", path)
    texts = (rf"(?P<{part}>[^/]+)" if odd else re.escape(part) for odd, part in zip(_alternate(), parts, strict=False))
    return re.compile("".join(texts) + "/?")


def _alternate() -> Any:
    while True:
        yield False
        yield True


def find_operation(call: Call, listed: set[str]) -> str | None:
    """Return the operation of a REST JSON call among those that are listed, or None."""
    for method, pattern, name in _routes(call.service):
        if name in listed and method == call.request.method and pattern.fullmatch(call.request.path):
            return name
    return None


def read_members(call: Call, shape: Any, body: dict[str, Any]) -> dict[str, Any]:
    """Return the request's members from path, query and body."""
    if shape is None:
        return body
    pattern = next(p for method, p, name in _routes(call.service) if name == call.operation)
    found = pattern.fullmatch(call.request.path)
    in_path = found.groupdict() if found else {}
    query = parse_qs(call.request.query, keep_blank_values=True)
    members = dict(body)
    for name, member in shape.members.items():
        place, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri" and wire in in_path:
            members[name] = unquote(in_path[wire])
        elif place == "querystring" and wire in query:
            members[name] = _typed(query[wire][0], member.type_name)
        elif place is None and wire != name and wire in members:
            members[name] = members.pop(wire)
    return members


def _typed(text: str, kind: str) -> Any:
    if kind in ("integer", "long"):
        return int(text) if text.lstrip("-").isdigit() else text
    return text == "true" if kind == "boolean" else text
