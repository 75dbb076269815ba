r"""The load of step 04 over one connection, from S3, over psql's \copy of the same CSV as a local file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.load_data import write_csv
from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, postgres_variables

ROWS = 1_000_000
TABLE = "bench_load"


def measure() -> list[dict[str, Any]]:
    """Return `load1_vs_psql`, a ratio of the load's wall seconds; both fill the same table definition."""
    with bench_stack() as folder:
        csv = folder / "load.csv"
        write_csv(csv, ROWS)
        bucket = put_csv(csv)
        contest = Contest(
            "load1_vs_psql",
            f"{ROWS:,} rows, {csv.stat().st_size / 1e6:.0f} MB",
            lambda: load_ours(bucket, csv.name),
            lambda: load_theirs(csv),
            lambda ours, theirs: bool(ours == theirs),
        )
        return [compare(contest).as_dict()]


def put_csv(csv: Path) -> str:
    """Put the CSV into the results bucket; return the bucket."""
    from helpers.session import open_session

    session = open_session()
    session.client("s3").upload_file(str(csv), session.outputs.results_bucket, csv.name)
    return session.outputs.results_bucket


def load_ours(bucket: str, key: str) -> Sample:
    """Load as step 04 does; the wall time is the load's own, without imports."""
    sample = run_process([sys.executable, "-m", "benchmarks.load_process", bucket, key, TABLE])
    told = json.loads(sample.result.splitlines()[-1])
    return Sample(told["seconds"], sample.cpu, sample.peak_rss_mb, told["rows"])


def load_theirs(csv: Path) -> Sample:
    """Fill the table that our load made (its rows are removed first, outside the time) by psql."""
    from benchmarks.peers.load_psql import find_psql

    table = f"analytics_versions.{TABLE}"
    variables = postgres_variables()
    psql = [find_psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    run_process([*psql, "-c", f"TRUNCATE {table}"], variables)
    copy = f"\\copy {table} FROM '{csv}' WITH (FORMAT csv, HEADER match, ENCODING 'UTF8')"
    sample = run_process([*psql, "-c", copy, "-c", f"ANALYZE {table}"], variables)
    counted = run_process([*psql, "-At", "-c", f"SELECT count(*) FROM {table}"], variables)
    os.sync()
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, int(counted.result))
