"""What Glue's API keeps beside the catalog and we only write down: column statistics and tags."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.glue.catalog import SEPARATOR
from local_aws.server.context import Context
from local_aws.server.operations import Operation

Json = dict[str, Any]

_TABLE = "CatalogId DatabaseName TableName"


def _record(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "record", frozenset(members.split()), note)


_NOTE = "no query is planned by them"


class CatalogRecords:
    """Answer for column statistics, of tables and of partitions, and for the tags of Glue's resources."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "UpdateColumnStatisticsForTable": _record("update_statistics", f"{_TABLE} ColumnStatisticsList", _NOTE),
        "GetColumnStatisticsForTable": _record("get_statistics", f"{_TABLE} ColumnNames"),
        "DeleteColumnStatisticsForTable": _record("delete_statistics", f"{_TABLE} ColumnName"),
        "UpdateColumnStatisticsForPartition": _record(
            "update_statistics", f"{_TABLE} PartitionValues ColumnStatisticsList", _NOTE
        ),
        "GetColumnStatisticsForPartition": _record("get_statistics", f"{_TABLE} PartitionValues ColumnNames"),
        "DeleteColumnStatisticsForPartition": _record("delete_statistics", f"{_TABLE} PartitionValues ColumnName"),
        "TagResource": _record("tag_resource", "ResourceArn TagsToAdd"),
        "UntagResource": _record("untag_resource", "ResourceArn TagsToRemove"),
        "GetTags": _record("get_tags", "ResourceArn"),
    }

    def __init__(self, context: Context) -> None:
        self._catalog = context.catalog
        self._store = context.store
        self._arn = f"arn:aws:glue:{context.region}:{context.account_id}:"

    def update_statistics(self, request: Json) -> Json:
        """Write down the statistics of columns; a column that the table does not have is an error of its own."""
        with self._store.transaction():
            prefix, columns = self._owner(request)
            errors = []
            for statistics in request["ColumnStatisticsList"]:
                if statistics["ColumnName"].lower() in columns:
                    self._store.put("column_statistics", prefix + statistics["ColumnName"].lower(), statistics)
                else:
                    errors.append({"ColumnStatistics": statistics, "Error": _unknown(statistics["ColumnName"])})
        return {"Errors": errors}

    def get_statistics(self, request: Json) -> Json:
        """Return the statistics of the named columns, and an error for each that has none."""
        prefix, _ = self._owner(request)
        found, errors = [], []
        for name in request["ColumnNames"]:
            statistics = self._store.get("column_statistics", prefix + name.lower())
            if statistics is None:
                errors.append({"ColumnName": name, "Error": _unknown(name)})
            else:
                found.append(statistics)
        return {"ColumnStatisticsList": found, "Errors": errors}

    def delete_statistics(self, request: Json) -> Json:
        """Forget the statistics of one column."""
        with self._store.transaction():
            prefix, _ = self._owner(request)
            if not self._store.delete("column_statistics", prefix + request["ColumnName"].lower()):
                raise ServiceError("EntityNotFoundException", _unknown(request["ColumnName"])["ErrorMessage"])
        return {}

    def tag_resource(self, request: Json) -> Json:
        """Add tags to a resource, replacing those of the same keys."""
        with self._store.transaction():
            tags = {**self._tags(request), **request["TagsToAdd"]}
            self._store.put("tags", request["ResourceArn"], {"Tags": tags})
        return {}

    def untag_resource(self, request: Json) -> Json:
        """Remove tags by their keys; those that are not there are no error."""
        with self._store.transaction():
            tags = {key: value for key, value in self._tags(request).items() if key not in request["TagsToRemove"]}
            self._store.put("tags", request["ResourceArn"], {"Tags": tags})
        return {}

    def get_tags(self, request: Json) -> Json:
        """Return the tags of a resource."""
        return {"Tags": self._tags(request)}

    def _tags(self, request: Json) -> Json:
        arn = request["ResourceArn"]
        if not arn.startswith(self._arn):
            raise ServiceError("InvalidInputException", f"{arn} is not an ARN of this account's Glue ({self._arn}…).")
        kind, _, name = arn.removeprefix(self._arn).partition("/")
        if kind == "database":
            self._catalog.get_database(name)
        document = self._store.get("tags", arn)
        return document["Tags"] if document else {}

    def _owner(self, request: Json) -> tuple[str, Iterable[str]]:
        """Return the key prefix of a table's or partition's statistics, and the names of the columns."""
        database, name = request["DatabaseName"], request["TableName"]
        table = self._catalog.get_table(database, name)
        values = request.get("PartitionValues")
        if values is not None:
            self._catalog.get_partition(database, name, values)
        owner = "" if values is None else json.dumps(values, ensure_ascii=False)
        columns = {column["Name"].lower() for column in table.get("StorageDescriptor", {}).get("Columns", [])}
        return SEPARATOR.join((table["DatabaseName"], table["Name"], owner, "")), columns


def _unknown(column: str) -> Json:
    message = f"Column {column} has no statistics here, or is none of the table."
    return {"ErrorCode": "EntityNotFoundException", "ErrorMessage": message}
