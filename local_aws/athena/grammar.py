"""Read every statement that is not a query: Hive's DDL, and Trino's statements around a query."""

import re
from collections.abc import Callable

from local_aws.athena import statements as s
from local_aws.athena.errors import QueryError
from local_aws.athena.table_grammar import read_columns, read_external_table
from local_aws.athena.words import TableName, Words

REFUSED = ("MERGE", "DELETE", "UPDATE", "ANALYZE", "OPTIMIZE", "VACUUM", "TRUNCATE", "GRANT", "REVOKE", "CALL", "USE")
QUERY_STARTS = ("SELECT", "WITH", "VALUES", "TABLE")


def read_statement(sql: str, database: str) -> s.Statement:
    """Read one statement; names without a database are of `database`.

    Raises QueryError SYNTAX_ERROR for what follows no grammar, NOT_SUPPORTED for what the local Athena leaves out.
    """
    words = Words(sql, database)
    first = words.word.upper
    reader = READERS.get(first)
    if reader is not None:
        words.take()
        statement = reader(words)
        words.expect_end()
        return statement
    if first in REFUSED:
        raise QueryError("NOT_SUPPORTED", f"{first} is not supported by the local Athena")
    if first in QUERY_STARTS or words.word.text == "(":
        return s.Query(sql)  # whole, so that the places in its errors are those of the statement
    words.fail("'ALTER', 'CREATE', 'DEALLOCATE', 'DESCRIBE', 'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', 'MSCK', <query>")


def _create(words: Words) -> s.Statement:
    if words.accept("DATABASE") or words.accept("SCHEMA"):
        return _create_database(words)
    if words.accept("EXTERNAL"):
        words.expect("TABLE")
        return read_external_table(words)
    replace = words.accept("OR", "REPLACE")
    if words.accept("VIEW"):
        table = words.table_name()
        words.expect("AS")
        return s.CreateView(table, replace, words.rest())
    if replace:
        words.fail("VIEW")
    words.expect("TABLE")
    return _create_table_as(words)


def _create_database(words: Words) -> s.CreateDatabase:
    if_not_exists = words.accept("IF", "NOT", "EXISTS")
    name = words.database_name()
    comment = words.string() if words.accept("COMMENT") else None
    location = words.string() if words.accept("LOCATION") else None
    properties = words.strings() if words.accept("WITH", "DBPROPERTIES") else {}
    return s.CreateDatabase(name, if_not_exists, comment, location, properties)


def _create_table_as(words: Words) -> s.CreateTableAs:
    if_not_exists = words.accept("IF", "NOT", "EXISTS")
    table = words.table_name()
    properties = _properties(words) if words.accept("WITH") else {}
    if not words.accept("AS"):
        raise QueryError(
            "NOT_SUPPORTED", "CREATE TABLE without AS is for Iceberg; write CREATE EXTERNAL TABLE for files that exist"
        )
    query = words.rest()
    without = re.search(r"\bWITH\s+NO\s+DATA\s*$", query, re.IGNORECASE)
    with_ = re.search(r"\bWITH\s+DATA\s*$", query, re.IGNORECASE)
    tail = without or with_
    return s.CreateTableAs(table, if_not_exists, properties, query[: tail.start()] if tail else query, without is None)


def _properties(words: Words) -> dict[str, s.Property]:
    """Take (name = 'text' | number | ARRAY['text', ...], ...)."""
    words.expect_symbol("(")
    properties: dict[str, s.Property] = {}
    while True:
        name = words.identifier()
        words.expect_symbol("=")
        if words.accept("ARRAY"):
            words.expect_symbol("[")
            items = [words.string()]
            while words.accept_symbol(","):
                items.append(words.string())
            words.expect_symbol("]")
            properties[name] = items
        else:
            properties[name] = words.string() if words.word.kind == "string" else words.take().text
        if not words.accept_symbol(","):
            break
    words.expect_symbol(")")
    return properties


def _drop(words: Words) -> s.Statement:
    if words.accept("DATABASE") or words.accept("SCHEMA"):
        if_exists = words.accept("IF", "EXISTS")
        name = words.database_name()
        cascade = words.accept("CASCADE")
        words.accept("RESTRICT")
        return s.DropDatabase(name, if_exists, cascade)
    view = words.accept("VIEW")
    if not view:
        words.expect("TABLE")
    if_exists = words.accept("IF", "EXISTS")
    return s.DropTable(words.table_name(), if_exists, view)


def _partition(words: Words) -> dict[str, str]:
    """Take (key = value, ...)."""
    words.expect_symbol("(")
    values: dict[str, str] = {}
    while True:
        name = words.identifier()
        words.expect_symbol("=")
        negative = "-" if words.accept_symbol("-") else ""
        values[name] = negative + words.take().text if words.word.kind == "number" else words.string()
        if not words.accept_symbol(","):
            break
    words.expect_symbol(")")
    return values


