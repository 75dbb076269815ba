r"""The load of step 04 from S3, over one connection and two, over psql's \copy of the same CSV as a local file.

All sides fill the same table definition, without key and indexes; `publish_vs_psql` is the whole of step 04's protocol
(figures compared, key and index built, views switched) beside the same bare \copy.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load_data import write_csv
from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, postgres_variables

ROWS = int(os.environ.get("WORKBENCH_BENCH_ROWS", "5_000_000"))
TABLE = "bench_load"


def measure() -> list[dict[str, Any]]:
    """Return `load1_vs_psql`, `load2_vs_psql` and `publish_vs_psql`, ratios of wall seconds; then the memory."""
    with bench_stack() as folder:
        csv = folder / "load.csv"
        write_csv(csv, ROWS)
        bucket = put_csv(csv)
        size = f"{ROWS:,} rows, {csv.stat().st_size / 1e6:.0f} MB"
        sides = {
            "load1_vs_psql": partial(load_ours, bucket, csv.name, 1),
            "load2_vs_psql": partial(load_ours, bucket, csv.name, 2),
            "publish_vs_psql": partial(publish_ours, bucket, csv.name),
        }
        load_ours(bucket, csv.name, 1)  # what the first load of a new server costs is nobody's measure
        found = [
            compare(
                Contest(name, size, ours, lambda: load_theirs(csv), lambda mine, theirs: bool(mine == theirs))
            ).as_dict()
            for name, ours in sides.items()
        ]
        return [*found, *measure_memory(bucket, csv)]


def measure_memory(bucket: str, csv: Path) -> list[dict[str, Any]]:
    """Return `load_memory_mb`: the load's peak over what its process held before, at all rows and a quarter."""
    small = csv.with_name("quarter.csv")
    write_csv(small, ROWS // 4)
    put_csv(small)
    grown = []
    for key in (small.name, csv.name):
        told = run_load(bucket, key, 2)
        grown.append(round(told["peak_mb"] - told["before_mb"], 1))
    return [
        {
            "name": "load_memory_mb",
            "ratio": round(grown[1] / max(grown[0], 0.1), 3),
            "ours": grown[1],
            "theirs": grown[0],
            "unit": "MB over the process before (theirs: at a quarter of the rows)",
            "runs": 1,
            "peak_rss_mb": told["peak_mb"],
            "size": f"{ROWS:,} rows",
            "spread": {"ours": [grown[1], grown[1]], "theirs": [grown[0], grown[0]]},
        }
    ]


def put_csv(csv: Path) -> str:
    """Put the CSV into the results bucket; return the bucket."""
    from helpers.session import open_session

    session = open_session()
    session.client("s3").upload_file(str(csv), session.outputs.results_bucket, csv.name)
    return session.outputs.results_bucket


def run_load(bucket: str, key: str, connections: int, *more: str) -> dict[str, Any]:
    """Load in a process of its own; return what it tells, with the CPU and peak of the whole process."""
    command = [sys.executable, "-m", "benchmarks.load_process", bucket, key, TABLE, str(connections), *more]
    sample = run_process(command)
    told: dict[str, Any] = json.loads(sample.result.splitlines()[-1])
    os.sync()
    return {**told, "process_cpu": sample.cpu, "peak_rss_mb": sample.peak_rss_mb}


def load_ours(bucket: str, key: str, connections: int = 1) -> Sample:
    """Load as step 04 does; wall and CPU are the load's own, without imports."""
    told = run_load(bucket, key, connections)
    return Sample(told["seconds"], told["cpu"], told["peak_rss_mb"], told["rows"])


def publish_ours(bucket: str, key: str) -> Sample:
    """Load, compare figures, build key and index, publish."""
    told = run_load(bucket, key, 2, str(ROWS))
    return Sample(told["seconds"], told["process_cpu"], told["peak_rss_mb"], told["rows"])


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
