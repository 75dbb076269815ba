"""Tables of the catalog read from files: by name, in the catalog's types, registered partitions only."""

import datetime
import gzip
from decimal import Decimal

import pyarrow as pa
import pytest
from athena_lab import AthenaLab, empty_lab

TEXT = "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://data/{}/'"


lab = empty_lab


def parquet_table(lab: AthenaLab, columns: str, keys: str = "") -> None:
    partitioned = f"PARTITIONED BY ({keys})" if keys else ""
    lab.succeed(f"CREATE EXTERNAL TABLE t ({columns}) {partitioned} STORED AS PARQUET LOCATION 's3://data/t/'")


def test_columns_are_found_by_name_and_missing_ones_are_null(lab: AthenaLab) -> None:
    """Files with other orders, cases and sets of columns are read as one table."""
    lab.put("t/1.parquet", pa.table({"ID": pa.array([1], pa.int64()), "extra": ["x"]}))
    lab.put("t/2.parquet", pa.table({"name": ["b"], "id": pa.array([2], pa.int32())}))
    parquet_table(lab, "id bigint, name string")
    assert lab.rows("SELECT id, name FROM t ORDER BY id") == [["1", None], ["2", "b"]]


@pytest.mark.parametrize(
    ("stored", "declared"),
    [
        (pa.array([1], pa.int64()), "int"),
        (pa.array([1.5]), "bigint"),
        (pa.array(["1"]), "int"),
        (pa.array([Decimal("1.25")], pa.decimal128(5, 2)), "decimal(5,1)"),
        (pa.array([1.5], pa.float64()), "float"),
        (pa.array([[1]], pa.list_(pa.int64())), "array<int>"),
        (pa.array([{"a": 1}]), "struct<b:bigint>"),
    ],
)
def test_a_type_that_would_lose_something_is_an_error(lab: AthenaLab, stored: pa.Array, declared: str) -> None:
    """A file whose column cannot be read as the catalog's type fails the query; nothing is cast silently."""
    lab.put("t/1.parquet", pa.table({"c": stored}))
    parquet_table(lab, f"c {declared}")
    assert lab.fail("SELECT c FROM t").startswith("HIVE_BAD_DATA: Field c's type")


def test_types_that_widen_without_loss_are_read(lab: AthenaLab) -> None:
    """Smaller integers, floats and decimals are read as the larger type that the catalog names."""
    columns = {
        "a": pa.array([7], pa.int8()),
        "b": pa.array([1.5], pa.float32()),
        "c": pa.array([Decimal("1.25")], pa.decimal128(5, 2)),
        "d": pa.array([b"text"], pa.binary()),
        "e": pa.array([[1, None]], pa.list_(pa.int32())),
    }
    lab.put("t/1.parquet", pa.table(columns))
    parquet_table(lab, "a bigint, b double, c decimal(10,3), d string, e array<bigint>")
    assert lab.rows("SELECT a, b, c, d, e FROM t") == [["7", "1.5", "1.250", "text", "[1, null]"]]


def test_timestamps_are_utc_wall_clock_to_the_millisecond(lab: AthenaLab) -> None:
    """Zoned, micro- and nanosecond timestamps are read as Athena's timestamp(3), rounded."""
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5, 678500)
    zoned = pa.array([moment.replace(tzinfo=datetime.UTC)], pa.timestamp("us", "UTC"))
    plain = [pa.array([moment], pa.timestamp(unit)) for unit in ("ms", "us", "ns")]
    lab.put("t/1.parquet", pa.table({"a": zoned, "b": plain[1], "c": plain[2]}))
    parquet_table(lab, "a timestamp, b timestamp, c timestamp")
    assert lab.rows("SELECT a, b, c FROM t") == [["2024-01-02 03:04:05.679"] * 3]


def test_only_registered_partitions_are_read(lab: AthenaLab) -> None:
    """A folder that no partition of the catalog names is not part of the table, until MSCK registers it."""
    for year in (2023, 2024):
        lab.put(f"t/y={year}/a.parquet", pa.table({"id": [year]}))
    parquet_table(lab, "id bigint", "y int")
    lab.succeed("ALTER TABLE t ADD PARTITION (y = 2024)")
    assert lab.rows("SELECT id, y FROM t") == [["2024", "2024"]]
    lab.succeed("MSCK REPAIR TABLE t")
    assert lab.rows("SELECT count(*) FROM t") == [["2"]]


