"""The load of step 04 over what a user would otherwise pick: pandas, awswrangler, adbc and pgpq.

adbc, pgpq and awswrangler's driver pg8000 are no dependencies: they go into a virtualenv of their own under the
temporary folder, by pip; where they cannot be had the benchmark says so and leaves them out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load_data import write_csv
from benchmarks.load_vs_psql import load_ours, put_csv
from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, postgres_variables

ROWS = int(os.environ.get("WORKBENCH_BENCH_ROWS", "5_000_000"))
# The two that take minutes a million rows get fewer of them; ours then gets as few.
SOURCE_ROWS = min(500_000, ROWS)
WRANGLER_ROWS = min(50_000, ROWS)
PEERS = (
    "adbc-driver-postgresql==1.13.0",
    "pgpq==0.12.0",
    "awswrangler[postgres]==3.17.1",
    "pyarrow",
    "pandas",
    "psycopg2-binary",
)


def measure() -> list[dict[str, Any]]:
    """Return `load_vs_source_cpu` (CPU), `load_vs_awswrangler`, `load_vs_adbc` and `load_vs_pgpq` (wall)."""
    found = []
    with bench_stack() as folder:
        found.append(_contest(folder, "load_vs_source_cpu", "load_source", SOURCE_ROWS, sys.executable, "cpu"))
        python = make_environment(folder / "peers")
        if python:
            found.append(_contest(folder, "load_vs_awswrangler", "load_wrangler", WRANGLER_ROWS, python))
            found.append(_contest(folder, "load_vs_adbc", "load_adbc", ROWS, python))
            found.append(_contest(folder, "load_vs_pgpq", "load_pgpq", ROWS, python))
    return found


def make_environment(folder: Path) -> str | None:
    """Return the Python of a virtualenv that has the peers, or None where they cannot be had."""
    python = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdin=subprocess.DEVNULL)
    command = [str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", *PEERS]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        print(
            f"load_vs_awswrangler, load_vs_adbc, load_vs_pgpq: left out, pip cannot have them here ({said})",
            file=sys.stderr,
        )
        return None
    return str(python)


def _contest(folder: Path, name: str, peer: str, rows: int, python: str, measured: str = "wall") -> dict[str, Any]:
    csv = folder / f"{rows}.csv"
    if not csv.exists():
        write_csv(csv, rows)
    bucket = put_csv(csv)
    table = f"analytics_versions.bench_{peer}"
    theirs = partial(_peer, [python, str(Path(__file__).parent / "peers" / f"{peer}.py"), str(csv), table])
    ours = partial(load_ours, bucket, csv.name, 2 if rows == ROWS else 1)
    contest = Contest(name, f"{rows:,} rows", ours, theirs, lambda mine, other: bool(mine == other), 3, measured)
    return compare(contest).as_dict()


def _peer(command: list[str]) -> Sample:
    """Run a peer: it prints its rows and the load's seconds, without imports."""
    sample = run_process(command, postgres_variables())
    rows, wall, *cpu = sample.result.split()
    os.sync()
    return Sample(float(wall), float(cpu[0]) if cpu else sample.cpu, sample.peak_rss_mb, int(rows))
