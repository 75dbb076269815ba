"""A request's body: taken off the wire, decoded, hashed on the way, and held against what the client promised.

Encodings: plain, and aws-chunked in its three kinds (signed chunks, signed chunks with trailers, unsigned with
trailers), each with a known length or with HTTP's own chunks around it.
"""

import base64
import binascii
import hmac
import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from local_aws.errors import ServiceError
from local_aws.s3.checksums import ALGORITHMS, Digest, encode, new_digest
from local_aws.s3.chunks import BUFFERS, buffers, decoded
from local_aws.s3.wire import PIECE, Request, Source
from local_aws.signing import Signature

LARGEST_PUT = 5 << 30
LARGEST_DOCUMENT = 2 << 20
_SIGNED_CHUNKS = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
_UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Received:
    """What came: size in bytes, MD5 (hex), and the checksums that the client sent and that hold, by algorithm."""

    size: int
    md5: str
    checksums: dict[str, str]


def receive(request: Request, signature: Signature, write: Callable[[memoryview], None], default: str = "") -> Received:
    """Read the body of `request` into `write`, and verify length, hashes, checksums and chunk signatures.

    `default` names a checksum to compute where the client sent none. Raises the service's errors; then what was
    written must be thrown away.
    """
    promised = _Promised(request, signature, default)
    pieces = promised.pieces(request.source())
    with _Hashing(promised.digests) as hashing:
        for piece in pieces:
            write(piece)
            hashing.update(piece)
    return promised.kept(hashing.size)


def read_document(request: Request, signature: Signature) -> bytes:
    """Read a small body (an XML or JSON document) into memory."""
    if request.length > LARGEST_DOCUMENT:
        raise ServiceError("MaxMessageLengthExceeded", "The request's document is over 2 MiB.", 400)
    parts: list[bytes] = []
    receive(request, signature, lambda piece: parts.append(bytes(piece)))
    return b"".join(parts)


class _Promised:
    """What the headers say of the body, and the digests that will tell."""

    def __init__(self, request: Request, signature: Signature, default: str) -> None:
        headers = request.headers
        self._signature = signature
        self._kind = signature.payload_hash
        self.trailers: dict[str, str] = {}
        self._decoded = self._decoded_length(request)
        self._md5 = _content_md5(headers)
        self._sent = {
            name: headers[f"x-amz-checksum-{name}"] for name in ALGORITHMS if f"x-amz-checksum-{name}" in headers
        }
        trailing = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip()]
        self._trailing = [name.removeprefix("x-amz-checksum-") for name in trailing]
        if unknown := [name for name in self._trailing if name not in ALGORITHMS]:
            raise ServiceError("InvalidRequest", f"The trailing headers {unknown} are no checksums known here.", 400)
        names = {"md5", *self._sent, *self._trailing} | ({default} if default else set())
        if _HEX.fullmatch(self._kind):
            names.add("sha256")
        self.digests: dict[str, Digest] = {name: new_digest(name) for name in names}
        self._default = default

    def _decoded_length(self, request: Request) -> int | None:
        """The number of the object's own bytes, where it is announced."""
        text = request.headers.get("x-amz-decoded-content-length")
        if text is None:
            known = None if request.chunked or self.aws_chunked else request.length
        elif text.isascii() and text.isdigit():
            known = int(text)
        else:
            raise ServiceError("InvalidArgument", "x-amz-decoded-content-length is not a number.", 400)
        if "content-length" not in request.headers and not request.chunked:
            raise ServiceError("MissingContentLength", "The request has no Content-Length.", 411)
        if (known or 0) > LARGEST_PUT:
            raise ServiceError("EntityTooLarge", "The body is over 5 GiB: upload it in parts.", 400)
        return known

    @property
    def aws_chunked(self) -> bool:
        return self._kind in _SIGNED_CHUNKS or self._kind == _UNSIGNED_CHUNKS

    def pieces(self, source: Source) -> Iterator[memoryview]:
        """Yield the object's bytes; a piece's buffer is used again after `BUFFERS` - 1 further pieces."""
        if self.aws_chunked:
            signed = self._signature if self._kind in _SIGNED_CHUNKS else None
            return decoded(source, signed, self.trailers)
        if self._kind.startswith("STREAMING-"):
            raise ServiceError("NotImplemented", f"Payloads of kind {self._kind} are not read (see docs/s3.md).", 501)
        return _plain(source)

    def kept(self, size: int) -> Received:
        """Hold the digests against the promises; return the result."""
        if self._decoded is not None and size != self._decoded:
            raise ServiceError("IncompleteBody", f"{size} bytes came, {self._decoded} were announced.", 400)
        values = {name: digest.digest() for name, digest in self.digests.items()}
        if _HEX.fullmatch(self._kind) and not hmac.compare_digest(values["sha256"].hex(), self._kind):
            raise ServiceError("XAmzContentSHA256Mismatch", "The body's SHA-256 is not x-amz-content-sha256.", 400)
        if self._md5 is not None and self._md5 != values["md5"]:
            raise ServiceError("BadDigest", "The body's MD5 is not the one in Content-MD5.", 400)
        promised = dict(self._sent)
        for name in self._trailing:
            if (value := self.trailers.get(f"x-amz-checksum-{name}")) is None:
                raise ServiceError("MalformedTrailerError", f"The trailer has no x-amz-checksum-{name}.", 400)
            promised[name] = value
        for name, value in promised.items():
            if encode(values[name]) != value:
                raise ServiceError("BadDigest", f"The {name.upper()} you specified is not the body's.", 400)
        if not promised and self._default:
            promised[self._default] = encode(values[self._default])
        return Received(size, values["md5"].hex(), promised)


class _Hashing:
    """Digests that run beside the reading: in a thread from the second piece on, since both release the GIL."""

    def __init__(self, digests: dict[str, Digest]) -> None:
        self._digests = list(digests.values())
        self._queue: queue.Queue[memoryview | None] = queue.Queue(BUFFERS - 2)  # one is written, one is hashed
        self._thread: threading.Thread | None = None
        self.size = 0

    def __enter__(self) -> "_Hashing":
        return self

    def update(self, piece: memoryview) -> None:
        if self.size == 0 and len(piece) < PIECE:
            self._digest(piece)
        else:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._queue.put(piece)
        self.size += len(piece)

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (piece := self._queue.get()) is not None:
            self._digest(piece)

    def _digest(self, piece: memoryview) -> None:
        for digest in self._digests:
            digest.update(piece)


def _plain(source: Source) -> Iterator[memoryview]:
    first = memoryview(bytearray(min(PIECE, source.expected)))
    if size := source.read(first):
        yield first[:size]
    if size < PIECE:
        return
    for buffer in buffers():
        if not (size := source.read(buffer)):
            return
        yield buffer[:size]


def _content_md5(headers: dict[str, str]) -> bytes | None:
    text = headers.get("content-md5")
    if text is None:
        return None
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != 16:
        raise ServiceError("InvalidDigest", "Content-MD5 is not the base64 of 16 bytes.", 400)
    return value
