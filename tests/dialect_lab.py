"""What the tests of the dialect share: a catalog without tables, and a connection that is ready for translations."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from local_aws.athena.dialect import prepare


class NoTables:
    """A catalog with one empty database."""

    def has_database(self, name: str) -> bool:
        return name == "db"

    def columns(self, database: str, table: str) -> list[tuple[str, str]] | None:
        return None

    def view_sql(self, database: str, table: str) -> str | None:
        return None


@pytest.fixture(scope="module")
def prepared_connection() -> Iterator[Any]:
    """A connection to DuckDB with the dialect's own functions."""
    with duckdb.connect() as connection:
        prepare(connection)
        yield connection
