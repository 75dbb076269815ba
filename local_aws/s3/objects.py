"""Objects: put, get, head, copy, tag. One version's bytes and its ETag are never mixed with another's."""

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from local_aws.errors import LakeError, ServiceError
from local_aws.s3 import attributes as attribute
from local_aws.s3 import conditions
from local_aws.s3.body import read_document, receive
from local_aws.s3.conditions import Version
from local_aws.s3.documents import document, etag_tag, iso_time, read_tags, tag, tagging
from local_aws.s3.index import Index, Record
from local_aws.s3.lake import Identity, Lake, Staged, identity_at, open_file
from local_aws.s3.wire import PIECE, Reply, Request
from local_aws.signing import Signature

_SETTLED_NS = 100_000_000  # a file younger than this may still change within one step of the kernel's clock
_LOCKS = 256
Found = tuple[str, Identity, str]  # key, file, ETag


@dataclass(frozen=True)
class Call:
    """One authenticated request for an object."""

    request: Request
    signature: Signature
    bucket: str
    key: str


@dataclass(frozen=True)
class Opened:
    """One version of an object: an open file, and the record of exactly that file."""

    descriptor: int
    identity: Identity
    record: Record

    @property
    def version(self) -> Version:
        return Version(self.record.etag, self.identity.mtime_ns)


class Locks:
    """A lock for each name, out of a fixed number."""

    def __init__(self) -> None:
        self._locks = [threading.RLock() for _ in range(_LOCKS)]

    def of(self, *names: str) -> threading.RLock:
        return self._locks[zlib.crc32("/".join(names).encode()) % _LOCKS]


