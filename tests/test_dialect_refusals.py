"""What must not slip through: words, functions and habits of other engines."""

import ast
from pathlib import Path

import duckdb
import pytest
from dialect_lab import NoTables

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import runtime, translate
from local_aws.athena.dialect.env import Env, Scope, Statement
from local_aws.athena.dialect.functions import KNOWN, OVERLOADS
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.special import SPECIAL
from local_aws.athena.dialect.translation import HANDLERS
from local_aws.athena.errors import QueryError

TRINO = frozenset((Path(__file__).parent / "data" / "trino_functions.txt").read_text().split())
ROOM = Path(runtime.__file__).parent


class OneTable(NoTables):
    """A catalog of one table with one column."""

    def columns(self, database: str, table: str) -> list[tuple[str, str]] | None:
        return [("a", "integer")] if table == "t" else None


FOREIGN = [
    "SELECT a::varchar FROM t", "SELECT * EXCLUDE (a) FROM t", "SELECT * REPLACE (1 AS a) FROM t", "FROM t SELECT a",
    "FROM t", "SELECT a FROM t QUALIFY row_number() OVER () = 1", "SELECT a FROM t GROUP BY ALL",
    "SELECT a FROM t ORDER BY ALL", "SELECT [1, 2]", "SELECT {'a': 1}", "SELECT a, FROM t", "SELECT 'a' 'b'",
    "SELECT a == 1 FROM t", "SELECT a = 1 = true FROM t", "SELECT 1 LIMIT 1 OFFSET 1", "SELECT TOP 1 a FROM t",
    "SELECT a FROM t LIMIT 1, 2", "SELECT a FROM t LIMIT 10 PERCENT", "SELECT DISTINCT ON (a) a FROM t",
    "SELECT `a` FROM t", "SELECT a ILIKE 'x' FROM t", "SELECT a ~ 'x' FROM t", "SELECT 'a' GLOB 'b'",
    "SELECT 7 DIV 2",
    "SELECT 1 << 2", "SELECT 5 & 3", "SELECT 2 ^ 3", "SELECT 7 // 2",
    "SELECT INTERVAL 1 DAY", "SELECT INTERVAL '1 day'", "SELECT x'1'", "SELECT $1", "SELECT ?", "SELECT @a",
    "PIVOT t ON a USING sum(a)", "SUMMARIZE t", "DESCRIBE t", "SELECT COLUMNS('a') FROM t", "SELECT #1 FROM t",
    "SELECT a FROM 't.parquet'", "SELECT * FROM read_csv('x')", "SELECT * FROM range(3)", "SELECT 1; SELECT 2",
    "SELECT unnest(ARRAY[1, 2])", "SELECT a FROM t WHERE rowid = 1", "SELECT ARRAY[1, 2][1:2]", "SELECT e'\\n'",
    "SELECT count(*) FILTER (a > 1) FROM t", "SELECT a AS 'x' FROM t", "SELECT cast(1 AS hugeint)",
    "SELECT cast(1 AS text)", "SELECT cast('x' AS string)", "SELECT 1 AS a FROM t SAMPLE 10%", "SELECT MAP {1: 2}",
    "SELECT list_transform(ARRAY[1], lambda x: x)", "SELECT struct_pack(a := 1)", "SELECT a FROM t USING SAMPLE 1",
    "SELECT (1, 2) = (1, 2) COLLATE nocase", "SELECT EXISTS(FROM t)",
]  # fmt: skip


@pytest.mark.parametrize("sql", FOREIGN)
def test_other_engines_syntax_is_refused(sql: str) -> None:
    """Syntax that Trino does not know is an error, never an answer."""
    with pytest.raises(QueryError, match=r"\w+: .+"):
        translate(sql, OneTable(), "db")


def duckdb_functions() -> list[str]:
    """List DuckDB's functions by name."""
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() ORDER BY 1").fetchall()
    return [str(name) for (name,) in rows if str(name).isidentifier()]


def test_no_function_of_duckdb_slips_through() -> None:
    """Each function of DuckDB that Trino does not have is unknown, whatever its arguments; there are hundreds."""
    foreign = [name for name in duckdb_functions() if name not in TRINO and name not in ("row", "unnest", "array")]
    assert len(foreign) > 300
    for name in foreign:
        for arguments in ("", "1", "'a', 1"):
            with pytest.raises(QueryError, match=r"FUNCTION_NOT_FOUND|SYNTAX_ERROR"):
                translate(f"SELECT {name}({arguments})", OneTable(), "db")


def test_what_is_translated_is_trinos() -> None:
    """Every translated or known function stands in Trino's list of functions, and every one of that list is known."""
    forms = {"cast", "extract", "position", "substring", "try_cast", "exclude_columns"}
    assert set(OVERLOADS) | set(SPECIAL) <= TRINO
    assert TRINO - set(OVERLOADS) - set(SPECIAL) - forms == KNOWN


def test_a_function_that_is_not_translated_is_refused_by_name() -> None:
    """A function of Trino's without a translation is NOT_SUPPORTED, with its place."""
    for name in sorted(KNOWN):
        with pytest.raises(QueryError, match=r"NOT_SUPPORTED|SYNTAX_ERROR"):
            translate(f"SELECT {name}(1)", OneTable(), "db")


def test_a_kind_of_node_without_a_handler_is_refused() -> None:
    """An expression of a kind that the translation does not list cannot be written."""

    class Unknown(n.Expression):
        pass

    statement = Statement(OneTable(), HANDLERS, lambda *_: None)
    with pytest.raises(QueryError, match="NOT_SUPPORTED: line 1:1: Unknown"):
        Env(statement, Scope([]), "db", {}).translate(Unknown(Place(1, 1)))


def test_every_function_that_may_refuse_is_named() -> None:
    """A Python function that can reach a refusal stands in its room's list, which TRY heeds."""
    for room in runtime.ROOMS:
        tree = ast.parse(Path(str(room.__file__)).read_text())
        calls = {f.name: {c.func.id for c in ast.walk(f) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}
                 for f in tree.body if isinstance(f, ast.FunctionDef)}  # fmt: skip
        refusing = {"unsupported"}
        while more := {name for name, called in calls.items() if called & refusing} - refusing:
            refusing |= more
        found = {name for name, function, *_ in room.FUNCTIONS if function.__name__ in refusing}
        assert found - set(room.REFUSING) <= ALLOWED, room.__name__


# Their patterns are literals, read before the statement runs; see check_patterns.
ALLOWED = {"trino_date_parse", "trino_parse_datetime", "trino_format_datetime", "trino_format_piece"}


def test_depth_is_bounded() -> None:
    """An expression that nests without end is refused and does not exhaust the stack."""
    with pytest.raises(QueryError, match="STACK_OVERFLOW"):
        translate("SELECT " + "(" * 5000 + "1" + ")" * 5000, OneTable(), "db")
