"""Raw CSV files, byte by byte: records and lines as Python's csv module sees them."""

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glue.raw_files import UnreadableFileError, inspect, read_header, unpack
from glue.raw_records import count_records, locate

FORM = {"delimiter": ",", "quote": '"'}
CELLS = st.text(alphabet='ab,"\n é', max_size=6)
RECORDS = st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=12)


def write(records: list[list[str]], newline: str, quoting: int) -> bytes:
    """Write records with a header as csv does, each with its own line end."""
    out = io.StringIO()
    csv.writer(out, lineterminator=newline, quoting=quoting).writerows([["h1", "h2"], *records])
    return out.getvalue().encode()


@settings(max_examples=300, deadline=None)
@given(RECORDS, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans())
def test_records_are_those_of_pythons_csv(records: list[list[str]], newline: str, quoting: int, bom: bool) -> None:
    """Counting and locating agree with csv on quotes, line ends and blank lines, with and without a BOM."""
    text = (b"\xef\xbb\xbf" if bom else b"") + write(records, newline, quoting)
    _, start = read_header(text, FORM)
    assert count_records(text, start, FORM)[0] == len(records)
    found = locate(text, set(range(1, len(records) + 1)), FORM)
    for number, record in enumerate(records, start=1):
        assert next(csv.reader(io.StringIO(found[number][1].decode(), newline=""))) == record


def test_lines_are_physical_ones() -> None:
    """A record's line counts quoted line ends and blank lines before it; the header's line is 1."""
    text = b'h1,h2\n1,"a\nb"\n\n\n2,c\n3,"d ""\n"\n4,e'
    found = locate(text, {1, 2, 3, 4}, FORM)
    assert {number: line for number, (line, _) in found.items()} == {1: 2, 2: 6, 3: 7, 4: 9}
    assert found[3][1] == b'3,"d ""\n"'


def test_quote_within_a_field_means_nothing() -> None:
    """A quote that does not begin a field does not open one."""
    text = b'h1,h2\n1,6" ruler\n2,b\n'
    assert count_records(text, 6, FORM)[0] == 2
    assert locate(text, {1}, FORM)[1] == (2, b'1,6" ruler')


def test_quote_that_nothing_closes_takes_the_rest() -> None:
    """An unclosed quote makes one record of all that follows."""
    text = b'h1,h2\n1,a\n2,"b\n3,c\n'
    assert count_records(text, 6, FORM)[0] == 2
    assert locate(text, {2}, FORM)[2][0] == 3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"\xef\xbb\xbf\n", "empty"),
        ("a.csv", b"\x28\xb5\x2f\xfd\x00", "packed with zstd: ingest it by step 01, which unpacks it"),
        ("a.csv", b"PK\x03\x04", "packed with zip: unpack it before it is ingested"),
        ("a.csv", b"\xff\xfe\n\x00", "empty"),
        ("a.csv", b"\xff\xfeh", "not UTF-16 at byte 2"),
        ("a.csv.gz", b"h1\n1\n", "not gzip"),
        ("a.csv.gz", gzip.compress(b"h1\n1\n" * 100)[:-9], "broken gzip"),
    ],
)
def test_unreadable_file_has_a_reason(name: str, content: bytes, reason: str) -> None:
    """A file that cannot be read as a whole says why."""
    with pytest.raises(UnreadableFileError, match=f"^{reason}$"):
        unpack(name, content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"h1,h2\r1,a\r2,b\r", "header: a carriage return without a line feed: end lines with line feeds"),
        (b'"h\r1",h2\n1,a\n', "header: a carriage return without a line feed: end lines with line feeds"),
        (b"h1," + b"h" * 140_000 + b"\n1,2\n", "header: field larger than field limit (131072)"),
        (b"h," * 20480 + b"h\n", "header: 20481 columns, and no more than 20480 can be read"),
    ],
)
def test_header_that_no_reader_takes_is_the_files_problem(content: bytes, reason: str) -> None:
    """A header that Python's or Spark's reader would stop at makes the file unreadable, and says why."""
    file, copy = inspect({"key": "a.csv", "etag": "e", "bytes": 1}, content, FORM, lambda names: (tuple(names), ()))
    assert (file.problem, copy) == (reason, None)


def test_inspect_tells_columns_and_rows() -> None:
    """A readable file has its contract columns and its count; what the header's check refuses is its problem."""
    listed = {"key": "a.csv", "etag": "e", "bytes": 12}
    found, copy = inspect(listed, b"h1,h9\n1,2\n\n", FORM, lambda names: (("x", ""), ("h9",)))
    assert copy is None
    assert (found.rows, found.columns, found.unknown, found.problem) == (1, ("x", ""), ("h9",), "")

    def refuse(names: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
        raise ValueError("no known column in the header")

    assert inspect(listed, b"h1\n", FORM, refuse)[0].problem == "no known column in the header"


@pytest.mark.parametrize("encoding", ["windows-1252", "ISO-8859-15", "utf-16", "utf-8-sig", "utf-8"])
def test_text_comes_out_right_in_any_encoding(encoding: str) -> None:
    """A contract's encoding, or what a byte order mark says, gives the same text."""
    text = "h1,h2\nMüller,é€\n"
    named = "ISO-8859-15" if encoding == "ISO-8859-15" else "windows-1252" if encoding != "utf-8" else "UTF-8"
    found, _ = unpack("a.csv", text.encode(encoding), named)
    assert found.decode("utf-8-sig") == text


def test_utf16_needs_its_mark() -> None:
    """Without one, nobody knows the order of its bytes."""
    with pytest.raises(UnreadableFileError, match=r"^UTF-16 without a byte order mark$"):
        unpack("a.csv", "h1\n".encode("utf-16-le"), "UTF-16")
