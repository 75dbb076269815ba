"""Stream a CSV object from S3 into COPY, over one connection or several, in constant memory.

One reader cuts the stream into blocks of whole records and hands them to a bounded queue; each connection's COPY takes
the next block when it has room. psycopg2 lets go of the interpreter while it sends, so one process is enough.
Every COPY gets the file's header first and compares it itself (HEADER match).
"""

import bisect
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import sql

from helpers.errors import LoadError
from helpers.load_postgres_crash import crash_point
from helpers.load_postgres_split import Block, LoadProgress, check_header, find_bad_bytes, read_blocks, split_header
from helpers.objects import S3Object

_TICK = 0.2
# Below this one connection is as fast: what a second one costs is to be opened.
_PARALLEL_BYTES = 16 << 20
_PLACE = re.compile(r', line (\d+)(?:, column (.+?))?(?:: ".*|: null input)?$', re.DOTALL)
_MISSING = re.compile(r'missing data for column "(.*)"')


@dataclass(frozen=True)
class CopyTarget:
    """The table that COPY fills: schema, name, and its columns in the CSV's order."""

    schema: str
    name: str
    columns: tuple[str, ...]

    def statement(self) -> sql.Composed:
        """Return the COPY statement."""
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER match, ENCODING 'UTF8')").format(
            sql.Identifier(self.schema, self.name), sql.SQL(", ").join(map(sql.Identifier, self.columns))
        )


@dataclass(frozen=True)
class Source:
    """A CSV object, and how it is opened: `read(start)` returns a stream from that byte on, with its ETag."""

    place: S3Object
    read: Callable[[int], tuple[Any, str]]


@dataclass(frozen=True)
class Copied:
    """What was read and what arrived: rows as COPY reports them, records as the reader counted them."""

    rows: int
    records: int
    bytes: int
    etag: str


def s3_source(s3: Any, place: S3Object) -> Source:
    """Return the source of an S3 object that must still be the one with its ETag."""

    def read(start: int) -> tuple[Any, str]:
        span = {"Range": f"bytes={start}-"} if start else {}
        answer = s3.get_object(Bucket=place.bucket, Key=place.key, IfMatch=place.etag, **span)
        return answer["Body"], str(answer["ETag"]).strip('"')

    return Source(place, read)


def choose_connections(size: int) -> int:
    """Return over how many connections `size` bytes are loaded: two where both sides have a core for each."""
    return 2 if size >= _PARALLEL_BYTES and (os.cpu_count() or 1) > 1 else 1


def copy_source(
    connect: Callable[[], Any], source: Source, target: CopyTarget, progress: LoadProgress, connections: int = 0
) -> Copied:
    """Fill the table from the CSV and commit; return what was read and what arrived.

    Raises:
        LoadError: a wrong header or a value that PostgreSQL refuses, with file, line and column; or not the
            whole object was read; or COPY took another number of rows than the reader counted.
    """
    opened: list[Any] = []
    try:
        body, etag = source.read(0)
        with closing(body):
            blocks = _follow(read_blocks(body), progress)
            first = next(blocks, Block(b"", 0, 0, 1, 0))
            header, rest = split_header(first)
            check_header(header, list(target.columns))
            opened += [connect() for _ in range(connections or choose_connections(source.place.bytes))]
            line = header if header.endswith(b"\n") else header + b"\n"
            copy = _Copy(target, [_Feed(line, connection) for connection in opened])
            seen = copy.run(iter([rest]) if rest.data else iter(()), blocks)
        copied = Copied(sum(feed.rows for feed in copy.feeds), seen.records, seen.bytes + len(header), etag)
        _compare(source, copied)
        for connection in opened:
            connection.commit()
        return copied
    except LoadError as error:
        raise LoadError(f"{source.place.uri}, {error}; nothing was published") from error
    except _Refused as refused:
        raise _name_refusal(refused, source, target) from refused.error
    finally:
        for connection in opened:
            connection.close()


def _follow(blocks: Iterator[Block], progress: LoadProgress) -> Iterator[Block]:
    for block in blocks:
        progress.add(block)
        yield block


def _compare(source: Source, copied: Copied) -> None:
    if copied.etag != source.place.etag or copied.bytes != source.place.bytes:
        raise LoadError(
            f"{copied.bytes:,} bytes with ETag {copied.etag} were read where {source.place.bytes:,} with "
            f"{source.place.etag} were announced"
        )
    if copied.rows != copied.records:
        raise LoadError(f"it has {copied.records:,} records, of which COPY took {copied.rows:,} rows")


@dataclass
class _Seen:
    records: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class _Taken:
    """A block that a COPY got: its first line in that stream, and where it lies in the file."""

    stream_line: int
    line: int
    offset: int
    bytes: int


@dataclass
class _Feed:
    """What one connection's COPY reads: the header, then blocks; `taken` maps its lines to the file's."""

    header: bytes
    connection: Any
    rows: int = 0
    line: int = 0
    taken: list[_Taken] = field(default_factory=list)


