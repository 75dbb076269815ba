"""Statements that change and show the catalog."""

import base64
import json

import pyarrow as pa
import pytest
from athena_lab import AthenaLab, empty_lab

TABLE = (
    "CREATE EXTERNAL TABLE {} (id bigint COMMENT 'the key', name string) {} STORED AS PARQUET LOCATION 's3://data/t/'"
)


lab = empty_lab


def test_databases_are_glues(lab: AthenaLab) -> None:
    """CREATE and DROP DATABASE work on the Data Catalog, and say Hive's errors."""
    lab.succeed("CREATE DATABASE Other COMMENT 'a second one'")
    assert lab.context.catalog.get_database("other")["Description"] == "a second one"
    assert lab.rows("SHOW DATABASES") == [["db"], ["other"]]
    assert lab.rows("SHOW DATABASES LIKE 'o*'") == [["other"]]
    assert "Database other already exists" in lab.fail("CREATE SCHEMA other")
    lab.succeed("CREATE SCHEMA IF NOT EXISTS other")
    lab.succeed("DROP DATABASE other")
    assert "Database does not exist: other" in lab.fail("DROP DATABASE other")
    lab.succeed("DROP DATABASE IF EXISTS other")


def test_a_database_with_tables_is_dropped_only_by_cascade(lab: AthenaLab) -> None:
    """RESTRICT is the default."""
    lab.succeed(TABLE.format("t", ""))
    assert "is not empty" in lab.fail("DROP DATABASE db")
    lab.succeed("DROP DATABASE db CASCADE")
    assert lab.rows("SHOW DATABASES") == []


def test_a_table_is_what_glue_shows(lab: AthenaLab) -> None:
    """CREATE EXTERNAL TABLE writes columns, comments, keys, SerDe and properties into the catalog."""
    lab.succeed(TABLE.format("`My_Table`", "COMMENT 'about' PARTITIONED BY (y int, m string)"))
    table = lab.context.catalog.get_table("db", "my_table")
    assert table["StorageDescriptor"]["Columns"] == [
        {"Name": "id", "Type": "bigint", "Comment": "the key"},
        {"Name": "name", "Type": "string"},
    ]
    assert [key["Name"] for key in table["PartitionKeys"]] == ["y", "m"]
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert table["Parameters"]["EXTERNAL"] == "TRUE"
    assert "already exists" in lab.fail(TABLE.format("my_table", ""))
    lab.succeed(TABLE.format("IF NOT EXISTS my_table", ""))


def test_nested_types_and_properties_are_kept(lab: AthenaLab) -> None:
    """Types are written without spaces; properties and SerDe properties with their escapes undone."""
    lab.succeed(
        "CREATE EXTERNAL TABLE t (a array< struct<x: int, y:decimal(5, 2)>>, b map<string,double>) "
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' NULL DEFINED AS '' "
        "LOCATION 's3://data/t/' TBLPROPERTIES (\"note\" = 'it\\'s', 'skip.header.line.count' = '1');"
    )
    table = lab.context.catalog.get_table("db", "t")
    types = [column["Type"] for column in table["StorageDescriptor"]["Columns"]]
    assert types == ["array<struct<x:int,y:decimal(5,2)>>", "map<string,double>"]
    assert table["StorageDescriptor"]["SerdeInfo"]["Parameters"]["field.delim"] == "\t"
    assert table["Parameters"]["note"] == "it's"


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE EXTERNAL TABLE t (a int) STORED AS ORC LOCATION 's3://data/t/'", "STORED AS ORC"),
        ("CREATE EXTERNAL TABLE t (a uniontype<int>) LOCATION 's3://data/t/'", "Column type"),
        ("CREATE TABLE t (a int) LOCATION 's3://data/t/' TBLPROPERTIES ('table_type'='ICEBERG')", "Iceberg"),
        ("CREATE EXTERNAL TABLE t (a int) CLUSTERED BY (a) INTO 3 BUCKETS LOCATION 's3://data/t/'", "CLUSTERED"),
        ("DELETE FROM t", "DELETE"),
        ("OPTIMIZE t REWRITE DATA USING BIN_PACK", "OPTIMIZE"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
    ],
)
def test_what_is_not_done_is_refused(lab: AthenaLab, sql: str, reason: str) -> None:
    """A statement that has no faithful counterpart fails with NOT_SUPPORTED and changes nothing."""
    failure = lab.fail(sql)
    assert failure.startswith("NOT_SUPPORTED") and reason in failure
    assert lab.context.catalog.list_tables("db") == []


