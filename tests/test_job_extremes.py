"""The job over input at the edge of what its readers take: each is a value, or rejected with what it holds."""

import hashlib

import pytest
from job_lab import JobLab
from test_job import small_contract

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
