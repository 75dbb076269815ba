"""Statements that write files: CREATE TABLE AS, INSERT INTO and UNLOAD."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local_aws.athena import statements as s
from local_aws.athena.column_types import quoted
from local_aws.athena.dialect.coercion import can_coerce
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError
from local_aws.athena.relations import data_columns, partition_columns, partition_location
from local_aws.athena.results import ROWS_WRITTEN, move, write_metadata
from local_aws.athena.storage import FORMATS, storage_of
from local_aws.athena.table_files import (
    FileSpec,
    WrittenFile,
    check_storable,
    compression_of,
    file_name,
    write_files,
)
from local_aws.athena.tables import is_view
from local_aws.athena.task import Task
from local_aws.athena.words import TableName

CTAS_PROPERTIES = frozenset(
    ["format", "external_location", "partitioned_by", "field_delimiter", "write_compression", "parquet_compression"]
)
FIXED_PROPERTIES = {"table_type": "hive", "is_external": "true"}
UNLOAD_PROPERTIES = frozenset(("format", "partitioned_by", "field_delimiter", "compression"))
Json = dict[str, Any]


def create_table_as(task: Task, statement: s.CreateTableAs) -> None:
    """Run CREATE TABLE AS: files first, then the table with its partitions."""
    name, properties = statement.table, statement.properties
    if not task.tables.has_database(name.database):
        raise QueryError("SCHEMA_NOT_FOUND", f"Schema {name.database} not found")
    if task.tables.find(name.database, name.name) is not None:
        if not statement.if_not_exists:
            raise QueryError("TABLE_ALREADY_EXISTS", f"Destination table 'awsdatacatalog.{name}' already exists")
        _report(task, [], 0)
        return
    _check_properties(properties, CTAS_PROPERTIES, FIXED_PROPERTIES)
    spec = _file_spec(properties, ("write_compression", "parquet_compression"), "parquet", "snappy")
    location = _ctas_location(task, properties)
    query = task.session.translate(statement.query)
    columns = [(column.lower(), type_) for column, type_ in query.columns]
    check_storable(columns)
    sql = query.sql if statement.with_data else f"SELECT * FROM ({query.sql}) AS nothing WHERE false"
    files, rows = write_files(task.session, sql, columns, spec)
    task.check_cutoff()
    table = _table_input(name, location, columns, spec)
    described = {**table, "DatabaseName": name.database}
    uris = _publish(task, described, files, spec, {})
    task.catalog.create_table(name.database, table)
    _register(task, described, files, {})
    _report(task, uris, rows)


def _ctas_location(task: Task, properties: dict[str, s.Property]) -> str:
    external = properties.get("external_location")
    if external is None:
        return f"{task.output_folder}tables/{task.execution_id}/"
    if task.enforced:
        raise QueryError(
            "INVALID_TABLE_PROPERTY",
            "The Create Table As Select query failed because it was submitted with an 'external_location' property to "
            "an Athena Workgroup that enforces a centralized output location for all queries. Please remove the "
            "'external_location' property and resubmit the query.",
        )
    location = str(external).rstrip("/") + "/"
    _check_empty(task, location)
    return location


def _check_empty(task: Task, location: str) -> None:
    folder = task.lake.path(location)
    if folder.is_dir() and any(folder.iterdir()):
        raise QueryError("HIVE_PATH_ALREADY_EXISTS", f"Target directory for table already exists: {location}")


def _check_properties(properties: dict[str, s.Property], known: frozenset[str], fixed: dict[str, str]) -> None:
    for name, value in properties.items():
        if name.startswith("bucket"):
            raise QueryError("NOT_SUPPORTED", f"Property {name} is not supported by the local Athena")
        if name not in known and name not in fixed:
            raise QueryError("INVALID_TABLE_PROPERTY", f"Table property '{name}' does not exist")
        if name in fixed and str(value).lower() != fixed[name]:
            raise QueryError("NOT_SUPPORTED", f"{name} = {value} is not supported by the local Athena")


def _file_spec(
    properties: dict[str, s.Property], compression_names: Sequence[str], format_: str | None, compression: str
) -> FileSpec:
    named = str(properties.get("format", format_ or "")).lower()
    if named not in ("parquet", "json", "textfile"):
        raise QueryError("NOT_SUPPORTED", f"Format {named.upper() or '(none)'} is not supported by the local Athena")
    asked = next((str(properties[name]) for name in compression_names if name in properties), None)
    partitioned = properties.get("partitioned_by", [])
    keys = tuple(key.lower() for key in ([partitioned] if isinstance(partitioned, str) else partitioned))
    delimiter = str(properties.get("field_delimiter", "\x01")).replace("\\t", "\t")
    if len(delimiter) != 1:
        raise QueryError("INVALID_TABLE_PROPERTY", "field_delimiter must be a single character")
    default = compression if named == "parquet" else "gzip"
    return FileSpec(named, compression_of(named, asked, default), keys, delimiter)


def _table_input(name: TableName, location: str, columns: Sequence[tuple[str, TrinoType]], spec: FileSpec) -> Json:
    serde, input_format, output_format = FORMATS[spec.format]
    described = [{"Name": column, "Type": type_.to_hive()} for column, type_ in columns]
    cut = len(described) - len(spec.partitioned_by)
    delimited = {"field.delim": spec.delimiter, "serialization.format": spec.delimiter}
    return {
        "Name": name.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false", "auto.purge": "false"},
        "PartitionKeys": described[cut:],
        "StorageDescriptor": {
            "Columns": described[:cut],
            "Location": location,
            "InputFormat": input_format,
            "OutputFormat": output_format,
            "SerdeInfo": {
                "SerializationLibrary": serde,
                "Parameters": delimited if spec.format == "textfile" else {"serialization.format": "1"},
            },
        },
    }


def insert(task: Task, statement: s.Insert) -> None:
    """Run INSERT INTO: new files below the table's location, new partitions registered."""
    table = task.tables.table(statement.table)
    if is_view(table):
        raise QueryError("NOT_SUPPORTED", "Inserting into views is not supported")
    data, keys = data_columns(table), partition_columns(table)
    targets = data + keys
    spec = _insert_spec(table, tuple(name for name, _ in keys))
    query = task.session.translate(statement.query)
    chosen = statement.columns or [name for name, _ in targets]
    types = dict(targets)
    for name in chosen:
        if name not in types:
            raise QueryError("COLUMN_NOT_FOUND", f"Insert column name does not exist in target table: {name}")
    wanted, given = [types[name] for name in chosen], [type_ for _, type_ in query.columns]
    if len(wanted) != len(given) or not all(map(can_coerce, given, wanted)):
        shown = [f"[{', '.join(map(str, types_))}]" for types_ in (wanted, given)]
        raise QueryError(
            "TYPE_MISMATCH", f"Insert query has mismatched column types: Table: {shown[0]}, Query: {shown[1]}"
        )
    cells = [
        f"CAST({quoted(name) if name in chosen else 'NULL'} AS {type_.to_duckdb()}) AS {quoted(name)}"
        for name, type_ in targets
    ]
    named = ", ".join(quoted(name) for name in chosen)
    sql = f"SELECT {', '.join(cells)} FROM ({query.sql}) AS given({named})"
    files, rows = write_files(task.session, sql, targets, spec)
    task.check_cutoff()
    registered = {
        tuple(partition["Values"]): partition for partition in (task.tables.partitions(statement.table) if keys else [])
    }
    uris = _publish(task, table, files, spec, registered)
    _register(task, table, files, registered)
    _report(task, uris, rows)


