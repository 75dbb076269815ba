"""awswrangler, unchanged, against the whole local stack: queries, CTAS, UNLOAD, parameters, catalog, data sets."""

import datetime
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import awswrangler as wr
import boto3
import pandas as pd
import pytest

DATABASE = "wrangler_tests"


@pytest.fixture(scope="module")
def lake(stack: Path) -> Iterator[Any]:
    """A session at the stack's endpoints, with a database and a partitioned data set `t`."""
    endpoints = json.loads((stack / "endpoints.json").read_text())
    key = json.loads((stack / "secrets" / "aws-admin.json").read_text())
    session = boto3.Session(key["access_key_id"], key["secret_access_key"], region_name=endpoints["region"])
    wr.config.s3_endpoint_url = endpoints["s3"]
    for service in ("athena", "glue", "sts"):
        setattr(wr.config, f"{service}_endpoint_url", endpoints["aws"])
    wr.config.athena_query_wait_polling_delay = 0.02
    boto3.setup_default_session(
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        region_name=endpoints["region"],
    )
    buckets = {name: endpoints["outputs"][name] for name in ("CuratedBucket", "ResultsBucket")}
    wr.catalog.create_database(DATABASE, exist_ok=True)
    wr.s3.to_parquet(
        frame(), f"s3://{buckets['CuratedBucket']}/wrangler/t/", dataset=True, mode="overwrite", database=DATABASE,
        table="t", partition_cols=["yr"], dtype={"dec": "decimal(10,2)"}, boto3_session=session,
    )  # fmt: skip
    yield {"output": f"s3://{buckets['ResultsBucket']}/wrangler/", "data": f"s3://{buckets['CuratedBucket']}/wrangler/"}
    wr.catalog.delete_database(DATABASE)
    wr.config.reset()
    boto3.DEFAULT_SESSION = None


def frame() -> pd.DataFrame:
    """Return four rows with NULLs, quotes, large numbers, timestamps, decimals and lists."""
    stamps = pd.to_datetime(
        ["2024-01-01 10:00:00.123", "2024-01-02 00:00:00", None, "2024-02-01 00:00:00"], format="ISO8601"
    )
    return pd.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "name": ["a", "b", None, 'd,"x"'],
            "v": [1.5, 1e10, None, 0.0001],
            "ts": stamps,
            "dt": [datetime.date(2024, 1, 1)] * 4,
            "dec": [Decimal("1.10")] * 3 + [None],
            "arr": [[1, 2], [3], None, []],
            "yr": [2023, 2023, 2024, 2024],
        }
    )


def query(lake: Any, sql: str, **options: Any) -> Any:
    """Read a query's rows by awswrangler."""
    options.setdefault("ctas_approach", False)
    options.setdefault("s3_output", lake["output"])
    return wr.athena.read_sql_query(sql, database=DATABASE, **options)


@pytest.mark.parametrize("approach", ["csv", "ctas", "unload"])
def test_rows_come_back_as_they_were(lake: Any, approach: str) -> None:
    """Each of awswrangler's ways of reading returns the values that were written."""
    options = {"ctas_approach": approach == "ctas", "unload_approach": approach == "unload"}
    if approach == "unload":
        options["s3_output"] = f"{lake['output']}unload-{time.time_ns()}/"
    columns = "id, name, v, ts, dt, dec, yr"
    found = query(lake, f"SELECT {columns} FROM t ORDER BY id", **options)
    expected = frame()[columns.split(", ")]
    for column in expected:
        pairs = zip(found[column].tolist(), expected[column].tolist(), strict=True)
        assert all((pd.isna(a) and pd.isna(b)) or a == b for a, b in pairs), column


@pytest.mark.parametrize("ctas", [False, True])
def test_chunks_hold_every_row(lake: Any, ctas: bool) -> None:
    """chunksize divides the rows."""
    sizes = [len(chunk) for chunk in query(lake, "SELECT id FROM t", chunksize=3, ctas_approach=ctas)]
    assert sum(sizes) == 4 and max(sizes) <= 3


def test_parameters_are_filled_by_name_and_by_place(lake: Any) -> None:
    """Named parameters are filled by awswrangler, question marks by Athena."""
    assert query(lake, "SELECT id FROM t WHERE name = :n", params={"n": "a"})["id"].tolist() == [1]
    sql = "SELECT id FROM t WHERE id > ? AND name <> ?"
    assert query(lake, sql, params=["1", "x"], paramstyle="qmark")["id"].tolist() == [2, 4]


