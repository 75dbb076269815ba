"""The shapes of what a crawler writes: storage descriptors, parameters, inputs of tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local_aws.glue.crawler_schema import FoundPartition
from local_aws.glue.formats import Format
from local_aws.glue.schema import Column

Json = dict[str, Any]

TABLE_INPUT = (
    "Name Description Owner LastAccessTime LastAnalyzedTime Retention StorageDescriptor PartitionKeys "
    "ViewOriginalText ViewExpandedText TableType Parameters TargetTable"
).split()
INPUT = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "text": "org.apache.hadoop.mapred.TextInputFormat",
}
OUTPUT = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "text": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
}
SERDE = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "csv": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "json": "org.openx.data.jsonserde.JsonSerDe",
}
READING = ("Columns", "InputFormat", "OutputFormat", "SerdeInfo")  # what a partition inherits from its table
UPDATED_BY = "UPDATED_BY_CRAWLER"
STATISTICS = ("averageRecordSize", "objectCount", "recordCount", "sizeKey")


def table_parameters(format_: Format, partitions: Sequence[FoundPartition], crawler: str) -> dict[str, str]:
    """Return the parameters that Glue's crawlers set, on a table or on one partition."""
    rows, size = sum(each.rows for each in partitions), sum(each.bytes for each in partitions)
    parameters = {
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        UPDATED_BY: crawler,
        "averageRecordSize": str(round(size / rows) if rows else 0),
        "classification": format_.classification,
        "compressionType": format_.compression,
        "objectCount": str(sum(each.files for each in partitions)),
        "recordCount": str(rows),
        "sizeKey": str(size),
        "typeOfData": "file",
    }
    if format_.classification == "csv":
        parameters |= {"delimiter": format_.delimiter, "areColumnsQuoted": "false", "columnsOrdered": "true"}
        parameters |= {"skip.header.line.count": "1"} if format_.header else {}
    return parameters


def folder_uri(lake: Path, folder: Path) -> str:
    """Return the s3:// URI of a folder of the lake, with the slash at its end."""
    return "s3://" + folder.relative_to(lake).as_posix() + "/"


def describe_storage(format_: Format, columns: Sequence[Column], location: str, parameters: dict[str, str]) -> Json:
    """Return the storage descriptor of a table or partition of this format."""
    kind = "text" if format_.is_text else "parquet"
    serde = {
        "csv": {"field.delim": format_.delimiter},
        "json": {"paths": ",".join(sorted(column.name for column in columns))},
    }
    return {
        "Columns": [{"Name": column.name, "Type": str(column.type)} for column in columns],
        "Location": location,
        "InputFormat": INPUT[kind],
        "OutputFormat": OUTPUT[kind],
        "Compressed": format_.compression != "none",
        "NumberOfBuckets": -1,
        "SerdeInfo": {
            "SerializationLibrary": SERDE[format_.classification],
            "Parameters": serde.get(format_.classification, {"serialization.format": "1"}),
        },
        "BucketColumns": [],
        "SortColumns": [],
        "Parameters": parameters,
        "StoredAsSubDirectories": False,
    }


def reads_otherwise(partition: Json, descriptor: Json) -> bool:
    """Tell whether a partition is read in another way than `descriptor` says; comments make no difference."""
    old = partition.get("StorageDescriptor", {})
    types = [[(each["Name"], each["Type"]) for each in side.get("Columns") or []] for side in (old, descriptor)]
    return types[0] != types[1] or any(old.get(key) != descriptor.get(key) for key in READING[1:])


def table_input(table: Json) -> Json:
    """Return the TableInput that would write a Table again."""
    return {key: value for key, value in table.items() if key in TABLE_INPUT}


def location_of(owner: Json) -> str:
    """Return where a table or partition lies, without the slash at its end."""
    return str(owner.get("StorageDescriptor", {}).get("Location", "")).rstrip("/")
