"""Look into raw files byte by byte: what Spark cannot tell, and what it must not be asked.

Before Spark reads a file: what is it, can it be read at all, which columns has it, how many records? After it: at which
line does record 4711 stand, and what is its text? Records end at line ends outside quotes; empty lines are none (RFC
4180, and what Spark's reader does). Records that are no text at all are kept from Spark, which would guess at them: it
gets a copy of the file, in which a mark stands in their place.
"""

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOM = b"\xef\xbb\xbf"
CSV, JSON, PARQUET = "csv", "json", "parquet"
NOT_TEXT, NUL_BYTE, TOO_LONG = "not in its encoding", "NUL byte", "longer than 1 MiB"
# What stands in a copy for a record with that problem: signs that Unicode sets aside for a program's own use.
MARKS = {NOT_TEXT: "\ufdd0", NUL_BYTE: "\ufdd1", TOO_LONG: "\ufdd2"}
LONGEST = 1 << 20
BLOCK = 1 << 20  # bytes that are decoded together
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_PACKED = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_NAMES = {"csv": CSV, "tsv": CSV, "txt": CSV, "json": JSON, "jsonl": JSON, "ndjson": JSON, "parquet": PARQUET}


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
        kind: csv, json (lines) or parquet.
        copied: whether Spark reads a copy instead of the file.
    """

    key: str
    etag: str
    bytes: int
    rows: int = 0
    columns: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problem: str = ""
    encoding: str = "UTF-8"
    kind: str = CSV
    copied: bool = False


class UnreadableFileError(Exception):
    """The file as a whole cannot be read; the message is the reason, without the file's name."""


def find_kind(key: str, content: bytes, default: str = CSV) -> str:
    """Tell a file's format: by its first bytes, by its name, or else as the contract says."""
    name = key.rpartition("/")[2].lower()
    parts = [part for part in name.split(".")[1:] if part not in ("gz", "zst")]
    if content.startswith(b"PAR1"):
        return PARQUET
    return _NAMES.get(parts[-1], default) if parts else default


def inspect(
    listed: Mapping[str, Any],
    content: bytes,
    form: Mapping[str, str],
    match: Callable[[Sequence[str]], tuple[tuple[str, ...], tuple[str, ...]]],
) -> tuple[RawFile, bytes | None]:
    """Find out whether a CSV file can be read, its columns and how many records it has.

    Args:
        listed: key, etag, bytes.
        content: what the object holds, gzip or not.
        form: delimiter, quote and encoding.
        match: names the table's columns for a header and what the contract does not know, or raises ValueError.

    Returns: the file, and the copy that Spark must read instead, in UTF-8; None where it can read the file itself.
    """
    place = (listed["key"], listed["etag"], listed["bytes"])
    try:
        text, encoding = unpack(listed["key"], content, form.get("encoding", "UTF-8"))
        header, start = read_header(text, form)
        columns, unknown = match(header)
        rows, longest = count_records(text, start, form)
    except (UnreadableFileError, ValueError) as error:
        return RawFile(*place, problem=str(error)), None
    copy = None
    if longest > LONGEST or not _is_text(text) or has_long_line(text):
        copy = mark_records(text, start, form, len(header))
    elif content.startswith(_GZIP) != listed["key"].endswith(".gz"):  # Spark unpacks by a file's name
        copy = text
    encoding = encoding if copy is None else "UTF-8"
    return RawFile(*place, rows, columns, unknown, encoding=encoding, copied=copy is not None), copy


def unpack(key: str, content: bytes, encoding: str = "UTF-8") -> tuple[bytes, str]:
    """Return a packed file's text as `decode` does.

    Raises:
        UnreadableFileError: it is empty, not whole, packed in another way, or damaged UTF-16.
    """
    return decode(decompress(key, content), encoding)


def decompress(key: str, content: bytes) -> bytes:
    """Return the content of a file that may be packed with gzip, whatever its name.

    Raises:
        UnreadableFileError: it is not whole, no gzip though its name ends so, or packed in another way.
    """
    for magic, name in _PACKED.items():
        if content.startswith(magic):
            hint = ": ingest it by step 01, which unpacks it" if name == "zstd" else ": unpack it before it is ingested"
            raise UnreadableFileError(f"packed with {name}{hint}")
    if not content.startswith(_GZIP) and not (key.endswith(".gz") and content):
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFileError("broken gzip" if content.startswith(_GZIP) else "not gzip") from error


