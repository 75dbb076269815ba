"""Multipart uploads: parts are files in the staging folder that survive a restart, and are joined in the kernel."""

import contextlib
import hashlib
import os
import re
import secrets
import time
from dataclasses import replace

from local_aws.errors import ServiceError
from local_aws.s3 import attributes as attribute
from local_aws.s3 import conditions
from local_aws.s3.body import read_document, receive
from local_aws.s3.checksums import ALGORITHMS, composite, encode, new_digest
from local_aws.s3.documents import OWNER, document, etag_tag, iso_time, parse, tag
from local_aws.s3.index import Part, Record, Upload
from local_aws.s3.lake import Identity, Staged, no_space
from local_aws.s3.objects import Call, Objects, copy_bytes, md5_of
from local_aws.s3.wire import PIECE, Reply

SMALLEST_PART = 5 << 20
LAST_NUMBER = 10_000
FORGOTTEN_AFTER_NS = 7 * 24 * 3600 * 1_000_000_000


class Multipart:
    """The uploads under way."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._index = objects.index
        self._staging = objects.lake.staging

    def sweep(self) -> int:
        """Remove the files of no upload, and uploads that nobody has completed within a week."""
        oldest = time.time_ns() - FORGOTTEN_AFTER_NS
        for upload in self._index.uploads():
            if upload.started_ns < oldest:
                self._index.end_upload(upload.id)
        known = {part.file for upload in self._index.uploads() for part in self._index.parts(upload.id).values()}
        swept = 0
        for entry in os.scandir(self._staging):
            if entry.name.endswith(".part") and entry.name not in known:
                os.unlink(entry.path)
                swept += 1
        return swept

    def create(self, call: Call) -> Reply:
        """Answer CreateMultipartUpload."""
        self._objects.lake.path(call.bucket, call.key)
        headers = call.request.headers
        algorithm = headers.get("x-amz-checksum-algorithm", "").lower()
        if algorithm and algorithm not in ALGORITHMS:
            raise ServiceError("InvalidRequest", f"The checksum algorithm {algorithm} is not known here.", 400)
        kind = headers.get("x-amz-checksum-type", "FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
        attributes = replace(attribute.from_request(headers), checksums={algorithm: kind} if algorithm else {})
        upload = Upload(secrets.token_hex(16), call.bucket, call.key, time.time_ns(), attributes)
        self._index.add_upload(upload)
        parts = (tag("Bucket", call.bucket), tag("Key", call.key), tag("UploadId", upload.id))
        reply = document("InitiateMultipartUploadResult", parts)
        if algorithm:
            reply.headers |= {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind}
        return reply

    def put_part(self, call: Call) -> Reply:
        """Answer UploadPart."""
        upload, number = self._find(call), _number(call)
        default = next(iter(upload.attributes.checksums), "")
        with self._objects.lake.staged() as staged:
            received = receive(call.request, call.signature, staged.write, default)
            part = self._keep(upload, number, staged, received.md5, received.checksums)
        return Reply(headers={"ETag": f'"{part.etag}"'} | attribute.checksum_headers(received.checksums))

    def copy_part(self, call: Call) -> Reply:
        """Answer UploadPartCopy."""
        upload, number = self._find(call), _number(call)
        headers = call.request.headers
        with self._objects.open(*attribute.copy_source(headers)) as source, self._objects.lake.staged() as staged:
            conditions.check_copy_source(headers, source.version)
            offset, length = _source_range(headers.get("x-amz-copy-source-range"), source.identity.size)
            copy_bytes(source, staged, offset, length)
            sums = {name: _checksum(staged.descriptor, name) for name in upload.attributes.checksums}
            part = self._keep(upload, number, staged, md5_of(staged.descriptor, 0, length), sums)
        parts = (tag("LastModified", iso_time(part.mtime_ns)), etag_tag(part.etag))
        return document("CopyPartResult", parts)

    def _keep(self, upload: Upload, number: int, staged: Staged, etag: str, sums: dict[str, str]) -> Part:
        identity = Identity.of(os.fstat(staged.descriptor))
        file = f"{upload.id}-{number}-{secrets.token_hex(4)}.part"
        part = Part(number, file, identity.size, time.time_ns(), etag, sums)
        with self._objects.locks.of(upload.id):
            if self._index.upload(upload.id) is None:
                raise _no_upload(upload.id)
            earlier = self._index.parts(upload.id).get(number)
            with no_space(file):
                os.replace(staged.path, self._staging / file)
            self._index.add_part(upload.id, part)
            if earlier is not None:
                self._remove([earlier])
        return part

    def complete(self, call: Call) -> Reply:
        """Answer CompleteMultipartUpload; told twice, it answers twice."""
        wanted = _wanted_parts(read_document(call.request, call.signature))
        etag = _joined_etag([etag for _, etag in wanted])
        upload_id = call.request.parameters["uploadId"]
        with self._objects.locks.of(upload_id):
            upload = self._index.upload(upload_id)
            if upload is None or (upload.bucket, upload.key) != (call.bucket, call.key):
                if self._objects.present_etag(call.bucket, call.key) != etag:
                    raise _no_upload(upload_id)
                return _completed(call, Record(etag))
            record = self._join(call, upload, wanted, etag)
            self._end(upload_id)
        return _completed(call, record)

    def _join(self, call: Call, upload: Upload, wanted: list[tuple[int, str]], etag: str) -> Record:
        parts = self._chosen(upload, wanted)
        target = self._objects.lake.path(call.bucket, call.key)
        with self._objects.lake.staged() as staged:
            for part in parts:
                descriptor = os.open(self._staging / part.file, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    staged.copy_from(descriptor, 0, part.size)
                finally:
                    os.close(descriptor)
            sums = _object_checksums(call.request.headers, upload, parts, staged.descriptor)
            record = Record(etag, replace(upload.attributes, checksums=sums))
            self._objects.publish(call, target, staged, record)
        return record

    def _chosen(self, upload: Upload, wanted: list[tuple[int, str]]) -> list[Part]:
        """Hold the list of parts against those that are there."""
        there = self._index.parts(upload.id)
        numbers = [number for number, _ in wanted]
        if numbers != sorted(set(numbers)):
            raise ServiceError("InvalidPartOrder", "The parts are not in ascending order, each once.", 400)
        for number, etag in wanted:
            if number not in there or there[number].etag != etag:
                raise ServiceError("InvalidPart", f"Part {number} was not uploaded, or has another ETag.", 400)
        parts = [there[number] for number in numbers]
        if any(part.size < SMALLEST_PART for part in parts[:-1]):
            raise ServiceError("EntityTooSmall", "Every part but the last must have at least 5 MiB.", 400)
        return parts

    def abort(self, call: Call) -> Reply:
        """Answer AbortMultipartUpload."""
        upload = self._find(call)
        with self._objects.locks.of(upload.id):
            self._end(upload.id)
        return Reply(204)

    def _end(self, upload_id: str) -> None:
        parts = list(self._index.parts(upload_id).values())
        self._index.end_upload(upload_id)
        self._remove(parts)

    def _remove(self, parts: list[Part]) -> None:
        for part in parts:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._staging / part.file)

    def _find(self, call: Call) -> Upload:
        upload = self._index.upload(call.request.parameters["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (call.bucket, call.key):
            raise _no_upload(call.request.parameters["uploadId"])
        return upload

    def list_parts(self, call: Call) -> Reply:
        """Answer ListParts, all pages."""
        upload = self._find(call)
        first = int(call.request.parameters.get("part-number-marker", "0") or 0)
        most = min(1000, int(call.request.parameters.get("max-parts", "1000")))
        rest = [part for part in self._index.parts(upload.id).values() if part.number > first]
        items = [tag("Bucket", call.bucket), tag("Key", call.key), tag("UploadId", upload.id), tag("MaxParts", most)]
        items += [OWNER.replace("Owner>", "Initiator>"), OWNER, tag("StorageClass", "STANDARD")]
        items += [tag("PartNumberMarker", first), tag("IsTruncated", str(len(rest) > most).lower())]
        if len(rest) > most:
            items.append(tag("NextPartNumberMarker", rest[most - 1].number))
        for part in rest[:most]:
            sums = "".join(tag(f"Checksum{name.upper()}", value) for name, value in part.checksums.items())
            head = tag("PartNumber", part.number) + tag("LastModified", iso_time(part.mtime_ns))
            items.append(f"<Part>{head}{etag_tag(part.etag)}{tag('Size', part.size)}{sums}</Part>")
        return document("ListPartsResult", items)

    def list_uploads(self, bucket: str, prefix: str) -> Reply:
        """Answer ListMultipartUploads, in one page."""
        items = [tag("Bucket", bucket), tag("Prefix", prefix), tag("IsTruncated", "false"), tag("MaxUploads", 1000)]
        for upload in self._index.uploads(bucket):
            if upload.key.startswith(prefix):
                head = tag("Key", upload.key) + tag("UploadId", upload.id) + OWNER.replace("Owner>", "Initiator>")
                items.append(f"<Upload>{head}{OWNER}{tag('Initiated', iso_time(upload.started_ns))}</Upload>")
        return document("ListMultipartUploadsResult", items)


def _number(call: Call) -> int:
    text = call.request.parameters.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= LAST_NUMBER:
        raise ServiceError("InvalidArgument", "partNumber is not a number from 1 to 10000.", 400)
    return int(text)


def _wanted_parts(body: bytes) -> list[tuple[int, str]]:
    root = parse(body, "CompleteMultipartUpload")
    try:
        parts = [
            (int(item.findtext("PartNumber", "")), item.findtext("ETag", "").strip('"')) for item in root.iter("Part")
        ]
        [bytes.fromhex(etag) for _, etag in parts]
    except ValueError:
        raise ServiceError("MalformedXML", "A part has no number, or an ETag that is none of a part.", 400) from None
    if not parts:
        raise ServiceError("MalformedXML", "The list of parts is empty.", 400)
    return parts


def _joined_etag(etags: list[str]) -> str:
    joined = hashlib.md5(b"".join(bytes.fromhex(etag) for etag in etags), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(etags)}"


def _object_checksums(headers: dict[str, str], upload: Upload, parts: list[Part], descriptor: int) -> dict[str, str]:
    """Return the checksum, of the parts' checksums or (FULL_OBJECT) of all bytes, held against the header's."""
    for algorithm, kind in upload.attributes.checksums.items():
        if kind == "FULL_OBJECT":
            value = _checksum(descriptor, algorithm)
        elif all(algorithm in part.checksums for part in parts):
            value = composite(algorithm, [part.checksums[algorithm] for part in parts])
        else:
            continue
        if headers.get(f"x-amz-checksum-{algorithm}", value) not in (value, value.partition("-")[0]):
            raise ServiceError("BadDigest", f"The {algorithm.upper()} you specified is not the object's.", 400)
        return {algorithm: value}
    return {}


def _checksum(descriptor: int, algorithm: str) -> str:
    digest, offset = new_digest(algorithm), 0
    view = memoryview(bytearray(PIECE))
    while size := os.preadv(descriptor, [view], offset):
        digest.update(view[:size])
        offset += size
    return encode(digest.digest())


def _source_range(text: str | None, size: int) -> tuple[int, int]:
    if text is None:
        return 0, size
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", text)
    if match is None or not int(match[1]) <= int(match[2]) < size:
        raise ServiceError("InvalidRange", f"x-amz-copy-source-range {text} is not in the source's {size} bytes.", 400)
    return int(match[1]), int(match[2]) - int(match[1]) + 1


def _completed(call: Call, record: Record) -> Reply:
    location = f"/{call.bucket}/{call.key}"
    parts = [tag("Location", location), tag("Bucket", call.bucket), tag("Key", call.key), etag_tag(record.etag)]
    parts += [tag(f"Checksum{name.upper()}", value) for name, value in record.attributes.checksums.items()]
    return document("CompleteMultipartUploadResult", parts)


def _no_upload(upload_id: str) -> ServiceError:
    return ServiceError(
        "NoSuchUpload", f"There is no upload {upload_id[:40]!r}: aborted, completed or a week old.", 404
    )
