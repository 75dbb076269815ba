"""The job over input at the edge of what its readers take: each is a value, or rejected with what it holds."""

import hashlib
import inspect
import sys

import pyarrow as pa
import pytest
import raw_objects
import reading
from botocore.exceptions import ClientError
from job_lab import CURATED, RAW, JobLab
from test_job import rows_of, small_contract
from test_job_formats import write_parquet

HEAD = b"k,n,version,day\n"


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module; each test has a dataset of its own in it."""
    return job_lake.empty()


def test_days_before_1582_are_values_like_others(lab: JobLab) -> None:
    """Days of a time with another calendar are published as they are written, and stay so through an increment."""
    contract = small_contract("ancient")
    rule = contract["columns"][3]
    contract["columns"] += [rule | {"name": "born"}, rule | {"name": "seen", "type": "timestamp"}]
    contract["columns"][5]["formats"] = ["%Y-%m-%dT%H:%M:%S"]
    lab.put_contract("ancient", contract)
    head = b"k,n,version,day,born,seen\n"
    lab.upload("ancient", "a.csv", head + b"a,1,1,1500-02-28,0001-01-01,1582-10-10T01:02:03\n")
    assert lab.run("ancient", "a1") == ""
    lab.upload("ancient", "b.csv", head + b"b,1,1,1500-02-28,1582-10-04,0001-01-01T00:00:00\n")
    assert lab.run("ancient", "a2") == ""
    sql = "SELECT k, CAST(day AS VARCHAR), CAST(born AS VARCHAR), CAST(seen AS VARCHAR) FROM {table} ORDER BY k"
    assert lab.query(sql, "ancient") == [
        ("a", "1500-02-28", "0001-01-01", "1582-10-10 01:02:03"),
        ("b", "1500-02-28", "1582-10-04", "0001-01-01 00:00:00"),
    ]


def test_huge_record_is_kept_whole(lab: JobLab) -> None:
    """A record of more characters than Spark's JSON takes by default is in the quarantine with all of its text."""
    lab.put_contract("huge", small_contract("huge", quarantine_limit=1.0))
    raw = b'"' + b"y" * 20_000_100 + b'",1,1,2024-01-01'
    key = lab.upload("huge", "a.csv", HEAD + b"a,1,1,2024-01-01\n" + raw + b"\n")
    assert lab.run("huge", "t") == ""
    sql = "SELECT file, record, line, length(raw), md5(raw), reasons FROM {table}"
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    assert lab.query(sql, "huge_quarantine") == [(key, 2, 3, len(raw), digest, ["longer than 1 MiB"])]


def test_record_of_too_many_fields_is_rejected_alone(lab: JobLab) -> None:
    """More fields than Spark's reader takes are a wrong number; as many delimiters in quotes are a text."""
    lab.put_contract("wide", small_contract("wide", quarantine_limit=1.0))
    wide, text = b"b,1,1,2024-01-01" + b",x" * 30_000, b"c" + b"," * 30_000
    key = lab.upload("wide", "a.csv", HEAD + b"a,1,1,2024-01-01\n" + wide + b'\n"' + text + b'",2,1,2024-01-01\n')
    assert lab.run("wide", "t") == ""
    assert [row[0] for row in rows_of(lab, "wide")] == ["a", text.decode()]
    found = lab.query("SELECT file, record, line, raw, reasons FROM {table}", "wide_quarantine")
    assert found == [(key, 2, 3, wide.decode(), ["wrong number of fields"])]


def test_old_line_ends_quarantine_the_file(lab: JobLab) -> None:
    """A file whose lines end in carriage returns alone is quarantined as a file; the others go on."""
    lab.put_contract("macintosh", small_contract("macintosh"))
    key = lab.upload("macintosh", "a.csv", b"k,n,version,day\ra,1,1,2024-01-01\r")
    lab.upload("macintosh", "b.csv", HEAD + b"b,1,1,2024-01-01\n")
    assert lab.run("macintosh", "t") == ""
    reason = "header: a carriage return without a line feed: end lines with line feeds"
    assert lab.report("macintosh", "t")["unreadable_files"] == [{"key": key, "reason": reason}]
    assert rows_of(lab, "macintosh") == [("b", 1, "2024-01-01")]


