"""Glue's API of databases, tables and table versions, over the Catalog."""

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.server.context import Context
from local_aws.server.operations import Operation
from local_aws.server.pages import take_page

Json = dict[str, Any]


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(["CatalogId", *members.split()]), note)


class CatalogOperations:
    """Answer for databases, tables and their versions."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateDatabase": _real("create_database", "DatabaseInput Tags"),
        "GetDatabase": _real("get_database", "Name"),
        "GetDatabases": _real("get_databases", "NextToken MaxResults ResourceShareType AttributesToGet"),
        "UpdateDatabase": _real("update_database", "Name DatabaseInput"),
        "DeleteDatabase": _real("delete_database", "Name", "the files of its tables stay"),
        "CreateTable": _real("create_table", "DatabaseName TableInput"),
        "GetTable": _real("get_table", "DatabaseName Name"),
        "GetTables": _real("get_tables", "DatabaseName Expression NextToken MaxResults"),
        "UpdateTable": _real("update_table", "DatabaseName TableInput SkipArchive VersionId"),
        "DeleteTable": _real("delete_table", "DatabaseName Name", "its files stay"),
        "BatchDeleteTable": _real("batch_delete_table", "DatabaseName TablesToDelete"),
        "SearchTables": _real(
            "search_tables",
            "SearchText Filters SortCriteria NextToken MaxResults",
            "filters and sorting: name, databaseName, description, owner, tableType",
        ),
        "GetTableVersion": _real("get_table_version", "DatabaseName TableName VersionId"),
        "GetTableVersions": _real("get_table_versions", "DatabaseName TableName NextToken MaxResults"),
        "DeleteTableVersion": _real("delete_table_version", "DatabaseName TableName VersionId"),
        "BatchDeleteTableVersion": _real("batch_delete_table_version", "DatabaseName TableName VersionIds"),
    }

    def __init__(self, context: Context) -> None:
        self._catalog = context.catalog
        self._store = context.store
        self._arn = f"arn:aws:glue:{context.region}:{context.account_id}:database/"

    def create_database(self, request: Json) -> Json:
        input = _checked(request["DatabaseInput"], "TargetDatabase", "FederatedDatabase")
        with self._store.transaction():
            self._catalog.create_database(input)
            if tags := request.get("Tags"):
                self._store.put("tags", self._arn + input["Name"].lower(), {"Tags": tags})
        return {}

    def get_database(self, request: Json) -> Json:
        return {"Database": self._catalog.get_database(request["Name"])}

    def get_databases(self, request: Json) -> Json:
        databases = self._catalog.list_databases()
        if request.get("ResourceShareType", "ALL") == "FOREIGN":
            databases = []  # nothing is shared with the local account
        page, more = take_page(databases, _name, request)
        if wanted := request.get("AttributesToGet"):
            names = {"NAME": "Name", "TARGET_DATABASE": "TargetDatabase"}
            keep = {names[attribute] for attribute in wanted if attribute in names} | {"Name"}
            page = [{key: value for key, value in database.items() if key in keep} for database in page]
        return {"DatabaseList": page, **more}

    def update_database(self, request: Json) -> Json:
        input = _checked(request["DatabaseInput"], "TargetDatabase", "FederatedDatabase")
        self._catalog.update_database(request["Name"], input)
        return {}

    def delete_database(self, request: Json) -> Json:
        with self._store.transaction():
            self._catalog.delete_database(request["Name"])
            self._store.delete("tags", self._arn + request["Name"].lower())
        return {}

    def create_table(self, request: Json) -> Json:
        self._catalog.create_table(
            request["DatabaseName"], _checked(request["TableInput"], "TargetTable", "ViewDefinition")
        )
        return {}

    def get_table(self, request: Json) -> Json:
        return {"Table": self._catalog.get_table(request["DatabaseName"], request["Name"])}

    def get_tables(self, request: Json) -> Json:
        matches = _name_matcher(request.get("Expression"))
        tables = [table for table in self._catalog.list_tables(request["DatabaseName"]) if matches(table["Name"])]
        page, more = take_page(tables, _name, request)
        return {"TableList": page, **more}

    def update_table(self, request: Json) -> Json:
        input = _checked(request["TableInput"], "TargetTable", "ViewDefinition")
        skip = bool(request.get("SkipArchive", False))
        self._catalog.update_table(request["DatabaseName"], input, skip, request.get("VersionId"))
        return {}

    def delete_table(self, request: Json) -> Json:
        self._catalog.delete_table(request["DatabaseName"], request["Name"])
        return {}

    def batch_delete_table(self, request: Json) -> Json:
        database = request["DatabaseName"]
        self._catalog.get_database(database)
        errors = each(request["TablesToDelete"], lambda name: self._catalog.delete_table(database, name))
        return {"Errors": [{"TableName": name, "ErrorDetail": detail} for name, detail in errors]}

    def search_tables(self, request: Json) -> Json:
        matches = _search(request)
        found = [
            table
            for database in self._catalog.list_databases()
            for table in self._catalog.list_tables(database["Name"])
            if matches(table)
        ]
        criteria = request.get("SortCriteria", [])
        if len(criteria) > 1:
            raise ServiceError("InvalidInputException", "SortCriteria takes one field.")
        if criteria:
            field, falling = _field(criteria[0].get("FieldName", "name")), criteria[0].get("Sort") == "DESC"
            found.sort(key=lambda table: str(table.get(field, "")), reverse=falling)
        # Pages go by rank: a token of a sorted search holds only while nothing is added before it.
        ranked = [(f"{rank:09}", table) for rank, table in enumerate(found)]
        page, more = take_page(ranked, lambda item: item[0], request, most=1000)
        return {"TableList": [table for _, table in page], **more}

    def get_table_version(self, request: Json) -> Json:
        versions = self._catalog.list_table_versions(request["DatabaseName"], request["TableName"])
        wanted = request.get("VersionId", versions[0]["VersionId"])
        for table in versions:
            if table["VersionId"] == wanted:
                return {"TableVersion": _version(table)}
        message = f"Version {wanted} of table {request['TableName']} not found."
        raise ServiceError("EntityNotFoundException", message)

    def get_table_versions(self, request: Json) -> Json:
        versions = self._catalog.list_table_versions(request["DatabaseName"], request["TableName"])
        # From new to old, hence the key that falls as the version rises.
        page, more = take_page(versions, lambda table: f"{10**9 - 1 - int(table['VersionId']):09}", request)
        return {"TableVersions": [_version(table) for table in page], **more}

    def delete_table_version(self, request: Json) -> Json:
        self._catalog.delete_table_version(request["DatabaseName"], request["TableName"], request["VersionId"])
        return {}

    def batch_delete_table_version(self, request: Json) -> Json:
        database, table = request["DatabaseName"], request["TableName"]
        self._catalog.get_table(database, table)
        errors = each(request["VersionIds"], lambda id: self._catalog.delete_table_version(database, table, id))
        return {"Errors": [{"TableName": table, "VersionId": id, "ErrorDetail": detail} for id, detail in errors]}


def each(items: Iterable[Any], act: Callable[[Any], None]) -> list[tuple[Any, Json]]:
    """Do one act for each item; return (item, ErrorDetail) of those that the catalog refused."""
    errors = []
    for item in items:
        try:
            act(item)
        except ServiceError as error:
            errors.append((item, {"ErrorCode": error.code, "ErrorMessage": str(error)}))
    return errors


def _checked(input: Json, *unsupported: str) -> Json:
    """Refuse inputs that point at another catalog or engine: nothing here would follow them."""
    refused = [name for name in unsupported if name in input]
    if refused:
        message = f"{', '.join(refused)} is not supported locally: leave it out, or see docs/aws-support.md."
        raise ServiceError("InvalidInputException", message)
    return input


def _name(item: Json) -> str:
    return str(item["Name"])


def _version(table: Json) -> Json:
    return {"Table": table, "VersionId": table["VersionId"]}


def _name_matcher(expression: str | None) -> Callable[[str], object]:
    """Match whole names by GetTables' Expression: a regular expression in which a bare `*` stands for any text."""
    if not expression:
        return lambda name: True
    try:
        # awswrangler and the console send globs such as `*sales*`; Hive's tools send `.*sales.*`.
        return re.compile(re.sub(r"(?<![.\])])\*", ".*", expression), re.IGNORECASE).fullmatch
    except re.error as error:
        message = f"Expression {expression!r} is not a regular expression: {error}."
        raise ServiceError("InvalidInputException", message) from None


