"""The Query protocol for the operations that we answer ourselves: forms in, XML out, by botocore's model."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from local_aws.server.wire import Answer, Call, read_form


def read_members(call: Call) -> dict[str, Any]:
    """Return the request's members: texts, and lists of texts. A deeper one appears as its top-level name only."""
    members: dict[str, Any] = {}
    for field, value in read_form(call.body):
        name = field.split(".", 1)[0]
        if name in ("Action", "Version"):
            continue
        if name == field:
            members[name] = value
        else:
            items = members.setdefault(name, [])
            if isinstance(items, list):
                items.append(value)
    return members


def answer_xml(call: Call, document: Mapping[str, Any], shape: Any, namespace: str) -> Answer:
    """Answer a Query call with `document`, laid out as the output `shape` says."""
    operation = call.operation
    result = f"<{operation}Result>{_write(document, shape)}</{operation}Result>"
    metadata = f"<ResponseMetadata><RequestId>{call.request_id}</RequestId></ResponseMetadata>"
    body = f'<{operation}Response xmlns="{namespace}">{result}{metadata}</{operation}Response>'
    return Answer(200, "text/xml", body.encode())


def _write(value: Any, shape: Any) -> str:
    if shape.type_name == "structure":
        present = ((name, member) for name, member in shape.members.items() if name in value)
        return "".join(f"<{name}>{_write(value[name], member)}</{name}>" for name, member in present)
    if shape.type_name == "list":
        return "".join(f"<member>{_write(item, shape.member)}</member>" for item in value)
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if shape.type_name == "boolean":
        return "true" if value else "false"
    return escape(str(value))
