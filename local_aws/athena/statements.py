"""What a statement asks for, as the grammar reads it. Everything that is not one of these is a query."""

from dataclasses import dataclass, field
from typing import Literal

from local_aws.athena.words import TableName

Property = str | list[str]


@dataclass(frozen=True)
class Column:
    """A column of a new table: name, Hive type, comment."""

    name: str
    type: str
    comment: str | None = None


@dataclass(frozen=True)
class CreateDatabase:
    """CREATE DATABASE."""

    name: str
    if_not_exists: bool
    comment: str | None = None
    location: str | None = None
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DropDatabase:
    """DROP DATABASE."""

    name: str
    if_exists: bool
    cascade: bool


@dataclass(frozen=True)
class CreateTable:
    """CREATE EXTERNAL TABLE; `format` is a key of storage.FORMATS, `serde` a class name that overrides it."""

    table: TableName
    if_not_exists: bool
    columns: list[Column]
    partitions: list[Column]
    location: str
    format: str = "textfile"
    serde: str | None = None
    serde_properties: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True)
class CreateTableAs:
    """CREATE TABLE AS: the query's text, and the properties of WITH."""

    table: TableName
    if_not_exists: bool
    properties: dict[str, Property]
    query: str
    with_data: bool


@dataclass(frozen=True)
class CreateView:
    """CREATE [OR REPLACE] VIEW."""

    table: TableName
    replace: bool
    query: str


@dataclass(frozen=True)
class DropTable:
    """DROP TABLE or DROP VIEW."""

    table: TableName
    if_exists: bool
    view: bool


@dataclass(frozen=True)
class AddPartitions:
    """ALTER TABLE ADD PARTITION: values by key, and the location where one is given."""

    table: TableName
    if_not_exists: bool
    partitions: list[tuple[dict[str, str], str | None]]


@dataclass(frozen=True)
class DropPartitions:
    """ALTER TABLE DROP PARTITION."""

    table: TableName
    if_exists: bool
    partitions: list[dict[str, str]]


@dataclass(frozen=True)
class ChangeColumns:
    """ALTER TABLE ADD COLUMNS or REPLACE COLUMNS."""

    table: TableName
    columns: list[Column]
    replace: bool


@dataclass(frozen=True)
class SetProperties:
    """ALTER TABLE SET TBLPROPERTIES."""

    table: TableName
    properties: dict[str, str]


@dataclass(frozen=True)
class SetLocation:
    """ALTER TABLE [PARTITION] SET LOCATION."""

    table: TableName
    partition: dict[str, str] | None
    location: str


@dataclass(frozen=True)
class Repair:
    """MSCK REPAIR TABLE."""

    table: TableName


@dataclass(frozen=True)
class Show:
    """SHOW of things in a database: databases, tables or views, with a pattern."""

    what: Literal["databases", "tables", "views"]
    database: str
    pattern: str | None


@dataclass(frozen=True)
class Describe:
    """What is said of one table: columns, partitions, create (SHOW CREATE TABLE or VIEW), describe."""

    what: Literal["columns", "partitions", "create", "describe"]
    table: TableName
    view: bool = False


@dataclass(frozen=True)
class Insert:
    """INSERT INTO, with the columns named where they are."""

    table: TableName
    columns: list[str] | None
    query: str


@dataclass(frozen=True)
class Unload:
    """UNLOAD (query) TO location WITH (properties)."""

    query: str
    location: str
    properties: dict[str, Property]


@dataclass(frozen=True)
class Prepare:
    """PREPARE name FROM statement."""

    name: str
    statement: str


@dataclass(frozen=True)
class Execute:
    """EXECUTE name USING values (as written)."""

    name: str
    values: list[str]


@dataclass(frozen=True)
class Deallocate:
    """DEALLOCATE PREPARE name."""

    name: str


@dataclass(frozen=True)
class Explain:
    """EXPLAIN a query."""

    query: str


@dataclass(frozen=True)
class Query:
    """A query: SELECT, WITH, VALUES, TABLE or one in brackets."""

    query: str


Statement = (
    CreateDatabase | DropDatabase | CreateTable | CreateTableAs | CreateView | DropTable | AddPartitions
    | DropPartitions | ChangeColumns | SetProperties | SetLocation | Repair | Show | Describe | Insert | Unload
    | Prepare | Execute | Deallocate | Explain | Query
)  # fmt: skip

# Statement -> (StatementType, SubstatementType) as GetQueryExecution reports them.
REPORTED: dict[type, tuple[str, str]] = {
    CreateDatabase: ("DDL", "CREATE_DATABASE"),
    DropDatabase: ("DDL", "DROP_DATABASE"),
    CreateTable: ("DDL", "CREATE_TABLE"),
    CreateTableAs: ("DDL", "CREATE_TABLE_AS_SELECT"),
    CreateView: ("DDL", "CREATE_VIEW"),
    DropTable: ("DDL", "DROP_TABLE"),
    AddPartitions: ("DDL", "ALTER_TABLE_ADD_PARTITION"),
    DropPartitions: ("DDL", "ALTER_TABLE_DROP_PARTITION"),
    ChangeColumns: ("DDL", "ALTER_TABLE_COLUMNS"),
    SetProperties: ("DDL", "ALTER_TABLE_PROPERTIES"),
    SetLocation: ("DDL", "ALTER_TABLE_LOCATION"),
    Repair: ("DDL", "MSCK_REPAIR_TABLE"),
    Show: ("UTILITY", "SHOW"),
    Describe: ("UTILITY", "DESCRIBE_TABLE"),
    Insert: ("DML", "INSERT"),
    Unload: ("DML", "UNLOAD"),
    Prepare: ("DDL", "PREPARE"),
    Execute: ("DML", "SELECT"),
    Deallocate: ("DDL", "DEALLOCATE"),
    Explain: ("UTILITY", "EXPLAIN"),
    Query: ("DML", "SELECT"),
}
