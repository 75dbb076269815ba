"""The job's rehearsal: it reads the beginning of what the last run read, and leaves no trace of itself."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from job_lab import CURATED, RAW, JobLab
from test_job import small_contract

BUCKET = "rehearsal-0"
# As local_aws/glue/job_rehearsal.py calls it: a session that finds the bucket in the folder is there already.
SCRIPT = f"""
import sys
from pyspark.sql import SparkSession
import rehearsal
name = "spark.hadoop.fs.viewfs.mounttable.{BUCKET}.linkFallback"
SparkSession.builder.config(name, "lake://" + sys.argv[1]).getOrCreate()
rehearsal.rehearse(sys.argv[2:], "{BUCKET}", sys.argv[1])
"""


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module."""
    return job_lake.empty()


def contents(lab: JobLab) -> dict[tuple[str, str], tuple[str, Any]]:
    """Return etag and time of every object of both buckets."""
    listed = [(b, o) for b in (RAW, CURATED) for o in lab.s3.list_objects_v2(Bucket=b).get("Contents", ())]
    return {(bucket, found["Key"]): (found["ETag"], found["LastModified"]) for bucket, found in listed}


def test_a_rehearsal_runs_the_job_and_changes_nothing(lab: JobLab, tmp_path: Path) -> None:
    """Runs, the second of them an increment, of files cut short and of broken ones: the lake is what it was."""
    rule = {"name": "n", "severity": "error", "query": "", "condition": "n > 0", "metric": "", "columns": []}
    rule |= {"operator": "mustBe", "threshold": [0], "unit": "rows"}
    lab.put_contract("rehearsed", small_contract("rehearsed", quarantine_limit=0.0, quality=[rule]))
    rows = "".join(f"{number},{number},1,2024-01-0{number % 9 + 1}\n" for number in range(4000))
    lab.upload("rehearsed", "long.csv", f"k,n,version,day\n{rows}".encode())
    lab.upload("rehearsed", "short.csv", b"k,n,version,day\n1,1,2,2024-01-02\n2,x,1,never\n")
    lab.upload("rehearsed", "empty.csv", b"")
    before, scratch = contents(lab), tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(scratch), "job.py", *lab.arguments("rehearsed", "last")]
    done = subprocess.run(command, env=lab.environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("published: ") == 5 and "1 new" in done.stdout
    assert contents(lab) == before and list(scratch.iterdir()) == []


def test_a_sample_is_small(lab: JobLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is cut behind a line, a large file that can only be read as a whole is left out, as are hidden ones."""
    monkeypatch.syspath_prepend("glue")
    import publication
    import rehearsal

    lab.upload("sampled", "long.csv", b"a,b\n" + b"1,2\n" * 100_000)
    lab.upload("sampled", "large.csv.gz", b"\x1f\x8b" + bytes(300_000))
    lab.upload("sampled", "large.parquet", b"PAR1" + bytes(300_000))
    lab.s3.put_object(Bucket=RAW, Key="sampled/_hidden.csv", Body=b"a,b\n")
    for number in range(rehearsal.OBJECTS - 1):
        lab.upload("sampled", f"{number}.csv", b"a,b\n%d,2\n" % number)
    sample = dict(rehearsal.take_sample(lab.s3, RAW, publication.list_objects(lab.s3, RAW, "sampled/")))
    assert len(sample) == rehearsal.OBJECTS
    [long] = [content for name, content in sample.items() if name.endswith("long.csv")]
    assert rehearsal.HEAD_BYTES - 4 <= len(long) <= rehearsal.HEAD_BYTES and long.endswith(b"1,2\n")