class _Refused(Exception):
    """COPY over one of the connections failed; `feed` knows which lines of the file it got."""

    def __init__(self, error: psycopg2.Error, feed: _Feed) -> None:
        super().__init__(str(error))
        self.error = error
        self.feed = feed


class _Stopped(Exception):
    """The other side of the queue gave up."""


class _Copy:
    """One COPY a connection, all fed from one queue."""

    def __init__(self, target: CopyTarget, feeds: list[_Feed]) -> None:
        self.target = target
        self.feeds = feeds
        self.blocks: queue.Queue[Block | None] = queue.Queue(maxsize=len(feeds) + 1)
        self.failed = threading.Event()
        self.errors: list[tuple[BaseException, _Feed]] = []

    def run(self, *streams: Iterator[Block]) -> _Seen:
        """Deal all blocks; return when every COPY has ended."""
        threads = [threading.Thread(target=self._work, args=(feed,), daemon=True) for feed in self.feeds]
        for thread in threads:
            thread.start()
        seen = _Seen()
        try:
            for stream in streams:
                for block in stream:
                    self._deal(block)
                    seen.records += block.records
                    seen.bytes += len(block.data)
                    crash_point("copying")
            for _ in threads:
                self._deal(None)
        except _Stopped:
            pass
        except BaseException:
            self.failed.set()
            raise
        finally:
            if self.failed.is_set():
                self._cancel(threads)
            for thread in threads:
                thread.join()
        if self.errors:
            error, feed = self.errors[0]
            raise _Refused(error, feed) if isinstance(error, psycopg2.Error) else error
        return seen

    def _deal(self, block: Block | None) -> None:
        while not self.failed.is_set():
            try:
                return self.blocks.put(block, timeout=_TICK)
            except queue.Full:
                continue
        raise _Stopped

    def _work(self, feed: _Feed) -> None:
        try:
            with feed.connection.cursor() as cursor:
                cursor.copy_expert(self.target.statement().as_string(cursor), _Stream(self, feed))
                feed.rows = cursor.rowcount
        except BaseException as error:
            if not self.failed.is_set():
                self.errors.append((error, feed))
            self.failed.set()

    def _cancel(self, threads: list[threading.Thread]) -> None:
        """End COPYs that would wait for the server: they are of no use any more."""
        for thread, feed in zip(threads, self.feeds, strict=True):
            thread.join(_TICK)
            if thread.is_alive() and not feed.connection.closed:
                feed.connection.cancel()


class _Stream:
    """What psycopg2 reads from: whole blocks, whatever the size that it asks for."""

    def __init__(self, copy: _Copy, feed: _Feed) -> None:
        self.copy = copy
        self.feed = feed

    def read(self, size: int = -1) -> bytes:
        feed = self.feed
        if not feed.line:
            feed.line = 1 + feed.header.count(b"\n")
            return feed.header
        while not self.copy.failed.is_set():
            try:
                block = self.copy.blocks.get(timeout=_TICK)
            except queue.Empty:
                continue
            if block is None:
                return b""
            # the bytes themselves go; where they came from stays, should PostgreSQL refuse them
            feed.taken.append(_Taken(feed.line, block.line, block.offset, len(block.data)))
            feed.line += block.lines
            return block.data
        raise _Stopped


def _name_refusal(refused: _Refused, source: Source, target: CopyTarget) -> Exception:
    """Say where in the file the value stands that PostgreSQL refused; an error of another kind stays what it is."""
    error, feed = refused.error, refused.feed
    original: Exception = error
    found = _PLACE.search(error.diag.context or "")
    if not isinstance(error, psycopg2.DataError | psycopg2.IntegrityError) or not found:
        return original
    said = error.diag.message_primary or str(error)
    missing = _MISSING.fullmatch(said)
    column = found[2] or error.diag.column_name or (missing[1] if missing else "")
    line = int(found[1])
    at = max(0, bisect.bisect_right([taken.stream_line for taken in feed.taken], line) - 1)
    if feed.taken:
        line += feed.taken[at].line - feed.taken[at].stream_line
    if error.pgcode == "22021":  # its context names no column, and a line only roughly
        line, column = _find_bytes(source, target, feed.taken[at:]) or (line, column)
    elif not column:
        column = target.columns[-1]
    where = f'line {line}, column "{column}"' if column else f"line {line}"
    return LoadError(f"{source.place.uri}, {where}: {said[:300]}; nothing was published")


def _find_bytes(source: Source, target: CopyTarget, blocks: list[_Taken]) -> tuple[int, str] | None:
    """Read the blocks again to find the first bytes that are no text."""
    for block in blocks:
        body, _ = source.read(block.offset)
        with closing(body):
            data = body.read(block.bytes)
        if bad := find_bad_bytes(data):
            line, place = bad
            return block.line + line, target.columns[min(place, len(target.columns) - 1)]
    return None
