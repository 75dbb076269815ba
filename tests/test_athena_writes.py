"""CREATE TABLE AS, INSERT INTO and UNLOAD."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from athena_lab import AthenaLab, Json


@pytest.fixture
def lab(home: Path) -> Iterator[AthenaLab]:
    lab = AthenaLab(home)
    lab.put("t/a.parquet", pa.table({"id": [1, 2, 3], "name": ["a", None, 'c,"d"'], "y": [2023, 2024, 2024]}))
    lab.setup("CREATE EXTERNAL TABLE t (id bigint, name string, y bigint) STORED AS PARQUET LOCATION 's3://data/t/'")
    yield lab
    lab.close()


def manifest(lab: AthenaLab, described: Json) -> list[Path]:
    """Return the files that a statement's manifest lists."""
    uri = described["Statistics"]["DataManifestLocation"]
    lines = (lab.context.lake / uri.removeprefix("s3://")).read_text().splitlines()
    return [lab.context.lake / line.removeprefix("s3://") for line in lines]


def test_ctas_writes_files_a_table_and_a_manifest(lab: AthenaLab) -> None:
    """The table lies where the results go, its files are listed, and it reads as the query did."""
    described = lab.succeed("CREATE TABLE c AS SELECT id, name FROM t")
    assert (described["StatementType"], described["SubstatementType"]) == ("DDL", "CREATE_TABLE_AS_SELECT")
    files = manifest(lab, described)
    assert [pq.read_table(path).num_rows for path in files] == [3]
    location = lab.context.catalog.get_table("db", "c")["StorageDescriptor"]["Location"]
    assert location == f"s3://results/q/tables/{described['QueryExecutionId']}/"
    assert lab.rows("SELECT * FROM c ORDER BY id") == [["1", "a"], ["2", None], ["3", 'c,"d"']]
    answer = lab.athena.get_query_results({"QueryExecutionId": described["QueryExecutionId"]})
    assert answer["UpdateCount"] == 3


@pytest.mark.parametrize("format_", ["PARQUET", "JSON", "TEXTFILE"])
def test_every_written_format_reads_back(lab: AthenaLab, format_: str) -> None:
    """Partitioned tables of each format return what was written, NULLs too."""
    lab.succeed(
        f"CREATE TABLE c WITH (format = '{format_}', external_location = 's3://data/c', partitioned_by = ARRAY['y']) "
        "AS SELECT name, id, CAST(id AS DOUBLE) / 2 AS half, DATE '2024-01-31' AS day, id > 1 AS big, y FROM t"
    )
    assert lab.rows("SHOW PARTITIONS c") == [["y=2023"], ["y=2024"]]
    assert lab.rows("SELECT name, id, half, day, big, y FROM c ORDER BY id") == [
        ["a", "1", "0.5", "2024-01-31", "false", "2023"],
        [None, "2", "1.0", "2024-01-31", "true", "2024"],
        ['c,"d"', "3", "1.5", "2024-01-31", "true", "2024"],
    ]


def test_partition_values_are_escaped_and_null_is_the_default_partition(lab: AthenaLab) -> None:
    """NULL and the empty string go to Hive's default partition, special characters into escaped folders."""
    lab.succeed(
        "CREATE TABLE c WITH (partitioned_by = ARRAY['k']) AS "
        "SELECT * FROM (VALUES (1, 'a/b c'), (2, NULL), (3, '')) AS v (id, k)"
    )
    assert lab.rows("SELECT id, k FROM c ORDER BY id") == [["1", "a/b c"], ["2", None], ["3", None]]
    assert lab.rows("SHOW PARTITIONS c") == [["k=__HIVE_DEFAULT_PARTITION__"], ["k=a%2Fb c"]]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("CREATE TABLE t AS SELECT 1 AS a", "TABLE_ALREADY_EXISTS"),
        ("CREATE TABLE nodb.c AS SELECT 1 AS a", "SCHEMA_NOT_FOUND"),
        ("CREATE TABLE c AS SELECT count(*) FROM t", "MISSING_COLUMN_NAME: .*not specified"),
        ("CREATE TABLE c AS SELECT id, id FROM t", "DUPLICATE_COLUMN_NAME"),
        ("CREATE TABLE c AS SELECT NULL AS a", "COLUMN_TYPE_UNKNOWN: .*is unknown"),
        ("CREATE TABLE c WITH (format = 'ORC') AS SELECT 1 AS a", "NOT_SUPPORTED"),
        ("CREATE TABLE c WITH (bucketed_by = ARRAY['a'], bucket_count = 2) AS SELECT 1 AS a", "NOT_SUPPORTED"),
        ("CREATE TABLE c WITH (colour = 'red') AS SELECT 1 AS a", "INVALID_TABLE_PROPERTY"),
        ("CREATE TABLE c WITH (partitioned_by = ARRAY['id']) AS SELECT id, name FROM t", "HIVE_COLUMN_ORDER_MISMATCH"),
        ("CREATE TABLE c WITH (external_location = 's3://data/t/') AS SELECT 1 AS a", "HIVE_PATH_ALREADY_EXISTS"),
        ("CREATE TABLE c WITH (external_location = 's3://nobucket/t/') AS SELECT 1 AS a", "Location"),
    ],
)
def test_ctas_refusals_change_nothing(lab: AthenaLab, sql: str, reason: str) -> None:
    """A refused CTAS makes no table."""
    assert re.match(f".*{reason}", lab.fail(sql))
    assert [table["Name"] for table in lab.context.catalog.list_tables("db")] == ["t"]