def _alter(words: Words) -> s.Statement:
    words.expect("TABLE")
    table = words.table_name()
    if words.accept("ADD", "COLUMNS"):
        return s.ChangeColumns(table, read_columns(words), replace=False)
    if words.accept("REPLACE", "COLUMNS"):
        return s.ChangeColumns(table, read_columns(words), replace=True)
    if words.accept("SET", "TBLPROPERTIES"):
        return s.SetProperties(table, words.strings())
    if words.accept("SET", "LOCATION"):
        return s.SetLocation(table, None, words.string())
    if words.accept("PARTITION"):
        partition = _partition(words)
        words.expect("SET", "LOCATION")
        return s.SetLocation(table, partition, words.string())
    if words.accept("ADD"):
        return _add_partitions(words, table)
    words.expect("DROP")
    if_exists = words.accept("IF", "EXISTS")
    partitions: list[dict[str, str]] = []
    while not partitions or words.accept_symbol(","):
        words.expect("PARTITION")
        partitions.append(_partition(words))
    return s.DropPartitions(table, if_exists, partitions)


def _add_partitions(words: Words, table: TableName) -> s.AddPartitions:
    if_not_exists = words.accept("IF", "NOT", "EXISTS")
    partitions: list[tuple[dict[str, str], str | None]] = []
    while not partitions or not words.at_end():
        words.expect("PARTITION")
        values = _partition(words)
        partitions.append((values, words.string() if words.accept("LOCATION") else None))
    return s.AddPartitions(table, if_not_exists, partitions)


def _repair(words: Words) -> s.Repair:
    words.expect("REPAIR", "TABLE")
    return s.Repair(words.table_name())


def _show(words: Words) -> s.Statement:
    if words.accept("DATABASES") or words.accept("SCHEMAS"):
        words.accept("LIKE")
        return s.Show("databases", words.database, None if words.at_end() else words.string())
    for keyword, what in (("TABLES", "tables"), ("VIEWS", "views")):
        if words.accept(keyword):
            inside = words.accept("IN") or words.accept("FROM")
            database = words.database_name() if inside else words.database
            words.accept("LIKE")
            pattern = None if words.at_end() else words.string()
            return s.Show("views" if what == "views" else "tables", database, pattern)
    if words.accept("CREATE", "TABLE"):
        return s.Describe("create", words.table_name())
    if words.accept("CREATE", "VIEW"):
        return s.Describe("create", words.table_name(), view=True)
    if words.accept("PARTITIONS"):
        return s.Describe("partitions", words.table_name())
    if words.word.upper in ("TBLPROPERTIES", "FUNCTIONS", "SESSION", "STATS", "ROLES", "GRANTS"):
        raise QueryError("NOT_SUPPORTED", f"SHOW {words.word.upper} is not supported by the local Athena")
    words.expect("COLUMNS")
    if not words.accept("IN"):
        words.expect("FROM")
    table = words.table_name()
    if words.accept("IN") or words.accept("FROM"):
        table = TableName(words.database_name(), table.name)
    return s.Describe("columns", table)


def _describe(words: Words) -> s.Describe:
    if words.accept("EXTENDED") or words.accept("FORMATTED"):
        raise QueryError("NOT_SUPPORTED", "DESCRIBE EXTENDED and FORMATTED are not supported by the local Athena")
    return s.Describe("describe", words.table_name())


def _insert(words: Words) -> s.Insert:
    words.expect("INTO")
    table = words.table_name()
    columns = None
    at = words.at
    if words.accept_symbol("("):
        if words.word.upper in QUERY_STARTS or words.word.text == "(":
            words.at = at  # a query in brackets, not a list of columns
        else:
            columns = [words.identifier()]
            while words.accept_symbol(","):
                columns.append(words.identifier())
            words.expect_symbol(")")
    return s.Insert(table, columns, words.rest())


def _unload(words: Words) -> s.Unload:
    query = words.parenthesised()
    words.expect("TO")
    location = words.string()
    return s.Unload(query, location, _properties(words) if words.accept("WITH") else {})


def _prepare(words: Words) -> s.Prepare:
    name = words.statement_name()
    words.expect("FROM")
    return s.Prepare(name, words.rest())


def _execute(words: Words) -> s.Execute:
    name = words.statement_name()
    return s.Execute(name, words.arguments() if words.accept("USING") else [])


def _deallocate(words: Words) -> s.Deallocate:
    words.expect("PREPARE")
    return s.Deallocate(words.statement_name())


def _explain(words: Words) -> s.Explain:
    if words.word.upper == "ANALYZE" or (
        words.word.text == "(" and words.words[words.at + 1].upper in ("TYPE", "FORMAT")
    ):
        raise QueryError("NOT_SUPPORTED", "EXPLAIN takes no options in the local Athena")
    return s.Explain(words.rest())


READERS: dict[str, Callable[[Words], s.Statement]] = {
    "CREATE": _create,
    "DROP": _drop,
    "ALTER": _alter,
    "MSCK": _repair,
    "SHOW": _show,
    "DESCRIBE": _describe,
    "DESC": _describe,
    "INSERT": _insert,
    "UNLOAD": _unload,
    "PREPARE": _prepare,
    "EXECUTE": _execute,
    "DEALLOCATE": _deallocate,
    "EXPLAIN": _explain,
}