class Objects:
    """The objects of the lake."""

    def __init__(self, lake: Lake, index: Index) -> None:
        self.lake = lake
        self.index = index
        self.locks = Locks()
        self._hashing = Locks()

    # reading

    @contextmanager
    def open(self, bucket: str, key: str, found: list[Found] | None = None) -> Iterator[Opened]:
        """Give the present version, open; raise NoSuchKey where there is none.

        What another program wrote is hashed, once; the hash is remembered, or (`found`) left to the caller to write.
        """
        news: list[Found] = []
        opened = self._open(bucket, key, news)
        try:
            if found is not None:
                found += news
            elif news:
                self.index.add_found(bucket, news)
            yield opened
        finally:
            os.close(opened.descriptor)

    def _open(self, bucket: str, key: str, news: list[Found]) -> Opened:
        folder = self.lake.bucket(bucket)
        path = f"{folder}/{key}" if key.endswith("/") else self.lake.path(bucket, key)
        for _ in range(1000):
            opening = None if key.endswith("/") else open_file(path)
            if opening is None:
                raise ServiceError("NoSuchKey", f"There is no object {key!r} in {bucket}.", 404)
            descriptor, identity = opening[0], Identity.of(opening[1])
            try:
                record = self.index.find(bucket, key, identity)
                if record is None and identity_at(path) == identity:  # else it has been replaced since
                    record = self._hash(bucket, key, descriptor, identity, news)
            except BaseException:
                os.close(descriptor)
                raise
            if record is not None:
                return Opened(descriptor, identity, record)
            os.close(descriptor)
        raise LakeError(f"{path}: another program keeps changing it while it is read; try again when it has finished")

    def _hash(self, bucket: str, key: str, descriptor: int, identity: Identity, news: list[Found]) -> Record | None:
        """Hash a file that another program wrote; None where it changed meanwhile."""
        with self._hashing.of(bucket, key):  # many readers of a large file wait for the first one
            if (record := self.index.find(bucket, key, identity)) is not None:
                return record
            etag = md5_of(descriptor, 0, identity.size)
            if Identity.of(os.fstat(descriptor)) != identity:
                return None
            if time.time_ns() - identity.mtime_ns > _SETTLED_NS:
                news.append((key, identity, etag))
        return Record(etag)

    def get(self, call: Call) -> Reply:
        """Answer GetObject and HeadObject from one open file."""
        headers = call.request.headers
        with self.open(call.bucket, call.key) as opened:
            reply = Reply(headers=attribute.reply_headers(opened.record, opened.identity.mtime_ns))
            if conditions.not_modified(headers, opened.version):
                reply.status = 304
                return reply
            size = opened.identity.size
            span = conditions.byte_range(headers, opened.version, size)
            reply.headers |= attribute.overrides(call.request.parameters)
            if span is not None:
                reply.status = 206
                reply.headers["Content-Range"] = f"bytes {span[0]}-{sum(span) - 1}/{size}"
            elif headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
                reply.headers |= attribute.checksum_headers(opened.record.attributes.checksums)
            reply.offset, reply.length = span or (0, size)
            reply.descriptor = os.dup(opened.descriptor)
            return reply

    # writing

    def put(self, call: Call) -> Reply:
        """Answer PutObject."""
        target = self.lake.path(call.bucket, call.key)
        attributes = attribute.from_request(call.request.headers)
        self._check_write(call)  # before the body is asked for, and again when it is there
        with self.lake.staged() as staged:
            received = receive(call.request, call.signature, staged.write)
            record = Record(received.md5, replace(attributes, checksums=received.checksums))
            self.publish(call, target, staged, record)
        return Reply(headers=attribute.written_headers(record))

    def publish(self, call: Call, target: str, staged: Staged, record: Record) -> Identity:
        """Make a staged file the object's present version: the record first, then the file in its place.

        A reader that holds the old file finds the old record, which goes with the write after this one.
        """
        identity = staged.seal()
        exclusive = "if-none-match" in call.request.headers
        with self.locks.of(call.bucket, call.key):
            self._check_write(call)
            self.index.remember(call.bucket, call.key, identity, record, keep=identity_at(target))
            try:
                self.lake.place(staged, target, exclusive=exclusive)
            except FileExistsError:
                raise conditions.failed("If-None-Match") from None
        return identity

    def _check_write(self, call: Call) -> None:
        headers = call.request.headers
        if conditions.is_conditional(headers):
            conditions.check_write(headers, self.present_etag(call.bucket, call.key))

    def present_etag(self, bucket: str, key: str) -> str | None:
        """Return the ETag of the present version, or None."""
        try:
            with self.open(bucket, key) as opened:
                return opened.record.etag
        except ServiceError as error:
            if error.code == "NoSuchKey":
                return None
            raise

    def copy(self, call: Call) -> Reply:
        """Answer CopyObject."""
        headers = call.request.headers
        target = self.lake.path(call.bucket, call.key)
        bucket, key = attribute.copy_source(headers)
        self._check_write(call)
        with self.open(bucket, key) as source, self.lake.staged() as staged:
            conditions.check_copy_source(headers, source.version)
            record = attribute.copied(headers, source.record, same=(bucket, key) == (call.bucket, call.key))
            copy_bytes(source, staged, 0, source.identity.size)
            if "-" in record.etag:  # a copy is one piece, and its ETag that of one piece
                record = replace(record, etag=md5_of(staged.descriptor, 0, source.identity.size))
            identity = self.publish(call, target, staged, record)
        parts = (tag("LastModified", iso_time(identity.mtime_ns)), etag_tag(record.etag))
        return document("CopyObjectResult", parts)

    # tags

    def get_tags(self, call: Call) -> Reply:
        with self.open(call.bucket, call.key) as opened:
            return tagging(opened.record.attributes.tags)

    def put_tags(self, call: Call) -> Reply:
        self._set_tags(call, read_tags(read_document(call.request, call.signature)))
        return Reply()

    def delete_tags(self, call: Call) -> Reply:
        self._set_tags(call, {})
        return Reply(204)

    def _set_tags(self, call: Call, tags: dict[str, str]) -> None:
        with self.locks.of(call.bucket, call.key), self.open(call.bucket, call.key) as opened:
            attributes = replace(opened.record.attributes, tags=tags)
            record = replace(opened.record, attributes=attributes)
            self.index.remember(call.bucket, call.key, opened.identity, record)


def copy_bytes(source: Opened, staged: Staged, offset: int, length: int) -> None:
    """Copy a range of an open version, and make sure that no other program has written into it meanwhile."""
    staged.copy_from(source.descriptor, offset, length)
    if Identity.of(os.fstat(source.descriptor)) != source.identity:
        raise ServiceError(
            "OperationAborted", "Another program changed the source while it was copied; try again.", 409
        )


def md5_of(descriptor: int, offset: int, length: int) -> str:
    """Return the MD5 (hex) of a range of an open file."""
    digest = hashlib.md5(usedforsecurity=False)
    view, end = memoryview(bytearray(min(PIECE, length))), offset + length
    while offset < end and (size := os.preadv(descriptor, [view[: end - offset]], offset)):
        digest.update(view[:size])
        offset += size
    return digest.hexdigest()
