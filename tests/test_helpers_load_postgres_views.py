"""Columns that change: what goes through, what is made anew with all that hangs on it, and what stops."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from load_lab import READER, Server, public, publish, serve, stage_load

from helpers.errors import LoadError
from helpers.load_postgres_publish import Terms, publish_load
from helpers.load_postgres_views import is_wider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone, with a role for people who build on relations."""
    for found in serve(tmp_path_factory.mktemp("postgres") / "home"):
        found.run("CREATE ROLE analyst", "GRANT analyst TO workbench_loader", role="superuser")
        found.run("GRANT CREATE, USAGE ON SCHEMA analytics TO analyst")
        yield found


@pytest.fixture
def connection(server: Server) -> Iterator[Any]:
    """A loader's connection."""
    with closing(server.connect()) as opened:
        yield opened


def describe(server: Server, view: str) -> list[tuple[Any, ...]]:
    """Return a view's owner, options, grants, comment, and a column's comment and grants."""
    return server.read(
        "SELECT pg_get_userbyid(c.relowner), c.reloptions, c.relacl::text, obj_description(c.oid), "
        "col_description(c.oid, 1), (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) "
        f"FROM pg_class c WHERE c.oid = '{view}'::regclass"
    )


def test_appended_columns_go_through(connection: Any, server: Server) -> None:
    """A new column comes last whatever its place in the table; a view on the relation is left alone."""
    publish(connection, "wide", {"id": "int", "month": "string"}, [(1, "m")])
    server.run(f"CREATE VIEW analytics.on_wide AS SELECT id FROM {public('wide')}")
    before = server.read("SELECT 'analytics.on_wide'::regclass::oid")
    publish(connection, "wide", {"id": "int", "added": "string", "month": "string"}, [(2, "a", "n")])
    assert server.read("SELECT * FROM analytics.wide") == [(2, "n", "a")]
    assert server.read("SELECT 'analytics.on_wide'::regclass::oid") == before


def test_a_widening_makes_views_anew_with_all_that_hangs_on_them(connection: Any, server: Server) -> None:
    """Dependents, owners, options, comments and grants on views and columns are the same afterwards."""
    publish(connection, "small", {"id": "int", "name": "string"}, [(1, "a")])
    server.run(
        "GRANT SELECT ON analytics.small TO analyst WITH GRANT OPTION",
        "GRANT SELECT (id) ON analytics.small TO PUBLIC",
        "CREATE VIEW analytics.doubled WITH (security_barrier=true) AS SELECT id * 2 AS twice FROM analytics.small",
        "COMMENT ON VIEW analytics.doubled IS 'it''s twice'",
        "COMMENT ON COLUMN analytics.doubled.twice IS '50% {more}'",
        "GRANT SELECT ON analytics.doubled TO PUBLIC",
        "ALTER VIEW analytics.doubled OWNER TO analyst",
        "CREATE VIEW analytics.counted AS SELECT max(twice) AS m FROM analytics.doubled, analytics.small",
        "CREATE MATERIALIZED VIEW analytics.stored AS SELECT twice FROM analytics.doubled",
        "CREATE UNIQUE INDEX stored_key ON analytics.stored (twice)",
    )
    views = ["analytics.small", "analytics.doubled", "analytics.counted", "analytics.stored"]
    before = [describe(server, view) for view in views]
    publish(connection, "small", {"id": "bigint", "name": "string"}, [(2**40, "b")])
    assert [describe(server, view) for view in views] == before
    assert server.read("SELECT m FROM analytics.counted", "loader") == [(2**41,)]
    assert server.read("SELECT indexname FROM pg_indexes WHERE tablename = 'stored'") == [("stored_key",)]


NARROWER = [{"id": "int"}, {"id": "int", "name": "int"}, {"id": "smallint", "name": "string"}]


@pytest.mark.parametrize("columns", NARROWER, ids=["removed", "changed", "narrowed"])
def test_what_takes_something_away_stops_and_names_what_is_built_on_it(
    connection: Any, server: Server, columns: dict[str, str]
) -> None:
    """A removed, changed or narrowed column stops with the dependent views' names; the version is kept ready."""
    publish(connection, "base", {"id": "int", "name": "string"}, [(1, "a")], Terms(READER, frozenset({"base"})))
    server.run("CREATE OR REPLACE VIEW analytics.built AS SELECT id FROM analytics.base")
    load = stage_load(connection, "base", columns, [])
    with pytest.raises(LoadError, match=r"built on it: analytics\.built; .*--break base"):
        publish_load(connection, load, Terms(READER))
    assert server.read("SELECT * FROM analytics.base") == [(1, "a")]


def test_told_by_name_a_removal_goes_on_and_keeps_what_it_can(connection: Any, server: Server) -> None:
    """A dependent that can live without the column is made anew with its owner; one that cannot must be named, too."""
    publish(connection, "cut", {"id": "int", "name": "string"}, [(1, "a")])
    server.run(
        "GRANT SELECT ON analytics.cut TO analyst",
        "CREATE VIEW analytics.needs_id AS SELECT id FROM analytics.cut",
        "ALTER VIEW analytics.needs_id OWNER TO analyst",
        "CREATE VIEW analytics.needs_name AS SELECT name FROM analytics.cut",
    )
    load = stage_load(connection, "cut", {"id": "int"}, [(2,)])
    with pytest.raises(LoadError, match=r"analytics\.needs_name cannot be built .*--break analytics\.needs_name"):
        publish_load(connection, load, Terms(READER, frozenset({"cut"})))
    assert server.read("SELECT name FROM analytics.needs_name", "loader") == [("a",)]
    before = describe(server, "analytics.needs_id")
    publish_load(connection, load, Terms(READER, frozenset({"cut", "analytics.needs_name"})))
    assert server.read("SELECT id FROM analytics.needs_id", "superuser") == [(2,)]
    assert describe(server, "analytics.needs_id") == before
    assert server.read("SELECT to_regclass('analytics.needs_name')") == [(None,)]


WIDER = [
    ("smallint", "bigint"),
    ("integer", "numeric(10,0)"),
    ("integer", "double precision"),
    ("real", "double precision"),
    ("numeric(5,2)", "numeric(7,3)"),
    ("character varying(5)", "text"),
    ("character varying(5)", "character varying(6)"),
]
NOT_WIDER = [
    ("bigint", "integer"),
    ("bigint", "double precision"),
    ("integer", "numeric(10,1)"),
    ("numeric(5,2)", "numeric(6,4)"),
    ("character varying(5)", "character varying(4)"),
    ("text", "integer"),
    ("integer", "text"),
]


@pytest.mark.parametrize(("before", "after"), WIDER)
def test_wider_types(before: str, after: str) -> None:
    """Every value of the first type is one of the second, unchanged."""
    assert is_wider(before, after)


@pytest.mark.parametrize(("before", "after"), NOT_WIDER)
def test_types_that_are_not_wider(before: str, after: str) -> None:
    """Some value would be refused, rounded or shown otherwise."""
    assert not is_wider(before, after)
