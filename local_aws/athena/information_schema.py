"""The information_schema of queries: the catalog's databases, tables and columns as rows."""

from collections.abc import Iterator
from typing import Any

from local_aws.athena.column_types import literal
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError
from local_aws.athena.words import TRINO_WORDS
from local_aws.glue.catalog import Catalog

INFORMATION_SCHEMA = "information_schema"
OWN_SCHEMA = "athena_information"  # DuckDB has an information_schema of its own, which tells of other things
CATALOG_NAME = "awsdatacatalog"
_TABLE = [("table_catalog", "varchar"), ("table_schema", "varchar"), ("table_name", "varchar")]
COLUMNS: dict[str, list[tuple[str, str]]] = {
    "schemata": [("catalog_name", "varchar"), ("schema_name", "varchar")],
    "tables": [*_TABLE, ("table_type", "varchar")],
    "columns": [
        *_TABLE,
        ("column_name", "varchar"),
        ("ordinal_position", "bigint"),
        ("column_default", "varchar"),
        ("is_nullable", "varchar"),
        ("data_type", "varchar"),
    ],
}
Row = list[str | int | None]


def with_own_schema(sql: str) -> str:
    """Make a translated query read our tables where it names information_schema."""
    words = (found.group() for found in TRINO_WORDS.finditer(sql))
    return "".join(OWN_SCHEMA if word == f'"{INFORMATION_SCHEMA}"' else word for word in words)


def listing(catalog: Catalog, table: str) -> str:
    """Return the SELECT that yields the rows of one of its tables."""
    columns = COLUMNS[table]
    types = [TrinoType.from_text(type_).to_duckdb() for _, type_ in columns]
    typed = ", ".join(f"CAST({name} AS {type_}) AS {name}" for (name, _), type_ in zip(columns, types, strict=True))
    names = ", ".join(name for name, _ in columns)
    nothing: Row = [None] * len(columns)  # VALUES cannot be empty: this row is left out below
    rows = [*_rows(catalog, table), nothing]
    values = ", ".join("(" + ", ".join(_constant(cell) for cell in row) + ")" for row in rows)
    return f"SELECT {typed} FROM (VALUES {values}) AS listed({names}) WHERE {columns[0][0]} IS NOT NULL"


def _constant(cell: str | int | None) -> str:
    return "NULL" if cell is None else str(cell) if isinstance(cell, int) else literal(cell)


def _rows(catalog: Catalog, table: str) -> Iterator[Row]:
    names = [database["Name"] for database in catalog.list_databases()]
    if table == "schemata":
        yield from ([CATALOG_NAME, name] for name in (*names, INFORMATION_SCHEMA))
        return
    for name in names:
        for found in catalog.list_tables(name):
            prefix: Row = [CATALOG_NAME, name, found["Name"]]
            is_view = found.get("TableType") == "VIRTUAL_VIEW"
            if table == "tables":
                yield [*prefix, "VIEW" if is_view else "BASE TABLE"]
            else:
                yield from ([*prefix, *cells] for cells in _columns(found))


def _columns(table: dict[str, Any]) -> Iterator[Row]:
    described = [*table.get("StorageDescriptor", {}).get("Columns", []), *table.get("PartitionKeys", [])]
    for position, column in enumerate(described, 1):
        try:
            type_ = str(TrinoType.from_hive(column.get("Type", "string")))
        except QueryError:  # a type that queries cannot read is shown as the catalog spells it
            type_ = column["Type"]
        yield [column["Name"], position, None, "YES", type_]
