"""objects.sqlite: what a plain file cannot say about an object, and the configuration of buckets."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local_aws.errors import LakeError
from local_aws.s3.lake import Identity

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    etag TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (bucket, key, inode, size, mtime_ns)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subresources (
    bucket TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (bucket, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, started_ns INTEGER NOT NULL,
    attributes TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    etag TEXT NOT NULL, checksums TEXT NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID;
"""
_WHERE = "bucket = ? AND key = ?"
_SAME = "inode = ? AND size = ? AND mtime_ns = ?"


@dataclass(frozen=True)
class Attributes:
    """What an object carries beside its bytes: headers as sent, user metadata, tags, checksums by algorithm."""

    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Attributes":
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Record:
    """One version of one object: its ETag (without quotes) and attributes."""

    etag: str
    attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True)
class Upload:
    """A multipart upload under way."""

    id: str
    bucket: str
    key: str
    started_ns: int
    attributes: Attributes


@dataclass(frozen=True)
class Part:
    """One part of an upload: its file's name in the staging folder, ETag and checksums."""

    number: int
    file: str
    size: int
    mtime_ns: int
    etag: str
    checksums: dict[str, str]


class Index:
    """The SQLite file; safe for threads, durable at each return."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            path.touch(mode=0o600)  # SQLite would make it readable by all; its -wal and -shm take the same mode
            self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise LakeError(
                f"{path} cannot be used ({error}): move it away and start again; objects stay, their metadata is lost"
            ) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _read(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self._connection.execute(sql, values)

    # objects

    def find(self, bucket: str, key: str, identity: Identity) -> Record | None:
        """Return the record of exactly this file, or None where another program wrote it."""
        rows = self._read(
            f"SELECT etag, attributes FROM objects WHERE {_WHERE} AND {_SAME}", bucket, key, *_values(identity)
        )
        return Record(rows[0][0], Attributes.from_json(rows[0][1])) if rows else None

    def etags(self, bucket: str, keys: list[str]) -> dict[tuple[str, Identity], str]:
        """Return the ETags of all known versions of these keys (at most some thousands)."""
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, inode, size, mtime_ns, etag FROM objects WHERE bucket = ? AND key IN ({marks})"
        return {(key, Identity(*identity)): etag for key, *identity, etag in self._read(sql, bucket, *keys)}

    def remember(self, bucket: str, key: str, identity: Identity, record: Record, keep: Identity | None = None) -> None:
        """Write the record of a file, and forget all other versions of the key but that of the file `keep`."""
        kept = _values(keep or identity)
        self._write(
            (f"DELETE FROM objects WHERE {_WHERE} AND NOT ({_SAME})", (bucket, key, *kept)),
            (
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)",
                (bucket, key, *_values(identity), record.etag, record.attributes.to_json()),
            ),
        )

    def add_found(self, bucket: str, found: list[tuple[str, Identity, str]]) -> None:
        """Write the ETags of files that other programs wrote; what a file says of itself is true at any time."""
        sql = "INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)"
        plain = Attributes().to_json()
        self._write(*[(sql, (bucket, key, *_values(identity), etag, plain)) for key, identity, etag in found])

    def forget(self, bucket: str, versions: Iterable[tuple[str, Identity]]) -> None:
        """Forget these versions (key, identity), and no other that may have come since."""
        sql = f"DELETE FROM objects WHERE {_WHERE} AND {_SAME}"
        self._write(*[(sql, (bucket, key, *_values(identity))) for key, identity in versions])

    def keep_only(self, exists: Callable[[str, str, Identity], bool]) -> int:
        """Forget every record for which `exists(bucket, key, identity)` is false; return how many."""
        rows = self._read("SELECT bucket, key, inode, size, mtime_ns FROM objects")
        gone = [row for row in rows if not exists(row[0], row[1], Identity(*row[2:]))]
        if gone:
            self._write(*[(f"DELETE FROM objects WHERE {_WHERE} AND {_SAME}", row) for row in gone])
        return len(gone)

    # bucket sub-resources

    def subresource(self, bucket: str, name: str) -> bytes | None:
        rows = self._read("SELECT body FROM subresources WHERE bucket = ? AND name = ?", bucket, name)
        return bytes(rows[0][0]) if rows else None

    def put_subresource(self, bucket: str, name: str, body: bytes) -> None:
        self._write(("INSERT OR REPLACE INTO subresources VALUES (?, ?, ?)", (bucket, name, body)))

    def delete_subresource(self, bucket: str, name: str) -> None:
        self._write(("DELETE FROM subresources WHERE bucket = ? AND name = ?", (bucket, name)))

    def forget_bucket(self, bucket: str) -> None:
        """Forget all that is known of a bucket."""
        self._write(
            ("DELETE FROM subresources WHERE bucket = ?", (bucket,)),
            ("DELETE FROM objects WHERE bucket = ?", (bucket,)),
        )

    # multipart uploads

    def add_upload(self, upload: Upload) -> None:
        values = (upload.id, upload.bucket, upload.key, upload.started_ns, upload.attributes.to_json())
        self._write(("INSERT INTO uploads VALUES (?, ?, ?, ?, ?)", values))

    def upload(self, upload_id: str) -> Upload | None:
        rows = self._read("SELECT * FROM uploads WHERE id = ?", upload_id)
        return _upload(rows[0]) if rows else None

    def uploads(self, bucket: str | None = None) -> list[Upload]:
        """Return the uploads under way, of one bucket or all, by key and start."""
        rows = self._read(
            "SELECT * FROM uploads WHERE bucket = ? OR ? ORDER BY key, started_ns", bucket, bucket is None
        )
        return [_upload(row) for row in rows]

    def add_part(self, upload_id: str, part: Part) -> None:
        """Write a part, in the place of an earlier one with its number."""
        values = (upload_id, part.number, part.file, part.size, part.mtime_ns, part.etag, json.dumps(part.checksums))
        self._write(("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values))

    def parts(self, upload_id: str) -> dict[int, Part]:
        rows = self._read("SELECT * FROM parts WHERE upload = ? ORDER BY number", upload_id)
        return {
            number: Part(number, file, size, at, etag, json.loads(sums))
            for _, number, file, size, at, etag, sums in rows
        }

    def end_upload(self, upload_id: str) -> None:
        self._write(
            ("DELETE FROM parts WHERE upload = ?", (upload_id,)), ("DELETE FROM uploads WHERE id = ?", (upload_id,))
        )


def _values(identity: Identity) -> tuple[int, int, int]:
    return identity.inode, identity.size, identity.mtime_ns


def _upload(row: tuple[Any, ...]) -> Upload:
    return Upload(row[0], row[1], row[2], row[3], Attributes.from_json(row[4]))
