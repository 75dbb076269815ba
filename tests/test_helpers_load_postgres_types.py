"""Athena's types in PostgreSQL, and how a column is selected so that its CSV holds it whole."""

import pytest
from sqlalchemy.dialects import postgresql

from helpers.errors import LoadError
from helpers.load_postgres_types import (
    check_identifier,
    check_result_type,
    make_columns,
    select_expression,
    to_postgres,
)

MAPPING = {
    "boolean": "BOOLEAN",
    "tinyint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "REAL",
    "real": "REAL",
    "double": "DOUBLE PRECISION",
    "decimal(5,2)": "NUMERIC(5, 2)",
    "decimal(38,0)": "NUMERIC(38, 0)",
    "string": "TEXT",
    "varchar(20)": "TEXT",
    "date": "DATE",
    "timestamp": "TIMESTAMP(3) WITHOUT TIME ZONE",
    "timestamp(3) with time zone": "TIMESTAMP(3) WITH TIME ZONE",
    "array<int>": "JSONB",
    "map<string,int>": "JSONB",
    "struct<a:int>": "JSONB",
    "binary": "BYTEA",
}


@pytest.mark.parametrize(("kind", "expected"), MAPPING.items())
def test_a_type_has_its_counterpart(kind: str, expected: str) -> None:
    """Every Athena type that a table can have has one PostgreSQL type."""
    assert to_postgres(kind).compile(dialect=postgresql.dialect()) == expected


def test_what_a_csv_cannot_hold_is_selected_as_text_that_it_can() -> None:
    """Nested values become JSON, binary ones PostgreSQL's hex; names are quoted."""
    assert select_expression("a", "int") == '"a"'
    assert select_expression('a"b', "array<int>") == 'json_format(CAST("a""b" AS JSON)) AS "a""b"'
    assert select_expression("a", "varbinary") == '\'\\x\' || to_hex("a") AS "a"'


@pytest.mark.parametrize("kind", ["array", "map", "row", "varbinary"])
def test_a_saved_querys_nested_column_is_refused(kind: str) -> None:
    """Athena's CSV of such a column cannot be read back, so the query must cast it."""
    with pytest.raises(LoadError, match="in the query"):
        check_result_type("c", kind)


@pytest.mark.parametrize("names", [["x" * 64], [""], ["é" * 32]])
def test_a_name_that_postgresql_would_cut_is_refused(names: list[str]) -> None:
    """Identifiers have 1 to 63 bytes."""
    with pytest.raises(LoadError, match="63 bytes"):
        make_columns(dict.fromkeys(names, "int"), {})
    with pytest.raises(LoadError, match="63 bytes"):
        check_identifier(names[0])


def test_an_unknown_type_is_refused() -> None:
    """A type without a faithful counterpart names itself."""
    with pytest.raises(LoadError, match="interval"):
        to_postgres("interval day to second")
