"""Expressions over partition keys: the grammar of GetPartitions."""

import random
import re
import sqlite3

import pytest

from local_aws.errors import ServiceError
from local_aws.glue.predicate import HIVE_NULL, compile_predicate

KEYS = [
    {"Name": "year", "Type": "int"},
    {"Name": "name", "Type": "string"},
    {"Name": "day", "Type": "date"},
    {"Name": "price", "Type": "decimal(10,2)"},
    {"Name": "at", "Type": "timestamp"},
    {"Name": "ok", "Type": "boolean"},
]
ROW = ["2020", "o'neil", "2020-01-31", "1.50", "2020-01-31 10:00:00", "true"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ("year = 2020", True),
        ("year='2020'", True),
        ("2019 < year", True),
        ("year <> 2020", False),
        ("year != 2021 AND name = 'o''neil'", True),
        ("year > 900", True),
        ("not (year = 2020)", False),
        ("NOT NOT year = 2020", True),
        ("year in (1, 2020)", True),
        ("year NOT IN (2020)", False),
        ("name between 'n' and 'p'", True),
        ("name NOT BETWEEN 'n' AND 'p'", False),
        ("name LIKE 'o%il'", True),
        ("name like '_''%'", True),
        ("name NOT LIKE '%.%'", True),
        ("day >= '2020-01-09' and day < '2020-02-01'", True),
        ("price = 1.5", True),
        ("price > -1", True),
        ("at > '2020-01-31 09:59:59.5'", True),
        ("year = 1 OR year = 2 OR (year = 2020 AND (name = 'x' OR price <= 1.50))", True),
        ("year = 2020 OR year = 1 AND name = 'x'", True),
        ("\"year\" = 2020 and `name` <> 'x'", True),
        ("YEAR=2020and name<>'and'", True),
    ],
)
def test_expressions_select_by_type(expression: str, expected: bool) -> None:
    """Values are compared as their key's type says, with SQL's precedence and any case of keywords."""
    assert compile_predicate(expression, KEYS)(ROW) is expected


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("year", "ends too early"),
        ("year =", "ends too early"),
        ("year = 2020 name = 'x'", "'name' was not expected"),
        ("(year = 2020", "\\) was expected"),
        ("month = 1", "'month' is no partition key"),
        ("year = 'soon'", "'soon' is no int"),
        ("day = '2020-02-30'", "is no date"),
        ("name = 5", "quote the value"),
        ("year LIKE '20%'", "LIKE takes a string column"),
        ("ok = 'true'", "of type boolean"),
        ("year = year", "compares two columns"),
        ("1 = 1", "compares two values"),
        ("year ~ 1", "cannot be read"),
        ("name = 'open", "cannot be read"),
        ("year IN ()", "a column or value was expected"),
        ("year NOT = 1", "NOT after a column"),
        ("year IS NULL", "a comparison was expected"),
        ("(" * 60 + "year=1" + ")" * 60, "more than 50 deep"),
        ("year = 1 or " * 300 + "year=1", "longer than 2048"),
    ],
)
def test_wrong_expressions_are_refused(expression: str, why: str) -> None:
    """What the grammar or the types do not allow is an error that says why, never a guess."""
    with pytest.raises(ServiceError, match=why) as caught:
        compile_predicate(expression, KEYS)(ROW)
    assert caught.value.code == "InvalidInputException"


def test_a_partition_without_a_value_satisfies_no_condition() -> None:
    """Hive's default partition is NULL: neither a condition nor its negation holds."""
    row = [HIVE_NULL, *ROW[1:]]
    for expression in ("year = 1", "year <> 1", "NOT year = 1", "year NOT IN (1)", "year = 1 AND name = 'o''neil'"):
        assert compile_predicate(expression, KEYS)(row) is False
    assert compile_predicate("year = 1 OR price = 1.5", KEYS)(row) is True


def test_a_value_that_is_not_of_its_keys_type_is_named() -> None:
    """A registered value that cannot be read is an error, not a partition left out."""
    with pytest.raises(ServiceError, match="'twenty' is no int, the type of 'year'"):
        compile_predicate("year = 1", KEYS)(["twenty", *ROW[1:]])


def random_condition(chance: random.Random, depth: int = 0) -> str:
    """Return an expression over a (int) and b (string) that SQLite reads the same way."""
    if depth < 3 and chance.random() < 0.6:
        left, right = (random_condition(chance, depth + 1) for _ in range(2))
        return chance.choice([f"({left} AND {right})", f"({left} OR {right})", f"NOT ({left})", f"{left} OR {right}"])
    number, text = chance.randint(-3, 3), chance.choice(["x", "xy", "", "z'", "%"])
    quoted = text.replace("'", "''")
    sign = chance.choice(["=", "<>", "!=", "<", ">", "<=", ">="])
    return chance.choice(
        [
            f"a {sign} {number}",
            f"{number} {sign} a",
            f"b {sign} '{quoted}'",
            f"a IN ({number}, {number + 2})",
            f"b NOT IN ('{quoted}', 'y')",
            f"a BETWEEN {number} AND 2",
            f"b NOT BETWEEN '{quoted}' AND 'xz'",
            f"b LIKE '{quoted}%'",
            f"b NOT LIKE '_{quoted}'",
        ]
    )


def test_random_expressions_select_what_sqlite_selects() -> None:
    """Over random rows with NULLs, 500 random expressions select exactly the rows that SQLite's WHERE selects."""
    chance = random.Random(12)
    keys = [{"Name": "a", "Type": "int"}, {"Name": "b", "Type": "string"}]
    rows = [(a, b) for a in (None, -2, 0, 1, 3) for b in (None, "", "x", "xy", "z'", "yx", "%")]
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA case_sensitive_like = ON")
    database.execute("CREATE TABLE t (a INTEGER, b TEXT)")
    database.executemany("INSERT INTO t VALUES (?, ?)", rows)
    for _ in range(500):
        expression = random_condition(chance)
        expected = set(database.execute(f"SELECT a, b FROM t WHERE {expression}"))
        selects = compile_predicate(expression, keys)
        found = {row for row in rows if selects([HIVE_NULL if value is None else str(value) for value in row])}
        assert found == expected, expression
    database.close()


def test_a_pattern_is_not_a_regular_expression() -> None:
    """LIKE knows % and _ alone."""
    keys = [{"Name": "b", "Type": "string"}]
    for text in ("a.c", "a+c", "[a]", "a\nb"):
        assert compile_predicate(f"b LIKE '{text}'", keys)([text])
        assert not compile_predicate(f"b LIKE '{text}'", keys)([re.sub(r"[.+\[\n]", "b", text)])
