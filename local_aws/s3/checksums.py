"""The checksums of S3: MD5 for ETags, and the x-amz-checksum-* family."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Protocol

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")


class Digest(Protocol):
    """What hashlib's objects have in common with the CRCs."""

    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class Crc32:
    """CRC-32 (zlib's), big-endian, as x-amz-checksum-crc32 has it."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _tabled(name: str) -> Digest:
    from local_aws.s3 import crc  # numpy is imported by the first client that needs it, not at every start

    return crc.TabledCrc(getattr(crc, name))


_NEW: dict[str, Callable[[], Digest]] = {
    "crc32": Crc32,
    "crc32c": lambda: _tabled("CRC32C"),
    "crc64nvme": lambda: _tabled("CRC64NVME"),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
}


def new_digest(algorithm: str) -> Digest:
    """Return a fresh digest: one of ALGORITHMS, or md5."""
    return _NEW[algorithm]()


def encode(digest: bytes) -> str:
    """Return a digest as headers carry it: base64."""
    return base64.b64encode(digest).decode()


def composite(algorithm: str, parts: list[str]) -> str:
    """Return the checksum of a multipart object: the checksum of its parts' checksums, with their number."""
    digest = new_digest(algorithm)
    digest.update(memoryview(b"".join(base64.b64decode(part) for part in parts)))
    return f"{encode(digest.digest())}-{len(parts)}"
