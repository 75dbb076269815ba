"""Look into raw CSV files byte by byte: what Spark cannot tell, and what it must not be asked.

Before Spark reads a file: can it be read at all, which columns has it, how many records? After it: at which line does
record 4711 stand, and what is its text? Records end at line ends outside quotes; empty lines are none (RFC 4180, and
what Spark's reader does).
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class RawFile:
    """One raw object.

    Attributes:
        key, etag, bytes: as S3 lists it.
        rows: its data records.
        columns: the contract's name of each of its columns, "" for one that the contract does not know.
        unknown: the names of those that it does not know.
        problem: why it cannot be read; "" where it can.
        encoding: in which Spark reads it.
    """

    key: str
    etag: str
    bytes: int
    rows: int = 0
    columns: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problem: str = ""
    encoding: str = "UTF-8"


class UnreadableFileError(Exception):
    """The file as a whole cannot be read; the message is the reason, without the file's name."""


def inspect(
    listed: Mapping[str, Any],
    content: bytes,
    form: Mapping[str, str],
    match: Callable[[Sequence[str]], tuple[str, ...]],
) -> RawFile:
    """Find out whether a file can be read, its columns and how many records it has.

    Args:
        listed: key, etag, bytes.
        content: what the object holds, packed if its name ends in .gz.
        form: delimiter, quote and encoding.
        match: names the contract's columns for a header, or raises ValueError.
    """
    place = (listed["key"], listed["etag"], listed["bytes"])
    try:
        text, encoding = unpack(listed["key"], content, form.get("encoding", "UTF-8"))
        header, start = read_header(text, form)
        columns = match(header)
        rows = count_records(text, start, form)
    except (UnreadableFileError, ValueError) as error:
        return RawFile(*place, problem=str(error))
    unknown = tuple(name for name, column in zip(header, columns, strict=True) if not column)
    return RawFile(*place, rows=rows, columns=columns, unknown=unknown, encoding=encoding)


def unpack(key: str, content: bytes, encoding: str = "UTF-8") -> tuple[bytes, str]:
    """Return a file's text as UTF-8 bytes, and the encoding in which it is written.

    Args:
        encoding: the contract's; a byte order mark at the file's start says more.

    Raises:
        UnreadableFileError: it is empty, not whole, or not in its encoding.
    """
    if key.endswith(".gz") and content:
        try:
            content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            whole = content.startswith(b"\x1f\x8b")
            raise UnreadableFileError("broken gzip" if whole else "not gzip") from error
    if content.startswith(_UTF16_BOMS):
        encoding = "UTF-16"
    elif content.startswith(BOM):
        encoding = "UTF-8"
    elif encoding == "UTF-16" and content:
        raise UnreadableFileError("UTF-16 without a byte order mark")
    if encoding != "UTF-8" or not content.isascii():
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            raise UnreadableFileError(f"not {encoding} at byte {error.start}") from error
        if encoding != "UTF-8":
            content = text.removeprefix("\ufeff").encode()
    if not content.removeprefix(BOM).strip():
        raise UnreadableFileError("empty")
    return content, encoding


def read_header(text: bytes, form: Mapping[str, str]) -> tuple[list[str], int]:
    """Return the names in the first record, and where the next one starts."""
    begin = len(BOM) if text.startswith(BOM) else 0
    start, end, _ = next(scan_records(text, begin, form))
    record = text[start:end].decode("utf-8")
    return next(csv.reader([record], delimiter=form["delimiter"], quotechar=form["quote"])), end


def _record_pattern(form: Mapping[str, str]) -> re.Pattern[bytes]:
    """Match one record with its line end. Quotes only mean something where a field begins with one."""
    quote, delimiter = re.escape(form["quote"].encode()), re.escape(form["delimiter"].encode())
    quoted = rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b[^%b\n]*+" % (quote, quote, quote, quote, quote, quote, delimiter)
    plain = rb"[^%b%b\n][^%b\n]*+|" % (quote, delimiter, delimiter)
    field = rb"(?:%b|%b)" % (quoted, plain)
    return re.compile(rb"%b(?:%b%b)*+(?:\n|\Z)" % (field, delimiter, field))


def scan_records(text: bytes, start: int, form: Mapping[str, str]) -> Iterator[tuple[int, int, int]]:
    """Yield start, end (without the line end) and line of each record from `start` on; lines count from there."""
    pattern, quote = _record_pattern(form), form["quote"].encode()
    line, size = 1, len(text)
    next_quote = text.find(quote, start)
    while start < size:
        end = text.find(b"\n", start)
        end = size if end < 0 else end
        lines = 1
        if 0 <= next_quote < end:
            found = pattern.match(text, start)
            stop = found.end() if found else size  # a quote that nothing closes takes all that follows
            end = stop - 1 if text[stop - 1 : stop] == b"\n" and stop > start else stop
            lines += text.count(b"\n", start, end)
            next_quote = text.find(quote, end)
        last = end - 1 if text[end - 1 : end] == b"\r" and end > start else end
        if last > start:
            yield start, last, line
        line += lines
        start = end + 1


def count_records(text: bytes, start: int, form: Mapping[str, str]) -> int:
    """Count the records from `start` on; stretches without quotes are counted by their line ends alone."""
    pattern, quote = _record_pattern(form), form["quote"].encode()
    records, size = 0, len(text)
    while start < size:
        next_quote = text.find(quote, start)
        stop = size if next_quote < 0 else text.rfind(b"\n", start, next_quote) + 1
        if stop > start:
            records += _count_lines(text, start, stop)
            start = stop
        if next_quote >= 0:
            found = pattern.match(text, start)
            start = found.end() if found else size
            records += 1
    return records


def _count_lines(text: bytes, start: int, stop: int) -> int:
    """Count the lines of a stretch without quotes, but for empty ones."""
    stretch = text[start:stop]
    lines = stretch.count(b"\n") + (not stretch.endswith(b"\n"))
    blank = len(re.findall(rb"\n(?=\r?\n)", stretch)) + bool(re.match(rb"\r?\n", stretch))
    return lines - blank


def locate(text: bytes, wanted: set[int], form: Mapping[str, str]) -> dict[int, tuple[int, str]]:
    """Return line (the header's is 1) and text of the records with these numbers (the first after the header is 1)."""
    begin = len(BOM) if text.startswith(BOM) else 0
    found: dict[int, tuple[int, str]] = {}
    for number, (start, end, line) in enumerate(scan_records(text, begin, form)):
        if number in wanted:
            found[number] = (line, text[start:end].decode("utf-8"))
            if len(found) == len(wanted):
                break
    return found
