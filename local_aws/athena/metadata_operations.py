"""Athena's API of data catalogs, databases and table metadata: Glue's catalog, and no other."""

import re
from typing import Any, ClassVar

from local_aws.athena.paging import take_page
from local_aws.athena.tables import Tables
from local_aws.athena.workgroups import invalid
from local_aws.errors import ServiceError
from local_aws.server.operations import Operation

CATALOG = "AwsDataCatalog"
Json = dict[str, Any]


def _real(method: str, members: str) -> Operation:
    return Operation(method, "real", frozenset(members.split()))


class MetadataOperations:
    """Answer for what the catalog holds."""

    METADATA_OPERATIONS: ClassVar[dict[str, Operation]] = {
        "GetDataCatalog": _real("get_data_catalog", "Name WorkGroup"),
        "ListDataCatalogs": _real("list_data_catalogs", "NextToken MaxResults WorkGroup"),
        "GetDatabase": _real("get_database", "CatalogName DatabaseName WorkGroup"),
        "ListDatabases": _real("list_databases", "CatalogName NextToken MaxResults WorkGroup"),
        "GetTableMetadata": _real("get_table_metadata", "CatalogName DatabaseName TableName WorkGroup"),
        "ListTableMetadata": _real(
            "list_table_metadata", "CatalogName DatabaseName Expression NextToken MaxResults WorkGroup"
        ),
    }

    tables: Tables
    account_id: str

    def get_data_catalog(self, request: Json) -> Json:
        self._check(request["Name"])
        return {
            "DataCatalog": {
                "Name": CATALOG,
                "Description": "Glue's Data Catalog of the local account",
                "Type": "GLUE",
                "Parameters": {"catalog-id": self.account_id},
            }
        }

    def list_data_catalogs(self, request: Json) -> Json:
        return {"DataCatalogsSummary": [{"CatalogName": CATALOG, "Type": "GLUE"}]}

    @staticmethod
    def _check(name: str) -> None:
        if name.lower() != CATALOG.lower():
            raise invalid(f"DataCatalog {name} was not found: there is only {CATALOG}.")

    def get_database(self, request: Json) -> Json:
        self._check(request["CatalogName"])
        if not self.tables.has_database(request["DatabaseName"]):
            raise _missing(f"Database {request['DatabaseName']} not found.")
        return {"Database": _database(self.tables.catalog.get_database(request["DatabaseName"]))}

    def list_databases(self, request: Json) -> Json:
        self._check(request["CatalogName"])
        every = self.tables.catalog.list_databases()
        page, more = take_page(every, lambda database: str(database["Name"]), request)
        return {"DatabaseList": [_database(database) for database in page], **more}

    def get_table_metadata(self, request: Json) -> Json:
        self._check(request["CatalogName"])
        found = self.tables.find(request["DatabaseName"], request["TableName"])
        if found is None:
            raise _missing(f"Table {request['TableName']} not found.")
        return {"TableMetadata": _table(found)}

    def list_table_metadata(self, request: Json) -> Json:
        self._check(request["CatalogName"])
        if not self.tables.has_database(request["DatabaseName"]):
            raise _missing(f"Database {request['DatabaseName']} not found.")
        try:
            wanted = re.compile(request.get("Expression") or ".*", re.IGNORECASE)
        except re.error as error:
            raise invalid(f"Expression is no regular expression: {error}") from error
        every = self.tables.catalog.list_tables(request["DatabaseName"])
        matching = [table for table in every if wanted.fullmatch(table["Name"])]
        page, more = take_page(matching, lambda table: str(table["Name"]), request)
        return {"TableMetadataList": [_table(table) for table in page], **more}


def _missing(message: str) -> ServiceError:
    return ServiceError("MetadataException", f"EntityNotFoundException: {message}")


def _database(database: Json) -> Json:
    optional: Json = {name: database[name] for name in ("Description", "Parameters") if name in database}
    return {"Name": database["Name"], **optional}


def _table(table: Json) -> Json:
    descriptor = table.get("StorageDescriptor", {})
    serde = descriptor.get("SerdeInfo", {})
    storage = {
        "location": descriptor.get("Location", ""),
        "inputformat": descriptor.get("InputFormat", ""),
        "outputformat": descriptor.get("OutputFormat", ""),
        "serde.serialization.lib": serde.get("SerializationLibrary", ""),
    }
    storage |= {f"serde.param.{name}": str(value) for name, value in (serde.get("Parameters") or {}).items()}
    return {
        "Name": table["Name"],
        "CreateTime": table["CreateTime"],
        "TableType": table.get("TableType") or "EXTERNAL_TABLE",
        "Columns": [_column(column) for column in descriptor.get("Columns", [])],
        "PartitionKeys": [_column(column) for column in table.get("PartitionKeys", [])],
        "Parameters": {**(table.get("Parameters") or {}), **storage},
    }


def _column(column: Json) -> Json:
    return {name: column[name] for name in ("Name", "Type", "Comment") if column.get(name) is not None}
