"""Glue's API of partitions, over the Catalog."""

import json
import zlib
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.glue.catalog_operations import each
from local_aws.glue.predicate import compile_predicate
from local_aws.server.context import Context
from local_aws.server.operations import Operation
from local_aws.server.pages import take_page

Json = dict[str, Any]


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(["CatalogId", "DatabaseName", "TableName", *members.split()]), note)


class PartitionOperations:
    """Answer for the registered partitions of tables."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreatePartition": _real("create_partition", "PartitionInput"),
        "BatchCreatePartition": _real("batch_create_partition", "PartitionInputList"),
        "GetPartition": _real("get_partition", "PartitionValues"),
        "GetPartitions": _real(
            "get_partitions",
            "Expression NextToken Segment MaxResults ExcludeColumnSchema",
            "the whole expression grammar; keys of the types that Glue documents",
        ),
        "BatchGetPartition": _real("batch_get_partition", "PartitionsToGet"),
        "UpdatePartition": _real("update_partition", "PartitionValueList PartitionInput"),
        "BatchUpdatePartition": _real("batch_update_partition", "Entries"),
        "DeletePartition": _real("delete_partition", "PartitionValues", "its files stay"),
        "BatchDeletePartition": _real("batch_delete_partition", "PartitionsToDelete", "their files stay"),
    }

    def __init__(self, context: Context) -> None:
        self._catalog = context.catalog
        self._store = context.store

    def create_partition(self, request: Json) -> Json:
        self._catalog.create_partitions(*_table(request), [request["PartitionInput"]])
        return {}

    def batch_create_partition(self, request: Json) -> Json:
        with self._store.transaction():
            self._catalog.get_table(*_table(request))
            errors = each(
                request["PartitionInputList"], lambda input: self._catalog.create_partitions(*_table(request), [input])
            )
        return {"Errors": [{"PartitionValues": input.get("Values", []), "ErrorDetail": e} for input, e in errors]}

    def get_partition(self, request: Json) -> Json:
        return {"Partition": self._catalog.get_partition(*_table(request), request["PartitionValues"])}

    def get_partitions(self, request: Json) -> Json:
        table = self._catalog.get_table(*_table(request))
        selected = compile_predicate(request.get("Expression", ""), table["PartitionKeys"])
        wanted = [
            values
            for values in self._catalog.list_partition_values(*_table(request))
            if _in_segment(values, request.get("Segment")) and selected(values)
        ]
        page, more = take_page(wanted, json.dumps, request, most=1000)
        partitions = self._found(request, page)
        if request.get("ExcludeColumnSchema"):
            for partition in partitions:
                partition.get("StorageDescriptor", {}).pop("Columns", None)
        return {"Partitions": partitions, **more}

    def batch_get_partition(self, request: Json) -> Json:
        self._catalog.get_table(*_table(request))
        wanted = [item["Values"] for item in request["PartitionsToGet"]]
        return {"Partitions": self._found(request, wanted), "UnprocessedKeys": []}

    def update_partition(self, request: Json) -> Json:
        self._update(request, request)
        return {}

    def batch_update_partition(self, request: Json) -> Json:
        with self._store.transaction():
            self._catalog.get_table(*_table(request))
            errors = each(request["Entries"], lambda entry: self._update(request, entry))
        return {
            "Errors": [{"PartitionValueList": entry["PartitionValueList"], "ErrorDetail": e} for entry, e in errors]
        }

    def delete_partition(self, request: Json) -> Json:
        self._catalog.delete_partitions(*_table(request), [request["PartitionValues"]])
        return {}

    def batch_delete_partition(self, request: Json) -> Json:
        with self._store.transaction():
            self._catalog.get_table(*_table(request))
            errors = each(
                [wanted["Values"] for wanted in request["PartitionsToDelete"]],
                lambda values: self._catalog.delete_partitions(*_table(request), [values]),
            )
        return {"Errors": [{"PartitionValues": values, "ErrorDetail": detail} for values, detail in errors]}

    def _found(self, request: Json, wanted: list[list[str]]) -> list[Json]:
        """Return those of the wanted partitions that exist; one may have gone since it was listed."""
        found: list[Json] = []
        each(wanted, lambda values: found.append(self._catalog.get_partition(*_table(request), values)))
        return found

    def _update(self, request: Json, entry: Json) -> None:
        values, input = entry["PartitionValueList"], entry["PartitionInput"]
        self._catalog.update_partition(*_table(request), values, input)


def _table(request: Json) -> tuple[str, str]:
    return request["DatabaseName"], request["TableName"]


def _in_segment(values: list[str], segment: Json | None) -> bool:
    """Say whether a partition is in one of a number of disjoint segments that clients read side by side."""
    if segment is None:
        return True
    number, total = segment["SegmentNumber"], segment["TotalSegments"]
    if not 0 <= number < total <= 10:
        raise ServiceError("InvalidInputException", f"Segment {number} of {total}: take 0 to 9, of at most 10.")
    return bool(zlib.crc32(json.dumps(values).encode()) % total == number)
