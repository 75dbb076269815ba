"""The load of step 04 over the source's own loader (read_csv, then to_sql): CPU seconds of the whole process."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.load_data import write_csv
from benchmarks.load_vs_psql import load_ours, put_csv
from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, postgres_variables

ROWS = 500_000


def measure() -> list[dict[str, Any]]:
    """Return `load_vs_source_cpu`."""
    with bench_stack() as folder:
        csv = folder / "load.csv"
        write_csv(csv, ROWS)
        bucket = put_csv(csv)
        variables = postgres_variables()

        def theirs() -> Sample:
            command = [
                sys.executable,
                "-m",
                "benchmarks.peers.load_source",
                str(csv),
                "analytics_versions.bench_source",
            ]
            sample = run_process(command, variables)
            return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, int(sample.result))

        contest = Contest(
            "load_vs_source_cpu",
            f"{ROWS:,} rows, {csv.stat().st_size / 1e6:.0f} MB",
            lambda: load_ours(bucket, csv.name),
            theirs,
            lambda ours, source: bool(ours == source),
            measure="cpu",
        )
        return [compare(contest).as_dict()]