def test_partition_values_come_from_the_catalog(lab: AthenaLab) -> None:
    """A partition may lie anywhere; its values are the registered ones, and the default partition is NULL."""
    lab.put("elsewhere/y=1999/a.parquet", pa.table({"id": [1]}))
    lab.put("t/y=__HIVE_DEFAULT_PARTITION__/a.parquet", pa.table({"id": [2]}))
    lab.put("t/y=2024/a.parquet", pa.table({"id": [3]}))
    parquet_table(lab, "id bigint", "y int")
    lab.succeed("ALTER TABLE t ADD PARTITION (y = 2001) LOCATION 's3://data/elsewhere/y=1999/'")
    lab.succeed("MSCK REPAIR TABLE t")
    assert lab.rows("SELECT id, y FROM t ORDER BY id") == [["1", "2001"], ["2", None], ["3", "2024"]]
    assert lab.rows("SELECT id FROM t WHERE y IS NULL") == [["2"]]


def test_escaped_partition_values_are_themselves(lab: AthenaLab) -> None:
    """A value with characters that folder names escape is read unescaped."""
    lab.put("t/k=a%3Ab c%2F/a.parquet", pa.table({"id": [1]}))
    parquet_table(lab, "id bigint", "k string")
    lab.succeed("MSCK REPAIR TABLE t")
    assert lab.rows("SELECT k FROM t WHERE k = 'a:b c/'") == [["a:b c/"]]


def test_a_where_clause_on_the_partition_reads_less(lab: AthenaLab) -> None:
    """Bytes scanned follow the partitions and the columns that the query needs."""
    for year in range(2000, 2010):
        lab.put(f"t/y={year}/a.parquet", pa.table({"id": list(range(20_000)), "v": [float(year)] * 20_000}))
    parquet_table(lab, "id bigint, v double", "y int")
    lab.succeed("MSCK REPAIR TABLE t")
    whole = lab.succeed("SELECT sum(id) FROM t")["Statistics"]["DataScannedInBytes"]
    one = lab.succeed("SELECT sum(id) FROM t WHERE y = 2003")["Statistics"]["DataScannedInBytes"]
    assert 0 < one <= whole / 8


def test_a_partition_declared_with_another_type_is_a_mismatch(lab: AthenaLab) -> None:
    """A partition whose own schema contradicts the table's fails as in Athena."""
    lab.put("t/y=1/a.parquet", pa.table({"id": [1]}))
    parquet_table(lab, "id int", "y int")
    descriptor = {"Columns": [{"Name": "id", "Type": "string"}], "Location": "s3://data/t/y=1/"}
    lab.context.catalog.create_partitions("db", "t", [{"Values": ["1"], "StorageDescriptor": descriptor}])
    assert lab.fail("SELECT id FROM t").startswith("HIVE_PARTITION_SCHEMA_MISMATCH")


def test_a_partition_value_that_is_no_value_of_the_key_is_an_error(lab: AthenaLab) -> None:
    """A registered value that does not spell the key's type fails the query."""
    lab.put("t/y=abc/a.parquet", pa.table({"id": [1]}))
    parquet_table(lab, "id bigint", "y int")
    lab.succeed("ALTER TABLE t ADD PARTITION (y = 'abc')")
    assert lab.fail("SELECT id FROM t").startswith("HIVE_INVALID_PARTITION_VALUE")


def test_hidden_and_empty_files_are_ignored(lab: AthenaLab) -> None:
    """Names that start with `_` or `.`, in folders too, and empty files are no data."""
    lab.put("t/a.parquet", pa.table({"id": [1]}))
    lab.put("t/_tmp/b.parquet", pa.table({"id": [2]}))
    lab.put("t/.c.parquet", pa.table({"id": [3]}))
    lab.put("t/_SUCCESS", b"")
    lab.put("t/d.parquet", b"")
    parquet_table(lab, "id bigint")
    assert lab.rows("SELECT id FROM t") == [["1"]]


