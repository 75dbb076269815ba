"""DuckDB's errors in Athena's words."""

from __future__ import annotations

import re

import duckdb

from local_aws.athena.errors import QueryError

_MARK = re.compile(r"@@(\w+): (.*?)@@", re.DOTALL)
# What DuckDB says -> error name and text; the first that fits counts. `0` is what was found.
_SAYS: tuple[tuple[str, str, str], ...] = (
    (r"TRY can not be used in combination with|cannot be used.*inside.*TRY", "NOT_SUPPORTED", "TRY of this expression"),
    (r"[Dd]ivision by zero", "DIVISION_BY_ZERO", "Division by zero"),
    (r"must appear in the GROUP BY clause", "EXPRESSION_NOT_AGGREGATE", ""),
    (r"(?:WHERE|JOIN|GROUP BY|FILTER|HAVING|UNNEST).*(?:cannot|can't) contain (?:aggregates|window)",
     "EXPRESSION_NOT_SCALAR", ""),
    (r"aggregate function calls cannot|window functions are not allowed", "NESTED_AGGREGATION", ""),
    (r"Type (?:DOUBLE|FLOAT) with value|to type DECIMAL|to DECIMAL", "INVALID_CAST_ARGUMENT", ""),
    (r"(?:date|timestamp|time) field (?:value|format)|[Ii]nvalid (?:date|timestamp)", "INVALID_CAST_ARGUMENT", ""),
    (r"[Oo]verflow|out of range", "NUMERIC_VALUE_OUT_OF_RANGE", ""),
    (r"More than one row returned by a subquery", "SUBQUERY_MULTIPLE_ROWS",
     "Scalar sub-query has returned multiple rows"),
    (r"Map keys must be unique", "INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed"),
    (r"Map keys (?:can not|cannot) be NULL", "INVALID_FUNCTION_ARGUMENT", "map key cannot be null"),
    (r"ut of [Mm]emory|failed to (?:allocate|offload)", "EXCEEDED_MEMORY_LIMIT", ""),
)  # fmt: skip


def classify(error: BaseException, sql: str) -> QueryError:
    """Make DuckDB's error at run time a QueryError; one that is not known is an internal error."""
    if isinstance(error, QueryError):
        return error
    said = str(error)
    found = _MARK.search(said)
    if found:
        return QueryError(found[1], found[2])
    first = re.sub(r"^[\w ]+ Error: ", "", said.strip().split("\n")[0])
    for pattern, kind, text in _SAYS:
        if re.search(pattern, said):
            return QueryError(kind, text or first)
    if isinstance(error, duckdb.ConversionException):
        return QueryError("INVALID_CAST_ARGUMENT", first)
    if isinstance(error, duckdb.OutOfRangeException):
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", first)
    if isinstance(error, duckdb.NotImplementedException | duckdb.BinderException | duckdb.ParserException):
        # The translation wrote what DuckDB does not take: the statement is beyond what is supported.
        return QueryError("NOT_SUPPORTED", f"the local engine does not take this statement: {first}")
    if isinstance(error, duckdb.InvalidInputException):
        return QueryError("INVALID_FUNCTION_ARGUMENT", first)
    return QueryError("GENERIC_INTERNAL_ERROR", first)
