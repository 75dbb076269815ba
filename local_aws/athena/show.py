"""Statements that show the catalog: SHOW and DESCRIBE."""

import re
from typing import Any

from local_aws.athena import statements as s
from local_aws.athena.ddl import DDL_TASK, external_table, hive_failure, semantic_failure
from local_aws.athena.relations import escaped
from local_aws.athena.tables import is_view, view_definition
from local_aws.athena.task import Task

Json = dict[str, Any]
WIDTH = 20  # Hive pads the cells of DESCRIBE


def show(task: Task, statement: s.Show) -> None:
    """Run SHOW DATABASES, TABLES or VIEWS."""
    if statement.what == "databases":
        names = [database["Name"] for database in task.catalog.list_databases()]
        task.finish_text(("database_name",), [[name] for name in _matching(names, statement.pattern)])
        return
    if not task.tables.has_database(statement.database):
        raise semantic_failure(10072, f"Database does not exist: {statement.database}")
    tables = task.catalog.list_tables(statement.database)
    names = [table["Name"] for table in tables if statement.what == "tables" or is_view(table)]
    column = "tab_name" if statement.what == "tables" else "views"
    task.finish_text((column,), [[name] for name in _matching(names, statement.pattern)])


def _matching(names: list[str], pattern: str | None) -> list[str]:
    """Keep the names that match Hive's pattern: `*` is any text, `|` divides alternatives."""
    if pattern is None:
        return sorted(names)
    alternatives = [re.escape(part).replace(r"\*", ".*") for part in pattern.lower().split("|")]
    return sorted(name for name in names if any(re.fullmatch(alternative, name) for alternative in alternatives))


def describe(task: Task, statement: s.Describe) -> None:
    """Run SHOW COLUMNS, SHOW PARTITIONS, SHOW CREATE TABLE or VIEW, or DESCRIBE."""
    name = statement.table
    if statement.what == "partitions":
        _show_partitions(task, external_table(task, name), statement)
        return
    table = task.tables.find(name.database, name.name)
    if table is None:
        raise semantic_failure(10001, f"Table not found {name}")
    if statement.what == "create":
        if is_view(table) != statement.view:
            raise semantic_failure(10001, f"{name} needs SHOW CREATE {'VIEW' if is_view(table) else 'TABLE'}")
        column = "Create View" if statement.view else "createtab_stmt"
        lines = _create_view(table) if statement.view else create_statement(table)
        task.finish_text((column,), [[line] for line in lines])
    elif statement.what == "columns":
        columns = [*table["StorageDescriptor"].get("Columns", []), *table.get("PartitionKeys", [])]
        task.finish_text(("field",), [[column["Name"].ljust(WIDTH)] for column in columns])
    else:
        task.finish_text(("col_name", "data_type", "comment"), _described(table))


def _show_partitions(task: Task, table: Json, statement: s.Describe) -> None:
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    if not keys:
        raise hive_failure(f"{DDL_TASK}Table {table['Name']} is not a partitioned table")
    every = sorted(tuple(partition["Values"]) for partition in task.tables.partitions(statement.table))
    rows = ["/".join(f"{k}={escaped(v)}" for k, v in zip(keys, values, strict=True)) for values in every]
    task.finish_text(("partition",), [[row] for row in rows])


def _cells(column: Json) -> list[str]:
    texts = (column["Name"], column.get("Type", ""), column.get("Comment") or "")
    return [re.sub(r"[\t\r\n]", " ", text).ljust(WIDTH) for text in texts]


def _described(table: Json) -> list[list[str]]:
    keys = table.get("PartitionKeys", [])
    rows = [_cells(column) for column in [*table["StorageDescriptor"].get("Columns", []), *keys]]
    if keys:
        heading = [text.ljust(WIDTH) for text in ("# col_name", "data_type", "comment")]
        rows += [["", "", ""], ["# Partition Information", "", ""], heading, ["", "", ""]]
        rows += [_cells(key) for key in keys]
    return rows


def _create_view(table: Json) -> list[str]:
    sql = str(view_definition(table)["originalSql"])
    return [f"CREATE VIEW {table['DatabaseName']}.{table['Name']} AS", *sql.splitlines()]


def create_statement(table: Json) -> list[str]:
    """Return the lines of the CREATE EXTERNAL TABLE that would make the table."""
    descriptor = table["StorageDescriptor"]
    serde = descriptor.get("SerdeInfo", {})
    lines = [f"CREATE EXTERNAL TABLE `{table['Name']}`(", *_column_lines(descriptor.get("Columns", []))]
    if table.get("Description"):
        lines += ["COMMENT ", f"  {_text(table['Description'])}"]
    if table.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_column_lines(table["PartitionKeys"])]
    lines += ["ROW FORMAT SERDE ", f"  {_text(serde.get('SerializationLibrary', ''))} "]
    if serde.get("Parameters"):
        lines += ["WITH SERDEPROPERTIES ( ", *_pairs(serde["Parameters"])]
    lines += ["STORED AS INPUTFORMAT ", f"  {_text(descriptor.get('InputFormat', ''))} "]
    lines += ["OUTPUTFORMAT ", f"  {_text(descriptor.get('OutputFormat', ''))}"]
    lines += ["LOCATION", f"  {_text(descriptor.get('Location', ''))}"]
    parameters = {name: value for name, value in (table.get("Parameters") or {}).items() if name != "EXTERNAL"}
    return lines + (["TBLPROPERTIES (", *_pairs(parameters)] if parameters else [])


def _column_lines(columns: list[Json]) -> list[str]:
    comments = [f" COMMENT {_text(c['Comment'])}" if c.get("Comment") else "" for c in columns]
    texts = [f"  `{c['Name']}` {c.get('Type', 'string')}{n}" for c, n in zip(columns, comments, strict=True)]
    return _closed(texts)


def _pairs(properties: dict[str, str]) -> list[str]:
    return _closed([f"  {_text(name)}={_text(str(value))}" for name, value in sorted(properties.items())])


def _closed(texts: list[str]) -> list[str]:
    return [f"{text}, " for text in texts[:-1]] + [f"{text})" for text in texts[-1:]]


def _text(text: str) -> str:
    special = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "'" + "".join(special.get(character, character) for character in text) + "'"
