"""ListObjects, versions 1 and 2: the lake's files in the order of their keys' UTF-8 bytes."""

import base64
import binascii
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from local_aws.errors import ServiceError
from local_aws.s3.documents import OWNER, document, etag_tag, iso_time, tag
from local_aws.s3.lake import Identity, identity_at, segment_problem
from local_aws.s3.objects import Found, Objects
from local_aws.s3.wire import Reply

PAGE = 1000


@dataclass(frozen=True)
class Query:
    """What of a bucket is listed: keys with `prefix`, after `after`, rolled up at `delimiter`."""

    prefix: str
    delimiter: str
    after: str
    most: int


@dataclass(frozen=True)
class Entry:
    """One line of a listing: a key, or (`rolled`) a common prefix."""

    name: str
    rolled: bool = False


@dataclass(frozen=True)
class Line:
    """A key with what is known of its present version."""

    key: str
    identity: Identity
    etag: str


def list_objects(objects: Objects, bucket: str, parameters: dict[str, str]) -> Reply:
    """Answer ListObjectsV2 (list-type=2) or ListObjects."""
    second = parameters.get("list-type") == "2"
    encode = _encoder(parameters.get("encoding-type"))
    query = _query(parameters, second=second)
    entries, truncated = page(objects.lake.bucket(bucket), query)
    lines = describe(objects, bucket, [entry.name for entry in entries if not entry.rolled])
    items = [tag("Name", bucket), tag("Prefix", encode(query.prefix)), tag("MaxKeys", query.most)]
    items.append(tag("IsTruncated", str(truncated).lower()))
    if query.delimiter:
        items.append(tag("Delimiter", encode(query.delimiter)))
    if parameters.get("encoding-type"):
        items.append(tag("EncodingType", "url"))
    last = entries[-1].name if entries else ""
    if second:
        items += [
            tag(name, parameters[key])
            for name, key in (("ContinuationToken", "continuation-token"),)
            if key in parameters
        ]
        items += [tag("StartAfter", encode(parameters["start-after"]))] if "start-after" in parameters else []
        items.append(tag("KeyCount", len(lines) + sum(entry.rolled for entry in entries)))
        items += [tag("NextContinuationToken", _token(last))] if truncated else []
    else:
        items.append(tag("Marker", encode(query.after)))
        items += [tag("NextMarker", encode(last))] if truncated else []
    owner = "" if second and parameters.get("fetch-owner") != "true" else OWNER
    items += [_contents(line, encode(line.key), owner) for line in lines]
    items += [f"<CommonPrefixes>{tag('Prefix', encode(e.name))}</CommonPrefixes>" for e in entries if e.rolled]
    return document("ListBucketResult", items)


def page(root: Path, query: Query) -> tuple[list[Entry], bool]:
    """Return one page of entries, and whether more follow."""
    entries: list[Entry] = []
    if query.most == 0:
        return entries, False
    for entry in _entries(root, query):
        if len(entries) == query.most:
            return entries, True
        entries.append(entry)
    return entries, False


def describe(objects: Objects, bucket: str, keys: list[str]) -> list[Line]:
    """Return size, time and ETag of the present versions; a key that has vanished since is left out."""
    known = objects.index.etags(bucket, keys) if keys else {}
    root = objects.lake.bucket(bucket)
    lines: list[Line] = []
    found: list[Found] = []
    for key in keys:
        identity = identity_at(f"{root}/{key}")
        etag = known.get((key, identity)) if identity is not None else None
        if identity is None or etag is None:
            try:
                with objects.open(bucket, key, found) as opened:
                    identity, etag = opened.identity, opened.record.etag
            except ServiceError as error:
                if error.code == "NoSuchKey":
                    continue
                raise
        lines.append(Line(key, identity, etag))
    if found:
        objects.index.add_found(bucket, found)
    return lines


def has_objects(folder: str) -> bool:
    """Say whether there is any object at or below a folder."""
    with os.scandir(folder) as entries:
        folders = []
        for entry in entries:
            if segment_problem(entry.name):
                continue
            if entry.is_file():
                return True
            folders.append(entry)
    return any(entry.is_dir() and has_objects(entry.path) for entry in folders)


def _entries(root: Path, query: Query) -> Iterator[Entry]:
    """Yield keys and common prefixes in order."""
    seen = ""
    for entry in _walk(root, query):
        cut = entry.name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        if entry.rolled or cut < 0:
            yield entry
            continue
        common = entry.name[: cut + len(query.delimiter)]
        if common != seen and common.encode() > query.after.encode():
            yield Entry(common, rolled=True)
        seen = common


def _walk(root: Path, query: Query) -> Iterator[Entry]:
    """Yield keys in order; with the delimiter '/', folders below the prefix as common prefixes, without going in."""
    above = query.prefix.rpartition("/")[0]
    if above and any(segment_problem(segment) for segment in above.split("/")):
        return
    start = f"{above}/" if above else ""
    yield from _folder(f"{root}/{above}" if above else str(root), start, query)


def _folder(path: str, base: str, query: Query) -> Iterator[Entry]:
    after = query.after
    for _, name, is_folder, full_path in _sorted(path):
        full = base + name + ("/" if is_folder else "")
        if not is_folder:
            if full.startswith(query.prefix) and full.encode() > after.encode():
                yield Entry(full)
            continue
        if not (full.startswith(query.prefix) or query.prefix.startswith(full)):
            continue
        if full.encode() <= after.encode() and not after.startswith(full):
            continue
        rolls = query.delimiter == "/" and full.startswith(query.prefix) and len(full) > len(query.prefix)
        if not rolls:
            yield from _folder(full_path, full, query)
        elif not after.startswith(full) and _has_objects(full_path):
            yield Entry(full, rolled=True)


def _sorted(path: str) -> list[tuple[bytes, str, bool, str]]:
    """The entries of a folder in the order of the keys that they begin."""
    try:
        with os.scandir(path) as entries:
            found = [(entry.name, entry.is_dir(), entry.path) for entry in entries if not segment_problem(entry.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(((name + "/" if folder else name).encode(), name, folder, at) for name, folder, at in found)


def _has_objects(path: str) -> bool:
    try:
        return has_objects(path)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _query(parameters: dict[str, str], *, second: bool) -> Query:
    text = parameters.get("max-keys", str(PAGE))
    if not text.isascii() or not text.isdigit():
        raise ServiceError("InvalidArgument", "max-keys is not a number.", 400)
    after = parameters.get("start-after" if second else "marker", "")
    if second and parameters.get("continuation-token"):
        after = _untoken(parameters["continuation-token"])
    return Query(parameters.get("prefix", ""), parameters.get("delimiter", ""), after, min(PAGE, int(text)))


def _encoder(kind: str | None) -> "_Encoder":
    if kind not in (None, "", "url"):
        raise ServiceError("InvalidArgument", "encoding-type is not 'url'.", 400)
    return _Encoder(bool(kind))


@dataclass(frozen=True)
class _Encoder:
    on: bool

    def __call__(self, text: str) -> str:
        return quote(text, safe="/-_.~") if self.on else text


def _contents(line: Line, key: str, owner: str) -> str:
    head = tag("Key", key) + tag("LastModified", iso_time(line.identity.mtime_ns)) + etag_tag(line.etag)
    return f"<Contents>{head}{tag('Size', line.identity.size)}{owner}{tag('StorageClass', 'STANDARD')}</Contents>"


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _untoken(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise ServiceError("InvalidArgument", "The continuation token is none of this service.", 400) from None
