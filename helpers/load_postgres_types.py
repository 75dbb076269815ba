"""Say which PostgreSQL type holds a column of Athena, and how the column must be selected to get there whole.

The mapping loses nothing: decimals keep precision and scale, timestamps their milliseconds, and what Athena's CSV
would show as a text that cannot be read back (arrays, maps, rows, binary) is selected as JSON or hex.
"""

import re
from typing import Any

from sqlalchemy import Column, MetaData, Table, types
from sqlalchemy.dialects import postgresql

from helpers.errors import LoadError

IDENTIFIER_BYTES = 63
_SIMPLE: dict[str, types.TypeEngine[Any]] = {
    "boolean": types.Boolean(),
    "tinyint": types.SmallInteger(),
    "smallint": types.SmallInteger(),
    "int": types.Integer(),
    "integer": types.Integer(),
    "bigint": types.BigInteger(),
    "float": types.REAL(),
    "real": types.REAL(),
    "double": types.DOUBLE_PRECISION(),
    "string": types.Text(),
    "varchar": types.Text(),
    "char": types.Text(),
    "date": types.Date(),
    "timestamp": postgresql.TIMESTAMP(precision=3),
    "timestamp with time zone": postgresql.TIMESTAMP(precision=3, timezone=True),
    "time": postgresql.TIME(precision=3),
    "json": postgresql.JSONB(),
    "uuid": postgresql.UUID(as_uuid=False),
}
_AS_JSON = ("array", "map", "row", "struct")


def to_postgres(kind: str) -> types.TypeEngine[Any]:
    """Return the PostgreSQL type of an Athena or Glue type such as `decimal(5,2)`.

    Raises:
        LoadError: the type has no faithful counterpart in Athena's CSV.
    """
    base, _, rest = kind.strip().lower().partition("(")
    base = base.partition("<")[0].strip()
    if base == "decimal":
        digits = [int(number) for number in re.findall(r"\d+", rest)] or [38, 0]
        return types.Numeric(digits[0], digits[1] if len(digits) > 1 else 0)
    if base in _AS_JSON:
        return postgresql.JSONB()
    if base in ("binary", "varbinary"):
        return postgresql.BYTEA()
    zoned = base == "timestamp" and "time zone" in rest
    if (simple := _SIMPLE.get("timestamp with time zone" if zoned else base)) is None:
        raise LoadError(f"a column of type {kind} cannot be loaded: cast it to varchar in the query")
    return simple


def select_expression(name: str, kind: str) -> str:
    """Return how Athena must select the column so that its CSV holds it whole."""
    quoted = '"' + name.replace('"', '""') + '"'
    base = kind.lower().partition("(")[0].partition("<")[0].strip()
    if base in _AS_JSON:
        return f"json_format(CAST({quoted} AS JSON)) AS {quoted}"
    if base in ("binary", "varbinary"):
        return f"'\\x' || to_hex({quoted}) AS {quoted}"
    return quoted


def check_result_type(column: str, kind: str) -> None:
    """Refuse a type of a saved query's result that Athena's CSV does not hold whole.

    Raises:
        LoadError: the query must cast the column.
    """
    base = kind.lower().partition("(")[0]
    if base in (*_AS_JSON, "binary", "varbinary"):
        cast = "to_hex(…)" if "binary" in base else "json_format(CAST(… AS JSON))"
        raise LoadError(f'column "{column}" of a saved query has type {kind}: select {cast} in the query')


def make_table(schema: str, name: str, columns: dict[str, str], comments: dict[str, str]) -> Table:
    """Return the table `schema.name` for Athena columns name -> type, with comments where there are some.

    Raises:
        LoadError: a name is longer than PostgreSQL's 63 bytes, which it would cut silently, or empty or repeated.
    """
    for identifier in (schema, name, *columns):
        if not identifier or len(identifier.encode()) > IDENTIFIER_BYTES or "\0" in identifier:
            raise LoadError(f'"{identifier}" cannot name a table or column: use 1 to {IDENTIFIER_BYTES} bytes')
    made = [Column(column, to_postgres(kind), comment=comments.get(column)) for column, kind in columns.items()]
    return Table(name, MetaData(), *made, schema=schema)