def test_partitions_of_a_data_set_are_registered_and_overwritten(lake: Any) -> None:
    """overwrite_partitions replaces one partition and leaves the other."""
    path = f"{lake['data']}p/"
    write = {"path": path, "dataset": True, "database": DATABASE, "table": "p", "partition_cols": ["yr"]}
    wr.s3.to_parquet(frame()[["id", "yr"]], **write, mode="overwrite")
    wr.s3.to_parquet(pd.DataFrame({"id": [9], "yr": [2024]}), **write, mode="overwrite_partitions")
    assert query(lake, "SELECT id FROM p ORDER BY id")["id"].tolist() == [1, 2, 9]
    partitions = wr.catalog.get_partitions(DATABASE, "p")
    assert sorted(values[0] for values in partitions.values()) == ["2023", "2024"]


def test_the_catalog_functions_work(lake: Any) -> None:
    """wr.catalog reads tables, types, databases and search."""
    assert wr.catalog.get_table_types(DATABASE, "t")["dec"] == "decimal(10,2)"
    assert wr.catalog.does_table_exist(DATABASE, "t") and DATABASE in wr.catalog.databases()["Database"].tolist()
    assert [table["Name"] for table in wr.catalog.get_tables(database=DATABASE, name_contains="t")] == ["t"]
    assert wr.catalog.table(DATABASE, "t")["Column Name"].tolist()[0] == "id"


def test_statements_of_the_catalog_are_parsed(lake: Any) -> None:
    """describe_table, show_create_table and repair_table understand the text results."""
    described = wr.athena.describe_table("t", database=DATABASE, s3_output=lake["output"])
    assert described.loc[described["Partition"], "Column Name"].tolist() == ["yr"]
    text = wr.athena.show_create_table("t", database=DATABASE, s3_output=lake["output"])
    assert text.startswith("CREATE EXTERNAL TABLE `t`(") and "PARTITIONED BY" in text
    assert wr.athena.repair_table("t", database=DATABASE, s3_output=lake["output"]) == "SUCCEEDED"


def test_ctas_tables_and_prepared_statements(lake: Any) -> None:
    """create_ctas_table makes a readable table; prepared statements are created, executed, listed and deleted."""
    wr.athena.create_ctas_table(
        "SELECT id, yr FROM t", database=DATABASE, ctas_table="c", s3_output=lake["output"], partitioning_info=["yr"],
        wait=True,
    )  # fmt: skip
    found = wr.athena.read_sql_table("c", database=DATABASE, s3_output=lake["output"])
    assert sorted(found["id"].tolist()) == [1, 2, 3, 4]
    wr.athena.create_prepared_statement("SELECT id FROM t WHERE id = ?", "ps")
    assert query(lake, "EXECUTE ps USING 3")["id"].tolist() == [3]
    assert [statement["StatementName"] for statement in wr.athena.list_prepared_statements()] == ["ps"]
    wr.athena.delete_prepared_statement("ps")


def test_a_failure_carries_athenas_reason(lake: Any) -> None:
    """QueryFailed has the engine's error name."""
    with pytest.raises(wr.exceptions.QueryFailed, match="TABLE_NOT_FOUND"):
        query(lake, "SELECT * FROM missing")


def test_a_repeated_query_is_found_in_the_history(lake: Any) -> None:
    """awswrangler's cache reads the list of executions and their states."""
    settings = {"max_cache_seconds": 900}
    first = query(lake, "SELECT 41 + 1 AS a", athena_cache_settings=settings)
    again = query(lake, "SELECT 41 + 1 AS a", athena_cache_settings=settings)
    assert again["a"].tolist() == [42]
    assert again.query_metadata["QueryExecutionId"] == first.query_metadata["QueryExecutionId"]


def test_a_view_and_a_csv_data_set(lake: Any) -> None:
    """Views are read by awswrangler, and so is a CSV data set that it wrote."""
    wr.athena.wait_query(
        wr.athena.start_query_execution(
            "CREATE OR REPLACE VIEW w AS SELECT id, upper(name) AS n FROM t WHERE yr = 2023", database=DATABASE,
            s3_output=lake["output"],
        )
    )  # fmt: skip
    assert query(lake, "SELECT n FROM w ORDER BY id")["n"].tolist() == ["A", "B"]
    text = pd.DataFrame({"id": [1, 2], "name": ["x", "y,z"]})
    wr.s3.to_csv(text, f"{lake['data']}csv/", dataset=True, database=DATABASE, table="csv1", index=False, sep="|",
                 mode="overwrite")  # fmt: skip
    assert query(lake, "SELECT id, name FROM csv1 ORDER BY id")["name"].tolist() == ["x", "y,z"]
