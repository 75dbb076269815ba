"""The Data Catalog as queries see it: tables, their columns in Trino's types, views and partitions."""

import base64
import binascii
import json
import re
import threading
from dataclasses import dataclass
from typing import Any

from local_aws.athena import dialect
from local_aws.athena.dialect.coercion import can_coerce
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError
from local_aws.athena.information_schema import CATALOG_NAME
from local_aws.athena.relations import data_columns, partition_columns
from local_aws.athena.words import TableName
from local_aws.errors import ServiceError
from local_aws.glue.catalog import Catalog

PRESTO_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")
Json = dict[str, Any]
_CHECKED = threading.local()


@dataclass(frozen=True)
class Tables:
    """Reads the catalog for queries (this is the dialect's CatalogLookup)."""

    catalog: Catalog

    def has_database(self, name: str) -> bool:
        """Say whether there is such a database."""
        return self._found(self.catalog.get_database, name) is not None

    def find(self, database: str, table: str) -> Json | None:
        """Return the Glue Table, or None."""
        return self._found(self.catalog.get_table, database, table)

    def columns(self, database: str, table: str) -> list[tuple[str, str]] | None:
        """Give a table's columns in order, partition columns last; None if there is no such table."""
        found = self.find(database, table)
        if found is None:
            return None
        if is_view(found):
            return [(column["name"], column["type"]) for column in view_definition(found)["columns"]]
        return [(name, str(type_)) for name, type_ in data_columns(found) + partition_columns(found)]

    def view_sql(self, database: str, table: str) -> str | None:
        """Give the statement behind a view; None if it is no view."""
        found = self.find(database, table)
        if found is None or not is_view(found):
            return None
        definition = view_definition(found)
        if str(definition.get("schema", database)).lower() != database:
            message = f"View '{database}.{table}' reads tables of schema {definition['schema']}: name it in the view"
            raise QueryError("NOT_SUPPORTED", message)
        if not getattr(_CHECKED, "inside", False):
            self._check_view(f"{database}.{table}", definition, database)
        return str(definition["originalSql"])

    def _check_view(self, name: str, definition: Json, database: str) -> None:
        """Refuse a view whose query no longer gives the columns that were stored with it, as Trino does."""
        _CHECKED.inside = True  # views below this one are checked when their own turn comes
        try:
            found = dialect.translate(definition["originalSql"], self, database).columns
        except QueryError:
            return  # the translation that asks for the view says why
        finally:
            _CHECKED.inside = False
        stored = [(column["name"], TrinoType.from_text(column["type"])) for column in definition["columns"]]
        same_names = [column.lower() for column, _ in found] == [column.lower() for column, _ in stored]
        if not same_names or not all(can_coerce(is_, was) for (_, is_), (_, was) in zip(found, stored, strict=True)):
            message = f"View 'awsdatacatalog.{name}' is stale or in invalid state: its columns have changed"
            raise QueryError("VIEW_IS_STALE", f"{message}; create it again")

    def table(self, name: TableName) -> Json:
        """Return the Glue Table; a missing one is Athena's TABLE_NOT_FOUND or SCHEMA_NOT_FOUND."""
        found = self.find(name.database, name.name)
        if found is not None:
            return found
        if not self.has_database(name.database):
            raise QueryError("SCHEMA_NOT_FOUND", f"Schema '{name.database}' does not exist")
        raise QueryError("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.{name}' does not exist")

    def partitions(self, name: TableName) -> list[Json]:
        """Return the registered partitions of a table."""
        return self.catalog.list_partitions(name.database, name.name)

    @staticmethod
    def _found(read: Any, *names: str) -> Json | None:
        try:
            found: Json = read(*names)
        except ServiceError as error:
            if error.code != "EntityNotFoundException":
                raise
            return None
        return found


def is_view(table: Json) -> bool:
    """Tell whether a Glue Table is a view."""
    return table.get("TableType") == "VIRTUAL_VIEW"


def view_definition(table: Json) -> Json:
    """Decode what Athena stores of a view: originalSql, catalog, schema, columns."""
    found = PRESTO_VIEW.search(table.get("ViewOriginalText") or "")
    try:
        definition: Json = json.loads(base64.b64decode(found[1] if found else ""))
        return definition
    except (binascii.Error, ValueError) as error:
        raise QueryError(
            "INVALID_VIEW", f"View '{table['DatabaseName']}.{table['Name']}' was not made by Athena"
        ) from error


def view_input(name: TableName, sql: str, columns: list[tuple[str, TrinoType]]) -> Json:
    """Return the TableInput of a view, in the form in which Athena stores it."""
    definition = {
        "originalSql": sql,
        "catalog": CATALOG_NAME,
        "schema": name.database,
        "columns": [{"name": column, "type": str(type_)} for column, type_ in columns],
    }
    encoded = base64.b64encode(json.dumps(definition).encode()).decode()
    return {
        "Name": name.name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": type_.to_hive()} for column, type_ in columns],
            "Location": "",
            "SerdeInfo": {},
        },
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
    }
