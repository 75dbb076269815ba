"""Faults while the job runs: kills of Spark and between any two steps, two runs at once, raw objects that change.

What a run does is told by the account (job.py refuses to publish where it does not add up), by the table that an
undisturbed run makes, and by a run once more, which changes nothing.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from catalog_lab import HEAD, CatalogLab
from job_lab import CURATED, ROOT, JobLab
from test_job import assert_settled, hashes, rows_of, small_contract
from test_registration import lab

__all__ = ["lab"]  # the fixture

DAYS = [f"2024-01-0{day}" for day in range(1, 5)]


def start(job: JobLab, dataset: str, token: str, **extra: str) -> "subprocess.Popen[bytes]":
    """Start the job as a process group of its own: its Python and its JVM."""
    command = [sys.executable, str(ROOT / "glue" / "job.py"), *job.arguments(dataset, token)]
    log = (job.work / f"{token}.log").open("wb")
    with log:
        return subprocess.Popen(
            command,
            env=job.environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def wait_for(seen: Callable[[], object], process: "subprocess.Popen[bytes]") -> bool:
    """Wait until something is seen, or the process has ended; tell which."""
    while process.poll() is None:
        if seen():
            return True
        time.sleep(0.01)
    return False


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that it started, as one does who loses the machine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def assert_as_undisturbed(job: JobLab, dataset: str, files: list[bytes]) -> None:
    """Compare table and account with those of the same files undisturbed; a run once more changes nothing."""
    calm = f"{dataset}_calm"
    job.put_contract(calm, job.read_json(f"_contracts/{dataset}.json") | {"dataset": calm})
    for number, content in enumerate(files):
        job.upload(calm, f"{number}.csv", content)
    assert job.run(calm, "calm") == ""
    table = {key: value for key, value in hashes(job, dataset).items() if "_quarantine" not in key}
    wanted = {key.replace(calm, dataset): value for key, value in hashes(job, calm).items() if "_quarantine" not in key}
    assert table == wanted
    report = job.report(calm, "calm")
    assert job.run(dataset, "once-more") == ""
    again = job.report(dataset, "once-more")
    assert again["status"] == "unchanged" and lost_together(again) == lost_together(report)
    assert again["quarantined_by_reason"] == report["quarantined_by_reason"]
    said = "SELECT record, line, raw, reasons FROM {table} ORDER BY ALL"
    if again["quarantine"]:
        assert job.query(said, f"{dataset}_quarantine") == job.query(said, f"{calm}_quarantine")
    assert_settled(job, dataset)


def lost_together(report: dict[str, Any]) -> dict[str, int]:
    """Return the account with duplicates and superseded rows summed: which of the two a row is depends on the order."""
    rows = dict(report["rows"])
    rows["lost"] = rows.pop("duplicates_removed") + rows.pop("superseded")
    return rows


def make_days(version: int, days: dict[str, str]) -> bytes:
    """Make a file with three keys a day, all of one version; `days` says where each day's keys lie now."""
    rows = [f"{day[-1]}{letter},1,{version},{now}\n" for day, now in days.items() for letter in "abc"]
    return HEAD + "".join(rows).encode()


def check_kill(lab: CatalogLab, dataset: str, where: str, delay: float) -> None:
    """Kill Python and JVM `delay` seconds after something lies under _tmp/ at `where`; the next run converges."""
    job = lab.job
    files = [make_days(1, {day: day for day in DAYS}), make_days(2, {d: DAYS[0] for d in DAYS}) + b"x,y,1,2024-01-09\n"]
    job.put_contract(dataset, small_contract(dataset))
    job.upload(dataset, "0.csv", files[0])
    assert job.run(dataset, "first") == ""
    before = hashes(job, dataset)
    late = b'{"k": "q", "n": "7", "version": 1, "day": "2024-01-04"}\n'
    job.upload(dataset, "1.csv", files[1])
    job.upload(dataset, "2.jsonl", late)
    process = start(job, dataset, "killed")
    prefix = f"_tmp/killed/{where}"
    assert wait_for(lambda: job.keys(prefix), process), (job.work / "killed.log").read_text()[-2000:]
    time.sleep(delay)
    kill_group(process)
    if not job.keys(f"_ledger/{dataset}/00000002"):
        assert hashes(job, dataset) == before, "half a publication without an intent"
    assert job.run(dataset, "after") == ""
    assert not job.keys("_tmp/")
    assert_as_undisturbed(job, dataset, [*files, HEAD + b"q,7,1,2024-01-04\n"])


