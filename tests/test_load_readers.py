"""What readers live through while versions are published: every answer whole, no error, no long stall."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from load_lab import READER, Server, serve
from load_worker import load_numbers

from helpers.errors import ServiceError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


@dataclass
class Reading:
    """What one reader saw: contents, the longest wait for an answer in seconds, and errors."""

    seen: list[tuple[int, int, int]] = field(default_factory=list)
    longest: float = 0.0
    errors: list[str] = field(default_factory=list)


def read_until(server: Server, done: threading.Event, reading: Reading, relation: str) -> None:
    """Read least, greatest and number of ids, again and again, over one connection."""
    with closing(server.connect("reader")) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while not done.is_set():
            begun = time.monotonic()
            try:
                cursor.execute(f"SELECT id FROM analytics.{relation} LIMIT 1")  # what a lock would stall
                reading.longest = max(reading.longest, time.monotonic() - begun)
                cursor.execute(f"SELECT min(id), max(id), count(*) FROM analytics.{relation}")
                reading.seen.append(cursor.fetchone())
            except Exception as error:
                reading.errors.append(str(error))
                return


def publish_under_readers(server: Server, relation: str, rows: int, times: int, readers: int = 4) -> list[Reading]:
    """Publish `times` versions of `rows` numbers while readers read the relation and a view on it."""
    load_numbers(server, relation, rows, 0)
    server.run(
        f"CREATE VIEW analytics.on_{relation} AS SELECT id FROM analytics.{relation}",
        f"GRANT SELECT ON analytics.on_{relation} TO {READER}",
    )
    done, readings = threading.Event(), [Reading() for _ in range(readers)]
    names = [relation, f"on_{relation}"]
    threads = [
        threading.Thread(target=read_until, args=(server, done, reading, names[place % 2]))
        for place, reading in enumerate(readings)
    ]
    for thread in threads:
        thread.start()
    for number in range(1, times + 1):
        load_numbers(server, relation, rows, number * rows)
    time.sleep(0.5)
    done.set()
    for thread in threads:
        thread.join()
    return readings


def check_readings(readings: list[Reading], rows: int, times: int) -> None:
    """Every answer is one whole version, never an older one after a newer one, and the last is the newest."""
    for reading in readings:
        assert reading.errors == []
        assert all((low % rows, high, count) == (0, low + rows - 1, rows) for low, high, count in reading.seen)
        assert reading.seen == sorted(reading.seen)
        assert reading.seen[-1][0] == times * rows


def test_readers_see_whole_versions_and_never_an_error(server: Server) -> None:
    """Three publications under four readers, of which two read through a view of their own."""
    check_readings(publish_under_readers(server, "busy", 5_000, 3), 5_000, 3)


def tell_longest(readings: list[Reading], record_property: Callable[[str, object], None]) -> None:
    """Print the longest stall (`pytest -s`, or `-rP`) and keep it in the report (`pytest --junit-xml`)."""
    longest = round(max(reading.longest for reading in readings) * 1000)
    record_property("longest_stall_ms", longest)
    print(f"longest stall {longest} ms in {sum(len(reading.seen) for reading in readings):,} readings")


@pytest.mark.slow
def test_twenty_publications_under_four_readers(server: Server, record_property: Callable[[str, object], None]) -> None:
    """Twenty publications of 200,000 rows; the report has the longest stall, docs/load.md how long it may be."""
    readings = publish_under_readers(server, "large", 200_000, 20)
    check_readings(readings, 200_000, 20)
    tell_longest(readings, record_property)


def test_an_idle_reader_delays_the_load_and_nobody_else(
    server: Server, record_property: Callable[[str, object], None]
) -> None:
    """Others read on; past the deadline the load ends with the holder's name, and the rerun publishes what is ready."""
    load_numbers(server, "slow", 1_000, 0)
    done, reading = threading.Event(), Reading()
    thread = threading.Thread(target=read_until, args=(server, done, reading, "slow"))
    with closing(server.connect("reader")) as idle, idle.cursor() as cursor:
        cursor.execute("SELECT * FROM analytics.slow LIMIT 1")
        thread.start()
        with pytest.raises(ServiceError, match=r"process \d+ \(workbench_reader.*kept ready.*workbench publish slow"):
            load_numbers(server, "slow", 1_000, 1_000, give_up=2.0)
    done.set()
    thread.join()
    assert reading.errors == [] and {low for low, _, _ in reading.seen} == {0}
    tell_longest([reading], record_property)
    tables = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'slow%'"
    assert server.read(tables) == [(2,)]
    assert load_numbers(server, "slow", 1_000, 1_000)
    assert server.read("SELECT min(id) FROM analytics.slow") == [(1_000,)]
    assert server.read(tables) == [(2,)]
