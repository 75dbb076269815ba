"""Say which PostgreSQL type holds a column of Athena, and how the column must be selected to get there whole.

The mapping loses nothing: decimals keep precision and scale, timestamps their milliseconds, and what Athena's CSV
would show as a text that cannot be read back (arrays, maps, rows, binary) is selected as JSON or hex.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from sqlalchemy import types
from sqlalchemy.dialects import postgresql

from helpers.errors import LoadError

IDENTIFIER_BYTES = 63
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
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
    base, digits = split_type(kind)
    if base == "decimal":
        return types.Numeric(digits[0], digits[1])
    if base in _AS_JSON:
        return postgresql.JSONB()
    if base in ("binary", "varbinary"):
        return postgresql.BYTEA()
    if (simple := _SIMPLE.get(base)) is None:
        raise LoadError(f"a column of type {kind} cannot be loaded: cast it to varchar in the query")
    return simple


def split_type(kind: str) -> tuple[str, list[int]]:
    """Return an Athena or Glue type without its digits, and the digits: precision and scale of a decimal, say."""
    base, _, rest = kind.strip().lower().partition("(")
    base = base.partition("<")[0].strip()
    if base == "decimal":
        found = [int(number) for number in re.findall(r"\d+", rest)] or [38, 0]
        return base, [found[0], found[1] if len(found) > 1 else 0]
    if "with time zone" in rest and "with time zone" not in base:
        base += " with time zone"
    return base, []


def same_type(kind: str) -> str:
    """Return a PostgreSQL type in one spelling, as DDL is written here or as the catalog tells it."""
    return kind.lower().replace(", ", ",")


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


@dataclass(frozen=True)
class VersionColumn:
    """One column of a version's table.

    Attributes:
        name: as Athena has it.
        kind: Athena's type.
        type: PostgreSQL's, as DDL writes it.
        required: whether it is NOT NULL.
        comment: what readers are told of it.
    """

    name: str
    kind: str
    type: str
    required: bool = False
    comment: str = ""


@dataclass(frozen=True)
class VersionTable:
    """The table behind one version of a relation, before it exists."""

    schema: str
    name: str
    columns: tuple[VersionColumn, ...]
    comment: str = ""
    key: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()

    @property
    def identifier(self) -> sql.Identifier:
        """Its qualified name, quoted."""
        return sql.Identifier(self.schema, self.name)

    def create_statements(self) -> list[sql.Composable]:
        """Return what creates it, without key and indexes, and describes it."""
        parts = [
            sql.SQL("{} " + column.type + (" NOT NULL" if column.required else "")).format(sql.Identifier(column.name))
            for column in self.columns
        ]
        made: list[sql.Composable] = [
            sql.SQL("CREATE TABLE {} ({})").format(self.identifier, sql.SQL(", ").join(parts))
        ]
        return made + comment_statements("TABLE", (self.schema, self.name), self.comment, self.comments())

    def comments(self) -> dict[str, str]:
        """Return what is said of its columns."""
        return {column.name: column.comment for column in self.columns if column.comment}

    def index_statements(self) -> list[sql.Composable]:
        """Return what makes its key and indexes; to be run when the rows are there."""
        made: list[sql.Composable] = []
        if self.key:
            made.append(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(self.identifier, _list(self.key)))
        for columns in self.indexes:
            made.append(sql.SQL("CREATE INDEX ON {} ({})").format(self.identifier, _list(columns)))
        return made


def comment_statements(
    what: str, name: tuple[str, str], comment: str, columns: Mapping[str, str]
) -> list[sql.Composable]:
    """Return the COMMENTs on a table or view and on its columns."""
    made: list[sql.Composable] = []
    if comment:
        head = sql.SQL("COMMENT ON " + what + " {} IS {}")
        made.append(head.format(sql.Identifier(*name), sql.Literal(comment)))
    for column, text in columns.items():
        made.append(
            sql.SQL("COMMENT ON COLUMN {} IS {}").format(sql.Identifier(*name, column), sql.Literal(text)),
        )
    return made


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def make_columns(
    columns: Mapping[str, str], comments: Mapping[str, str], required: Collection[str] = ()
) -> tuple[VersionColumn, ...]:
    """Return the columns of a table for Athena's columns name -> type.

    Raises:
        LoadError: a name that PostgreSQL would cut silently, a type without a counterpart, no column at all.
    """
    if not columns:
        raise LoadError("a result without columns cannot become a table")
    for name in columns:
        check_identifier(name)
    return tuple(
        VersionColumn(name, kind, to_postgres(kind).compile(dialect=_DIALECT), name in required, comments.get(name, ""))
        for name, kind in columns.items()
    )


def check_identifier(name: str) -> None:
    """Refuse a name that PostgreSQL would cut silently or cannot hold.

    Raises:
        LoadError: it has not 1 to 63 bytes, or a NUL in it.
    """
    if not name or len(name.encode()) > IDENTIFIER_BYTES or "\0" in name:
        raise LoadError(f'"{name}" cannot name a table or column: use 1 to {IDENTIFIER_BYTES} bytes')
