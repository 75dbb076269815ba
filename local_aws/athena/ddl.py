"""Statements that change the catalog: databases, external tables, views, partitions, columns, properties."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local_aws.athena import statements as s
from local_aws.athena.column_types import column_type
from local_aws.athena.errors import QueryError
from local_aws.athena.lake import is_hidden
from local_aws.athena.relations import partition_columns, partition_location
from local_aws.athena.storage import FORMATS, storage_of
from local_aws.athena.table_files import check_storable
from local_aws.athena.tables import is_view, view_input
from local_aws.athena.task import Task
from local_aws.athena.words import TableName
from local_aws.athena.writes import partition_input
from local_aws.errors import ServiceError

DDL_TASK = "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. "
TABLE_KEYS = frozenset(
    ["Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters"]
)
Json = dict[str, Any]


def hive_failure(message: str) -> QueryError:
    """Fail as Hive's DDL does."""
    return QueryError("FAILED", message)


def semantic_failure(code: int, message: str) -> QueryError:
    """Fail as Hive's analyser does."""
    return QueryError("FAILED", f"SemanticException [Error {code}]: {message}")


def external_table(task: Task, name: TableName) -> Json:
    """Return a table that is no view, or fail as Hive does."""
    table = task.tables.find(name.database, name.name)
    if table is None:
        raise semantic_failure(10001, f"Table not found {name}")
    if is_view(table):
        raise hive_failure(f"{DDL_TASK}{name} is a view")
    return table


def create_database(task: Task, statement: s.CreateDatabase) -> None:
    """Run CREATE DATABASE."""
    input: Json = {"Name": statement.name}
    optional = {"Description": statement.comment, "LocationUri": statement.location, "Parameters": statement.properties}
    input |= {name: value for name, value in optional.items() if value}
    if statement.location:
        task.lake.path(statement.location)
    try:
        task.catalog.create_database(input)
    except ServiceError as error:
        if error.code != "AlreadyExistsException":
            raise hive_failure(f"{DDL_TASK}{error}") from error
        if not statement.if_not_exists:
            raise hive_failure(f"{DDL_TASK}Database {statement.name} already exists") from error
    task.finish_text(())


def drop_database(task: Task, statement: s.DropDatabase) -> None:
    """Run DROP DATABASE; one with tables only where CASCADE is given."""
    name = statement.name
    if not task.tables.has_database(name):
        if not statement.if_exists:
            raise semantic_failure(10072, f"Database does not exist: {name}")
    elif task.catalog.list_tables(name) and not statement.cascade:
        raise hive_failure(
            f"{DDL_TASK}InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
        )
    else:
        task.catalog.delete_database(name)
    task.finish_text(())


def create_table(task: Task, statement: s.CreateTable) -> None:
    """Run CREATE EXTERNAL TABLE; what could not be read later is refused now."""
    name = statement.table
    if not task.tables.has_database(name.database):
        raise semantic_failure(10072, f"Database does not exist: {name.database}")
    task.lake.path(statement.location)
    serde, input_format, output_format = FORMATS[statement.format]
    for column in (*statement.columns, *statement.partitions):
        column_type(column.type)
    properties = {"EXTERNAL": "TRUE", **statement.properties}
    input = {
        "Name": name.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": properties,
        "PartitionKeys": [_column(column) for column in statement.partitions],
        "StorageDescriptor": {
            "Columns": [_column(column) for column in statement.columns],
            "Location": statement.location,
            "InputFormat": input_format,
            "OutputFormat": output_format,
            "SerdeInfo": {
                "SerializationLibrary": statement.serde or serde,
                "Parameters": {"serialization.format": "1", **statement.serde_properties},
            },
        },
    }
    if statement.comment:
        input["Description"] = statement.comment
        properties["comment"] = statement.comment
    storage_of(input["StorageDescriptor"], input)  # type: ignore[arg-type]
    if task.tables.find(name.database, name.name) is None:
        task.catalog.create_table(name.database, input)
    elif not statement.if_not_exists:
        raise hive_failure(f"{DDL_TASK}AlreadyExistsException(message:Table {name.name} already exists)")
    task.finish_text(())


def _column(column: s.Column) -> Json:
    described = {"Name": column.name, "Type": column.type}
    return described | ({"Comment": column.comment} if column.comment is not None else {})


def create_view(task: Task, statement: s.CreateView) -> None:
    """Run CREATE [OR REPLACE] VIEW; the query is translated now, so that a view that cannot be read is refused."""
    name = statement.table
    if not task.tables.has_database(name.database):
        raise QueryError("SCHEMA_NOT_FOUND", f"Schema {name.database} not found")
    found = task.tables.find(name.database, name.name)
    if found is not None and not (statement.replace and is_view(found)):
        what = "View" if is_view(found) else "Table"
        raise QueryError("TABLE_ALREADY_EXISTS", f"{what} already exists: '{name}'")
    task.session.database = name.database  # names without a database are the view's neighbours, whoever reads it
    query = task.session.translate(statement.query)
    columns = [(column.lower(), type_) for column, type_ in query.columns]
    check_storable(columns)
    input = view_input(name, statement.query, columns)
    if found is None:
        task.catalog.create_table(name.database, input)
    else:
        task.catalog.update_table(name.database, input)
    task.finish_text(())


def drop_table(task: Task, statement: s.DropTable) -> None:
    """Run DROP TABLE or DROP VIEW; files stay where they are."""
    name = statement.table
    found = task.tables.find(name.database, name.name)
    if found is None:
        if not statement.if_exists:
            raise semantic_failure(10001, f"Table not found {name.name}")
    elif is_view(found) != statement.view:
        needed = "DROP VIEW" if is_view(found) else "DROP TABLE"
        raise semantic_failure(10001, f"{name} needs {needed}")
    else:
        task.catalog.delete_table(name.database, name.name)
    task.finish_text(())


