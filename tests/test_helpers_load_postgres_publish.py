"""Publishing versions of relations, against the embedded PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Connection, NullPool, create_engine, inspect, text

from helpers.errors import LoadError
from helpers.load_postgres_publish import (
    PUBLIC,
    VERSIONS,
    drop_old_versions,
    find_published,
    list_loads,
    lock_dataset,
    open_load,
    prepare_schemas,
    publish_load,
)
from helpers.load_postgres_types import make_table
from local_aws.lifecycle import start, stop

READER = "workbench_reader"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The embedded PostgreSQL alone; the value holds psycopg2's arguments of the loader."""
    home = tmp_path_factory.mktemp("postgres") / "home"
    stand_ins = Path(__file__).with_name("lifecycle_stand_ins.py")
    postgres = start(home, servers=f"{stand_ins}:with_postgres").postgres
    yield {
        "host": postgres["host"],
        "port": postgres["port"],
        "dbname": postgres["dbname"],
        "user": postgres["loader"],
        "password": (home / "secrets" / "postgres-loader").read_text(),
        "home": home,
    }
    stop(home)


def connect(server: dict[str, Any], role: str = "loader") -> Any:
    """Connect as loader or reader."""
    facts = {name: value for name, value in server.items() if name != "home"}
    if role == "reader":
        facts |= {"user": READER, "password": (server["home"] / "secrets" / "postgres-reader").read_text()}
    return psycopg2.connect(**facts)


@pytest.fixture
def connection(server: dict[str, Any]) -> Iterator[Connection]:
    """A loader's connection, with both schemas and the ledger there."""
    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(server), poolclass=NullPool)
    with engine.connect() as opened:
        prepare_schemas(opened)
        yield opened


def publish(connection: Connection, dataset: str, columns: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    """Load `rows` as the dataset's one relation and publish it."""
    load = open_load(connection, {"dataset": dataset, "run_id": "r", "content": repr(rows)}, [dataset])
    table = make_table(VERSIONS, load.tables[dataset], columns, {name: f"about {name}" for name in columns})
    table.create(connection)
    if rows:
        connection.execute(table.insert(), [dict(zip(columns, row, strict=True)) for row in rows])
    connection.commit()
    publish_load(connection, load, {dataset: table}, {dataset: len(rows)}, READER)
    drop_old_versions(connection, dataset)


def read(server: dict[str, Any], relation: str) -> list[tuple[Any, ...]]:
    """Read a public relation as the reader's role."""
    with connect(server, "reader") as opened, opened.cursor() as cursor:
        cursor.execute(f'SELECT * FROM {PUBLIC}."{relation}" ORDER BY 1')
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def test_a_new_version_replaces_the_old_one_and_the_reader_may_read_it(
    connection: Connection, server: dict[str, Any]
) -> None:
    """The view shows the newest load, to the reader's role too, with the columns' comments."""
    publish(connection, "pupils", {"id": "int", "name": "string"}, [(1, "a")])
    publish(connection, "pupils", {"id": "int", "name": "string"}, [(2, "b"), (3, None)])
    assert read(server, "pupils") == [(2, "b"), (3, None)]
    shown = inspect(connection).get_columns("pupils", PUBLIC)
    assert [column["comment"] for column in shown] == ["about id", "about name"]


def test_only_the_last_two_versions_are_kept(connection: Connection) -> None:
    """The version before the newest stays; older ones are dropped, with their ledger rows."""
    for number in range(4):
        publish(connection, "kept", {"id": "int"}, [(number,)])
    loads = list_loads(connection, "kept")
    tables = [name for name in inspect(connection).get_table_names(VERSIONS) if name.startswith("kept_")]
    assert len(loads) == 2
    assert sorted(tables) == sorted(load.tables["kept"] for load in loads)


def test_what_a_dead_load_left_is_dropped(connection: Connection, server: dict[str, Any]) -> None:
    """A load that was never published leaves no table behind after the next one, and readers never saw it."""
    publish(connection, "left", {"id": "int"}, [(1,)])
    dead = open_load(connection, {"dataset": "left", "run_id": "dead", "content": "x"}, ["left"])
    make_table(VERSIONS, dead.tables["left"], {"id": "int"}, {}).create(connection)
    connection.commit()
    assert read(server, "left") == [(1,)]
    publish(connection, "left", {"id": "int"}, [(2,)])
    assert dead.tables["left"] not in inspect(connection).get_table_names(VERSIONS)


def test_changed_columns_make_the_view_anew(connection: Connection, server: dict[str, Any]) -> None:
    """A column that changes its type or goes away is no obstacle while nobody builds on the view."""
    publish(connection, "changed", {"id": "int", "name": "string"}, [(1, "a")])
    publish(connection, "changed", {"id": "bigint"}, [(2**40,)])
    assert read(server, "changed") == [(2**40,)]


def test_a_dependent_view_stops_a_change_that_would_break_it(connection: Connection, server: dict[str, Any]) -> None:
    """A view that someone built on a relation is never dropped: the load fails and the old version stays."""
    publish(connection, "base", {"id": "int"}, [(1,)])
    connection.execute(text(f"CREATE VIEW {PUBLIC}.built AS SELECT id FROM {PUBLIC}.base"))
    connection.commit()
    with pytest.raises(LoadError, match="built"):
        publish(connection, "base", {"id": "string"}, [("x",)])
    assert read(server, "base") == [(1,)]


def test_names_are_quoted_and_never_cut(connection: Connection, server: dict[str, Any]) -> None:
    """A relation or column with quotes, spaces or a keyword is itself; one of more than 63 bytes is refused."""
    publish(connection, 'odd "name; drop', {"select": "int", 'a "b" c': "string"}, [(1, "x")])
    with connect(server) as opened, opened.cursor() as cursor:
        cursor.execute(f'SELECT "select", "a ""b"" c" FROM {PUBLIC}."odd ""name; drop"')
        assert cursor.fetchall() == [(1, "x")]
    with pytest.raises(LoadError, match="63 bytes"):
        make_table(VERSIONS, "é" * 32, {"id": "int"}, {})


def test_two_loaders_of_a_dataset_come_one_after_the_other(connection: Connection, server: dict[str, Any]) -> None:
    """The lock is the dataset's: another dataset is free, the same one becomes free when its loader is gone."""
    engine = create_engine("postgresql+psycopg2://", creator=lambda: connect(server), poolclass=NullPool)
    with engine.connect() as first:
        lock_dataset(first, "locked")
        lock_dataset(connection, "another")
        with connect(server) as opened, opened.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('workbench.load.locked', 0))")
            assert cursor.fetchone() == (False,)
    lock_dataset(connection, "locked")


def test_the_ledger_says_what_is_published(connection: Connection) -> None:
    """The newest published load carries its content and counts."""
    publish(connection, "ledger", {"id": "int"}, [(1,), (2,)])
    published = find_published(connection, "ledger")
    assert published is not None
    assert published.rows == {"ledger": 2}
    assert published.content == "[(1,), (2,)]"