def test_partitions_are_added_dropped_and_moved(lab: AthenaLab) -> None:
    """ALTER TABLE changes registrations; all keys must be named."""
    lab.succeed(TABLE.format("t", "PARTITIONED BY (y int, m string)"))
    lab.succeed("ALTER TABLE t ADD PARTITION (y=2024, m='a b') PARTITION (m='c', y=2025) LOCATION 's3://data/else/'")
    assert lab.rows("SHOW PARTITIONS t") == [["y=2024/m=a b"], ["y=2025/m=c"]]
    assert "Partition already exists" in lab.fail("ALTER TABLE t ADD PARTITION (y=2024, m='a b')")
    lab.succeed("ALTER TABLE t ADD IF NOT EXISTS PARTITION (y=2024, m='a b')")
    lab.succeed("ALTER TABLE t PARTITION (y=2024, m='a b') SET LOCATION 's3://data/moved/'")
    locations = {
        p["Values"][0]: p["StorageDescriptor"]["Location"] for p in lab.context.catalog.list_partitions("db", "t")
    }
    assert locations == {"2024": "s3://data/moved/", "2025": "s3://data/else/"}
    assert "does not name the keys" in lab.fail("ALTER TABLE t DROP PARTITION (y=2024)")
    lab.succeed("ALTER TABLE t DROP PARTITION (y=2024, m='a b'), PARTITION (y=2025, m='c')")
    assert "Partition not found" in lab.fail("ALTER TABLE t DROP PARTITION (y=2024, m='a b')")
    lab.succeed("ALTER TABLE t DROP IF EXISTS PARTITION (y=2024, m='a b')")
    assert lab.rows("SHOW PARTITIONS t") == []


def test_msck_registers_what_lies_there(lab: AthenaLab) -> None:
    """Folders of the form key=value become partitions once; others are left alone."""
    for folder in ("y=2024/m=a%3Ab", "Y=2025/M=c", "y=2026", "_y=1/m=1", "other"):
        lab.put(f"t/{folder}/f.parquet", pa.table({"id": [1]}))
    lab.succeed(TABLE.format("t", "PARTITIONED BY (y int, m string)"))
    assert lab.rows("MSCK REPAIR TABLE t")[0] == ["Partitions not in metastore:", "t:y=2024/m=a:b", "t:y=2025/m=c"]
    assert lab.rows("MSCK REPAIR TABLE t") == []
    assert lab.rows("SHOW PARTITIONS t") == [["y=2024/m=a%3Ab"], ["y=2025/m=c"]]
    assert lab.rows("SELECT count(*) FROM t") == [["2"]]


def test_columns_and_properties_change(lab: AthenaLab) -> None:
    """ADD COLUMNS, REPLACE COLUMNS, SET TBLPROPERTIES and SET LOCATION make new versions of the table."""
    lab.succeed(TABLE.format("t", "PARTITIONED BY (y int)"))
    lab.succeed("ALTER TABLE t ADD COLUMNS (extra double COMMENT 'late')")
    assert "Duplicate column name: y" in lab.fail("ALTER TABLE t ADD COLUMNS (y int)")
    lab.succeed("ALTER TABLE t SET TBLPROPERTIES ('a' = 'b')")
    lab.succeed("ALTER TABLE t SET LOCATION 's3://data/u/'")
    table = lab.context.catalog.get_table("db", "t")
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]] == ["id", "name", "extra"]
    assert (table["Parameters"]["a"], table["StorageDescriptor"]["Location"]) == ("b", "s3://data/u/")
    assert len(table["PartitionKeys"]) == 1
    lab.succeed("ALTER TABLE t REPLACE COLUMNS (only string)")
    assert [row[0].strip() for row in lab.rows("SHOW COLUMNS IN t")] == ["only", "y"]


def test_describe_pads_and_lists_partition_columns_twice(lab: AthenaLab) -> None:
    """DESCRIBE has Hive's three padded columns and its block of partition information."""
    lab.succeed(TABLE.format("t", "PARTITIONED BY (y int)"))
    rows = [[cell.strip() for cell in row if cell is not None] for row in lab.rows("DESCRIBE t")]
    assert rows[:3] == [["id", "bigint", "the key"], ["name", "string", ""], ["y", "int", ""]]
    assert ["# Partition Information", "", ""] in rows and rows[-1] == ["y", "int", ""]


def test_show_create_table_makes_the_same_table(lab: AthenaLab) -> None:
    """The text of SHOW CREATE TABLE, run elsewhere, gives the same columns, keys, SerDe and properties."""
    lab.succeed(TABLE.format("t", "COMMENT 'it''s' PARTITIONED BY (y int)"))
    text = "\n".join("\t".join(cell or "" for cell in row) for row in lab.rows("SHOW CREATE TABLE t"))
    before = lab.context.catalog.get_table("db", "t")
    lab.succeed("DROP TABLE t")
    lab.succeed(text)
    after = lab.context.catalog.get_table("db", "t")
    for member in ("StorageDescriptor", "PartitionKeys", "Parameters", "Description"):
        assert after[member] == before[member]


