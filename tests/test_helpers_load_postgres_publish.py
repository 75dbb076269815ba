"""Publishing versions of relations, going back, and what is left behind, against the embedded PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from load_lab import READER, Server, public, publish, serve, stage_load

from helpers.errors import LoadError, ServiceError, UsageError
from helpers.load_postgres_ledger import (
    PUBLIC,
    VERSIONS,
    find_dataset,
    find_published,
    list_loads,
    lock_dataset,
    open_load,
)
from helpers.load_postgres_publish import Terms, publish_load, roll_back
from helpers.load_postgres_sweep import drop_old_versions, is_shown, is_whole


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


@pytest.fixture
def connection(server: Server) -> Iterator[Any]:
    """A loader's connection."""
    with closing(server.connect()) as opened:
        yield opened


def read(server: Server, relation: str) -> list[tuple[Any, ...]]:
    """Read a public relation as the reader's role."""
    return server.read(f"SELECT * FROM {public(relation)} ORDER BY 1")


def tables_of(server: Server, dataset: str) -> set[str]:
    """Return the versions' tables of a dataset."""
    found = server.read(f"SELECT tablename FROM pg_tables WHERE schemaname = '{VERSIONS}'", "loader")
    return {name for (name,) in found if name.startswith(f"{dataset}_")}


def test_a_new_version_replaces_the_old_one_and_the_reader_may_read_it(connection: Any, server: Server) -> None:
    """The view shows the newest load, to the reader's role too, with the comments on it and on its columns."""
    publish(connection, "pupils", {"id": "int", "name": "string"}, [(1, "a")])
    publish(connection, "pupils", {"id": "int", "name": "string"}, [(2, "b"), (3, None)])
    assert read(server, "pupils") == [(2, "b"), (3, None)]
    view = "'analytics.pupils'::regclass"
    assert server.read(f"SELECT obj_description({view}), col_description({view}, 2)") == [("all pupils", "about name")]


def test_only_the_last_two_versions_are_kept(connection: Any, server: Server) -> None:
    """The version before the newest stays; older ones are dropped, with their ledger rows."""
    for number in range(4):
        publish(connection, "kept", {"id": "int"}, [(number,)])
    loads = list_loads(connection, "kept")
    assert len(loads) == 2
    assert tables_of(server, "kept") == {load.tables["kept"] for load in loads}


def test_a_version_goes_back_and_forth(connection: Any, server: Server) -> None:
    """A rollback shows the version before; the one taken back is kept ready, and can be published again."""
    publish(connection, "back", {"id": "int"}, [(1,)])
    publish(connection, "back", {"id": "int"}, [(2,)])
    roll_back(connection, "back", Terms(READER))
    assert read(server, "back") == [(1,)]
    with pytest.raises(UsageError, match="no version before"):
        roll_back(connection, "back", Terms(READER))
    [ready] = [load for load in list_loads(connection, "back") if load.state == "ready"]
    publish_load(connection, ready, Terms(READER))
    assert read(server, "back") == [(2,)]


def test_a_version_whose_table_was_dropped_by_hand_is_named(connection: Any, server: Server) -> None:
    """Publishing it and going back to it say what is gone and what to do; readers see what they saw."""
    publish(connection, "torn", {"id": "int"}, [(1,)])
    publish(connection, "torn", {"id": "int"}, [(2,)])
    ready = stage_load(connection, "torn", {"id": "int"}, [(3,)])
    before = find_published(list_loads(connection, "torn"))[1]
    server.run(*[f'DROP TABLE {VERSIONS}."{load.tables["torn"]}"' for load in (before, ready)])
    with pytest.raises(
        LoadError, match=rf"{before.tables['torn']}, the version of analytics\.torn .* was dropped: noth"
    ):
        roll_back(connection, "torn", Terms(READER))
    with pytest.raises(LoadError, match=rf"{ready.tables['torn']}.* `workbench run --full` for its dataset loads"):
        publish_load(connection, ready, Terms(READER))
    assert read(server, "torn") == [(2,)]


def test_rolling_back_takes_appended_columns_away_again(connection: Any, server: Server) -> None:
    """The version before comes back with its own columns, where the relation itself is named."""
    publish(connection, "grown", {"id": "int"}, [(1,)])
    publish(connection, "grown", {"id": "int", "more": "string"}, [(2, "x")])
    roll_back(connection, "grown", Terms(READER, frozenset({"grown"})))
    assert read(server, "grown") == [(1,)]


def test_what_a_dead_load_left_is_dropped(connection: Any, server: Server) -> None:
    """A load that was never published leaves no table behind after the next one, and readers never saw it."""
    publish(connection, "left", {"id": "int"}, [(1,)])
    dead = open_load(connection, {"dataset": "left", "run_id": "dead", "content": "x"}, ["left"])
    server.run(f'CREATE TABLE {VERSIONS}."{dead.tables["left"]}" (id int)')
    assert read(server, "left") == [(1,)]
    publish(connection, "left", {"id": "int"}, [(2,)])
    assert dead.tables["left"] not in tables_of(server, "left")


