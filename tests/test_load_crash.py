"""kill -9 of the loader and of the server at every point of the protocol."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from load_lab import Server, kill_server, restart, serve

from helpers.load_postgres_crash import POINTS

WORKER = Path(__file__).with_name("load_worker.py")
ROOT = WORKER.parent.parent
ROWS = 5_000
AFTER = ("published", "dropped")
# Files of the database that no relation of its catalog has: what a table of a dead transaction leaves behind.
ORPHANS = """
SELECT file FROM pg_ls_dir('base/' || (SELECT oid FROM pg_database WHERE datname = 'analytics')) file
WHERE file ~ '^[0-9]+$' AND NOT EXISTS (
    SELECT 1 FROM pg_class c WHERE coalesce(nullif(c.relfilenode, 0), pg_relation_filenode(c.oid)) = file::oid)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


def run_worker(server: Server, dataset: str, shift: int, crash: str = "", mode: str = "") -> "subprocess.Popen[str]":
    """Start a load of ROWS numbers with `shift`, which crashes where `crash` says."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{WORKER.parent}"}
    if crash:
        environment["WORKBENCH_CRASH_AT"] = crash
    command = [sys.executable, str(WORKER), str(server.home), dataset, str(ROWS), str(shift), *([mode] if mode else [])]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def read(server: Server, dataset: str, figures: str = "min(id), count(*)") -> tuple[int, ...]:
    """Return least id and count, or other figures, as the reader sees them, once the server answers."""
    for _ in range(200):
        try:
            [found] = server.read(f"SELECT {figures} FROM analytics.{dataset}")
            return tuple(map(int, found))
        except psycopg2.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the server did not come back")


def kill_loader(server: Server, dataset: str, point: str, mode: str = "") -> None:
    """Let the loader kill itself at the point."""
    process = run_worker(server, dataset, 100_000, point, mode)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def kill_server_under(server: Server, dataset: str, point: str, mode: str = "") -> None:
    """Stop the loader at the point, kill the server, and let the loader go on."""
    restart(server)
    process = run_worker(server, dataset, 100_000, f"{point}:stop", mode)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    kill_server(server)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode != 0 or point in AFTER


VICTIMS = {"loader": kill_loader, "server": kill_server_under}
SWEEP = [
    pytest.param(victim, point, marks=() if point in sample else pytest.mark.slow)
    for victim, sample in (("loader", ("copying", "switching", "published")), ("server", ("copying", "switching")))
    for point in POINTS
]


@pytest.mark.parametrize(("victim", "point"), SWEEP)
def test_whatever_is_killed_readers_see_a_whole_version_and_the_rerun_converges(
    server: Server, victim: str, point: str
) -> None:
    """The old version stays until the switch is committed; the next load leaves two versions and no orphan file."""
    dataset = f"{victim}_{point}"
    first = run_worker(server, dataset, 0)
    assert first.communicate(timeout=60)[0].split() == ["True"]
    VICTIMS[victim](server, dataset, point)
    assert read(server, dataset) == ((100_000 if point in AFTER else 0), ROWS)
    again = run_worker(server, dataset, 100_000)
    out, err = again.communicate(timeout=60)
    assert out.split() == ["False" if point in AFTER else "True"], err
    assert read(server, dataset) == (100_000, ROWS)
    ledger = f"SELECT tables->>'{dataset}' FROM analytics_versions.loads WHERE dataset = '{dataset}' ORDER BY 1"
    tables = f"SELECT tablename FROM pg_tables WHERE tablename LIKE '{dataset}%' ORDER BY 1"
    assert len(server.read(ledger, "loader")) == 2
    assert server.read(ledger, "loader") == server.read(tables, "loader")
    server.run("CHECKPOINT", role="superuser")  # until then a dropped table leaves an empty file
    assert server.read(ORPHANS, "superuser") == []


IN_PLACE = [
    pytest.param(victim, point, marks=() if (victim, point) in sample else pytest.mark.slow)
    for sample in [(("loader", "ready"), ("loader", "switching"))]
    for victim in VICTIMS
    for point in POINTS
]


@pytest.mark.parametrize(("victim", "point"), IN_PLACE)
def test_an_upsert_in_place_is_whole_or_did_not_happen(server: Server, victim: str, point: str) -> None:
    """As many rows before as after, so that only their values tell; a load that died is never taken for done."""
    dataset, figures = f"in_place_{victim}_{point}", "min(value), max(value), count(*)"
    first = run_worker(server, dataset, 7, mode="in_place")
    assert first.communicate(timeout=60)[0].split() == ["True"]
    VICTIMS[victim](server, dataset, point, "in_place")
    done = point in AFTER
    assert read(server, dataset, figures) == ((100_000, 100_000, ROWS) if done else (7, 7, ROWS))
    again = run_worker(server, dataset, 100_000, mode="in_place")
    out, err = again.communicate(timeout=60)
    assert out.split() == [str(not done)], err
    assert read(server, dataset, figures) == (100_000, 100_000, ROWS)
    assert len(server.read(f"SELECT 1 FROM pg_tables WHERE tablename LIKE '{dataset}%'", "loader")) == 1
    assert server.read("SELECT 1 FROM pg_tables WHERE tablename LIKE 'staging%'", "loader") == []
