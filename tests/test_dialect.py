"""Queries over tables: what a data worker writes, answered as Trino answers it."""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from local_aws.athena.dialect import classify, prepare, translate
from local_aws.athena.errors import ParseError, QueryError

COLUMNS = {
    ("db", "students"): [
        ("id", "bigint"), ("gender", "varchar"), ("score", "decimal(5,2)"), ("grade", "double"), ("day", "date"),
        ("tags", "array(varchar)"), ("home", "row(city varchar, zip integer)"), ("code", "char(3)"),
    ],
    ("db", "schools"): [("id", "bigint"), ("name", "varchar")],
}  # fmt: skip
VIEWS = {("db", "by_gender"): "SELECT gender g, count(*) n FROM students GROUP BY gender",
         ("db", "broken"): "SELECT nothing FROM students", ("db", "endless"): "SELECT * FROM endless"}  # fmt: skip
ROWS = """
CREATE SCHEMA db;
CREATE TABLE db.students AS SELECT * FROM (VALUES
  (1::BIGINT, 'f', 80.50::DECIMAL(5,2), 80.5::DOUBLE, DATE '2024-01-31', ['a', 'b'],
   {'city': 'X', 'zip': 1}::STRUCT(city VARCHAR, zip INTEGER), 'ab '),
  (2, 'm', 70.25, 70.0, DATE '2024-02-29', []::VARCHAR[], {'city': 'Y', 'zip': 2}, 'c'),
  (3, 'f', 90.01, 'nan'::DOUBLE, DATE '2023-12-31', ['c', NULL], NULL, NULL),
  (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL)) t(id, gender, score, grade, day, tags, home, code);
CREATE TABLE db.schools AS SELECT * FROM (VALUES (1::BIGINT, 'North'), (5, 'South')) t(id, name);
"""


class Tables:
    """A catalog of the tables above."""

    def has_database(self, name: str) -> bool:
        return name == "db"

    def columns(self, database: str, table: str) -> list[tuple[str, str]] | None:
        return COLUMNS.get((database, table))

    def view_sql(self, database: str, table: str) -> str | None:
        return VIEWS.get((database, table))


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with duckdb.connect() as connection:
        prepare(connection)
        connection.execute(ROWS)
        yield connection


