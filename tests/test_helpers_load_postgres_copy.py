"""Cutting CSV streams at record ends, and COPY over several connections: what arrives, what is refused and where."""

import csv
import io
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
from load_lab import Server, copy_bytes, serve, source_of

from helpers.errors import LoadError
from helpers.load_postgres_copy import CopyTarget, copy_source
from helpers.load_postgres_split import Block, LoadProgress, read_blocks

COLUMNS = {"id": "int", "note": "varchar", "small": "smallint", "price": "decimal(5,2)", "day": "date"}
HEADER = b'"id","note","small","price","day"\n'
GOOD = b'"1","a","2","3.25","2024-02-29"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


def make_csv(seed: int, rows: int) -> tuple[bytes, list[list[str]]]:
    """Return a CSV with quotes, newlines, commas and empty values, and its records."""
    dice = random.Random(seed)
    pieces = ['"', "\n", ",", "\r\n", "ä", "x" * 9, "", "''", "\\", '""', "\\."]
    records = [[str(n), "".join(dice.choices(pieces, k=dice.randrange(6)))] for n in range(rows)]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(records)
    return text.getvalue().encode(), records


@pytest.mark.parametrize("seed", range(20))
def test_blocks_hold_whole_records(seed: int) -> None:
    """Whatever the block size, the blocks put together are the file, and each has as many records as it says."""
    data, records = make_csv(seed, 60)
    for size in (1, 7, 64, 1000, 10**6):
        blocks = list(read_blocks(io.BytesIO(data), size))
        assert b"".join(block.data for block in blocks) == data
        assert sum(block.records for block in blocks) == len(records)
        for block in blocks:
            found = list(csv.reader(io.StringIO(block.data.decode(), newline="")))
            assert len(found) == block.records
            assert block.line == data[: block.offset].count(b"\n") + 1
            assert block.lines == block.data.count(b"\n")


def test_the_last_record_may_lack_its_newline() -> None:
    """A file's end ends its last record; inside quotes it is a file that was cut off."""
    assert list(read_blocks(io.BytesIO(b"a\nb"), 2)) == [Block(b"a\n", 1, 0, 1, 1), Block(b"b", 1, 2, 2, 0)]
    with pytest.raises(LoadError, match="line 2: the file ends inside a quoted value"):
        list(read_blocks(io.BytesIO(b'a\n"b')))


def test_memory_stays_the_same_however_long_the_file() -> None:
    """Four times the bytes need no more memory: a few blocks are all that is held."""
    peaks = []
    for mega in (4, 16):
        line = b'"%s"\n' % (b"x" * 97)
        body = io.BytesIO(line * (mega * 10_000))
        tracemalloc.start()
        for _ in read_blocks(body):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_every_record_arrives_once(server: Server, connections: int) -> None:
    """Over any number of connections the table holds the file's records, NULL and '' told apart."""
    _, records = make_csv(7, 30_000)
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(records)
    lines = text.getvalue() * 3 + '"-1",\n"-2",""\n'
    copied = copy_bytes(server, "arrive", {"id": "int", "note": "varchar"}, b"id,note\n" + lines.encode(), connections)
    assert copied.rows == copied.records == 90_002
    found = server.read("SELECT id, note, count(*) FROM analytics_versions.arrive GROUP BY 1, 2 ORDER BY 1", "loader")
    assert found[:2] == [(-2, "", 1), (-1, None, 1)]
    assert found[2:] == [(int(number), note, 3) for number, note in records]


BAD_HEADERS = {
    'line 1, column 2: the header has "name" where "note" belongs': b"id,name,small,price,day\n",
    'line 1: column 5, "day", is missing': b"id,note,small,price\n",
    'line 1: the header has one column more than the table: "more"': b"id,note,small,price,day,more\n",
    'line 1, column 1: the header has "note"': b"note,id,small,price,day\n",
    "line 1: begins with a byte order mark": b"\xef\xbb\xbf" + HEADER,
}


@pytest.mark.parametrize(("message", "header"), BAD_HEADERS.items())
def test_a_header_that_is_not_the_tables_is_refused(server: Server, message: str, header: bytes) -> None:
    """Names and order are compared; the message names file, line and column."""
    with pytest.raises(LoadError, match=message) as caught:
        copy_bytes(server, "bad", COLUMNS, header + GOOD)
    assert str(caught.value).startswith("s3://results/answer.csv, line 1")


BAD_ROWS = {
    'column "id": invalid input syntax for type integer': b'"x","a","2","3.25","2024-02-29"\n',
    'column "id": value "99999999999" is out of range': b'"99999999999","a","2","3.25","2024-02-29"\n',
    'column "small": value "40000" is out of range': b'"1","a","40000","3.25","2024-02-29"\n',
    'column "price": numeric field overflow': b'"1","a","2","12345","2024-02-29"\n',
    'column "day": date/time field value out of range': b'"1","a","2","3","2023-02-29"\n',
    'column "note": invalid byte sequence .* 0x00': b'"1","a\x00b","2","3.25","2024-02-29"\n',
    'column "note": invalid byte sequence .* 0xff': b'"1","a\xff","2","3.25","2024-02-29"\n',
    'column "day": missing data': b'"1","a","2","3.25"\n',
    'column "day": extra data after last expected column': b'"1","a","2","3.25","2024-02-29","more"\n',
    'column "id": invalid input syntax for type integer: ""': b'"","a","2","3.25","2024-02-29"\n',
}


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize(("message", "row"), BAD_ROWS.items())
def test_a_bad_row_is_named_by_file_line_and_column(server: Server, message: str, row: bytes, connections: int) -> None:
    """The line is the file's, also after values with newlines in them and blocks of another connection."""
    before = b'"1","two\nlines","2","3.25","2024-02-29"\n' * 40_000
    line = before.count(b"\n") + 2
    with pytest.raises(LoadError, match=rf"^s3://results/answer.csv, line {line}, {message}"):
        copy_bytes(server, "bad", COLUMNS, HEADER + before + row + GOOD * 40_000, connections)
    assert server.read("SELECT count(*) FROM analytics_versions.bad", "loader") == [(0,)]


def test_a_null_where_none_may_be_is_refused(server: Server) -> None:
    """A bare empty value is NULL; the contract's required columns say so while loading, with the line."""
    server.run("CREATE TABLE analytics_versions.needed (id int NOT NULL)")
    source = source_of(b'id\n"1"\n\n')
    with pytest.raises(LoadError, match='line 3, column "id": null value'):
        copy_source(server.connect, source, CopyTarget("analytics_versions", "needed", ("id",)), LoadProgress("x"), 1)


def test_an_object_that_is_not_whole_is_refused(server: Server) -> None:
    """Fewer bytes than were announced, or another ETag, and nothing is committed."""
    server.run("CREATE TABLE analytics_versions.part (id int)")
    source = source_of(b"id\n1\n2\n")
    longer = replace(source, place=replace(source.place, bytes=8))
    other = replace(source, place=replace(source.place, etag="other"))
    for wrong in (longer, other):
        with pytest.raises(LoadError, match="were announced"):
            copy_source(server.connect, wrong, CopyTarget("analytics_versions", "part", ("id",)), LoadProgress("x"), 1)
    assert server.read("SELECT count(*) FROM analytics_versions.part", "loader") == [(0,)]