def test_wildcards_in_a_name_are_letters(lab: AthenaLab) -> None:
    """A file whose name holds `*`, `?` or brackets is read itself, once, and no other in its place."""
    for number, name in enumerate(("e[1]", "e1", "a*", "ab", "c?", "cd", "[")):
        lab.put(f"t/{name}.parquet", pa.table({"id": [number]}))
        lab.put(f"csv/{name}.csv", f"{number}\n".encode())
    parquet_table(lab, "id bigint")
    lab.succeed("CREATE EXTERNAL TABLE lines (id bigint) " + TEXT.format("csv"))
    for table in ("t", "lines"):
        assert lab.rows(f"SELECT id FROM {table} ORDER BY id") == [[str(number)] for number in range(7)]


@pytest.mark.parametrize("location", ["s3://nobucket/t/", "s3://data/../../etc/", "file:///etc/", "/etc/", "s3://./x"])
def test_a_location_outside_of_the_buckets_is_refused(lab: AthenaLab, location: str) -> None:
    """Neither DDL nor a table that another service wrote reaches a file that is no object."""
    sql = f"CREATE EXTERNAL TABLE t (line string) LOCATION '{location}'"
    assert "Location" in lab.fail(sql)
    descriptor = {"Columns": [{"Name": "line", "Type": "string"}], "Location": location}
    lab.context.catalog.create_table("db", {"Name": "t", "StorageDescriptor": descriptor})
    assert "INVALID_TABLE_PROPERTY: Location" in lab.fail("SELECT * FROM t")


def test_delimited_text_is_read_as_hive_does(lab: AthenaLab) -> None:
    """Cells that do not parse and \\N are NULL, short rows are padded, long ones cut; quotes mean nothing."""
    lines = ["a,b,c", '1,"x,2.5', "bad,\\N,1e2,more", "3", "", "4,é,true"]
    lab.put("t/1.csv", "\r\n".join(lines).encode())
    lab.succeed("CREATE EXTERNAL TABLE t (a int, b string, c double) " + TEXT.format("t")
                + " TBLPROPERTIES ('skip.header.line.count' = '1')")  # fmt: skip
    assert lab.rows("SELECT b, c FROM t WHERE a = 1") == [['"x', "2.5"]]
    assert lab.rows("SELECT a, b, c FROM t WHERE c = 100") == [[None, None, "100.0"]]
    assert lab.rows("SELECT b, c FROM t WHERE a = 3") == [[None, None]]


@pytest.mark.parametrize(("type_", "cell"), [("int", "1.5"), ("int", " 4"), ("bigint", "1e3"), ("double", " 1.5")])
def test_a_number_that_hive_may_read_otherwise_is_an_error(lab: AthenaLab, type_: str, cell: str) -> None:
    """Cells whose reading is not known for certain fail the query."""
    lab.put("t/1.csv", f"{cell}\n".encode())
    lab.succeed(f"CREATE EXTERNAL TABLE t (a {type_}) " + TEXT.format("t"))
    assert lab.fail("SELECT a FROM t").startswith("HIVE_BAD_DATA: Error parsing field value")


def test_dates_booleans_and_decimals_in_text(lab: AthenaLab) -> None:
    """Text spells dates, timestamps, booleans and decimals in Hive's way alone."""
    lab.put("t/1.csv", b"2024-01-31,2024-01-31 10:00:00.5,TRUE,1.255\n31.01.2024,2024-01-31,yes,x\n")
    lab.succeed("CREATE EXTERNAL TABLE t (a date, b timestamp, c boolean, d decimal(5,2)) " + TEXT.format("t"))
    assert sorted(lab.rows("SELECT a, b, c, d FROM t"), key=str) == [
        ["2024-01-31", "2024-01-31 10:00:00.500", "true", "1.26"],
        [None, None, None, None],
    ]


def test_gzip_is_read_and_other_compressions_are_refused(lab: AthenaLab) -> None:
    """A text file's name says its compression, as in Athena."""
    lab.put("t/1.csv.gz", gzip.compress(b"1\n2\n"))
    lab.succeed("CREATE EXTERNAL TABLE t (a int) " + TEXT.format("t"))
    assert lab.rows("SELECT sum(a) FROM t") == [["3"]]
    lab.put("t/2.csv.bz2", b"BZh9")
    assert lab.fail("SELECT sum(a) FROM t").startswith("NOT_SUPPORTED")


