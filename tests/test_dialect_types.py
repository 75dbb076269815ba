"""Types: reading and writing them in three spellings, and Trino's rules of meeting in one."""

import pytest

from local_aws.athena.dialect.coercion import arithmetic_decimal, can_coerce, common_type
from local_aws.athena.dialect.types import TrinoType, decimal
from local_aws.athena.errors import QueryError

SPELLINGS = [
    ("integer", "int", "INTEGER"), ("real", "float", "FLOAT"), ("varchar", "string", "VARCHAR"),
    ("varchar(5)", "varchar(5)", "VARCHAR"), ("char(3)", "char(3)", "VARCHAR"), ("varbinary", "binary", "BLOB"),
    ("decimal(10,2)", "decimal(10,2)", "DECIMAL(10,2)"), ("timestamp(3)", "timestamp", "TIMESTAMP"),
    ("array(integer)", "array<int>", "INTEGER[]"),
    ("map(varchar, double)", "map<string,double>", "MAP(VARCHAR, DOUBLE)"),
    ("row(a integer, b row(c varchar))", "struct<a:int,b:struct<c:string>>",
     'STRUCT("a" INTEGER, "b" STRUCT("c" VARCHAR))'),
    ("array(row(x date, y boolean))", "array<struct<x:date,y:boolean>>", 'STRUCT("x" DATE, "y" BOOLEAN)[]'),
]  # fmt: skip


@pytest.mark.parametrize(("trino", "hive", "stored"), SPELLINGS)
def test_a_type_has_three_spellings(trino: str, hive: str, stored: str) -> None:
    """A type reads back from Trino's and the catalog's spelling and has one in DuckDB."""
    kind = TrinoType.from_text(trino)
    assert (str(kind), kind.to_hive(), kind.to_duckdb()) == (trino, hive, stored)
    assert TrinoType.from_hive(hive) == kind


def test_a_row_without_names_is_a_tuple() -> None:
    """A row whose fields have no names has its own spelling in DuckDB."""
    assert TrinoType.from_text("row(integer, varchar)").to_duckdb() == "TUPLE(INTEGER, VARCHAR)"


@pytest.mark.parametrize(
    "text", ["intt", "decimal(50)", "array(integer", "map(integer)", "row()", "int(3)", "decimal(2,3)"]
)
def test_what_is_no_type_is_an_error(text: str) -> None:
    """A wrong type is TYPE_MISMATCH."""
    with pytest.raises(QueryError, match="TYPE_MISMATCH"):
        TrinoType.from_text(text)


COMMON = [
    ("integer", "bigint", "bigint"), ("integer", "decimal(5,2)", "decimal(12,2)"), ("decimal(5,2)", "double", "double"),
    ("decimal(5,2)", "real", "real"), ("bigint", "real", "real"), ("date", "timestamp(3)", "timestamp(3)"),
    ("varchar(2)", "varchar(5)", "varchar(5)"), ("varchar(4)", "char(3)", "char(4)"), ("unknown", "date", "date"),
    ("decimal(10,2)", "decimal(8,4)", "decimal(12,4)"), ("array(integer)", "array(double)", "array(double)"),
    ("integer", "varchar", None), ("boolean", "integer", None), ("date", "varchar(10)", None),
    ("row(integer, date)", "row(bigint, timestamp(3))", "row(bigint, timestamp(3))"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "expected"), COMMON)
def test_two_types_meet_in_one(left: str, right: str, expected: str | None) -> None:
    """Trino's common type of two, the same in either order."""
    a, b = TrinoType.from_text(left), TrinoType.from_text(right)
    for found in (common_type(a, b), common_type(b, a)):
        assert (str(found) if found else None) == expected


def test_nothing_narrows_unasked() -> None:
    """An implicit conversion never loses anything."""
    assert not can_coerce(TrinoType.from_text("bigint"), TrinoType.from_text("integer"))
    assert not can_coerce(TrinoType.from_text("varchar(5)"), TrinoType.from_text("varchar(3)"))
    assert can_coerce(TrinoType.from_text("varchar(3)"), TrinoType.from_text("varchar"))


DECIMALS = [
    ("+", (10, 2), (5, 3), "decimal(12,3)"), ("-", (38, 2), (38, 2), "decimal(38,2)"),
    ("*", (10, 2), (5, 3), "decimal(15,5)"), ("/", (10, 2), (5, 3), "decimal(14,3)"),
    ("%", (10, 2), (5, 3), "decimal(5,3)"), ("/", (10, 2), (10, 2), "decimal(12,2)"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "left", "right", "expected"), DECIMALS)
def test_decimal_arithmetic_has_trinos_digits(
    operator: str, left: tuple[int, int], right: tuple[int, int], expected: str
) -> None:
    """Precision and scale of a result follow Trino's formulas."""
    assert str(arithmetic_decimal(operator, decimal(*left), decimal(*right))) == expected