def test_mixed_line_ends_are_all_line_ends(lab: JobLab) -> None:
    """Empty lines are none with any line end, whatever the header's; places and quoted lines stay as they are."""
    lab.put_contract("mixed", small_contract("mixed", quarantine_limit=1.0))
    body = (
        b'a,1,1,2024-01-01\r\n\r\n"b\n\r\nc",x,1,2024-01-01\r\n\n\r\n"d\n\r\ne",2,1,2024-01-01\r\nf,3,1,2024-01-01\n\r'
    )
    keys = [lab.upload("mixed", "a.csv", HEAD + body), lab.upload("mixed", "b.csv", b"\n\r\n" + HEAD + body)]
    lab.upload("mixed", "c.csv", HEAD + b"g,4,1,2024-01-01\r\n\r\n\0,1,1,2024-01-01\r\n")
    assert lab.run("mixed", "t") == ""
    assert [row[:2] for row in rows_of(lab, "mixed")] == [("a", 1), ("d\n\r\ne", 2), ("f", 3), ("g", 4)]
    found = lab.query("SELECT file, record, line, raw FROM {table} WHERE raw LIKE '%x%'", "mixed_quarantine")
    raw = '"b\n\r\nc",x,1,2024-01-01'
    assert sorted(found) == sorted([(keys[0], 2, 4, raw), (keys[1], 2, 6, raw)])


def test_plain_text_under_a_packers_name_is_read(lab: JobLab) -> None:
    """A file is what it holds, not what Hadoop would unpack by its name."""
    lab.put_contract("named", small_contract("named"))
    endings = ["bz2", "deflate", "gz.zst", "lz4", "snappy", "zst"]
    for ending in endings:
        lab.upload("named", f"a.csv.{ending}", HEAD + f"{ending},1,1,2024-01-01\n".encode())
    assert lab.run("named", "t") == ""
    assert rows_of(lab, "named") == [(ending, 1, "2024-01-01") for ending in endings]


def test_deeply_nested_record_is_rejected_alone(lab: JobLab) -> None:
    """A line of JSON that could not be written again has that reason, and its text; one less deep is kept."""
    lab.put_contract("deep", small_contract("deep", quarantine_limit=1.0))
    good, bad = nest(199), {2: nest(400), 3: nest(100_000)}
    key = lab.upload("deep", "a.jsonl", b"\n".join([good, *bad.values()]))
    assert lab.run("deep", "t") == ""
    assert lab.query("SELECT k, length(extra) FROM {table}", "deep") == [("a", 199 * 6 + 1)]
    found = lab.query("SELECT file, record, line, raw, reasons FROM {table} ORDER BY record", "deep_quarantine")
    assert found == [(key, number, number, raw.decode(), ["nested too deeply"]) for number, raw in bad.items()]


def nest(depth: int) -> bytes:
    """Return a line of JSON with so many objects in an added column."""
    inner = b'{"x":' * depth + b"1" + b"}" * depth
    return b'{"k": "a", "n": 1, "version": 1, "day": "2024-01-01", "extra": ' + inner + b"}"


def test_fault_of_a_reader_quarantines_the_file(lab: JobLab) -> None:
    """What a reader stops at, here for want of stack, is the file's problem; a failing S3 is not."""
    contract = small_contract("fault")
    key = lab.upload("fault", "a.jsonl", nest(150))
    source = raw_objects.Source(lab.s3, RAW, contract, CURATED, "_tmp/fault/")
    content, entry = raw_objects.fetch(source, key), {"key": key, "etag": "e", "bytes": 1}
    limit, here = sys.getrecursionlimit(), len(inspect.stack())
    sys.setrecursionlimit(here + 250)
    try:
        file, copy = reading.inspect(contract, entry, content)
    finally:
        sys.setrecursionlimit(limit)
    assert copy is None and file.problem.startswith("cannot be read: RecursionError: maximum recursion depth")
    assert reading.look_into(source, entry).files[0].problem == ""
    with pytest.raises(ClientError, match="NoSuchKey"):
        reading.look_into(source, entry | {"key": "fault/none.csv"})