_FIELDS = {name.lower(): name for name in ("Name", "DatabaseName", "Description", "Owner", "TableType")}


def _field(key: str) -> str:
    if key.lower() not in _FIELDS:
        message = f"{key!r} cannot be searched or sorted by: use one of {', '.join(sorted(_FIELDS))}."
        raise ServiceError("InvalidInputException", message)
    return _FIELDS[key.lower()]


def _search(request: Json) -> Callable[[Json], bool]:
    text = request.get("SearchText", "").lower()
    exact = len(text) > 1 and text[0] == text[-1] == '"'
    filters = []
    for predicate in request.get("Filters", []):
        if "Comparator" in predicate:
            raise ServiceError("InvalidInputException", "Comparator goes with times, which cannot be searched locally.")
        filters.append((_field(predicate.get("Key", "")), predicate.get("Value", "").lower()))

    def matches(table: Json) -> bool:
        words = [word.lower() for word in _words(table)]
        found = text[1:-1] in words if exact else any(text in word for word in words)
        return found and all(value == str(table.get(field, "")).lower() for field, value in filters)

    return matches


def _words(table: Json) -> list[str]:
    """Return every text of a table that SearchText looks into."""
    descriptor = table.get("StorageDescriptor", {})
    columns = [*descriptor.get("Columns", []), *table["PartitionKeys"]]
    return [
        *(str(table.get(field, "")) for field in _FIELDS.values()),
        descriptor.get("Location", ""),
        *(text for column in columns for text in (column["Name"], column.get("Comment", ""))),
        *(text for pair in table.get("Parameters", {}).items() for text in pair),
    ]