def quoted_table(lab: AthenaLab, columns: str) -> None:
    serde = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
    lab.succeed(f"CREATE EXTERNAL TABLE t ({columns}) {serde} LOCATION 's3://data/t/'")


def test_quoted_csv_is_read_by_opencsvserde(lab: AthenaLab) -> None:
    """Quotes hold separators and doubled quotes; dates are days and timestamps milliseconds since 1970."""
    lab.put("t/1.csv", b'"a,b","1","19000","1700000000123"\n"say ""x""",2,0,0\n')
    quoted_table(lab, "a string, b int, c date, d timestamp")
    assert lab.rows("SELECT a, b, c, d FROM t ORDER BY b") == [
        ["a,b", "1", "2022-01-08", "2023-11-14 22:13:20.123"],
        ['say "x"', "2", "1970-01-01", "1970-01-01 00:00:00.000"],
    ]


@pytest.mark.parametrize("content", [b'"a\nb",1\n', b'"a\\"b",1\n', b'"x",\n', b"x,1.5\n"])
def test_quoted_csv_that_the_serde_reads_otherwise_fails(lab: AthenaLab, content: bytes) -> None:
    """Newlines and escapes in cells, and empty or odd numbers, fail whatever column the query reads."""
    lab.put("t/1.csv", content)
    quoted_table(lab, "a string, b int")
    assert lab.fail("SELECT a, b FROM t").startswith("HIVE_BAD_DATA")


def json_table(lab: AthenaLab, columns: str) -> None:
    serde = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"
    lab.succeed(f"CREATE EXTERNAL TABLE t ({columns}) {serde} LOCATION 's3://data/t/'")


def test_json_lines_are_read_by_key(lab: AthenaLab) -> None:
    """Missing keys and nulls are NULL; arrays and objects nest."""
    lab.put("t/1.json", b'{"id":1,"n":"x","l":[{"k":[1.5]}],"d":"2024-01-31"}\n\n{"id":2,"n":null,"z":0}\n')
    json_table(lab, "id int, n string, l array<struct<k:array<double>>>, d date")
    assert lab.rows("SELECT id, n, l, d FROM t ORDER BY id") == [
        ["1", "x", "[{k=[1.5]}]", "2024-01-31"],
        ["2", None, None, None],
    ]


@pytest.mark.parametrize("line", [b'{"id":1.5}', b'{"id":"1"}', b'{"id":{}}', b"{broken", b'{"ID":1}'])
def test_json_that_is_not_of_the_type_fails(lab: AthenaLab, line: bytes) -> None:
    """A value of another kind, a broken line and keys in upper case fail the query."""
    lab.put("t/1.json", line + b"\n")
    json_table(lab, "id int")
    assert lab.fail("SELECT id FROM t").startswith("HIVE_BAD_DATA")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"Parameters": {"projection.enabled": "true"}}, "partition projection"),
        ({"Parameters": {"table_type": "ICEBERG"}}, "iceberg table"),
        ({"StorageDescriptor": {"SerdeInfo": {"SerializationLibrary": "x.OrcSerde"}}}, "SerDe x.OrcSerde"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(lab: AthenaLab, properties: dict[str, object], reason: str) -> None:
    """What the local engine does not do fails with NOT_SUPPORTED when it is queried."""
    columns = {"Columns": [{"Name": "id", "Type": "int"}], "Location": "s3://data/t/"}
    descriptor = {**columns, **dict(properties.pop("StorageDescriptor", {}))}  # type: ignore[call-overload]
    lab.context.catalog.create_table("db", {"Name": "t", "StorageDescriptor": descriptor, **properties})
    reason_given = lab.fail("SELECT id FROM t")
    assert reason_given.startswith("NOT_SUPPORTED") and reason in reason_given


def test_a_file_that_is_no_parquet_is_named(lab: AthenaLab) -> None:
    """A broken file fails the query with its name."""
    lab.put("t/broken.parquet", b"PAR1 no")
    parquet_table(lab, "id bigint")
    assert "s3://data/t/broken.parquet is no Parquet file" in lab.fail("SELECT id FROM t")
