"""The figures by which a load is verified: what they notice, and that they hold for many and for extreme values."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from load_lab import Server, serve
from psycopg2 import sql

from helpers.errors import LoadError
from helpers.load_postgres_types import make_columns
from helpers.load_postgres_verify import compare_figures, figure_query, list_figures, read_figures, refuse_differences

EXTREMES = {
    "bigint": "9223372036854775807",
    "double": "1.7976931348623157E308",
    "real": "3.4028235E38",
    "decimal(38,0)": "9" * 38,
    "date": "9999-12-31",
    "timestamp": "9999-12-31 23:59:59.999",
    "timestamp with time zone": "9999-12-31 23:59:59.999 UTC",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


@pytest.mark.parametrize("kind", EXTREMES)
def test_no_figure_overflows_for_many_extreme_values(server: Server, kind: str) -> None:
    """A hundred thousand times the greatest value of a type still has a sum."""
    [column] = make_columns({"c": kind}, {})
    server.run(
        "DROP TABLE IF EXISTS analytics_versions.extreme",
        f"CREATE TABLE analytics_versions.extreme AS SELECT '{EXTREMES[kind]}'::{column.type} AS c "
        "FROM generate_series(1, 100000)",
    )
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        figures = read_figures(cursor, sql.Identifier("analytics_versions", "extreme"), [column], True)
    assert figures[:2] == ["100000", "100000"]
    assert len(figures) == 1 + len(list_figures(column, True))


def test_a_query_without_rows_has_figures(server: Server) -> None:
    """Sums and extremes of nothing are NULL on both sides, and agree."""
    columns = make_columns({"a": "int", "b": "double", "c": "varchar", "d": "timestamp"}, {})
    server.run("CREATE TABLE analytics_versions.empty (a int, b float8, c text, d timestamp)")
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        found = read_figures(cursor, sql.Identifier("analytics_versions", "empty"), columns, True)
    checks = compare_figures("empty", columns, True, found, found)
    assert all(check.agrees for check in checks)
    assert [check.postgres for check in checks if check.figure == "sum"] == [None, None]


DIFFERENCES: list[tuple[str, str, Any, Any]] = [
    ("varchar", "not null", "3", "2"),
    ("int", "sum", "10", "11"),
    ("decimal(5,2)", "max", "1.23", "1.24"),
    ("double", "min", "0.1", "0.10000000000000002"),
    ("varchar", "max", "b", "B"),
    ("varchar", "min", "x", None),
]


@pytest.mark.parametrize(("kind", "figure", "athena", "postgres"), DIFFERENCES)
def test_a_difference_stops_and_names_both_values(kind: str, figure: str, athena: Any, postgres: Any) -> None:
    """The message names relation, column, figure and what each side has."""
    columns = make_columns({"c": kind}, {})
    names = ["rows", *[one.name for one in list_figures(columns[0])]]
    ours, theirs = ["5"] * len(names), ["5"] * len(names)
    ours[names.index(figure)], theirs[names.index(figure)] = athena, postgres
    checks = compare_figures("answers", columns, False, ours, theirs)
    with pytest.raises(LoadError, match=rf"answers\.c: {figure} is {athena} in Athena and {postgres} in PostgreSQL"):
        refuse_differences(checks)


def test_numbers_are_compared_as_numbers() -> None:
    """Trailing zeros and another spelling of a double are no difference, nor is the order of adding."""
    columns = make_columns({"d": "decimal(5,2)", "f": "double"}, {})
    ours = ["3", "3", "6.50", "1.00", "3.50", "3", "3", "6.0", "6.000000000000001", "1.0E0", "3.0"]
    theirs = ["3", "3", "6.5", "1.00", "3.5", "3", "3", "6", "6", "1", "3"]
    assert all(check.agrees for check in compare_figures("r", columns, False, ours, theirs))


def test_names_are_quoted_in_the_query_for_athena() -> None:
    """A column may be called like a keyword, with quotes and braces in it."""
    query = figure_query(make_columns({'a "b" {c}': "int"}, {}), '"t"')
    assert query.startswith('SELECT count(*) AS f0, count("a ""b"" {c}") AS f1')