def test_ctas_without_data_and_if_not_exists(lab: AthenaLab) -> None:
    """WITH NO DATA makes an empty table; IF NOT EXISTS leaves the one that is there."""
    lab.succeed("CREATE TABLE c AS SELECT id, name FROM t WITH NO DATA")
    assert lab.rows("SELECT * FROM c") == []
    assert manifest(lab, lab.succeed("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS a")) == []


def test_an_enforcing_workgroup_refuses_external_locations(lab: AthenaLab) -> None:
    """As in Athena, the property and the enforced location exclude each other."""
    configuration = {"ResultConfiguration": {"OutputLocation": "s3://results/w/"}}
    lab.athena.create_work_group({"Name": "w", "Configuration": configuration})
    sql = "CREATE TABLE c WITH (external_location = 's3://data/c/') AS SELECT 1 AS a"
    assert "enforces a centralized output location" in lab.fail(sql, WorkGroup="w")
    described = lab.succeed("CREATE TABLE c AS SELECT 1 AS a", WorkGroup="w")
    assert described["ResultConfiguration"]["OutputLocation"].startswith("s3://results/w/")


def test_insert_adds_files_and_partitions(lab: AthenaLab) -> None:
    """INSERT widens values to the table's types, leaves other columns NULL and registers new partitions."""
    lab.succeed(
        "CREATE EXTERNAL TABLE p (id bigint, name string) PARTITIONED BY (y int) "
        "STORED AS PARQUET LOCATION 's3://data/p/'"
    )
    lab.succeed("INSERT INTO p SELECT id, name, CAST(y AS INTEGER) FROM t")
    described = lab.succeed("INSERT INTO p (y, id) VALUES (2030, 9), (2024, 10)")
    assert (described["StatementType"], described["SubstatementType"]) == ("DML", "INSERT")
    assert len(manifest(lab, described)) == 2
    assert lab.rows("SELECT id, name, y FROM p WHERE id >= 3 ORDER BY id") == [
        ["3", 'c,"d"', "2024"], ["9", None, "2030"], ["10", None, "2024"],
    ]  # fmt: skip
    assert lab.rows("SHOW PARTITIONS p") == [["y=2023"], ["y=2024"], ["y=2030"]]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("INSERT INTO t VALUES (1, 'a')", "TYPE_MISMATCH: Insert query has mismatched column types"),
        ("INSERT INTO t VALUES ('1', 'a', 2)", "TYPE_MISMATCH"),
        ("INSERT INTO t (id, colour) VALUES (1, 'red')", "COLUMN_NOT_FOUND"),
        ("INSERT INTO missing VALUES (1)", "TABLE_NOT_FOUND"),
    ],
)
def test_insert_refusals(lab: AthenaLab, sql: str, reason: str) -> None:
    """What does not fit the table is refused, and nothing is added."""
    assert lab.fail(sql).startswith(reason)
    assert lab.rows("SELECT count(*) FROM t") == [["3"]]


def test_unload_writes_text_as_athena_does(lab: AthenaLab) -> None:
    """UNLOAD as TEXTFILE is gzip, without header, divided as asked, NULL as \\N."""
    sql = (
        "UNLOAD (SELECT id, name FROM t ORDER BY id) TO 's3://data/u' WITH (format = 'TEXTFILE', field_delimiter = '|')"
    )
    (file,) = manifest(lab, lab.succeed(sql))
    assert file.suffix == ".gz" and file.is_relative_to(lab.context.lake / "data/u")
    assert gzip.decompress(file.read_bytes()) == b'1|a\n2|\\N\n3|c,"d"\n'
    assert lab.fail(sql).startswith("HIVE_PATH_ALREADY_EXISTS")


