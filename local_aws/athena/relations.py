"""From a table of the catalog to a DuckDB relation over the files of its registered partitions.

Columns are found by name (a missing one is NULL) in the catalog's types; partition columns have the catalog's values.
Sources that store the columns alike share one scan, and DuckDB leaves out the partitions that the query excludes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local_aws.athena import parquet_files, text_files
from local_aws.athena.column_types import column_type, literal, quoted, readable_as
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError
from local_aws.athena.lake import DataFile, Lake
from local_aws.athena.storage import Storage, storage_of

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
Columns = tuple[tuple[str, TrinoType], ...]
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Relation:
    """What a table is to DuckDB: a SELECT with the table's columns in order, and the files it may open."""

    sql: str
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Source:
    """The files of one partition (or of the whole table) and how they are stored."""

    values: tuple[str, ...]
    storage: Storage
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class Group:
    """What one scan can read: stored alike, with partition values from folders (`follows`) or the same for all."""

    storage: Storage
    follows: bool
    values: tuple[str, ...]
    how: tuple[tuple[str, str] | None, ...]


def data_columns(table: Json) -> Columns:
    """Return name and type of the columns that are stored in files."""
    return _columns(table.get("StorageDescriptor", {}).get("Columns", []))


def partition_columns(table: Json) -> Columns:
    """Return name and type of the partition columns."""
    return _columns(table.get("PartitionKeys", []))


def _columns(described: Sequence[Json]) -> Columns:
    return tuple((column["Name"].lower(), column_type(column.get("Type", "string"))) for column in described)


def build_relation(table: Json, list_partitions: Callable[[], Sequence[Json]], lake: Lake) -> Relation:
    """Build the relation of an external table; `list_partitions` is asked only where it is partitioned.

    Raises QueryError NOT_SUPPORTED (format, type, projection), HIVE_BAD_DATA, HIVE_PARTITION_SCHEMA_MISMATCH,
    HIVE_INVALID_PARTITION_VALUE, HIVE_CANNOT_OPEN_SPLIT.
    """
    parameters = table.get("Parameters", {})
    if str(parameters.get("projection.enabled", "")).lower() == "true":
        raise QueryError("NOT_SUPPORTED", f"Table {table['Name']} uses partition projection: register its partitions")
    for parameter in ("table_type", "spark.sql.sources.provider"):
        provider = str(parameters.get(parameter, "hive")).lower()
        if provider not in ("hive", "parquet", "csv", "json"):
            raise QueryError("NOT_SUPPORTED", f"Table {table['Name']} is a {provider} table, which is not supported")
    data, keys = data_columns(table), partition_columns(table)
    sources = _partition_sources(table, list_partitions(), lake) if keys else [_table_source(table, lake)]
    scans = _scans(table, [source for source in sources if source.files])
    if not scans:
        nothing = ", ".join(f"CAST(NULL AS {type_.to_duckdb()}) AS {quoted(name)}" for name, type_ in data + keys)
        scans = [f"SELECT {nothing} WHERE false"]
    return Relation(" UNION ALL ".join(scans), tuple(file for source in sources for file in source.files))


def _table_source(table: Json, lake: Lake) -> Source:
    descriptor = table.get("StorageDescriptor", {})
    return Source((), storage_of(descriptor, table), tuple(lake.data_files(descriptor.get("Location", ""))))


def _partition_sources(table: Json, partitions: Sequence[Json], lake: Lake) -> list[Source]:
    keys = partition_columns(table)
    sources = []
    for partition in partitions:
        descriptor = partition.get("StorageDescriptor", {})
        values = tuple(partition["Values"])
        if len(values) != len(keys):
            raise QueryError("HIVE_INVALID_PARTITION_VALUE", f"Partition {values} does not fit the table's keys")
        _check_partition_schema(table, partition)
        location = descriptor.get("Location") or partition_location(table, values)
        storage = storage_of({**table["StorageDescriptor"], **descriptor}, table)
        sources.append(Source(values, storage, tuple(lake.data_files(location))))
    return sources


def partition_location(table: Json, values: Sequence[str]) -> str:
    """Return where a partition lies by Hive's convention: key=value folders below the table's location."""
    names = (key["Name"].lower() for key in table["PartitionKeys"])
    base = table["StorageDescriptor"]["Location"].rstrip("/")
    return "/".join([base, *(f"{name}={escaped(value)}" for name, value in zip(names, values, strict=True)), ""])


