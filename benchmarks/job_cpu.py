"""What the Glue job costs: over a hand-written Spark script, over DuckDB, by size, and for one per cent of new rows.

WORKBENCH_BENCH_ROWS sets the size (docs/adr/0026-job-speed.md: 10,000,000 is the one that the limits speak of).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import job_runs
from benchmarks.measure import Contest, Sample, compare

ROWS = 500_000
LARGE = 5_000_000  # from here on each side runs once, and a JVM's start weighs nothing
WORST_PEER = 3.6  # times DuckDB's CPU: a slower Spark script is no yardstick


class SlowPeerError(Exception):
    """The Spark script is too slow to be compared with."""


def measure(wanted: list[str]) -> list[dict[str, Any]]:
    """Return those that are wanted of the four comparisons: CPU seconds, ours over theirs."""
    rows = int(os.environ.get("WORKBENCH_BENCH_ROWS", ROWS))
    known = {
        "job_cpu_vs_spark_script": _against_script,
        "job_cpu_vs_duckdb": _against_duckdb,
        "job_growth": _growth,
        "job_incremental_vs_full": _increment,
    }
    with job_runs.job_stack() as folder:
        raw = job_runs.make_raw(folder, rows)
        job_runs.run_all(job_runs.make_raw(folder, max(200, rows // 100)))
        job_runs.await_archive()
        return [compare(known[name](name, raw, rows)).as_dict() for name in wanted]


def _contest(name: str, rows: int, ours: Callable[[], Sample], theirs: Callable[[], Sample]) -> Contest:
    runs = 1 if rows >= LARGE else 3
    return Contest(name, f"{rows:,} rows", ours, theirs, lambda mine, peers: bool(mine == peers), runs, "cpu")


def _against_script(name: str, raw: Path, rows: int) -> Contest:
    """Compare with plain Spark; of a large input, only with a script that is near DuckDB."""

    def theirs() -> Sample:
        sample = job_runs.run_script(raw)
        if rows >= LARGE and sample.cpu > WORST_PEER * (least := job_runs.run_duckdb(raw).cpu):
            raise SlowPeerError(
                f"the Spark script took {sample.cpu:.0f} s of CPU, DuckDB {least:.0f} s: mend the script"
            )
        return sample

    return _contest(name, rows, lambda: job_runs.run_all(raw), theirs)


def _against_duckdb(name: str, raw: Path, rows: int) -> Contest:
    return _contest(name, rows, lambda: job_runs.run_all(raw), lambda: job_runs.run_duckdb(raw))


def _growth(name: str, raw: Path, rows: int) -> Contest:
    """Compare with ten times a tenth: what they make differs, so only the number of rows is looked at."""
    small = job_runs.make_raw(raw.parent, rows // 10)

    def ours() -> Sample:
        sample = job_runs.run_all(raw)
        return replace(sample, result=_count_all(sample))

    def theirs() -> Sample:
        sample = job_runs.run_all(small)
        return replace(sample, cpu=10 * sample.cpu, result=10 * _count_all(sample))

    contest = _contest(name, rows, ours, theirs)
    return replace(contest, same=lambda mine, tenfold: abs(mine - tenfold) <= rows // 50)


def _count_all(sample: Sample) -> int:
    (curated, _), quarantined, _ = sample.result
    return int(curated + quarantined)


def _increment(name: str, raw: Path, rows: int) -> Contest:
    """Compare a run over one per cent of new rows, of one month, with the run over everything that came before."""
    new = _write_increment(raw, rows // 100)
    before: list[Sample] = []

    def theirs() -> Sample:
        return before.pop()

    def ours() -> Sample:
        before.append(job_runs.run_all(raw))
        sample = job_runs.run_new(new)
        added = _count_all(sample) - _count_all(before[-1])
        before[-1] = replace(before[-1], result=rows // 100)
        return replace(sample, result=added)

    return _contest(name, rows, ours, theirs)


def _write_increment(raw: Path, rows: int) -> Path:
    """Write one file of rows of January as they stand in the first file, but with keys that are new."""
    folder = raw.parent / f"{raw.name}-new"
    folder.mkdir()
    with open(min(raw.iterdir()), newline="", encoding="utf-8") as file, open(folder / "new.csv", "w") as out:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or [], lineterminator="\n")
        writer.writeheader()
        written = 0
        for row in reader:
            whole = None not in row and None not in row.values()  # neither too many fields nor too few
            # What was entered before the day lost to a later entry; with a key of its own it would break a rule.
            fits = whole and row["exam_date"].startswith("2024-01-") and row["recorded_at"] >= row["exam_date"]
            if written < rows and fits:
                writer.writerow(row | {"student_id": f"S{9_000_000 + written}"})
                written += 1
    if written < rows:
        raise ValueError(f"{raw} has too few rows of January for {rows} new ones")
    return folder
