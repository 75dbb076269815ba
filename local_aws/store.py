"""Documents of the control plane in one SQLite file: (kind, key) -> JSON object.

One file holds the catalog, jobs, runs, crawlers, workgroups, executions and the provisioned stack, so that all of it
survives a restart and a kill -9: each write is a transaction of SQLite's write-ahead log.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.errors import StackError

Document = dict[str, Any]

BUSY_SECONDS = 30.0
_LAST = "\U0010ffff"  # sorts after every character that a key holds

_Rows = list[tuple[Any, ...]]
# Inside the class `list` is the method.
_Listed = list[tuple[str, Document]]
_Keys = list[str]

# How a transaction begins, ends, and is undone: the outermost one, and one within another.
_BRACKETS = (
    ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",)),
    ("SAVEPOINT inner", "RELEASE inner", ("ROLLBACK TO inner", "RELEASE inner")),
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""


class Store:
    """Keep JSON documents by kind and key; shared by the threads of a process, and by several processes.

    Documents come back as fresh copies: changing one changes nothing until it is `put` again. What another process
    wrote is seen at the next call. Keys sort by code point, and `list` returns them in that order.
    """

    def __init__(self, path: Path) -> None:
        # Before SQLite creates it, since the -wal and -shm files take over the main file's permissions.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            # A crash of the machine may lose the last commits, a killed process none; the file stays whole in both.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StackError(
                f"{path} cannot be used ({error}): free it or the disk, or run `workbench reset`."
            ) from error

    def get(self, kind: str, key: str) -> Document | None:
        """Return the document, or None where there is none."""
        rows = self._read("SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key))
        return json.loads(rows[0][0]) if rows else None

    def list(self, kind: str, prefix: str = "") -> _Listed:
        """Return (key, document) of every document of `kind` whose key starts with `prefix`, sorted by key."""
        rows = self._read(
            "SELECT key, body FROM documents WHERE kind = ? AND key >= ? AND key < ? ORDER BY key",
            (kind, prefix, prefix + _LAST),
        )
        return [(key, json.loads(body)) for key, body in rows]

    def keys(self, kind: str, prefix: str = "") -> _Keys:
        """Return the keys that `list` would give, without reading the documents."""
        rows = self._read(
            "SELECT key FROM documents WHERE kind = ? AND key >= ? AND key < ? ORDER BY key",
            (kind, prefix, prefix + _LAST),
        )
        return [key for (key,) in rows]

    def put(self, kind: str, key: str, document: Document) -> None:
        """Write the document, replacing what was there. Raises TypeError for what JSON cannot say."""
        body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, body))

    def delete(self, kind: str, key: str) -> bool:
        """Remove the document; say whether there was one."""
        with self.transaction():
            cursor = self._connection.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))
            return cursor.rowcount > 0

    def delete_prefix(self, kind: str, prefix: str) -> int:
        """Remove every document of `kind` whose key starts with `prefix`; return how many there were."""
        with self.transaction():
            cursor = self._connection.execute(
                "DELETE FROM documents WHERE kind = ? AND key >= ? AND key < ?", (kind, prefix, prefix + _LAST)
            )
            return cursor.rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the reads and writes inside atomic; an exception undoes them all. Transactions nest.

        Other threads and processes wait meanwhile: keep slow work out of it.
        """
        with self._lock:
            begin, commit, undo = _BRACKETS[self._depth > 0]
            self._connection.execute(begin)
            self._depth += 1
            try:
                yield
                self._connection.execute(commit)
            except BaseException as error:
                # Where the disk is full, SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    for statement in undo:
                        self._connection.execute(statement)
                if isinstance(error, sqlite3.OperationalError):
                    raise self._unusable(error) from error
                raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file; SQLite then folds the write-ahead log into it."""
        with self._lock:
            self._connection.close()

    def _unusable(self, error: sqlite3.Error) -> StackError:
        return StackError(f"{self.path} cannot be used ({error}): free some disk space, or run `workbench reset`.")

    def _read(self, sql: str, values: tuple[object, ...]) -> _Rows:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()