def test_spark_killed_while_it_writes(lab: CatalogLab) -> None:
    """What Spark wrote half lies under _tmp/ alone; nothing is published, and the next run sweeps it."""
    check_kill(lab, "mid_write", "curated/", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_time(lab: CatalogLab, seed: int) -> None:
    """The same at any moment from the first copy of a raw object on."""
    check_kill(lab, f"any_time{seed}", "copies/", random.Random(seed).uniform(0, 8))


def test_leftovers_of_a_rename_are_swept(lab: CatalogLab) -> None:
    """A rename on S3 is a copy and a deletion: what a kill between the two leaves twice is in nobody's table."""
    job = lab.job
    job.put_contract("twice", small_contract("twice"))
    files = [HEAD + b"a,1,1,2024-01-01\nz,y,1,2024-01-01\n"]
    job.upload("twice", "0.csv", files[0])
    assert job.run("twice", "first") == ""
    (published,) = job.keys("data/twice/")
    for place in (
        "curated/_temporary/0/task_1/day=2024-01-01/x.parquet",
        "curated/day=2024-01-01/x.parquet",
        "rejects.json",
    ):
        job.s3.copy_object(Bucket=CURATED, Key=f"_tmp/dead/{place}", CopySource={"Bucket": CURATED, "Key": published})
    assert_as_undisturbed(job, "twice", files)
    assert not job.keys("_tmp/")


def check_two_at_once(lab: CatalogLab, dataset: str, delay: float) -> None:
    """Start two runs, the second `delay` seconds later; whatever they do to each other, the next one converges."""
    job = lab.job
    files = [make_days(1, {day: day for day in DAYS}), make_days(2, {d: DAYS[0] for d in DAYS}) + b"x,y,1,2024-01-09\n"]
    job.put_contract(dataset, small_contract(dataset))
    job.upload(dataset, "0.csv", files[0])
    assert job.run(dataset, "first") == ""
    job.upload(dataset, "1.csv", files[1])
    first = start(job, dataset, "one")
    time.sleep(delay)
    second = start(job, dataset, "two")
    codes = [process.wait(timeout=300) for process in (first, second)]
    assert job.run(dataset, "after") == "", codes
    assert_as_undisturbed(job, dataset, files)


def test_two_runs_at_once_converge(lab: CatalogLab) -> None:
    """Glue runs one at a time; where two run nevertheless, a run may fail, and the table is right after the next."""
    check_two_at_once(lab, "at_once", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_two_runs_at_once_converge_always(lab: CatalogLab, seed: int) -> None:
    """The same with any time between them."""
    check_two_at_once(lab, f"at_once{seed}", random.Random(seed).uniform(0, 10))


def test_object_that_changes_while_it_is_read(lab: CatalogLab) -> None:
    """The version that was looked into is not published with rows of another: the run reads again, and says so."""
    job = lab.job
    job.put_contract("changing", small_contract("changing"))
    job.upload("changing", "a.jsonl", b'{"k": "z", "n": 0, "version": 1, "day": "2024-01-01"}\n')
    key = job.upload("changing", "b.csv", HEAD + b"a,1,1,2024-01-01\n")
    process = start(job, "changing", "t")
    assert wait_for(lambda: job.keys("_tmp/t/copies/"), process), (job.work / "t.log").read_text()[-2000:]
    job.s3.put_object(Bucket="lab-raw", Key=key, Body=HEAD + b"a,2,1,2024-01-01\nb,3,1,2024-01-01\n")
    assert process.wait(timeout=300) == 0, (job.work / "t.log").read_text()[-2000:]
    assert "raw objects changed while they were read" in (job.work / "t.log").read_text()
    assert rows_of(job, "changing") == [("a", 2, "2024-01-01"), ("b", 3, "2024-01-01"), ("z", 0, "2024-01-01")]
    assert job.report("changing", "t")["rows"]["readable"] == 3
