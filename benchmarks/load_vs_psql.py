r"""The load of step 04 from S3, over one connection and two, over psql's \copy of the same CSV as a local file.

All sides fill the same table definition, without key, indexes and statistics, and every cell must be the same after it;
`publish_vs_psql` is the whole of step 04's protocol (key, indexes and statistics built, figures compared, views
switched) beside the same bare \copy.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load_data import write_csv
from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.peers.load_psql import find_psql
from benchmarks.stack import bench_stack, postgres_variables

ROWS = int(os.environ.get("WORKBENCH_BENCH_ROWS", "1_000_000"))
TABLE, TABLES = "bench_load", "analytics_versions."


def measure(wanted: Collection[str]) -> list[dict[str, Any]]:
    """Return what is wanted of `load1_vs_psql`, `load2_vs_psql`, `publish_vs_psql` (wall) and `load_memory_mb`."""
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
        theirs = partial(load_theirs, csv, measure_idle_psql())
        found = [
            compare(Contest(name, size, ours, theirs, _are_equal)).as_dict()
            for name, ours in sides.items()
            if name in wanted
        ]
        return found + (measure_memory(bucket, csv) if "load_memory_mb" in wanted else [])


def measure_memory(bucket: str, csv: Path) -> list[dict[str, Any]]:
    """Return `load_memory_mb`: by how much the load's process grows, at all rows over a quarter of them."""
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
            "unit": "MB grown (theirs: a quarter of the rows)",
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
    """Load in a process of its own; return what it tells."""
    command = [sys.executable, "-m", "benchmarks.load_process", bucket, key, TABLE, str(connections), *more]
    return read_told(run_process(command))


def read_told(sample: Sample) -> dict[str, Any]:
    """Return what a loading process told of itself in its last line; what it wrote is on the disk then."""
    told: dict[str, Any] = json.loads(sample.result.splitlines()[-1])
    os.sync()
    return told


def as_sample(told: dict[str, Any]) -> Sample:
    """Return wall, CPU and memory of the load alone, without imports."""
    return Sample(told["seconds"], told["cpu"], told["peak_mb"], told["rows"], told["before_mb"])


def load_ours(bucket: str, key: str, connections: int = 1) -> Sample:
    """Load as step 04 does; the result is what the table holds."""
    return replace(as_sample(run_load(bucket, key, connections)), result=describe_table(TABLES + TABLE))


def describe_table(table: str) -> tuple[int, str]:
    """Return how many rows there are, and the sum of their hashes: one changed cell changes it."""
    asked = f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {table} t"
    rows, hashes = run_psql(asked).result.strip().split("|")
    os.sync()  # what this wrote, such as hint bits, is nobody's either
    return int(rows), hashes


def _are_equal(mine: Any, other: Any) -> bool:
    return bool(mine == other) if isinstance(mine, tuple) else bool(mine == other[0])


def publish_ours(bucket: str, key: str) -> Sample:
    """Load, compare figures, build key and index, publish."""
    return as_sample(run_load(bucket, key, 2, str(ROWS)))


def load_theirs(csv: Path, before_mb: float) -> Sample:
    """Fill the table that our load made (its rows are removed first, outside the time) by psql."""
    table = TABLES + TABLE
    run_psql(f"TRUNCATE {table}")
    os.sync()
    sample = run_psql(f"\\copy {table} FROM '{csv}' WITH (FORMAT csv, HEADER match, ENCODING 'UTF8')")
    os.sync()
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, describe_table(table), before_mb)


def measure_idle_psql() -> float:
    """Return what psql holds in MB when it has connected and does nothing."""
    return run_psql("SELECT 1").peak_rss_mb


def run_psql(*commands: str) -> Sample:
    """Run commands by psql as the loader's role, one after the other, each in a transaction of its own."""
    asked = [part for command in commands for part in ("-c", command)]
    line = [find_psql(), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", *asked]
    return run_process(line, postgres_variables(), alone=True)
