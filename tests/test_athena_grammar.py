"""Statements that are no queries, word by word."""

import pytest

from local_aws.athena import statements as s
from local_aws.athena.errors import ParseError, QueryError
from local_aws.athena.grammar import read_statement
from local_aws.athena.prepared import as_literal, with_values
from local_aws.athena.words import TableName


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("select 1 -- ;", s.Query("select 1 -- ;")),
        ("/* a */ (SELECT 1) ;", s.Query("/* a */ (SELECT 1) ;")),
        ("DROP TABLE IF EXISTS `A`.b", s.DropTable(TableName("a", "b"), True, False)),
        ('drop view "AwsDataCatalog"."a"."b";', s.DropTable(TableName("a", "b"), False, True)),
        ("MSCK REPAIR TABLE t", s.Repair(TableName("db", "t"))),
        ("SHOW TABLES IN x 'a*'", s.Show("tables", "x", "a*")),
        ("SHOW COLUMNS FROM t IN x", s.Describe("columns", TableName("x", "t"))),
        ("PREPARE P FROM SELECT '?' WHERE a = ?", s.Prepare("P", "SELECT '?' WHERE a = ?")),
        ("EXECUTE p USING 1, ARRAY[2, 3], 'a, b'", s.Execute("p", ["1", "ARRAY[2, 3]", "'a, b'"])),
        ("INSERT INTO t (SELECT 1)", s.Insert(TableName("db", "t"), None, "(SELECT 1)")),
        ("INSERT INTO t (a, \"B\") VALUES (1, ')')", s.Insert(TableName("db", "t"), ["a", "b"], "VALUES (1, ')')")),
        ("UNLOAD (SELECT ')' AS a) TO 's3://b/c'", s.Unload("SELECT ')' AS a", "s3://b/c", {})),
        ("CREATE VIEW v AS SELECT 'a\\' AS b", s.CreateView(TableName("db", "v"), False, "SELECT 'a\\' AS b")),
        (
            "CREATE TABLE t WITH (format='JSON', n = 3, partitioned_by = ARRAY['a', 'b']) AS WITH x AS (SELECT 1) "
            "SELECT * FROM x WITH NO DATA",
            s.CreateTableAs(
                TableName("db", "t"), False, {"format": "JSON", "n": "3", "partitioned_by": ["a", "b"]},
                "WITH x AS (SELECT 1) SELECT * FROM x ", False,
            ),
        ),
    ],
)  # fmt: skip
def test_statements_are_read(sql: str, statement: s.Statement) -> None:
    """Names are lower-cased, text of queries is kept as written."""
    assert read_statement(sql, "db") == statement


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("", "line 1:1"),
        ("DROP THING x", "line 1:6"),
        ("CREATE OR REPLACE TABLE t AS SELECT 1", "line 1:19"),
        ("ALTER TABLE t\nADD PARTITION (y 1)", "line 2:18"),
        ("SHOW TABLES 'a' 'b'", "line 1:17"),
        ("CREATE EXTERNAL TABLE t (a int", "line 1:31"),
        ("CREATE EXTERNAL TABLE t (a int) STOLEN AS x LOCATION 's3://b/'", "line 1:33"),
        ("UNLOAD (SELECT 1", "line 1:17"),
    ],
)
def test_errors_name_their_place(sql: str, place: str) -> None:
    """What follows no grammar is a ParseError with line and column."""
    with pytest.raises(ParseError, match=f"SYNTAX_ERROR: {place}: mismatched input"):
        read_statement(sql, "db")


@pytest.mark.parametrize("sql", ["DROP TABLE other.db.t", "SHOW TABLES IN hive.db"])
def test_other_catalogs_are_not_found(sql: str) -> None:
    """There is one catalog."""
    with pytest.raises(QueryError, match="CATALOG_NOT_FOUND"):
        read_statement(sql, "db")


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("1", "1"), (" -2.5e3 ", "-2.5e3"), ("'a''b'", "'a''b'"), ("NULL", "NULL"),
        ("date '2024-01-01'", "date '2024-01-01'"),
        ("abc", "'abc'"), ("1 OR 1=1", "'1 OR 1=1'"), ("'a' OR 'b'", "'''a'' OR ''b'''"), ("", "''"),
    ],
)  # fmt: skip
def test_a_value_is_never_sql(value: str, literal: str) -> None:
    """What is no literal becomes the string that it spells."""
    assert as_literal(value) == literal


def test_question_marks_in_strings_names_and_comments_are_no_parameters() -> None:
    """Only bare question marks are replaced."""
    sql = "SELECT '?', \"?\", ? /* ? */ FROM t -- ?"
    assert with_values(sql, ["1"]) == "SELECT '?', \"?\", 1 /* ? */ FROM t -- ?"
    with pytest.raises(QueryError, match="expected 1 but found 0"):
        with_values(sql, [])
