"""Find the records of a CSV text byte by byte: how many, where each stands, and which of them Spark must not read.

Records end at line ends outside quotes; empty lines are none (RFC 4180, and what Spark's reader does). Records that are
no text at all are kept from Spark, which would guess at them: in its copy of the file, a mark stands in their place.
"""

import codecs
import re
from collections.abc import Iterator, Mapping

BOM = b"\xef\xbb\xbf"
NOT_TEXT, NUL_BYTE, TOO_LONG = "not in its encoding", "NUL byte", "longer than 1 MiB"
# What stands in a copy for a record with that problem: signs that Unicode sets aside for a program's own use.
MARKS = {NOT_TEXT: "\ufdd0", NUL_BYTE: "\ufdd1", TOO_LONG: "\ufdd2"}
LONGEST = 1 << 20
MOST_COLUMNS = 20480  # that Spark's reader takes
BLOCK = 1 << 20  # bytes that are decoded together


def find_bad(record: bytes) -> str:
    """Return why a record of `unpack`'s text must not be read; "" where it may be."""
    if len(record) > LONGEST:
        return TOO_LONG
    if not is_text(record):
        return NUL_BYTE if b"\0" in record else NOT_TEXT
    return ""


def is_text(content: bytes) -> bool:
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


def has_long_line(text: bytes, most: int) -> bool:
    """Tell whether a line may be longer: such a line has no line end in a whole block of half that length."""
    half = most // 2
    return any(text.find(b"\n", start, start + half) < 0 for start in range(0, len(text) - half, half))


def mark_records(text: bytes, start: int, form: Mapping[str, str], width: int) -> bytes | None:
    """Copy a text with a mark in place of each record that must not be read; it has a field more than the header.

    One of more fields than Spark's reader takes becomes one of that number, without a mark: it is as wrong.

    Returns: None where there is no such record.
    """
    pieces, done = list[bytes](), 0
    for begin, end, _ in scan_records(text, start, form):
        if problem := find_bad(text[begin:end]):
            pieces += [text[done:begin], MARKS[problem].encode(), form["delimiter"].encode() * width]
            done = end
        elif has_too_many_fields(text[begin:end], form):
            pieces += [text[done:begin], b"-", form["delimiter"].encode() * width]
            done = end
    return b"".join([*pieces, text[done:]]) if pieces else None


def has_too_many_fields(record: bytes, form: Mapping[str, str]) -> bool:
    """Tell whether a record has more fields than Spark's reader takes; delimiters in quotes part none."""
    delimiter = form["delimiter"].encode()
    if record.count(delimiter) < MOST_COLUMNS:
        return False
    field, at, fields = re.compile(_field_pattern(form)), 0, 1
    while (found := field.match(record, at)) and record[found.end() : found.end() + 1] == delimiter:
        at, fields = found.end() + 1, fields + 1
    return fields > MOST_COLUMNS


def has_stray_blank_lines(text: bytes) -> bool:
    """Tell whether there may be an empty line that is none to Spark.

    Its reader takes the first line end for that of all: after a bare line feed, an empty line with a carriage return
    is a record to it, as is a carriage return that nothing follows.
    """
    if b"\r" not in text:
        return False
    first = text.find(b"\n")
    bare = first >= 0 and text[first - 1 : first] != b"\r"
    return text.endswith(b"\n\r") or (bare and b"\n\r\n" in text)


def drop_blank_lines(text: bytes, form: Mapping[str, str]) -> bytes:
    """Copy a text without its empty lines; what stands in quotes stays as it is."""
    begin = len(BOM) if text.startswith(BOM) else 0
    return b"\n".join(text[start:end] for start, end, _ in scan_records(text, begin, form))


def _field_pattern(form: Mapping[str, str]) -> bytes:
    """Match one field. Quotes only mean something where it begins with one."""
    quote, delimiter = re.escape(form["quote"].encode()), re.escape(form["delimiter"].encode())
    quoted = rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b[^%b\n]*+" % (quote, quote, quote, quote, quote, quote, delimiter)
    plain = rb"[^%b%b\n][^%b\n]*+|" % (quote, delimiter, delimiter)
    return rb"(?:%b|%b)" % (quoted, plain)


def _record_pattern(form: Mapping[str, str]) -> re.Pattern[bytes]:
    """Match one record with its line end."""
    field, delimiter = _field_pattern(form), re.escape(form["delimiter"].encode())
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
    return lines - blank - (stretch == b"\r" or stretch.endswith(b"\n\r"))


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
