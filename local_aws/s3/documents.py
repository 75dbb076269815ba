"""The XML documents of S3: reading those of requests, writing those of answers."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import formatdate
from xml.sax.saxutils import escape

from local_aws.errors import ServiceError
from local_aws.s3.wire import Reply

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
OWNER = "<Owner><ID>workbench</ID><DisplayName>workbench</DisplayName></Owner>"
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def parse(body: bytes, root: str) -> ElementTree.Element:
    """Parse a request's document, take the namespaces off its tags, and check its root."""
    if b"<!DOCTYPE" in body:
        raise ServiceError("MalformedXML", "The document has a DOCTYPE, and no request of S3 has.", 400)
    try:
        element = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ServiceError("MalformedXML", f"The document is not well-formed: {error}.", 400) from None
    for child in element.iter():
        child.tag = child.tag.rpartition("}")[2]
    if element.tag != root:
        raise ServiceError("MalformedXML", f"The document is a {element.tag}, not a {root}.", 400)
    return element


def tag(name: str, text: object) -> str:
    """Return one element with text."""
    return f"<{name}>{escape(str(text))}</{name}>"


def etag_tag(etag: str) -> str:
    """Return an ETag element, in the quotes that belong to it."""
    return f"<ETag>&quot;{etag}&quot;</ETag>"


def document(root: str, parts: Iterable[str]) -> Reply:
    """Return an answer with a document of S3's namespace."""
    body = f'{_HEAD}<{root} xmlns="{NAMESPACE}">{"".join(parts)}</{root}>'
    return Reply(headers={"Content-Type": "application/xml"}, body=body.encode())


def error_reply(error: ServiceError, resource: str, request_id: str) -> Reply:
    """Return the service's answer to a request that failed."""
    message, resource = (_NO_XML.sub("?", text) for text in (str(error), resource))
    parts = (tag("Code", error.code), tag("Message", message), tag("Resource", resource), tag("RequestId", request_id))
    body = f"{_HEAD}<Error>{''.join(parts)}</Error>"
    return Reply(error.status, {"Content-Type": "application/xml"}, body.encode())


def read_tags(body: bytes) -> dict[str, str]:
    """Read a Tagging document."""
    pairs = [(item.findtext("Key"), item.findtext("Value")) for item in parse(body, "Tagging").iter("Tag")]
    tags = {key: value or "" for key, value in pairs if key}
    if len(tags) != len(pairs) or len(tags) > 50:
        raise ServiceError("InvalidTag", "Tags need keys, each once, and are at most 50.", 400)
    return tags


def tagging(tags: dict[str, str]) -> Reply:
    """Return a Tagging document."""
    items = (f"<Tag>{tag('Key', key)}{tag('Value', value)}</Tag>" for key, value in tags.items())
    return document("Tagging", ("<TagSet>", *items, "</TagSet>"))


def iso_time(nanoseconds: int) -> str:
    """Return a time as S3's documents have it, in milliseconds."""
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1_000_000 % 1000:03d}Z"


def http_time(nanoseconds: int) -> str:
    """Return a time as HTTP's headers have it, in whole seconds."""
    return formatdate(nanoseconds // 1_000_000_000, usegmt=True)
