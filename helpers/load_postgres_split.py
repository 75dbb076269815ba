"""Cut a CSV stream into blocks of whole records, by the parity of its quotes; nothing is parsed.

A newline ends a record where the quotes before it are even in number (RFC 4180: a quote inside a quoted value is
doubled, so it never changes the parity). The same positions count the records.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.errors import LoadError
from helpers.progress import ProgressLine

BLOCK_BYTES = 1 << 20
_QUOTE, _NEWLINE = 0x22, 0x0A
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole records of a CSV.

    Attributes:
        data: the bytes, which end with a record's end (the last block of a file may lack the newline).
        records: how many there are.
        offset: where the block begins in the file, in bytes.
        line: the file's line on which it begins, from 1; a value with a newline in it takes two lines.
        lines: how many newlines it has.
    """

    data: bytes
    records: int
    offset: int
    line: int
    lines: int


class LoadProgress(ProgressLine):
    """Follow a load in bytes and rows a second, over all its objects."""

    rows = 0

    def add(self, block: Block) -> None:
        """Count a block that was read."""
        self.rows += block.records
        self.say(f"{self.rows / max(self.seconds(), 0.001):,.0f} rows/s")
        self.advance(len(block.data))


def read_blocks(body: Any, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the stream's blocks of about `size` bytes; a longer record makes a longer block.

    Args:
        body: has `read(n)`, which returns at most n bytes, and none at the end.

    Raises:
        LoadError: the stream ends inside quotes.
    """
    offset, line = 0, 1
    kept = b""
    while piece := body.read(size):
        data = kept + piece
        records, end, lines = _find_records(data)
        if not records:
            kept = data
            size *= 2  # a record longer than a block: reading on by the same step would look at it again and again
            continue
        yield Block(data[:end], records, offset, line, lines)
        line += lines
        offset += end
        kept = data[end:]
    if kept:
        lines = kept.count(b"\n")
        if kept.count(b'"') & 1:
            raise LoadError(f"line {line + lines}: the file ends inside a quoted value; it is cut off")
        yield Block(kept, 1, offset, line, lines)


def _find_ends(data: bytes) -> tuple[Any, Any]:
    """Return where the newlines of `data` stand, which begins with a record, and which of them end a record."""
    letters = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(letters == _NEWLINE)
    if not len(newlines):
        return newlines, newlines.astype(bool)
    # one parity for the letters from each newline to the next: much less to add up than one for each letter
    quotes = (letters == _QUOTE).view(np.uint8)
    parities = np.bitwise_xor.reduceat(quotes, np.concatenate(([0], newlines)))
    return newlines, np.bitwise_xor.accumulate(parities[:-1]) == 0


def _find_records(data: bytes) -> tuple[int, int, int]:
    """Return how many records end in `data`, where the last one ends, and how many newlines come before that."""
    newlines, ending = _find_ends(data)
    last = np.flatnonzero(ending)
    if not len(last):
        return 0, 0, 0
    return len(last), int(newlines[last[-1]]) + 1, int(last[-1]) + 1


def split_header(block: Block) -> tuple[bytes, Block]:
    """Return the file's first record and the rest of its first block."""
    newlines, ending = _find_ends(block.data)
    whole = newlines[ending]
    end = int(whole[0]) + 1 if len(whole) else len(block.data)
    header = block.data[:end]
    lines = header.count(b"\n")
    rest = Block(block.data[end:], block.records - 1, block.offset + end, block.line + lines, block.lines - lines)
    return header, rest


def check_header(header: bytes, columns: list[str]) -> None:
    """Compare the first record with the columns, names and order.

    Raises:
        LoadError: a byte order mark, bytes that are no UTF-8, or the first column that differs.
    """
    if header.startswith(_BOM):
        raise LoadError("line 1: begins with a byte order mark, which would become part of the first column's name")
    found = parse_record(header)
    for place, name in enumerate(columns):
        if place >= len(found):
            raise LoadError(f'line 1: column {place + 1}, "{name}", is missing from the header')
        if found[place] != name:
            raise LoadError(f'line 1, column {place + 1}: the header has "{found[place]}" where "{name}" belongs')
    if len(found) > len(columns):
        raise LoadError(f'line 1: the header has one column more than the table: "{found[len(columns)]}"')


def parse_record(record: bytes) -> list[str]:
    """Return the values of one record; bytes that are no UTF-8 stay visible as U+FFFD."""
    text = record.decode(errors="replace").replace("\0", "\ufffd")
    return next(csv.reader(io.StringIO(text, newline="")), [])


def find_bad_bytes(data: bytes) -> tuple[int, int] | None:
    """Return line and field, both from 0, of the first NUL or byte that is no UTF-8, or None."""
    try:
        text = data.decode()
        place = text.find("\0")
        if place < 0:
            return None
        at = len(text[:place].encode())
    except UnicodeDecodeError as error:
        nul = data.find(b"\0")
        at = error.start if nul < 0 else min(error.start, nul)
    before = data[:at]
    _, end, _ = _find_records(before)
    return before.count(b"\n"), max(0, len(parse_record(before[end:] + b"x")) - 1)
