"""DuckDB's errors in Athena's words, where they are about files; the dialect knows the others."""

import duckdb

from local_aws.athena import dialect
from local_aws.athena.errors import QueryError

RETRYABLE = frozenset({"HIVE_CANNOT_OPEN_SPLIT", "EXCEEDED_MEMORY_LIMIT"})


def query_error(error: duckdb.Error, sql: str) -> QueryError:
    """Turn an error of DuckDB into the one that Athena would show."""
    text = str(error)
    if "@@" in text:  # raised by a macro or a relation, with its name
        return dialect.classify(error, sql)
    if "CSV Error" in text:
        problem = " ".join(part.strip() for part in text.splitlines()[1:3] if part.strip())
        return QueryError("HIVE_BAD_DATA", f"A text file cannot be read: {problem}")
    line = text.splitlines()[0].partition(": ")[2] or text
    if "No space left" in text:
        return QueryError("GENERIC_INTERNAL_ERROR", f"No space left on the device: free some, then run again ({line})")
    if isinstance(error, duckdb.IOException):
        return QueryError("HIVE_CANNOT_OPEN_SPLIT", line)
    return dialect.classify(error, sql)


def raising(kind: str, message: str, detail: str = "''") -> str:
    """Return DuckDB's expression that fails with an error's name, a message and the value of `detail`."""
    text = f"@@{kind}: {message}".replace("'", "''")
    return f"error('{text}' || {detail} || '@@')"


def changed_error(uri: str) -> QueryError:
    """Say that an object was replaced or removed while the query was reading it."""
    return QueryError("HIVE_CANNOT_OPEN_SPLIT", f"{uri} changed while it was being read: run the query again")
