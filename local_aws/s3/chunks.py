"""The aws-chunked encoding: chunks that may be signed, one after the other, and headers that trail them."""

import hmac
from collections.abc import Iterator

from local_aws.errors import ServiceError
from local_aws.s3.checksums import new_digest
from local_aws.s3.wire import PIECE, Source
from local_aws.signing import EMPTY_SHA256, Signature, chunk_signature, trailer_signature

BUFFERS = 4


def buffers() -> Iterator[memoryview]:
    """Give buffers of a piece's size, each again after `BUFFERS` - 1 others."""
    ring = [memoryview(bytearray(PIECE)) for _ in range(BUFFERS)]
    while True:
        yield from ring


def decoded(source: Source, signature: Signature | None, trailers: dict[str, str]) -> Iterator[memoryview]:
    """Yield the content of aws-chunked chunks, and fill `trailers`; a chunk is checked before the next begins."""
    reader, ring = _Lines(source), buffers()
    previous = signature.value if signature else ""
    while True:
        size, claimed = _chunk_head(reader.line())
        sha256 = new_digest("sha256") if signature else None
        left = size
        while left:
            buffer = next(ring)[: min(left, PIECE)]
            reader.fill(buffer)
            if sha256:
                sha256.update(buffer)
            left -= len(buffer)
            yield buffer
        if signature and sha256:
            digest = sha256.digest().hex() if size else EMPTY_SHA256
            previous = _matched(chunk_signature(signature, previous, digest), claimed)
        if not size:
            break
        if reader.line():
            raise ServiceError("InvalidRequest", "A chunk of the aws-chunked body is longer than it says.", 400)
    _read_trailers(reader, signature, previous, trailers)
    while source.read(next(ring)):
        pass  # the end of HTTP's own chunks


def _read_trailers(reader: "_Lines", signature: Signature | None, previous: str, trailers: dict[str, str]) -> None:
    text = b""
    while line := reader.line():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "x-amz-trailer-signature":
            if signature:
                _matched(trailer_signature(signature, previous, text), value.strip())
            trailers["signed"] = "yes"
        else:
            trailers[name.lower()] = value.strip()
            text += f"{name.lower()}:{value.strip()}\n".encode("latin-1")
    if signature and text and "signed" not in trailers:
        raise ServiceError("SignatureDoesNotMatch", "The trailing headers are not signed.", 403)


def _chunk_head(line: bytes) -> tuple[int, str]:
    size, _, extension = line.decode("latin-1").partition(";")
    try:
        return int(size, 16), extension.strip().removeprefix("chunk-signature=")
    except ValueError:
        raise ServiceError("InvalidRequest", "A chunk of the aws-chunked body has no size.", 400) from None


def _matched(expected: str, claimed: str) -> str:
    if not hmac.compare_digest(expected.encode(), claimed.encode("latin-1", "replace")):
        raise ServiceError("SignatureDoesNotMatch", "The signature of a chunk or trailer is not right.", 403)
    return expected


class _Lines:
    """Lines and runs of bytes out of a body whose transfer encoding is already off."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = bytearray()
        self._scratch = memoryview(bytearray(4096))

    def line(self) -> bytes:
        """Return the next line without CRLF; an ended body gives empty lines."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            got = self._source.read(self._scratch)
            if not got:
                rest, self._buffer = bytes(self._buffer), bytearray()
                return rest
            self._buffer += self._scratch[:got]
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def fill(self, view: memoryview) -> None:
        ready = min(len(self._buffer), len(view))
        if ready:
            view[:ready] = self._buffer[:ready]
            del self._buffer[:ready]
        while ready < len(view):
            got = self._source.read(view[ready:])
            if not got:
                raise ServiceError("IncompleteBody", "The aws-chunked body ends inside a chunk.", 400)
            ready += got