def _insert_spec(table: Json, keys: tuple[str, ...]) -> FileSpec:
    storage = storage_of(table["StorageDescriptor"], table)
    if storage.format == "opencsv" or storage.skip:
        raise QueryError("NOT_SUPPORTED", f"Inserting into table {table['Name']}: its text format takes no inserts")
    delimiter = storage.parameters.get("field.delim", "\x01") if storage.format == "textfile" else "\x01"
    null = storage.parameters.get("serialization.null.format", "\\N")
    compression = "snappy" if storage.format == "parquet" else "gzip"
    return FileSpec(storage.format, compression, keys, delimiter, null)


def unload(task: Task, statement: s.Unload) -> None:
    """Run UNLOAD: files at a location that must be empty, and no table."""
    _check_properties(statement.properties, UNLOAD_PROPERTIES, {})
    spec = _file_spec(statement.properties, ("compression",), None, "gzip")
    location = statement.location.rstrip("/") + "/"
    _check_empty(task, location)
    query = task.session.translate(statement.query)
    columns = query.columns
    check_storable(columns)
    files, rows = write_files(task.session, query.sql, columns, spec)
    task.check_cutoff()
    keys = [{"Name": key} for key in spec.partitioned_by]
    uris = _publish(task, {"PartitionKeys": keys, "StorageDescriptor": {"Location": location}}, files, spec, {})
    _report(task, uris, rows)


def _publish(
    task: Task, table: Json, files: Sequence[WrittenFile], spec: FileSpec, registered: dict[tuple[str, ...], Json]
) -> list[str]:
    """Move finished files to where their partitions lie; return their URIs."""
    uris = []
    for number, file in enumerate(files):
        known = registered.get(file.values, {}).get("StorageDescriptor", {}).get("Location")
        location = known or partition_location(table, file.values)
        target: Path = task.lake.path(location) / file_name(task.execution_id, number, spec)
        move(file.path, target)
        uris.append(task.lake.uri(target))
    return uris


def _register(task: Task, table: Json, files: Sequence[WrittenFile], registered: dict[tuple[str, ...], Json]) -> None:
    new = {file.values for file in files if file.values and file.values not in registered}
    inputs = [partition_input(table, values, partition_location(table, values)) for values in sorted(new)]
    if inputs:
        task.catalog.create_partitions(table["DatabaseName"], table["Name"], inputs)


def partition_input(table: Json, values: Sequence[str], location: str) -> Json:
    """Return the PartitionInput of values at a location, stored as the table is."""
    return {"Values": list(values), "StorageDescriptor": {**table["StorageDescriptor"], "Location": location}}


def _report(task: Task, uris: Sequence[str], rows: int) -> None:
    """Write the manifest of written files and the metadata object."""
    manifest = f"{task.output_folder}{task.execution_id}-manifest.csv"
    part = task.session.folder / "manifest.csv"
    part.write_text("".join(f"{uri}\n" for uri in uris), encoding="utf-8")
    move(part, task.lake.path(manifest))
    write_metadata(task.session, ROWS_WRITTEN, task.lake.path(f"{task.output_folder}{task.execution_id}.metadata"))
    task.finish(f"{task.output_folder}{task.execution_id}", ROWS_WRITTEN, rows, manifest)
