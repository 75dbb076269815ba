"""Result objects byte for byte, and the pages of GetQueryResults."""

import pyarrow as pa
import pytest
from athena_lab import AthenaLab, empty_lab

from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.results import ResultColumn
from local_aws.errors import ServiceError

lab = empty_lab


def test_the_csv_is_athenas(lab: AthenaLab) -> None:
    """Header and values are quoted, NULL is nothing, the empty string is quoted, lines end with LF."""
    sql = 'SELECT * FROM (VALUES (1, \'a,"b"\'), (2, \'\'), (3, NULL), (4, \'x\ny\')) AS t (id, "the ""name""")'
    described = lab.succeed(sql + " ORDER BY id")
    assert lab.result(described) == (b'"id","the ""name"""\n"1","a,""b"""\n"2",""\n"3",\n"4","x\ny"\n')
    assert lab.result(described, ".metadata")


def test_a_csv_without_rows_has_its_header(lab: AthenaLab) -> None:
    """No rows, no empty line."""
    assert lab.result(lab.succeed("SELECT 1 AS a, 'x' AS b WHERE 1 = 0")) == b'"a","b"\n'


def test_names_may_repeat(lab: AthenaLab) -> None:
    """Two columns of one name keep it."""
    assert lab.result(lab.succeed("SELECT 1 AS a, 2 AS a")) == b'"a","a"\n"1","2"\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("DOUBLE '1e10'", "1.0E10"),
        ("DOUBLE '12345678.9'", "1.23456789E7"),
        ("DOUBLE '0.00012345'", "1.2345E-4"),
        ("DOUBLE '-9999999'", "-9999999.0"),
        ("DOUBLE '0.001'", "0.001"),
        ("CAST(1e300 AS DOUBLE) * 1e10", "Infinity"),
        ("REAL '16777216'", "1.6777216E7"),
        ("CAST(1.50 AS DECIMAL(10,3))", "1.500"),
        ("true", "true"),
        ("DATE '2024-02-29'", "2024-02-29"),
        ("TIMESTAMP '2024-02-29 01:02:03.4'", "2024-02-29 01:02:03.4"),
        ("CAST(TIMESTAMP '2024-02-29 01:02:03' AS TIMESTAMP(3))", "2024-02-29 01:02:03.000"),
        ("ARRAY[1, NULL]", "[1, null]"),
        ("ARRAY[ARRAY['a', 'b,'], ARRAY[]]", "[[a, b,], []]"),
        ("MAP(ARRAY['k', 'l'], ARRAY[DOUBLE '1e7', NULL])", "{k=1.0E7, l=null}"),
        ("CAST(ROW(1, 'x') AS ROW(a INTEGER, b VARCHAR))", "{a=1, b=x}"),
        ("ROW(1, 'x')", "{field0=1, field1=x}"),
        ("X'6162ff'", "61 62 ff"),
        ("CAST(NULL AS ARRAY(INTEGER))", None),
    ],
)
def test_values_are_spelled_as_trino_does(lab: AthenaLab, value: str, text: str | None) -> None:
    """Each type has Athena's text."""
    assert lab.rows(f"SELECT {value} AS v") == [[text]]


def test_a_large_result_keeps_its_order_and_is_read_in_pages(lab: AthenaLab) -> None:
    """Every row comes once, in order, over pages of at most 1,000 rows of which the first is the header."""
    lab.put("t/a.parquet", pa.table({"id": list(range(2500)), "text": [None if i % 3 else "x\n" for i in range(2500)]}))
    lab.succeed("CREATE EXTERNAL TABLE t (id bigint, text string) STORED AS PARQUET LOCATION 's3://data/t/'")
    request = {"QueryExecutionId": lab.succeed("SELECT id, text FROM t ORDER BY id DESC")["QueryExecutionId"]}
    rows, sizes, answer = [], [], lab.athena.get_query_results(request)
    while True:
        page = [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"]]
        rows, sizes = rows + page, [*sizes, len(page)]
        if "NextToken" not in answer:
            break
        answer = lab.athena.get_query_results({**request, "NextToken": answer["NextToken"]})
    assert sizes == [1000, 1000, 501]
    assert rows == [["id", "text"]] + [[str(i), None if i % 3 else "x\n"] for i in reversed(range(2500))]


def test_columns_are_described_as_athena_does(lab: AthenaLab) -> None:
    """Types are base names, real is called float, decimals carry precision and scale."""
    sql = "SELECT CAST(1.5 AS DECIMAL(7,2)) AS a, CAST(1 AS REAL) AS b, 'x' AS c, ARRAY[1] AS d"
    request = {"QueryExecutionId": lab.succeed(sql)["QueryExecutionId"], "MaxResults": 1}
    answer = lab.athena.get_query_results(request)
    info = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in info] == [
        ("a", "decimal"), ("b", "float"), ("c", "varchar"), ("d", "array"),
    ]  # fmt: skip
    assert (info[0]["Precision"], info[0]["Scale"], info[2]["CaseSensitive"]) == (7, 2, True)


def test_a_bounded_varchar_has_its_length_as_precision() -> None:
    """The precision of text is its length, unbounded that of Java's largest array."""
    lengths = [ResultColumn.of("c", TrinoType.from_text(text)).precision for text in ("varchar(7)", "varchar")]
    assert lengths == [7, 2_147_483_647]


def test_results_of_unfinished_failed_and_deleted_queries_are_refused(lab: AthenaLab) -> None:
    """GetQueryResults answers for what succeeded and is still there, and says why not otherwise."""
    failed = lab.run("SELECT * FROM missing")
    with pytest.raises(ServiceError, match="Final query state: FAILED"):
        lab.athena.get_query_results({"QueryExecutionId": failed["QueryExecutionId"]})
    described = lab.succeed("SELECT 1 AS a")
    uri = described["ResultConfiguration"]["OutputLocation"]
    (lab.context.lake / uri.removeprefix("s3://")).unlink()
    with pytest.raises(ServiceError, match="Could not find results"):
        lab.athena.get_query_results({"QueryExecutionId": described["QueryExecutionId"]})
    with pytest.raises(ServiceError, match="was not found"):
        lab.athena.get_query_results({"QueryExecutionId": "nobody"})


def test_nothing_half_written_shows_in_the_lake(lab: AthenaLab) -> None:
    """A query that fails while it writes leaves no object behind, and no temporary file."""
    lab.put("t/a.csv", b"1\n" * 10_000 + b"1.5\n")
    lab.succeed("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://data/t/'")
    folder = lab.context.lake / "results" / "q"
    before = set(folder.rglob("*"))
    assert lab.fail("SELECT a FROM t").startswith("HIVE_BAD_DATA")
    assert set(folder.rglob("*")) == before
    assert list((lab.home / "athena").iterdir()) == []