def decode(content: bytes, encoding: str = "UTF-8") -> tuple[bytes, str]:
    """Return a text as UTF-8 bytes, and the encoding in which it is written.

    What is no text in that encoding stays in it as bytes that are no UTF-8 either; `find_bad` names their records.

    Args:
        encoding: the contract's; a byte order mark at the file's start says more.

    Raises:
        UnreadableFileError: it is empty, or damaged UTF-16.
    """
    encoding = _find_encoding(content, encoding)
    if encoding == "UTF-16":
        try:
            content = content.decode(encoding).encode()
        except UnicodeDecodeError as error:
            raise UnreadableFileError(f"not {encoding} at byte {error.start}") from error
    elif encoding != "UTF-8" and not content.isascii():
        content = content.decode(encoding, "surrogateescape").encode("utf-8", "surrogatepass")
    if re.fullmatch(rb"(?:%b)?\s*" % BOM, content):
        raise UnreadableFileError("empty")
    return content, encoding


def _find_encoding(content: bytes, encoding: str) -> str:
    """Return the encoding that a byte order mark tells, or else the contract's."""
    if content.startswith(_UTF16_BOMS):
        return "UTF-16"
    if content.startswith(BOM):
        return "UTF-8"
    if encoding == "UTF-16" and content:
        raise UnreadableFileError("UTF-16 without a byte order mark")
    return encoding


def restore(record: bytes, content: bytes, encoding: str) -> bytes:
    """Return a record of `unpack`'s text as it stands in the (unpacked) file."""
    if encoding == "UTF-16":
        return record.decode().encode("utf-16-le" if content.startswith(_UTF16_BOMS[0]) else "utf-16-be")
    if encoding == "UTF-8":
        return record
    return record.decode("utf-8", "surrogatepass").encode(encoding, "surrogateescape")


def find_bad(record: bytes) -> str:
    """Return why a record of `unpack`'s text must not be read; "" where it may be."""
    if len(record) > LONGEST:
        return TOO_LONG
    if not _is_text(record):
        return NUL_BYTE if b"\0" in record else NOT_TEXT
    return ""


def _is_text(content: bytes) -> bool:
    """Tell whether this is UTF-8 without NUL bytes, which databases do not take and readers stop at."""
    if b"\0" in content:
        return False
    if content.isascii():
        return True
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(content)
    try:
        for start in range(0, len(view), BLOCK):  # as a whole, the text could take four times the file
            decoder.decode(view[start : start + BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def has_long_line(text: bytes) -> bool:
    """Tell whether a line may be too long: such a line has no line end in a whole block of half that length."""
    half = LONGEST // 2
    return any(text.find(b"\n", start, start + half) < 0 for start in range(0, len(text) - half, half))


def mark_records(text: bytes, start: int, form: Mapping[str, str], width: int) -> bytes:
    """Copy a text with a mark in place of each record that must not be read; it has a field more than the header."""
    pieces, done = [], 0
    for begin, end, _ in scan_records(text, start, form):
        if problem := find_bad(text[begin:end]):
            pieces += [text[done:begin], MARKS[problem].encode(), form["delimiter"].encode() * width]
            done = end
    return b"".join([*pieces, text[done:]])


def read_header(text: bytes, form: Mapping[str, str]) -> tuple[list[str], int]:
    """Return the names in the first record, and where the next one starts."""
    begin = len(BOM) if text.startswith(BOM) else 0
    start, end, _ = next(scan_records(text, begin, form))
    if problem := find_bad(text[start:end]):
        raise UnreadableFileError(f"header: {problem}")
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


def count_records(text: bytes, start: int, form: Mapping[str, str]) -> tuple[int, int]:
    """Count the records from `start` on; stretches without quotes are counted by their line ends alone.

    Returns: the records, and the length of the longest that has quotes.
    """
    pattern, quote = _record_pattern(form), form["quote"].encode()
    records, longest, size = 0, 0, len(text)
    while start < size:
        next_quote = text.find(quote, start)
        stop = size if next_quote < 0 else text.rfind(b"\n", start, next_quote) + 1
        if stop > start:
            records += _count_lines(text, start, stop)
            start = stop
        if next_quote >= 0:
            found = pattern.match(text, start)
            stop = found.end() if found else size
            longest = max(longest, stop - start)
            start = stop
            records += 1
    return records, longest


def _count_lines(text: bytes, start: int, stop: int) -> int:
    """Count the lines of a stretch without quotes, but for empty ones."""
    stretch = text[start:stop]
    lines = stretch.count(b"\n") + (not stretch.endswith(b"\n"))
    blank = len(re.findall(rb"\n(?=\r?\n)", stretch)) + bool(re.match(rb"\r?\n", stretch))
    return lines - blank


def locate(text: bytes, wanted: set[int], form: Mapping[str, str]) -> dict[int, tuple[int, bytes]]:
    """Return line (the header's is 1) and text of the records with these numbers (the first after the header is 1)."""
    begin = len(BOM) if text.startswith(BOM) else 0
    found: dict[int, tuple[int, bytes]] = {}
    for number, (start, end, line) in enumerate(scan_records(text, begin, form)):
        if number in wanted:
            found[number] = (line, text[start:end])
            if len(found) == len(wanted):
                break
    return found