def test_objects_are_fetched_ahead_in_their_order(lab: JobLab) -> None:
    """Small ones are fetched beside each other, a large one alone: each comes in its turn, and a missing one fails."""
    large = raw_objects.HELD_BYTES // raw_objects.FETCHES_AT_ONCE + 1
    contents = [bytes([65 + n]) * (large if n in (3, 4, 9) else n) for n in range(12)]
    keys = [lab.upload("ahead", f"{n}.csv", content) for n, content in enumerate(contents)]
    listed = [{"key": key, "bytes": len(content)} for key, content in zip(keys, contents, strict=True)]
    source = raw_objects.Source(lab.s3, RAW, small_contract("ahead"), CURATED, "_tmp/ahead/")
    assert list(raw_objects.fetch_ahead(source, listed)) == contents
    fetched = raw_objects.fetch_ahead(source, [*listed[:2], {"key": "ahead/none.csv", "bytes": 1}])
    assert [next(fetched), next(fetched)] == contents[:2]
    with pytest.raises(ClientError, match="NoSuchKey"):
        next(fetched)


def test_parquet_times_beyond_the_calendar_are_rejected_as_text(lab: JobLab) -> None:
    """A day or time after the year 9999 is no date, also where its year wraps around; the quarantine has its text."""
    contract = small_contract("beyond", quarantine_limit=1.0)
    more = {"name": "seen", "type": "timestamp", "formats": ["%Y-%m-%dT%H:%M:%S"]}
    contract["columns"].append(contract["columns"][3] | more)
    lab.put_contract("beyond", contract)
    wrapping = 19723 + round(65536 * 365.2425)
    days = pa.array([19723, 2932897, wrapping, -719163], pa.date32())
    times = pa.array([0, 0, 0, 253402300800], pa.timestamp("s", tz="UTC"))
    ones = pa.array([1] * 4, pa.int32())
    columns = {"k": ["a", "b", "c", "d"], "n": ones, "version": ones, "day": days, "seen": times}
    key = lab.upload("beyond", "a.parquet", write_parquet(columns))
    assert lab.run("beyond", "t") == ""
    assert rows_of(lab, "beyond") == [("a", 1, "2024-01-01")]
    sql = "SELECT file, record, raw, reasons FROM {table} ORDER BY record"
    found = lab.query(sql, "beyond_quarantine")
    assert [(file, record, reasons) for file, record, _, reasons in found] == [
        (key, 2, ["day: not a date"]),
        (key, 3, ["day: not a date"]),
        (key, 4, ["day: not a date", "seen: not a timestamp"]),
    ]
    assert '"day": "10000-01-01"' in found[0][2] and '"seen": "10000-01-01 00:00:00.000Z"' in found[2][2]


def test_text_that_cannot_name_a_partition_is_rejected(lab: JobLab) -> None:
    """What Spark would read back as NULL, or no file system holds, is a row's problem; the longest names are kept."""
    contract = small_contract("folders", partition="k", quarantine_limit=1.0)
    lab.put_contract("folders", contract)
    kept = ["a" * 253, "é" * 126, ":" * 84, "%{[^x]}=?*#'" * 7, "_" * 26]
    bad = ["__HIVE_DEFAULT_PARTITION__", "a" * 254, "é" * 127, ":" * 85]
    for number in (1, 2):
        rows = "".join(f"{name},{number},{number},2024-01-01\n" for name in kept + bad)
        lab.upload("folders", f"{number}.csv", HEAD + rows.encode())
        assert lab.run("folders", f"t{number}") == ""
    assert sorted(lab.query("SELECT k, n FROM {table}", "folders")) == sorted((name, 2) for name in kept)
    found = lab.query("SELECT raw, reasons FROM {table} WHERE raw LIKE '%,2,2,%'", "folders_quarantine")
    reason = ["k: cannot name a partition"]
    assert sorted(found) == sorted((f"{name},2,2,2024-01-01", reason) for name in bad)