def add_partitions(task: Task, statement: s.AddPartitions) -> None:
    """Run ALTER TABLE ADD PARTITION."""
    table = external_table(task, statement.table)
    known = _registered(task, statement.table)
    inputs = []
    for given, location in statement.partitions:
        values = partition_values(table, given)
        if values not in known:
            location = location or partition_location(table, values)
            task.lake.path(location)
            inputs.append(partition_input(table, values, location))
        elif not statement.if_not_exists:
            raise hive_failure(f"{DDL_TASK}AlreadyExistsException(message:Partition already exists.)")
    task.catalog.create_partitions(statement.table.database, statement.table.name, inputs)
    task.finish_text(())


def drop_partitions(task: Task, statement: s.DropPartitions) -> None:
    """Run ALTER TABLE DROP PARTITION."""
    table = external_table(task, statement.table)
    known = _registered(task, statement.table)
    dropped = [partition_values(table, given) for given in statement.partitions]
    missing = [values for values in dropped if values not in known]
    if missing and not statement.if_exists:
        raise semantic_failure(10006, f"Partition not found ({'/'.join(missing[0])})")
    present = [values for values in dropped if values in known]
    task.catalog.delete_partitions(statement.table.database, statement.table.name, present)
    task.finish_text(())


def _registered(task: Task, name: TableName) -> set[tuple[str, ...]]:
    return {tuple(partition["Values"]) for partition in task.tables.partitions(name)}


def partition_values(table: Json, given: dict[str, str]) -> tuple[str, ...]:
    """Return the values in the order of the table's keys; every key must be given."""
    keys = [name for name, _ in partition_columns(table)]
    if sorted(given) != sorted(keys):
        raise semantic_failure(10006, f"Partition spec {given} does not name the keys {keys} of {table['Name']}")
    return tuple(given[key] for key in keys)


def table_input(table: Json) -> Json:
    """Return the TableInput that writes a Table back as it is."""
    return {key: table[key] for key in TABLE_KEYS if key in table}


def change_columns(task: Task, statement: s.ChangeColumns) -> None:
    """Run ALTER TABLE ADD COLUMNS or REPLACE COLUMNS."""
    input = table_input(external_table(task, statement.table))
    new = [_column(column) for column in statement.columns]
    for column in statement.columns:
        column_type(column.type)
    kept = [] if statement.replace else input["StorageDescriptor"]["Columns"]
    names = [column["Name"].lower() for column in [*kept, *new, *input.get("PartitionKeys", [])]]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise hive_failure(f"{DDL_TASK}Duplicate column name: {twice}")
    input["StorageDescriptor"] = {**input["StorageDescriptor"], "Columns": [*kept, *new]}
    task.catalog.update_table(statement.table.database, input)
    task.finish_text(())


def set_properties(task: Task, statement: s.SetProperties) -> None:
    """Run ALTER TABLE SET TBLPROPERTIES."""
    input = table_input(external_table(task, statement.table))
    input["Parameters"] = {**input.get("Parameters", {}), **statement.properties}
    task.catalog.update_table(statement.table.database, input)
    task.finish_text(())


def set_location(task: Task, statement: s.SetLocation) -> None:
    """Run ALTER TABLE [PARTITION] SET LOCATION."""
    name = statement.table
    table = external_table(task, name)
    task.lake.path(statement.location)
    if statement.partition is None:
        input = table_input(table)
        input["StorageDescriptor"] = {**input["StorageDescriptor"], "Location": statement.location}
        task.catalog.update_table(name.database, input)
    else:
        values = partition_values(table, statement.partition)
        if values not in _registered(task, name):
            raise semantic_failure(10006, f"Partition not found ({'/'.join(values)})")
        input = partition_input(table, values, statement.location)
        task.catalog.update_partition(name.database, name.name, values, input)
    task.finish_text(())


def repair(task: Task, statement: s.Repair) -> None:
    """Run MSCK REPAIR TABLE: register the partitions whose key=value folders exist; none is removed, as in Athena."""
    name = statement.table
    table = external_table(task, name)
    keys = [key for key, _ in partition_columns(table)]
    if not keys:
        raise hive_failure(f"{DDL_TASK}Table {name.name} is not a partitioned table")
    root = task.lake.path(table["StorageDescriptor"]["Location"])
    known = _registered(task, name)
    found = {values: folder for values, folder in _partition_folders(root, keys) if values not in known}
    new = sorted(found)
    inputs = [partition_input(table, values, task.lake.uri(found[values]) + "/") for values in new]
    task.catalog.create_partitions(name.database, name.name, inputs)
    labels = [f"{name.name}:" + "/".join(f"{k}={v}" for k, v in zip(keys, values, strict=True)) for values in new]
    rows = [["Partitions not in metastore:", *labels]] if labels else []
    task.finish_text(("result",), rows + [[f"Repair: Added partition to metastore {label}"] for label in labels])


def _partition_folders(root: Path, keys: Sequence[str]) -> Iterable[tuple[tuple[str, ...], Path]]:
    if not keys:
        yield (), root
        return
    pattern = re.compile(re.escape(keys[0]) + "=(.+)", re.IGNORECASE)
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        found = pattern.fullmatch(folder.name)
        if found and folder.is_dir() and not is_hidden(folder.name):
            for values, below in _partition_folders(folder, keys[1:]):
                yield (unquote(found[1]), *values), below