def run(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """Translate and run a query; DuckDB's errors come in Athena's words."""
    translation = translate(sql, Tables(), "db")
    try:
        rows: list[tuple[Any, ...]] = connection.execute(translation.sql).fetchall()
    except duckdb.Error as error:
        raise classify(error, sql) from None
    return rows


ANSWERS: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT gender, avg(score) FROM students GROUP BY gender ORDER BY gender",
     [("f", Decimal("85.26")), ("m", Decimal("70.25")), (None, None)]),
    ("SELECT gender, count(*) FROM students GROUP BY 1 HAVING count(*) > 1", [("f", 2)]),
    ("SELECT s.id, name FROM students s LEFT JOIN schools c ON s.id = c.id AND c.name <> 'South' ORDER BY 1 LIMIT 2",
     [(1, "North"), (2, None)]),
    ("SELECT * FROM students JOIN schools USING (id)",
     [(1, "f", Decimal("80.50"), 80.5, datetime.date(2024, 1, 31), ["a", "b"], {"city": "X", "zip": 1}, "ab",
       "North")]),
    ("SELECT id FROM students FULL JOIN schools USING (id) WHERE id > 3 ORDER BY id", [(4,), (5,)]),
    ("SELECT g, n FROM by_gender ORDER BY n DESC, g", [("f", 2), ("m", 1), (None, 1)]),
    ("SELECT home.city, s.home.zip + 1 FROM students s WHERE s.home.zip = 2", [("Y", 3)]),
    ("SELECT id, tag, n FROM students LEFT JOIN UNNEST(tags) WITH ORDINALITY AS u(tag, n) ON true ORDER BY 1, 3",
     [(1, "a", 1), (1, "b", 2), (2, None, None), (3, "c", 1), (3, None, 2), (4, None, None)]),
    ("SELECT id FROM students WHERE grade > 75 ORDER BY id", [(1,)]),
    ("SELECT id FROM students WHERE grade = grade OR grade <> grade ORDER BY id", [(1,), (2,), (3,)]),
    ("SELECT cast(code AS varchar), code = 'ab' FROM students ORDER BY id LIMIT 2", [("ab ", True), ("c  ", False)]),
    ("SELECT id FROM schools WHERE id NOT IN (SELECT id FROM students)", [(5,)]),
    ("SELECT id FROM schools WHERE name NOT IN (SELECT gender FROM students)", []),
    ("SELECT id, (SELECT count(*) FROM schools c WHERE c.id = s.id) FROM students s ORDER BY id LIMIT 2",
     [(1, 1), (2, 0)]),
    ("WITH a AS (SELECT id FROM students), b(x) AS (SELECT max(id) FROM a) SELECT x FROM b", [(4,)]),
    ("SELECT id FROM students UNION SELECT id FROM schools EXCEPT SELECT 1 ORDER BY 1 DESC LIMIT 2", [(5,), (4,)]),
    ("SELECT rank() OVER (ORDER BY score DESC), id FROM students ORDER BY id", [(2, 1), (3, 2), (1, 3), (4, 4)]),
    ("SELECT sum(id) OVER w, id FROM students WINDOW w AS (PARTITION BY gender ORDER BY id) ORDER BY id",
     [(1, 1), (2, 2), (4, 3), (4, 4)]),
    ("SELECT count_if(score > 75), approx_percentile(grade, 0.5), min_by(id, score) FROM students WHERE id < 3",
     [(1, 70.0, 2)]),
    ("SELECT date_trunc('month', day), day + INTERVAL '1' MONTH FROM students WHERE id = 1",
     [(datetime.date(2024, 1, 1), datetime.date(2024, 2, 29))]),
    ("SELECT CASE WHEN score > 75 THEN 'high' ELSE 'low' END, count(*) FROM students GROUP BY 1 ORDER BY 1",
     [("high", 2), ("low", 2)]),
    ("SELECT array_agg(id ORDER BY score DESC) FILTER (WHERE gender IS NOT NULL) FROM students", [([3, 1, 2],)]),
    ("SELECT count_if(true), count(id), sum(id), array_agg(id), approx_distinct(id), histogram(id), bool_or(true)"
     " FROM students WHERE id > 9", [(0, 0, None, None, 0, None, None)]),
    ("SELECT upper('straße é'), lower('ÀÉ'), sum(x) FROM (VALUES INTERVAL '1' DAY, INTERVAL '3' HOUR) t(x)",
     [("STRAßE É", "àé", datetime.timedelta(days=1, hours=3))]),
    ("VALUES (1, 'a'), (2, NULL)", [(1, "a"), (2, None)]),
    ("TABLE schools", [(1, "North"), (5, "South")]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), ANSWERS)
def test_a_query_has_trinos_answer(connection: Any, sql: str, expected: list[tuple[Any, ...]]) -> None:
    """A query over tables gives the rows that Trino gives."""
    assert run(connection, sql) == expected