def test_a_view_is_stored_as_athena_stores_it(lab: AthenaLab) -> None:
    """A view has Presto's encoded definition, can be read, replaced, shown and dropped."""
    lab.put("t/a.parquet", pa.table({"id": [1, 2], "name": ["a", "b"]}))
    lab.succeed(TABLE.format("t", ""))
    lab.succeed("CREATE VIEW v AS SELECT id AS key, upper(name) AS big FROM t")
    table = lab.context.catalog.get_table("db", "v")
    encoded = table["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    definition = json.loads(base64.b64decode(encoded))
    assert definition["originalSql"] == "SELECT id AS key, upper(name) AS big FROM t"
    assert definition["columns"] == [{"name": "key", "type": "bigint"}, {"name": "big", "type": "varchar"}]
    assert (table["TableType"], table["Parameters"]["presto_view"]) == ("VIRTUAL_VIEW", "true")
    assert lab.rows("SELECT big FROM v WHERE key = 2") == [["B"]]
    assert "already exists" in lab.fail("CREATE VIEW v AS SELECT 1 AS a")
    lab.succeed("CREATE OR REPLACE VIEW v AS SELECT 1 AS a")
    assert lab.rows("SHOW VIEWS") == [["v"]] and lab.rows("SHOW TABLES") == [["t"], ["v"]]
    assert lab.rows("SHOW CREATE VIEW v") == [["CREATE VIEW db.v AS"], ["SELECT 1 AS a"]]
    assert "needs DROP VIEW" in lab.fail("DROP TABLE v")
    lab.succeed("DROP VIEW v")


def test_a_view_reads_its_own_databases_tables(lab: AthenaLab) -> None:
    """Names without a database mean the view's neighbours, whichever database the reader stands in."""
    lab.put("t/a.parquet", pa.table({"id": [7], "name": ["a"]}))
    lab.setup(TABLE.format("t", ""), "CREATE VIEW v AS SELECT id FROM t", "CREATE DATABASE other")
    context = {"QueryExecutionContext": {"Database": "other"}}
    assert lab.rows("SELECT id FROM db.v", **context) == [["7"]]
    lab.succeed("CREATE VIEW db.w AS SELECT id FROM t", **context)
    assert lab.rows("SELECT id FROM w") == [["7"]]


def test_a_view_whose_columns_changed_is_stale(lab: AthenaLab) -> None:
    """A view over `*` fails once its table has another column, until it is created again."""
    lab.put("t/a.parquet", pa.table({"id": [7], "name": ["a"]}))
    lab.setup(TABLE.format("t", ""), "CREATE VIEW v AS SELECT * FROM t", "CREATE VIEW w AS SELECT id FROM v")
    assert lab.rows("SELECT id FROM w") == [["7"]]
    lab.succeed("ALTER TABLE t ADD COLUMNS (more int)")
    for view in ("v", "w"):
        assert "View 'awsdatacatalog.db.v' is stale" in lab.fail(f"SELECT id FROM {view}")
    lab.succeed("CREATE OR REPLACE VIEW v AS SELECT * FROM t")
    assert lab.rows("SELECT id FROM w") == [["7"]]


def test_dropping_a_table_leaves_its_files(lab: AthenaLab) -> None:
    """DROP TABLE is a change of the catalog alone."""
    path = lab.put("t/a.parquet", pa.table({"id": [1]}))
    lab.setup(TABLE.format("t", ""), "DROP TABLE t", "DROP TABLE IF EXISTS t")
    assert path.exists()
    assert "Table not found t" in lab.fail("DROP TABLE t")


def test_information_schema_shows_the_catalog(lab: AthenaLab) -> None:
    """Queries find databases, tables and columns of the catalog, and nothing of the engine's own."""
    lab.succeed(TABLE.format("t", "PARTITIONED BY (y int)"))
    sql = "SELECT column_name, ordinal_position, data_type FROM information_schema.columns WHERE table_schema = 'db'"
    assert lab.rows(sql + " ORDER BY 2") == [["id", "1", "bigint"], ["name", "2", "varchar"], ["y", "3", "integer"]]
    assert lab.rows("SELECT table_schema, table_name, table_type FROM information_schema.tables") == [
        ["db", "t", "BASE TABLE"]
    ]
    assert lab.rows("SELECT schema_name FROM information_schema.schemata ORDER BY 1") == [
        ["db"],
        ["information_schema"],
    ]


def test_ddl_results_are_text(lab: AthenaLab) -> None:
    """DDL and utility statements write .txt with tabs; the type of statement is told."""
    described = lab.succeed("SHOW DATABASES")
    assert lab.result(described) == b"db\n" and described["StatementType"] == "UTILITY"
    described = lab.succeed("CREATE DATABASE x")
    assert lab.result(described) == b"" and described["StatementType"] == "DDL"
    assert lab.result(described, ".metadata")
