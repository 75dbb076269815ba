"""Headers of requests and answers that are an object's attributes."""

import re
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

from local_aws.errors import ServiceError
from local_aws.s3.documents import http_time
from local_aws.s3.index import Attributes, Record

META = "x-amz-meta-"
LARGEST_METADATA = 2 << 10
DEFAULT_TYPE = "binary/octet-stream"
ENCRYPTION = "x-amz-server-side-encryption"
_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
         "x-amz-storage-class", "x-amz-website-redirect-location", ENCRYPTION, f"{ENCRYPTION}-aws-kms-key-id",
         f"{ENCRYPTION}-bucket-key-enabled")  # fmt: skip
# What would change the meaning of a request, and is not done here: refused, never passed over.
_REFUSED = re.compile(
    r"x-amz-(copy-source-)?server-side-encryption-customer-.*|x-amz-object-lock-.*|x-amz-grant-.*|x-amz-write-offset-bytes"
    r"|x-amz-mfa|x-amz-security-token|x-amz-rename-.*|x-amz-server-side-encryption-context|x-amz-bypass-.*"
)
_OVERRIDES = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_ACLS = ("private", "bucket-owner-full-control", "bucket-owner-read")
ACCOUNT = "000000000000"


def check_headers(headers: dict[str, str]) -> None:
    """Refuse headers that ask for what is not done here."""
    for name, value in headers.items():
        if _REFUSED.fullmatch(name) or (name == "x-amz-acl" and value not in _ACLS):
            raise ServiceError("NotImplemented", f"The header {name}: {value[:60]} is not supported (docs/s3.md).", 501)
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if headers.get(name, ACCOUNT) != ACCOUNT:
            raise ServiceError("AccessDenied", f"{name} is not {ACCOUNT}, whose all buckets are.", 403)


def from_request(headers: dict[str, str]) -> Attributes:
    """Read the attributes of a new object."""
    kept = {name: headers[name] for name in _KEPT if headers.get(name)}
    if "content-encoding" in kept:
        codings = [coding.strip() for coding in kept["content-encoding"].split(",")]
        kept["content-encoding"] = ", ".join(coding for coding in codings if coding and coding != "aws-chunked")
        if not kept["content-encoding"]:
            del kept["content-encoding"]  # aws-chunked is the request's encoding, not the object's
    metadata = {name.removeprefix(META): value for name, value in headers.items() if name.startswith(META)}
    if sum(len(name) + len(value) for name, value in metadata.items()) > LARGEST_METADATA:
        raise ServiceError("MetadataTooLarge", "The user metadata is over 2 KB.", 400)
    return Attributes(kept, metadata, _tags(headers.get("x-amz-tagging", "")))


def copied(headers: dict[str, str], source: Record, *, same: bool) -> Record:
    """Return the record of a copy, as MetadataDirective and TaggingDirective say."""
    replaces, retags = (_replaces(headers, f"x-amz-{what}-directive") for what in ("metadata", "tagging"))
    given = from_request(headers)
    changes = [name for name in given.headers if name.startswith("x-amz-")]
    if same and not (replaces or changes):
        raise ServiceError("InvalidRequest", "A copy onto itself must change something, such as the metadata.", 400)
    attributes = source.attributes
    if replaces:
        attributes = replace(given, tags=attributes.tags, checksums=attributes.checksums)
    else:
        attributes = replace(attributes, headers=attributes.headers | {name: given.headers[name] for name in changes})
    if retags:
        attributes = replace(attributes, tags=given.tags)
    whole = {name: value for name, value in attributes.checksums.items() if "-" not in value}
    return Record(source.etag, replace(attributes, checksums=whole))


def copy_source(headers: dict[str, str]) -> tuple[str, str]:
    """Read x-amz-copy-source: bucket and key."""
    path, _, version = unquote_source(headers["x-amz-copy-source"])
    bucket, _, key = path.removeprefix("/").partition("/")
    if not bucket or not key:
        raise ServiceError("InvalidArgument", "x-amz-copy-source is not <bucket>/<key>.", 400)
    check_version(version)
    return bucket, key


def unquote_source(text: str) -> tuple[str, str, str]:
    """Split a copy source at ?versionId=, and decode it."""
    path, mark, version = text.partition("?versionId=")
    return unquote(path), mark, version


def check_version(version: str | None) -> None:
    """Refuse any version but the only one that a bucket without versions has."""
    if version not in (None, "", "null"):
        raise ServiceError("NoSuchVersion", "Versions are not kept: there is the present one alone.", 404)


def reply_headers(record: Record, mtime_ns: int) -> dict[str, str]:
    """Return the headers that GET and HEAD answer with."""
    attributes = record.attributes
    headers = {"ETag": f'"{record.etag}"', "Last-Modified": http_time(mtime_ns), "Accept-Ranges": "bytes"}
    headers["content-type"] = DEFAULT_TYPE
    headers |= {name: value for name, value in attributes.headers.items() if value != "STANDARD"}
    headers |= {META + name: value for name, value in attributes.metadata.items()}
    if attributes.tags:
        headers["x-amz-tagging-count"] = str(len(attributes.tags))
    return headers


def written_headers(record: Record) -> dict[str, str]:
    """Return the headers that a write answers with."""
    headers = {"ETag": f'"{record.etag}"'} | checksum_headers(record.attributes.checksums)
    return headers | {name: value for name, value in record.attributes.headers.items() if name.startswith(ENCRYPTION)}


def checksum_headers(checksums: dict[str, str]) -> dict[str, str]:
    """Return stored checksums as headers, with their type."""
    headers = {f"x-amz-checksum-{name}": value for name, value in checksums.items()}
    if headers:
        composite = any("-" in value for value in checksums.values())
        headers["x-amz-checksum-type"] = "COMPOSITE" if composite else "FULL_OBJECT"
    return headers


def overrides(parameters: dict[str, str]) -> dict[str, str]:
    """Return the headers that response-* parameters ask for."""
    wanted = {name: parameters[f"response-{name}"] for name in _OVERRIDES if f"response-{name}" in parameters}
    if any(ord(letter) < 32 for value in wanted.values() for letter in value):
        raise ServiceError("InvalidArgument", "A response-* parameter has a control character.", 400)
    return wanted


def _replaces(headers: dict[str, str], name: str) -> bool:
    value = headers.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        raise ServiceError("InvalidArgument", f"{name} is neither COPY nor REPLACE.", 400)
    return value == "REPLACE"


def _tags(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    if len(pairs) > 10:
        raise ServiceError("InvalidTag", "An object has at most 10 tags.", 400)
    return dict(pairs)
