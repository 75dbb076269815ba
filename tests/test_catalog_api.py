"""Glue's catalog API through boto3 and awswrangler, against the running server."""

import itertools
from collections.abc import Iterator
from typing import Any

import awswrangler as wr
import boto3
import pytest
from botocore.exceptions import ClientError
from control_plane import KEYS, Server, run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def glue(server: Server) -> Iterator[Any]:
    """A client, with a database `db` that holds the table `t`, partitioned by year and month."""
    client = server.client("glue")
    client.create_database(DatabaseInput={"Name": "db"})
    keys = [{"Name": "year", "Type": "int"}, {"Name": "month", "Type": "string"}]
    columns = [{"Name": "id", "Type": "bigint", "Comment": "the key"}, {"Name": "score", "Type": "double"}]
    descriptor = {"Columns": columns, "Location": "s3://bucket/data/t/"}
    table = {"Name": "t", "PartitionKeys": keys, "StorageDescriptor": descriptor, "Parameters": {"owner": "school"}}
    client.create_table(DatabaseName="db", TableInput=table)
    yield client
    for database in client.get_databases()["DatabaseList"]:
        client.delete_database(Name=database["Name"])
    server.close_clients()


def add_partitions(glue: Any, count: int = 24) -> None:
    inputs = [
        {"Values": [str(2000 + number // 12), f"{number % 12 + 1:02}"], "StorageDescriptor": {"Columns": []}}
        for number in range(count)
    ]
    for start in range(0, count, 100):
        answer = glue.batch_create_partition(
            DatabaseName="db", TableName="t", PartitionInputList=inputs[start : start + 100]
        )
        assert answer["Errors"] == []


def values(answer: Any) -> list[list[str]]:
    return [partition["Values"] for partition in answer["Partitions"]]


def test_partitions_are_paged_without_gaps(glue: Any) -> None:
    """Pages are disjoint, complete and sorted, also where a partition vanishes in between."""
    add_partitions(glue)
    first = glue.get_partitions(DatabaseName="db", TableName="t", MaxResults=10)
    glue.delete_partition(DatabaseName="db", TableName="t", PartitionValues=first["Partitions"][-1]["Values"])
    rest = glue.get_partitions(DatabaseName="db", TableName="t", NextToken=first["NextToken"])
    assert "NextToken" not in rest and len(rest["Partitions"]) == 14
    assert values(first) + values(rest) == sorted(values(first) + values(rest))
    with pytest.raises(ClientError, match=r"InvalidInputException.*NextToken"):
        glue.get_partitions(DatabaseName="db", TableName="t", NextToken="???")
    with pytest.raises(ClientError, match=r"ValidationException.*MaxResults is 1001"):
        glue.get_partitions(DatabaseName="db", TableName="t", MaxResults=1001)


def test_segments_are_disjoint_and_complete(glue: Any) -> None:
    """The segments of a table together hold each partition once."""
    add_partitions(glue)
    segments = [{"SegmentNumber": number, "TotalSegments": 3} for number in range(3)]
    parts = [values(glue.get_partitions(DatabaseName="db", TableName="t", Segment=segment)) for segment in segments]
    assert all(parts) and sorted(itertools.chain.from_iterable(parts)) == values(
        glue.get_partitions(DatabaseName="db", TableName="t")
    )


def test_expressions_select_partitions(glue: Any) -> None:
    """GetPartitions filters on the server, and says what is wrong with an expression."""
    add_partitions(glue)
    answer = glue.get_partitions(
        DatabaseName="db", TableName="t", Expression="year > 2000 AND month IN ('01','12')", ExcludeColumnSchema=True
    )
    assert values(answer) == [["2001", "01"], ["2001", "12"]]
    assert all("Columns" not in partition["StorageDescriptor"] for partition in answer["Partitions"])
    with pytest.raises(ClientError, match=r"InvalidInputException.*'day' is no partition key"):
        glue.get_partitions(DatabaseName="db", TableName="t", Expression="day = 1")


def test_batches_report_each_failure_and_do_the_rest(glue: Any) -> None:
    """Batch operations on partitions name those that failed; the others are done."""
    add_partitions(glue, 2)
    where = {"DatabaseName": "db", "TableName": "t"}
    new = [{"Values": ["2000", "01"]}, {"Values": ["2000"]}, {"Values": ["1999", "01"]}]
    errors = glue.batch_create_partition(**where, PartitionInputList=new)["Errors"]
    codes = {tuple(error["PartitionValues"]): error["ErrorDetail"]["ErrorCode"] for error in errors}
    assert codes == {("2000", "01"): "AlreadyExistsException", ("2000",): "InvalidInputException"}
    wanted = [{"Values": ["1999", "01"]}, {"Values": ["1", "1"]}]
    assert values(glue.batch_get_partition(**where, PartitionsToGet=wanted)) == [["1999", "01"]]
    entries = [
        {"PartitionValueList": entry["Values"], "PartitionInput": {"Values": entry["Values"], "Parameters": {"p": "1"}}}
        for entry in wanted
    ]
    assert [e["PartitionValueList"] for e in glue.batch_update_partition(**where, Entries=entries)["Errors"]] == [
        ["1", "1"]
    ]
    assert glue.get_partition(**where, PartitionValues=["1999", "01"])["Partition"]["Parameters"] == {"p": "1"}
    errors = glue.batch_delete_partition(**where, PartitionsToDelete=wanted)["Errors"]
    assert [error["PartitionValues"] for error in errors] == [["1", "1"]]
    assert len(glue.get_partitions(**where)["Partitions"]) == 2


def test_tables_are_found_by_name_pattern_and_paged(glue: Any) -> None:
    """GetTables takes globs and regular expressions, and pages."""
    for name in ("sales_2020", "sales_2021", "resale"):
        glue.create_table(DatabaseName="db", TableInput={"Name": name})

    def names(**request: Any) -> list[str]:
        return [table["Name"] for table in glue.get_tables(DatabaseName="db", **request)["TableList"]]

    assert names(Expression="sales*") == names(Expression="sales_.*") == ["sales_2020", "sales_2021"]
    assert names(Expression="*sale*") == ["resale", "sales_2020", "sales_2021"]
    assert names(Expression="resale|t") == ["resale", "t"]
    assert names(MaxResults=1) == ["resale"]
    with pytest.raises(ClientError, match="is not a regular expression"):
        names(Expression="(")


def test_search_looks_into_columns_and_parameters(glue: Any) -> None:
    """SearchTables finds text in names, comments, locations and parameters, and filters by attributes."""
    glue.create_table(DatabaseName="db", TableInput={"Name": "zoo", "Description": "Animals"})

    def names(**request: Any) -> list[str]:
        return [table["Name"] for table in glue.search_tables(**request)["TableList"]]

    assert names(SearchText="school") == names(SearchText="THE key") == names(SearchText="bucket/") == ["t"]
    assert names(SearchText='"animals"') == ["zoo"] and names(SearchText='"anim"') == []
    assert names(Filters=[{"Key": "name", "Value": "zoo"}]) == ["zoo"]
    assert names(SortCriteria=[{"FieldName": "name", "Sort": "DESC"}]) == ["zoo", "t"]
    page = glue.search_tables(MaxResults=1)
    assert [t["Name"] for t in glue.search_tables(NextToken=page["NextToken"])["TableList"]] == ["zoo"]
    with pytest.raises(ClientError, match="cannot be searched"):
        names(Filters=[{"Key": "colour", "Value": "red"}])


def test_versions_are_listed_fetched_and_deleted(glue: Any) -> None:
    """The versions of a table are paged from new to old; archived ones can be deleted."""
    where = {"DatabaseName": "db", "TableName": "t"}
    for number in range(4):
        glue.update_table(DatabaseName="db", TableInput={"Name": "t", "Description": str(number)})
    pages = glue.get_paginator("get_table_versions").paginate(**where, PaginationConfig={"PageSize": 2})
    assert [v["VersionId"] for page in pages for v in page["TableVersions"]] == ["4", "3", "2", "1", "0"]
    assert glue.get_table_version(**where, VersionId="2")["TableVersion"]["Table"]["Description"] == "1"
    errors = glue.batch_delete_table_version(**where, VersionIds=["0", "1", "4", "9"])["Errors"]
    assert [error["VersionId"] for error in errors] == ["4", "9"]
    assert len(glue.get_table_versions(**where)["TableVersions"]) == 3
    with pytest.raises(ClientError, match="ConcurrentModificationException"):
        glue.update_table(DatabaseName="db", TableInput={"Name": "t"}, VersionId="1")


def test_statistics_are_kept_per_table_and_partition(glue: Any) -> None:
    """Column statistics come back as written, for the table and for one partition, until deleted."""
    add_partitions(glue, 1)
    where = {"DatabaseName": "db", "TableName": "t"}
    data = {
        "Type": "LONG",
        "LongColumnStatisticsData": {
            "MinimumValue": 1,
            "MaximumValue": 9,
            "NumberOfNulls": 0,
            "NumberOfDistinctValues": 3,
        },
    }
    statistics = {"ColumnName": "id", "ColumnType": "bigint", "AnalyzedTime": 0, "StatisticsData": data}
    unknown = {**statistics, "ColumnName": "nope"}
    assert (
        len(glue.update_column_statistics_for_table(**where, ColumnStatisticsList=[statistics, unknown])["Errors"]) == 1
    )
    found = glue.get_column_statistics_for_table(**where, ColumnNames=["id", "score"])
    assert found["ColumnStatisticsList"][0]["StatisticsData"] == data and found["Errors"][0]["ColumnName"] == "score"
    partition = {**where, "PartitionValues": ["2000", "01"]}
    assert glue.get_column_statistics_for_partition(**partition, ColumnNames=["id"])["ColumnStatisticsList"] == []
    glue.update_column_statistics_for_partition(**partition, ColumnStatisticsList=[statistics])
    glue.delete_column_statistics_for_table(**where, ColumnName="id")
    assert len(glue.get_column_statistics_for_partition(**partition, ColumnNames=["id"])["ColumnStatisticsList"]) == 1


def test_tags_go_with_their_database(glue: Any) -> None:
    """Tags given at creation can be read, added and removed, and go when the database goes."""
    glue.create_database(DatabaseInput={"Name": "tagged"}, Tags={"stage": "local"})
    arn = "arn:aws:glue:us-east-1:000000000000:database/tagged"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"team": "data"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["stage", "none"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "data"}
    glue.delete_database(Name="tagged")
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.get_tags(ResourceArn=arn)


def test_links_and_foreign_catalogs_are_refused(glue: Any) -> None:
    """What points to another catalog or engine is refused, since nothing would follow it."""
    target = {"CatalogId": "000000000000", "DatabaseName": "x"}
    with pytest.raises(ClientError, match=r"InvalidInputException.*TargetDatabase"):
        glue.create_database(DatabaseInput={"Name": "link", "TargetDatabase": target})
    with pytest.raises(ClientError, match=r"EntityNotFoundException.*Catalog 123456789012"):
        glue.get_database(Name="db", CatalogId="123456789012")
    assert glue.get_database(Name="db", CatalogId="000000000000")["Database"]["Name"] == "db"


@pytest.fixture
def wrangler(server: Server, glue: Any, monkeypatch: pytest.MonkeyPatch) -> boto3.Session:
    """A session for awswrangler, which finds the endpoint by the standard environment variable."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    keys = {f"aws_{name}": value for name, value in KEYS["notebook"].items()}
    return boto3.Session(region_name="us-east-1", **keys)


def test_awswrangler_reads_and_changes_the_catalog(wrangler: boto3.Session) -> None:
    """wr.catalog's functions for tables, types, comments and parameters work on the endpoint."""
    session: dict[str, Any] = {"boto3_session": wrangler}
    made = {"database": "db", "table": "made"}
    wr.catalog.create_parquet_table(
        **made, path="s3://bucket/made/", columns_types={"a": "int", "b": "string"}, partitions_types={"c": "date"},
        description="made here", columns_comments={"a": "first"}, parameters={"k": "v"}, **session,
    )  # fmt: skip
    assert wr.catalog.does_table_exist(**made, **session)
    assert wr.catalog.get_table_types(**made, **session) == {"a": "int", "b": "string", "c": "date"}
    assert wr.catalog.get_table_location(**made, **session) == "s3://bucket/made/"
    assert wr.catalog.get_table_description(**made, **session) == "made here"
    assert wr.catalog.get_columns_comments(**made, **session) == {"a": "first", "b": None, "c": None}
    wr.catalog.upsert_table_parameters({"k": "2", "l": "3"}, **made, **session)
    parameters = wr.catalog.get_table_parameters(**made, **session)
    assert (parameters["k"], parameters["l"]) == ("2", "3")
    wr.catalog.add_column(**made, column_name="d", column_type="double", column_comment="new", **session)
    wr.catalog.delete_column(**made, column_name="b", **session)
    assert list(wr.catalog.table(**made, **session)["Column Name"]) == ["a", "d", "c"]
    assert wr.catalog.get_table_number_of_versions(**made, **session) == 3  # parameters are not versioned
    assert sorted(wr.catalog.tables(database="db", **session)["Table"]) == ["made", "t"]
    assert wr.catalog.databases(**session)["Database"].tolist() == ["db"]
    assert [t["Name"] for t in wr.catalog.get_tables(name_prefix="ma", database="db", **session)] == ["made"]
    assert [t["Name"] for t in wr.catalog.search_tables("made here", **session)] == ["made"]
    assert wr.catalog.delete_table_if_exists(**made, **session)
    assert not wr.catalog.delete_table_if_exists(**made, **session)


def test_awswrangler_keeps_partitions(wrangler: boto3.Session) -> None:
    """wr.catalog adds, filters and deletes partitions; adding them twice is no error."""
    session: dict[str, Any] = {"boto3_session": wrangler}
    rows = {"database": "lake", "table": "rows"}
    wr.catalog.create_database("lake", exist_ok=True, **session)
    wr.catalog.create_csv_table(
        **rows, path="s3://b/r/", columns_types={"x": "int"}, partitions_types={"year": "int"}, **session
    )
    added = {f"s3://b/r/year={year}/": [str(year)] for year in range(1900, 2020)}
    for _ in range(2):
        wr.catalog.add_csv_partitions(**rows, partitions_values=added, **session)
    assert wr.catalog.get_csv_partitions(**rows, **session) == added
    found = wr.catalog.get_partitions(**rows, expression="year>=2018", **session)
    assert found == {"s3://b/r/year=2018/": ["2018"], "s3://b/r/year=2019/": ["2019"]}
    wr.catalog.delete_partitions(**rows, partitions_values=[["1900"], ["1901"]], **session)
    assert len(wr.catalog.get_partitions(**rows, **session)) == 118
    wr.catalog.delete_all_partitions(**rows, **session)
    assert wr.catalog.get_partitions(**rows, **session) == {}
    wr.catalog.delete_database("lake", **session)