def test_a_table_that_a_reader_holds_is_dropped_later(connection: Any, server: Server) -> None:
    """An old version in use stays with its ledger row until the next sweep."""
    publish(connection, "held", {"id": "int"}, [(0,)])
    with closing(server.connect("reader")) as reader, reader.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {public('held')}")
        oldest = list_loads(connection, "held")[0].tables["held"]
        reader.commit()
        publish(connection, "held", {"id": "int"}, [(1,)])
        held = server.connect()
        with closing(held), held.cursor() as using:
            using.execute(f'SELECT * FROM {VERSIONS}."{oldest}"')
            publish(connection, "held", {"id": "int"}, [(2,)])
            assert oldest in tables_of(server, "held")
    drop_old_versions(connection, "held")
    assert oldest not in tables_of(server, "held")


def test_names_are_quoted_and_never_cut(connection: Any, server: Server) -> None:
    """A relation or column with quotes, spaces, percent signs or a keyword is itself; one of 64 bytes is refused."""
    publish(connection, 'odd "name; drop %s {}', {"select": "int", 'a "b" c%': "string"}, [(1, "x")])
    assert server.read('SELECT "select", "a ""b"" c%" FROM analytics."odd ""name; drop %s {}"') == [(1, "x")]
    with pytest.raises(LoadError, match="63 bytes"):
        open_load(connection, {"dataset": "d", "run_id": "r", "content": "c"}, ["é" * 32])


def test_two_loaders_of_a_dataset_come_one_after_the_other(connection: Any, server: Server) -> None:
    """The lock is the dataset's: another dataset is free, the same one becomes free when its loader is gone."""
    with closing(server.connect()) as first, closing(server.connect()) as second:
        lock_dataset(first, "locked")
        lock_dataset(second, "another")
        with pytest.raises(ServiceError, match="another load of locked is under way"):
            lock_dataset(second, "locked", seconds=0.3)
    lock_dataset(connection, "locked")


def test_the_ledger_says_what_is_published(connection: Any) -> None:
    """The newest published load carries its content and counts, and tells when its tables or views are gone."""
    load = publish(connection, "ledger", {"id": "int"}, [(1,), (2,)])
    [published] = find_published(list_loads(connection, "ledger"))
    assert (published.rows, published.content) == ({"ledger": 2}, "[(1,), (2,)]")
    assert is_whole(connection, load) and is_shown(connection, load)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP VIEW {public('ledger')}")
    assert is_whole(connection, load) and not is_shown(connection, load)


def test_a_dataset_is_found_by_its_relations_name(connection: Any) -> None:
    """With and without the schema; an unknown one is answered with the nearest."""
    publish(connection, "findable", {"id": "int"}, [])
    assert find_dataset(connection, "analytics.findable") == ("findable", "findable")
    with pytest.raises(UsageError, match='did you mean "findable"'):
        find_dataset(connection, "findabel")


def test_an_idle_reader_is_named_and_the_version_kept_ready(connection: Any, server: Server) -> None:
    """Past the deadline the error names process, relation and time; other readers pass; publishing works later."""
    publish(connection, "busy", {"id": "int"}, [(1,)])
    load = stage_load(connection, "busy", {"id": "int"}, [(2,)])
    with closing(server.connect("reader", application_name="a dashboard")) as idle, idle.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {public('busy')}")
        pid = idle.info.backend_pid
        with pytest.raises(
            ServiceError, match=rf"process {pid} \(workbench_reader, a dashboard, idle in trans.* since 20"
        ):
            publish_load(connection, load, Terms(READER, give_up_seconds=0.5))
        begun = time.monotonic()
        assert read(server, "busy") == [(1,)]
        assert time.monotonic() - begun < 5
    publish_load(connection, load, Terms(READER))
    assert read(server, "busy") == [(2,)]


def test_a_relation_that_is_no_more_loses_its_view(connection: Any, server: Server) -> None:
    """A saved query that was removed takes its relation along; a view built on it stops that, by name."""
    facts = {"dataset": "fewer", "run_id": "r", "content": "1"}
    first = open_load(connection, facts, ["fewer", "fewer__answer"])
    server.run(*[f'CREATE TABLE {VERSIONS}."{name}" (id int)' for name in first.tables.values()])
    publish_load(connection, first, Terms(READER))
    server.run(f"CREATE VIEW {PUBLIC}.on_answer AS SELECT id FROM {PUBLIC}.fewer__answer")
    with pytest.raises(LoadError, match="on_answer"):
        publish(connection, "fewer", {"id": "int"}, [(1,)])
    server.run(f"DROP VIEW {PUBLIC}.on_answer")
    publish(connection, "fewer", {"id": "int"}, [(1,)])
    assert server.read("SELECT to_regclass('analytics.fewer__answer')") == [(None,)]
