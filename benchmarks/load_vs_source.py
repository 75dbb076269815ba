"""The load of step 04 over what a user would otherwise pick: pandas, awswrangler, adbc and pgpq.

All fill the same table definition. awswrangler, adbc and pgpq read the CSV where Athena leaves it, in S3, as ours does;
the source's loader reads a local file, as it always did. After adbc and pgpq every cell must be as after ours; the two
that go through pandas cannot tell '' from NULL, so only their rows are counted.

adbc, pgpq and awswrangler's driver pg8000 are no dependencies: they go into a virtualenv of their own under the
temporary folder, by pip; where they cannot be had the benchmark says so and leaves them out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load_data import write_csv
from benchmarks.load_vs_psql import TABLE, TABLES, as_sample, describe_table, load_ours, put_csv, read_told, run_psql
from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, postgres_variables
from workbench.stack import environment

ROOT = Path(__file__).resolve().parent.parent
ROWS = int(os.environ.get("WORKBENCH_BENCH_ROWS", "1_000_000"))
# The two that take minutes a million rows get fewer of them; ours then gets as few.
SOURCE_ROWS = min(200_000, ROWS)
WRANGLER_ROWS = min(20_000, ROWS)
PEERS = (
    "adbc-driver-postgresql==1.13.0",
    "pgpq==0.12.0",
    "awswrangler[postgres]==3.17.1",
    "pyarrow",
    "pandas",
    "psycopg2-binary",
)


def measure(wanted: Collection[str]) -> list[dict[str, Any]]:
    """Return what is wanted of `load_vs_source_cpu` (CPU), `load_vs_awswrangler`, `load_vs_adbc`, `load_vs_pgpq`."""
    peers = {
        "load_vs_source_cpu": Peer("load_source", SOURCE_ROWS, "cpu", exact=False, from_s3=False),
        "load_vs_awswrangler": Peer("load_wrangler", WRANGLER_ROWS, exact=False),
        "load_vs_adbc": Peer("load_adbc", ROWS),
        "load_vs_pgpq": Peer("load_pgpq", ROWS),
    }
    chosen = {name: peer for name, peer in peers.items() if name in wanted}
    with bench_stack() as folder:
        foreign = set(chosen) - {"load_vs_source_cpu"}
        python = make_environment(folder / "peers") if foreign else None
        sides = {name: python if name in foreign else sys.executable for name in chosen}
        return [_contest(folder, name, chosen[name], side) for name, side in sides.items() if side]


@dataclass(frozen=True)
class Peer:
    """Another way to load: its module in benchmarks/peers, over how many rows, what is measured, and what it can do."""

    module: str
    rows: int
    measure: str = "wall"
    exact: bool = True
    from_s3: bool = True


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


def _contest(folder: Path, name: str, peer: Peer, python: str) -> dict[str, Any]:
    csv = folder / f"{peer.rows}.csv"
    if not csv.exists():
        write_csv(csv, peer.rows)
    bucket = put_csv(csv)
    ours = partial(load_ours, bucket, csv.name, 0)
    ours()  # the table's definition is there then, and the server is warm for both
    place = f"{bucket}/{csv.name}" if peer.from_s3 else str(csv)
    theirs = partial(_load_theirs, python, peer.module, place)
    same = _are_equal if peer.exact else _have_as_many_rows
    return compare(Contest(name, f"{peer.rows:,} rows", ours, theirs, same, 3, peer.measure)).as_dict()


def _are_equal(mine: tuple[int, str], other: tuple[int, str]) -> bool:
    return mine == other


def _have_as_many_rows(mine: tuple[int, str], other: tuple[int, str]) -> bool:
    return mine[0] == other[0]


def _load_theirs(python: str, module: str, place: str) -> Sample:
    """Let a peer fill an empty table of the definition that ours has; its time is without imports."""
    table = f"{TABLES}bench_{module}"
    run_psql(f"DROP TABLE IF EXISTS {table}", f"CREATE TABLE {table} (LIKE {TABLES}{TABLE} INCLUDING ALL)")
    os.sync()
    home = Path(os.environ["WORKBENCH_HOME"])
    variables = environment(home) | postgres_variables() | {"PYTHONPATH": str(ROOT)}
    command = [python, "-m", f"benchmarks.peers.{module}", place, table]
    return replace(as_sample(read_told(run_process(command, variables))), result=describe_table(table))