FAILURES = [
    ("SELECT x FROM students", r"COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved or requester is not"),
    ("SELECT 1\nFROM nothing", r"TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.db.nothing' does not exist"),
    ("SELECT * FROM other.t", r"SCHEMA_NOT_FOUND: line 1:15: Schema 'other' does not exist"),
    ("SELECT id FROM students, schools", r"AMBIGUOUS_NAME: line 1:8: Column 'id' is ambiguous"),
    ("SELECT gender = 1 FROM students", r"TYPE_MISMATCH: line 1:15: Cannot apply operator: varchar = integer"),
    ("SELECT day = '2024-01-01' FROM students", r"TYPE_MISMATCH: .*date = varchar\(10\)"),
    ("SELECT gender g FROM students GROUP BY g", r"COLUMN_NOT_FOUND: .*'g'"),
    ("SELECT gender, score FROM students GROUP BY gender", r"EXPRESSION_NOT_AGGREGATE: .*score.* must appear"),
    ("SELECT id FROM students WHERE sum(id) > 1", "EXPRESSION_NOT_SCALAR"),
    ("SELECT DISTINCT gender FROM students ORDER BY score", "EXPRESSION_NOT_IN_DISTINCT"),
    ("SELECT rank() FROM students", "MISSING_OVER"),
    ("SELECT tags[9] FROM students WHERE id = 1", "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than"),
    ("SELECT id / 0 FROM students", "DIVISION_BY_ZERO: Division by zero"),
    ("SELECT cast(gender AS integer) FROM students", "INVALID_CAST_ARGUMENT: Cannot cast '.' to INT"),
    ("SELECT sum(id + 9223372036854775800) FROM students", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ("SELECT (SELECT id FROM students)", "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows"),
    ("SELECT * FROM broken", r"INVALID_VIEW: .*Column 'nothing' cannot be resolved"),
    ("SELECT * FROM endless", "INVALID_VIEW: .*refers to itself"),
]


@pytest.mark.parametrize(("sql", "message"), FAILURES)
def test_an_error_has_athenas_name_and_place(connection: Any, sql: str, message: str) -> None:
    """A wrong query fails as in Athena: error name, place, text."""
    with pytest.raises(QueryError, match=message):
        run(connection, sql)


def test_columns_without_a_name_are_numbered() -> None:
    """A column gets its alias, its column's name, or its position; all in lower case."""
    translation = translate(
        'SELECT count(*), Gender, 1 AS "Total", max(home.zip), home.zip FROM students', Tables(), "db"
    )
    assert [name for name, _ in translation.columns] == ["_col0", "gender", "total", "_col3", "zip"]


def test_the_tables_read_are_listed() -> None:
    """The tables behind views and subqueries are listed, each once, and are written with their database."""
    translation = translate("SELECT * FROM by_gender, (SELECT id FROM Db.Schools) WHERE g IS NULL", Tables(), "db")
    assert translation.tables == [("db", "students"), ("db", "schools")]
    assert '"db"."schools"' in translation.sql


def test_information_schema_is_listed_as_a_database() -> None:
    """What reads information_schema lists it among its tables, so that the engine can fill it."""
    translation = translate("SELECT table_name FROM information_schema.tables", Tables(), "db")
    assert translation.tables == [("information_schema", "tables")]


def test_a_recursion_ends_after_ten_steps(connection: Any) -> None:
    """WITH RECURSIVE answers within ten steps and fails beyond."""
    sql = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {}) SELECT max(n) FROM t"
    assert run(connection, sql.format(11)) == [(11,)]
    with pytest.raises(QueryError, match="Recursion depth limit exceeded"):
        run(connection, sql.format(12))


def test_try_forgives_errors_and_no_refusals(connection: Any) -> None:
    """TRY makes NULL of a failed cast; what is not supported stays an error inside TRY."""
    assert run(connection, "SELECT try(cast(regexp_extract('ab', '\\d') AS integer)), try_cast('x' AS date)") == [
        (None, None)
    ]
    with pytest.raises(QueryError, match="NOT_SUPPORTED"):
        run(connection, "SELECT try(regexp_like('é', '\\w'))")
    with pytest.raises(QueryError, match="DIVISION_BY_ZERO"):
        run(connection, "SELECT try_cast(1 / 0 AS varchar)")


def test_a_zone_that_varies_does_not_leave_the_statement() -> None:
    """A result has one zone, which its type carries, or the query is refused."""
    sql = "SELECT at_timezone(timestamp '2024-01-01 00:00:00 UTC', 'Asia/Tokyo')"
    assert translate(sql, Tables(), "db").columns[0][1].zone == "Asia/Tokyo"
    with pytest.raises(QueryError, match="zone varies by value"):
        translate(sql + " UNION ALL SELECT timestamp '2024-01-01 00:00:00 UTC'", Tables(), "db")


def test_a_statement_that_is_no_query_is_a_syntax_error() -> None:
    """What the grammar does not know is refused with its place."""
    with pytest.raises(ParseError, match="line 1:1: mismatched input 'DROP'"):
        translate("DROP TABLE students", Tables(), "db")
