"""Look into raw files byte by byte: what Spark cannot tell, and what it must not be asked.

Before Spark reads a file: what is it, can it be read at all, which columns has it, how many records? After it: at which
line does record 4711 stand, and what is its text? Where Spark would not find the records that stand there
(raw_records.py), or could not read the file itself, it gets a copy.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raw_records import (
    BOM,
    MOST_COLUMNS,
    count_records,
    drop_blank_lines,
    find_bad,
    has_long_line,
    has_stray_blank_lines,
    is_text,
    mark_records,
    scan_records,
)

CSV, JSON, PARQUET = "csv", "json", "parquet"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_PACKED_NAMES = (".bz2", ".deflate", ".lz4", ".snappy", ".zst")  # by which Spark unpacks a file, whatever it holds
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
    packed, name = content.startswith(_GZIP), listed["key"]
    copy = text if packed != name.endswith(".gz") or name.endswith(_PACKED_NAMES) else None  # Spark goes by names
    if has_stray_blank_lines(text):
        copy = text = drop_blank_lines(text, form)
        start = read_header(text, form)[1]
    if longest > MOST_COLUMNS or not is_text(text) or has_long_line(text, MOST_COLUMNS):
        copy = mark_records(text, start, form, len(header)) or copy
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


def read_header(text: bytes, form: Mapping[str, str]) -> tuple[list[str], int]:
    """Return the names in the first record, and where the next one starts.

    Raises:
        UnreadableFileError: it is no text or no header, has a carriage return that ends no line, or too many names.
    """
    begin = len(BOM) if text.startswith(BOM) else 0
    start, end, _ = next(scan_records(text, begin, form))
    if re.search(rb"\r(?!\n)", text[start:end]):  # Spark would take it for the end of every line
        raise UnreadableFileError("header: a carriage return without a line feed: end lines with line feeds")
    if problem := find_bad(text[start:end]):
        raise UnreadableFileError(f"header: {problem}")
    record = text[start:end].decode("utf-8")
    try:
        names = next(csv.reader([record], delimiter=form["delimiter"], quotechar=form["quote"]))
    except csv.Error as error:
        raise UnreadableFileError(f"header: {error}") from error
    if len(names) > MOST_COLUMNS:
        raise UnreadableFileError(f"header: {len(names)} columns, and no more than {MOST_COLUMNS} can be read")
    return names, end