def test_unload_needs_a_format_that_is_written_here(lab: AthenaLab) -> None:
    """The format is required; ORC and AVRO are refused."""
    assert lab.fail("UNLOAD (SELECT 1 AS a) TO 's3://data/u/'").startswith("NOT_SUPPORTED")
    assert lab.fail("UNLOAD (SELECT 1 AS a) TO 's3://data/u/' WITH (format = 'AVRO')").startswith("NOT_SUPPORTED")


def test_text_that_would_break_its_row_is_refused(lab: AthenaLab) -> None:
    """A delimiter or newline inside a value fails a text file's statement instead of shifting its cells."""
    sql = "UNLOAD (SELECT 'a|b' AS v) TO 's3://data/u/' WITH (format = 'TEXTFILE', field_delimiter = '|')"
    assert lab.fail(sql).startswith("NOT_SUPPORTED: a value holds a delimiter")
    assert not (lab.context.lake / "data/u").exists()


def test_more_than_a_hundred_partitions_are_refused(lab: AthenaLab) -> None:
    """Athena's limit of open writers holds, and nothing is left behind."""
    numbers = io.StringIO()
    csv.writer(numbers).writerows([number] for number in range(101))
    lab.put("n/a.csv", numbers.getvalue().encode())
    lab.succeed("CREATE EXTERNAL TABLE n (id int) LOCATION 's3://data/n/'")
    sql = "CREATE TABLE c WITH (partitioned_by = ARRAY['k']) AS SELECT id, id AS k FROM n"
    assert lab.fail(sql).startswith("HIVE_TOO_MANY_OPEN_PARTITIONS")
    lab.succeed(sql + " WHERE id < 100")
    assert len(lab.rows("SHOW PARTITIONS c")) == 100


def test_texts_of_bounded_length_inside_nested_columns_read_back(lab: AthenaLab) -> None:
    """A literal is a varchar(n): a map, array or row of them reads back whole; others' longer texts are cut to n."""
    lab.succeed(
        "CREATE TABLE n AS SELECT MAP(ARRAY['k1', 'k2'], ARRAY['v', NULL]) AS m, ARRAY['ab', NULL] AS a, "
        "CAST(ROW('x', ROW('yz')) AS ROW(p varchar(3), q ROW(r varchar(2)))) AS r"
    )
    assert lab.rows("SELECT * FROM n") == [["{k1=v, k2=null}", "[ab, null]", "{p=x, q={r=yz}}"]]
    kinds = ["map<varchar(2),varchar(1)>", "array<varchar(2)>", "struct<p:varchar(3),q:struct<r:varchar(2)>>"]
    assert [str(row[1]).strip() for row in lab.rows("DESCRIBE n")] == kinds
    rows = [{"m": [("äöü", "longer")], "a": ["four", None], "r": {"p": "five5"}}, {"m": None, "a": None, "r": None}]
    kind = pa.schema(
        [("m", pa.map_(pa.string(), pa.string())), ("a", pa.list_(pa.string())), ("r", pa.struct([("p", pa.string())]))]
    )
    lab.put("long/a.parquet", pa.Table.from_pylist(rows, kind))
    lab.succeed(
        "CREATE EXTERNAL TABLE long (m map<varchar(2),varchar(3)>, a array<varchar(2)>, r struct<p:varchar(1)>) "
        "STORED AS PARQUET LOCATION 's3://data/long/'"
    )
    assert lab.rows("SELECT * FROM long") == [["{äö=lon}", "[fo, null]", "{p=f}"], [None, None, None]]


DIFFERENCES = {
    "'millisecond', TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2024-01-01 00:00:01.500'": "1500",
    "'second', TIMESTAMP '2024-01-01 00:00:01.500', TIMESTAMP '2024-01-01 00:00:00'": "-1",
    "'millisecond', TIMESTAMP '1970-01-01 00:00:00 UTC', TIMESTAMP '1970-01-01 00:00:00.123 UTC'": "123",
    "'millisecond', CAST('2024-01-01 00:00:00' AS timestamp(6)), TIMESTAMP '2024-01-01 00:00:01'": "1000",
}


@pytest.mark.parametrize("arguments", DIFFERENCES)
def test_date_diff_takes_timestamps_of_different_precision(lab: AthenaLab, arguments: str) -> None:
    """The coarser one is made finer, as for every function of two timestamps."""
    assert lab.rows(f"SELECT date_diff({arguments})") == [[DIFFERENCES[arguments]]]