def escaped(value: str) -> str:
    """Escape a partition value as Hive does in folder names."""
    special = set("\"#%'*/:=?\\{[]^\x7f") | {chr(code) for code in range(1, 32)}
    return "".join(f"%{ord(character):02X}" if character in special else character for character in value)


def _check_partition_schema(table: Json, partition: Json) -> None:
    declared = dict(data_columns(table))
    described = partition.get("StorageDescriptor", {}).get("Columns", [])
    for column in described:
        name, text = column["Name"].lower(), column.get("Type", "string")
        if name in declared and not readable_as(column_type(text), declared[name]):
            raise QueryError(
                "HIVE_PARTITION_SCHEMA_MISMATCH",
                "There is a mismatch between the table and partition schemas. The types are incompatible and cannot be "
                f"coerced. The column '{name}' in table '{table['DatabaseName']}.{table['Name']}' is declared as type "
                f"'{declared[name].to_hive()}', but partition '{'/'.join(partition['Values'])}' declared column "
                f"'{name}' as type '{text}'.",
            )


def _scans(table: Json, sources: Sequence[Source]) -> list[str]:
    """Group the files of all sources by what one scan can read; return a SELECT for each group."""
    data, keys = data_columns(table), partition_columns(table)
    _check_values(keys, sources)
    groups: dict[Group, list[DataFile]] = {}
    for source in sources:
        is_parquet = source.storage.format == "parquet"
        for file in source.files:
            follows = is_parquet and bool(keys) and _follows_folders(keys, source.values, file)
            how = parquet_files.signature(file, data) if is_parquet else ()
            group = Group(source.storage, follows, () if follows else source.values, how)
            groups.setdefault(group, []).append(file)
    return [_scan(data, keys, group, files) for group, files in groups.items()]


def _scan(data: Columns, keys: Columns, group: Group, files: list[DataFile]) -> str:
    storage = group.storage
    names = [quoted(name) for name, _ in data]
    if group.follows:
        key_cells = [quoted(name) for name, _ in keys]
    else:
        key_cells = [partition_value(value, type_) for value, (_, type_) in zip(group.values, keys, strict=True)]
    key_list = [f"{cell} AS {quoted(name)}" for cell, (name, _) in zip(key_cells, keys, strict=True)]
    if storage.format == "parquet":
        cells = parquet_files.projections(files[0], data)
        source = parquet_files.scan(files, {name: type_.to_duckdb() for name, type_ in keys} if group.follows else {})
    elif storage.format == "opencsv":
        inner = text_files.quoted_cells(data, storage.parameters, files, storage.skip)
        cells, source = names, f"({inner})"
    else:
        is_json = storage.format == "json"
        cells, row = text_files.json_cells(data) if is_json else text_files.delimited(data, storage.parameters)
        source = f"(SELECT {row} AS cells, line FROM {text_files.lines_scan(files, storage.skip)})"
        if is_json:
            source = source[:-1] + " WHERE trim(line) <> '')"
    listed = [f"{cell} AS {name}" for cell, name in zip(cells, names, strict=True)] + key_list
    return f"SELECT {', '.join(listed)} FROM {source}"


def _follows_folders(keys: Columns, values: Sequence[str], file: DataFile) -> bool:
    """Tell whether the key=value folders above a file say just what the catalog says of its partition."""
    folders = [part.split("=", 1) for part in Path(file.path).parent.parts if "=" in part]
    expected = [[name, value] for (name, _), value in zip(keys, values, strict=True)]
    return [[name, unquote(value)] for name, value in folders] == expected


def partition_value(value: str, type_: TrinoType) -> str:
    """Return a partition value as a DuckDB constant of the column's type."""
    if value == NULL_PARTITION:
        return f"CAST(NULL AS {type_.to_duckdb()})"
    return f"CAST({literal(value)} AS {type_.to_duckdb()})"


def _check_values(keys: Columns, sources: Sequence[Source]) -> None:
    for position, (name, type_) in enumerate(keys):
        for value in {source.values[position] for source in sources}:
            if not text_files.is_strict(value, type_) and value != NULL_PARTITION:
                raise QueryError(
                    "HIVE_INVALID_PARTITION_VALUE",
                    f"Invalid partition value '{value}' for {type_} partition key: {name}",
                )
