"""DuckDB's errors in Athena's words."""

import re

import duckdb

from local_aws.athena.errors import QueryError

OWN = re.compile(r"\b([A-Z][A-Z_]{4,}): (.*)", re.DOTALL)  # our macros and relations raise error('KIND: message')
RETRYABLE = frozenset({"HIVE_CANNOT_OPEN_SPLIT", "EXCEEDED_MEMORY_LIMIT"})
KINDS: tuple[tuple[type[duckdb.Error], str], ...] = (
    (duckdb.OutOfMemoryException, "EXCEEDED_MEMORY_LIMIT"),
    (duckdb.ConversionException, "INVALID_CAST_ARGUMENT"),
    (duckdb.OutOfRangeException, "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.IOException, "HIVE_CANNOT_OPEN_SPLIT"),
    (duckdb.InvalidInputException, "INVALID_FUNCTION_ARGUMENT"),
    (duckdb.BinderException, "TYPE_MISMATCH"),
)


def query_error(error: duckdb.Error) -> QueryError:
    """Turn an error of DuckDB into the one that Athena would show."""
    text = str(error)
    own = OWN.search(text)
    if own:
        return QueryError(own[1], own[2].splitlines()[0])
    line = text.splitlines()[0].partition(": ")[2] or text
    if "CSV Error" in text:
        problem = " ".join(part.strip() for part in text.splitlines()[1:4] if part.strip())
        return QueryError("HIVE_BAD_DATA", f"A text file cannot be read: {problem}")
    if "No space left" in text:
        return QueryError("GENERIC_INTERNAL_ERROR", f"No space left on the device for the query's files: {line}")
    if re.search(r"more than one row returned by a subquery", text, re.IGNORECASE):
        return QueryError("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    kind = next((kind for class_, kind in KINDS if isinstance(error, class_)), "GENERIC_INTERNAL_ERROR")
    return QueryError(kind, line)


def changed_error(uri: str) -> QueryError:
    """Say that an object was replaced or removed while the query was reading it."""
    return QueryError("HIVE_CANNOT_OPEN_SPLIT", f"{uri} changed while it was being read: run the query again")
