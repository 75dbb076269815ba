"""NULL in gives NULL out, for every function of the tables, whatever DuckDB's own function would do."""

from typing import Any

import duckdb
import pytest
from dialect_lab import NoTables, prepared_connection

from local_aws.athena.dialect import classify, translate
from local_aws.athena.dialect.functions import OVERLOADS
from local_aws.athena.dialect.signatures import Overload, Pattern

connection = prepared_connection

SAMPLES = {
    "tinyint": "tinyint '2'", "smallint": "smallint '2'", "integer": "2", "bigint": "bigint '2'", "real": "real '0.5'",
    "double": "0.5e0", "decimal": "1.50", "varchar": "'a'", "varbinary": "X'61'", "boolean": "true",
    "json": "json '[1]'",
    "date": "date '2024-01-02'", "timestamp": "timestamp '2024-01-02 00:00:00'", "day_to_second": "interval '1' day",
    "year_to_month": "interval '1' month", "T": "2", "U": "2", "V": "2", "K": "'k'",
}  # fmt: skip
# Where Trino gives a value for a NULL: elements may be NULL, and concat_ws leaves out what is.
LENIENT = {("repeat", 0), ("concat_ws", 1), ("concat_ws", 2)}


def sample(pattern: Pattern) -> str:
    """Write a value of a parameter's type."""
    if pattern.name == "function":
        return "x -> true" if pattern.elements[-1].name == "boolean" else "x -> x"
    if pattern.name == "array":
        return f"ARRAY[{sample(pattern.elements[0])}]"
    if pattern.name == "map":
        return f"map(ARRAY[{sample(pattern.elements[0])}], ARRAY[{sample(pattern.elements[1])}])"
    if pattern.name == "row":
        return f"row({', '.join(map(sample, pattern.elements))})"
    return SAMPLES[pattern.name]


def missing(pattern: Pattern) -> str:
    """Write a NULL of a parameter's type, in a way that no planner can see through."""
    return f"if(n > 1, {sample(pattern)})"


SCALARS = [one for overloads in OVERLOADS.values() for one in overloads if not one.aggregate and one.parameters]
CALLS = [
    (one, position)
    for one in SCALARS
    for position, pattern in enumerate(one.parameters)
    if pattern.name != "function" and (one.name, position) not in LENIENT
]


@pytest.mark.parametrize(("overload", "position"), CALLS, ids=lambda x: x.text if isinstance(x, Overload) else str(x))
def test_null_in_gives_null_out(connection: Any, overload: Overload, position: int) -> None:
    """A function with one argument NULL is NULL; it may also refuse the other arguments of the sample."""
    written = [missing(p) if i == position else sample(p) for i, p in enumerate(overload.parameters)]
    sql = f"SELECT {overload.name}({', '.join(written)}) FROM (VALUES 1) t(n)"
    translation = translate(sql, NoTables(), "db")
    try:
        rows = connection.execute(translation.sql).fetchall()
    except duckdb.Error as error:
        assert classify(error, sql).kind in ("INVALID_FUNCTION_ARGUMENT", "NOT_SUPPORTED"), sql
    else:
        assert rows == [(None,)], translation.sql
