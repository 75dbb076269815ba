"""Replace, append by partition and upsert by key: what the new version holds, and that going back means the same."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from load_lab import READER, Server, serve, source_of

from helpers.errors import LoadError, ServiceError, UsageError
from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_extract import Change, Extract, find_change
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_publish import Terms, roll_back
from helpers.load_postgres_types import make_columns

RULES = LoadRules(
    key=("id",), ordering=(("at", True),), partition="month", required=frozenset({"id"}), indexes=(("at",),)
)
COLUMNS = {"id": "int", "note": "varchar", "at": "int", "month": "varchar"}
FIRST = [(1, "a", 1, "jan"), (2, "b", 1, "jan"), (3, "c", 1, "feb")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


@pytest.fixture
def connection(server: Server) -> Iterator[Any]:
    """A loader's connection."""
    with closing(server.connect()) as opened:
        yield opened


def load(server: Server, connection: Any, rules: LoadRules, rows: list[tuple[Any, ...]], **facts: Any) -> bool:
    """Load rows as the relation of the mode's name; return whether that changed anything."""
    name = f"{rules.mode}_{'in_place' if rules.in_place else 'copy'}"
    lines = [",".join("" if value is None else f'"{value}"' for value in row) for row in rows]
    source = source_of("\n".join([",".join(COLUMNS), *lines, ""]).encode())
    columns = make_columns(COLUMNS, {}, rules.required)
    extract = Extract(name, source.place, columns, (str(len(rows)),), rules=rules, **facts)
    job = LoadJob(name, "r", server.connect, lambda place: source, READER, give_up_seconds=1.0)
    return load_extracts(connection, job, [extract])[1]


def read(server: Server, name: str) -> list[tuple[Any, ...]]:
    """Return what the reader sees."""
    return server.read(f"SELECT * FROM analytics.{name} ORDER BY id")


@pytest.mark.parametrize("in_place", [False, True], ids=["copy", "in_place"])
def test_append_replaces_changed_partitions_and_adds_new_ones(server: Server, connection: Any, in_place: bool) -> None:
    """Rows of other partitions stay, vanished partitions go; the same load again changes nothing; then back."""
    rules, name = replace(RULES, mode="append", in_place=in_place), f"append_{'in_place' if in_place else 'copy'}"
    before, now = {"jan": "1", "feb": "1"}, {"jan": "1", "feb": "2", "mar": "1"}
    assert load(server, connection, rules, FIRST, partitions=before)
    change = find_change(before, now)
    assert change == Change(("feb", "mar"), ())
    new = [(3, "C", 2, "feb"), (4, None, 1, "mar")]
    assert load(server, connection, rules, new, partitions=now, change=change)
    assert read(server, name) == [*FIRST[:2], *new]
    assert not load(server, connection, rules, [], partitions=now, change=Change((), ()))
    if in_place:
        with pytest.raises(UsageError, match="loaded in place"):
            roll_back(connection, name, Terms(READER))
    else:
        roll_back(connection, name, Terms(READER))
        assert read(server, name) == FIRST
    index = f"SELECT count(*) FROM pg_indexes WHERE tablename LIKE '{name}%' GROUP BY tablename"
    assert {count for (count,) in server.read(index, "loader")} == {2}


def test_append_drops_partitions_that_vanished(server: Server, connection: Any) -> None:
    """What the curated table has no more is not kept."""
    rules = replace(RULES, mode="append")
    load(server, connection, rules, FIRST, partitions={"jan": "0", "feb": "0"})
    load(server, connection, rules, [], partitions={"jan": "0"}, change=Change((), ("feb",)))
    assert read(server, "append_copy") == FIRST[:2]


@pytest.mark.parametrize("in_place", [False, True], ids=["copy", "in_place"])
def test_upsert_keeps_what_is_not_there_and_chooses_among_duplicates(
    server: Server, connection: Any, in_place: bool
) -> None:
    """A staged row replaces the one of its key; of two with one key the ordering chooses, then the values."""
    rules, name = replace(RULES, mode="upsert", in_place=in_place), f"upsert_{'in_place' if in_place else 'copy'}"
    load(server, connection, rules, FIRST, partitions={"jan": "1"})
    rows = [(2, "late", 5, "jan"), (2, "early", 4, "jan"), (9, "z", 1, "mar"), (9, "y", 1, "mar"), (1, "a", 1, "jan")]
    load(server, connection, rules, rows, partitions={"jan": "2"}, change=Change(("jan", "mar"), ()))
    assert read(server, name) == [FIRST[0], (2, "late", 5, "jan"), FIRST[2], (9, "y", 1, "mar")]
    found = server.read(f"SELECT rows->>'{name}' FROM analytics_versions.loads WHERE dataset = '{name}'", "loader")
    assert ("4",) in found
    staging = server.read("SELECT tablename FROM pg_tables WHERE tablename LIKE 'staging%'", "loader")
    assert staging == []


def test_a_key_that_does_not_tell_rows_apart_is_refused(server: Server, connection: Any) -> None:
    """Two rows with one key: the load names the key and a value, publishes nothing and leaves nothing."""
    before = server.read("SELECT count(*) FROM pg_tables WHERE schemaname = 'analytics_versions'", "loader")
    with pytest.raises(LoadError, match=r"key \(id\) does not tell its rows apart .*\(id\)=\(1\) is duplicated"):
        load(server, connection, replace(RULES, mode="replace"), [FIRST[0], FIRST[0]])
    assert server.read("SELECT count(*) FROM pg_tables WHERE schemaname = 'analytics_versions'", "loader") == before


def test_a_load_in_place_that_is_kept_waiting_keeps_nothing(server: Server, connection: Any) -> None:
    """Someone has the table: the load ends with who that is, and is not ready; the next one does it all."""
    rules, name = replace(RULES, mode="upsert", in_place=True, partition="note"), "upsert_in_place"
    server.run(f"DROP VIEW IF EXISTS analytics.{name}")
    load(server, connection, rules, FIRST, partitions={"jan": "9"})
    [(table,)] = server.read(
        f"SELECT tables->>'{name}' FROM analytics_versions.loads WHERE dataset = '{name}' "
        "ORDER BY published_at DESC LIMIT 1",
        "loader",
    )
    with closing(server.connect()) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLE analytics_versions.{table} IN SHARE MODE")
        with pytest.raises(ServiceError, match=r"process \d+ \(workbench_loader.*not kept: end that process, then"):
            load(server, connection, rules, [(1, "A", 2, "jan")], change=Change(("jan",), ()), partitions={"jan": "8"})
    assert read(server, name) == FIRST
    states = f"SELECT state FROM analytics_versions.loads WHERE dataset = '{name}'"
    assert {state for (state,) in server.read(states, "loader")} == {"published"}
    load(server, connection, rules, [(1, "A", 2, "jan")], change=Change(("jan",), ()), partitions={"jan": "8"})
    assert read(server, name) == [(1, "A", 2, "jan"), *FIRST[1:]]
