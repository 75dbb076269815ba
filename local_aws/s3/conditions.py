"""Conditional requests and ranges (RFC 9110, sections 13 and 14, as far as S3 knows them)."""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from local_aws.errors import ServiceError

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Version:
    """What conditions are held against: ETag without quotes, and the time of modification."""

    etag: str
    mtime_ns: int


def not_modified(headers: dict[str, str], version: Version) -> bool:
    """Evaluate the conditions of a GET or HEAD: True is 304, and a failed one raises 412."""
    if (wanted := headers.get("if-match")) is not None:
        if not _listed(version.etag, wanted):
            raise failed("If-Match")
    elif (since := _seconds(headers.get("if-unmodified-since"))) is not None and _mtime(version) > since:
        raise failed("If-Unmodified-Since")
    if (unwanted := headers.get("if-none-match")) is not None:
        return _listed(version.etag, unwanted)
    since = _seconds(headers.get("if-modified-since"))
    return since is not None and _mtime(version) <= since


def check_copy_source(headers: dict[str, str], version: Version) -> None:
    """Evaluate x-amz-copy-source-if-*: whatever does not hold is 412."""
    prefix = "x-amz-copy-source-"
    own = {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix + "if-")}
    if own and not_modified(own, version):
        raise failed("x-amz-copy-source-if-none-match or -if-modified-since")


def check_write(headers: dict[str, str], etag: str | None) -> None:
    """Evaluate If-None-Match: * and If-Match of a write against the present object's ETag (None: no object)."""
    unwanted, wanted = headers.get("if-none-match"), headers.get("if-match")
    if unwanted not in (None, "*"):
        raise ServiceError("NotImplemented", "A write knows If-None-Match: * alone (see docs/s3.md).", 501)
    if unwanted and etag is not None:
        raise failed("If-None-Match")
    if wanted is not None and etag is None:
        raise ServiceError("NoSuchKey", "If-Match is given, and there is no object with this key.", 404)
    if wanted is not None and etag is not None and not _listed(etag, wanted):
        raise failed("If-Match")


def is_conditional(headers: dict[str, str]) -> bool:
    """Say whether a write depends on the object that is there."""
    return "if-match" in headers or "if-none-match" in headers


def byte_range(headers: dict[str, str], version: Version, size: int) -> tuple[int, int] | None:
    """Return (offset, length) of the wanted range, or None for the whole object; 416 where it lies outside."""
    text = headers.get("range")
    if text is None or not (match := _RANGE.fullmatch(text.strip())) or match.groups() == ("", ""):
        return None  # as S3 does: what it cannot read, and several ranges, get the whole object
    if (unless := headers.get("if-range")) is not None:
        since = _seconds(unless)
        if not (_listed(version.etag, unless) or (since is not None and _mtime(version) <= since)):
            return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
    else:
        start, end = max(0, size - int(last)), size - 1
    if start > end:
        raise ServiceError("InvalidRange", f"The range {text} lies outside the object's {size} bytes.", 416)
    return start, end - start + 1


def failed(which: str) -> ServiceError:
    """Return the answer to a condition that does not hold."""
    return ServiceError("PreconditionFailed", f"The condition {which} does not hold.", 412)


def _listed(etag: str, header: str) -> bool:
    names = [name.strip().removeprefix("W/").strip('"') for name in header.split(",")]
    return "*" in names or etag in names


def _mtime(version: Version) -> int:
    return version.mtime_ns // 1_000_000_000


def _seconds(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None  # a date that cannot be read is no condition (RFC 9110, 13.1.3)
