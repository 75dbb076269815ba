"""The crawler over real files of a lake: what it finds, what it writes, and what it says of itself."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_aws.errors import ServiceError
from local_aws.glue.crawler_operations import STOPPED_WITH_STACK, CrawlerOperations
from local_aws.server.context import Context, open_context

Json = dict[str, Any]
Crawl = Callable[..., Json]

CONFIGURATION = {
    "Version": 1.0,
    "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
    "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"},
}
SCORES = {"id": [1, 2], "score": [1.5, None]}


@pytest.fixture
def context(home: Path) -> Iterator[Context]:
    """A control plane with one bucket and one database."""
    (home / "lake" / "curated").mkdir(parents=True)
    opened = open_context(home)
    opened.catalog.create_database({"Name": "db"})
    yield opened
    opened.store.close()


@pytest.fixture
def operations(context: Context) -> Iterator[CrawlerOperations]:
    """The operations on it."""
    made = CrawlerOperations(context)
    yield made
    made.close()


@pytest.fixture
def crawl(operations: CrawlerOperations) -> Crawl:
    """Define the crawler where that is new, run it to its end and return it."""

    def run(target: str = "s3://curated/data/", **members: Any) -> Json:
        definition = {"Name": "c", "Role": "r", "DatabaseName": "db", "Targets": {"S3Targets": [{"Path": target}]}}
        definition |= {"Configuration": json.dumps(CONFIGURATION), **members}
        try:
            operations.create_crawler(definition)
        except ServiceError:
            operations.update_crawler(definition)
        operations.start_crawler({"Name": "c"})
        while (crawler := operations.get_crawler({"Name": "c"})["Crawler"])["State"] != "READY":
            time.sleep(0.01)
        return dict(crawler)

    return run


def put(context: Context, key: str, content: str | bytes) -> None:
    path = context.lake / "curated" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def put_parquet(
    context: Context, key: str, columns: dict[str, Any], types: dict[str, pa.DataType] | None = None
) -> None:
    path = context.lake / "curated" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema(list(types.items())) if types else None
    pq.write_table(pa.table(columns, schema=schema), path)


def columns(context: Context, table: str) -> dict[str, str]:
    listed = context.catalog.get_table("db", table)["StorageDescriptor"]["Columns"]
    return {column["Name"]: column["Type"] for column in listed}


def log_of(crawler: Json) -> str:
    last = crawler["LastCrawl"]
    return (Path(last["LogGroup"]) / last["LogStream"]).read_text(encoding="utf-8")


def metrics(operations: CrawlerOperations) -> tuple[int, int, int]:
    found = operations.get_crawler_metrics({"CrawlerNameList": ["c"]})["CrawlerMetricsList"][0]
    return found["TablesCreated"], found["TablesUpdated"], found["TablesDeleted"]


def test_partitioned_parquet_becomes_a_table_with_partitions(context: Context, crawl: Crawl) -> None:
    """Each folder below the target is a table; key=value folders are its partitions, registered with their place."""
    for month in ("2024-01", "2024-02"):
        put_parquet(context, f"data/student_performance/exam_month={month}/part-0.parquet", SCORES)
    put_parquet(context, "data/x_quarantine/run_token=t1/q.parquet", {"reason": ["late"]})
    crawler = crawl()
    assert crawler["LastCrawl"]["Status"] == "SUCCEEDED"
    assert [table["Name"] for table in context.catalog.list_tables("db")] == ["student_performance", "x_quarantine"]
    table = context.catalog.get_table("db", "student_performance")
    assert columns(context, "student_performance") == {"id": "bigint", "score": "double"}
    assert table["PartitionKeys"] == [{"Name": "exam_month", "Type": "string"}]
    assert table["Parameters"]["recordCount"] == "4"
    partitions = context.catalog.list_partitions("db", "student_performance")
    assert [partition["Values"] for partition in partitions] == [["2024-01"], ["2024-02"]]
    location = partitions[0]["StorageDescriptor"]["Location"]
    assert location == "s3://curated/data/student_performance/exam_month=2024-01/"
    assert partitions[0]["StorageDescriptor"]["Columns"] == table["StorageDescriptor"]["Columns"]


def test_every_parquet_type_has_its_hive_type(context: Context, crawl: Crawl) -> None:
    """The footer's types become Hive's, nested ones too."""
    struct = pa.struct([("A", pa.int32()), ("tags", pa.list_(pa.string()))])
    types = {
        "b": pa.bool_(),
        "small": pa.int16(),
        "f": pa.float32(),
        "d": pa.date32(),
        "t": pa.timestamp("us"),
        "n": pa.decimal128(10, 2),
        "raw": pa.binary(),
        "s": struct,
        "m": pa.map_(pa.string(), pa.int64()),
    }
    put_parquet(context, "data/t/a.parquet", {name: [None] for name in types}, types)
    crawl()
    found = columns(context, "t")
    assert list(found.values())[:7] == ["boolean", "smallint", "float", "date", "timestamp", "decimal(10,2)", "binary"]
    assert found["s"] == "struct<a:int,tags:array<string>>"
    assert found["m"] == "map<string,bigint>"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_with_a_header(context: Context, crawl: Crawl, delimiter: str) -> None:
    """The delimiter, the header and each column's type are found."""
    rows = [["ID", "Name", "Score", "Passed", "When"], ["1", "Ann", "1.5", "true", "2024-01-01"]]
    rows += [["2", "", "", "false", "2024-01-02"]]
    put(context, "data/t/a.csv", "\n".join(delimiter.join(row) for row in rows) + "\n")
    crawl()
    table = context.catalog.get_table("db", "t")
    wanted = {"id": "bigint", "name": "string", "score": "double", "passed": "boolean", "when": "string"}
    assert columns(context, "t") == wanted
    assert table["StorageDescriptor"]["SerdeInfo"]["Parameters"] == {"field.delim": delimiter}
    assert table["Parameters"]["skip.header.line.count"] == "1"
    assert table["Parameters"]["recordCount"] == "2"


def test_csv_of_text_alone_shows_no_header(context: Context, crawl: Crawl) -> None:
    """Where every column is text the first row cannot be told from the others, and the columns are numbered."""
    put(context, "data/t/a.csv", "name,city\nAnn,Oslo\nBob,Rome\n")
    crawl()
    assert columns(context, "t") == {"col0": "string", "col1": "string"}
    assert "skip.header.line.count" not in context.catalog.get_table("db", "t")["Parameters"]


def test_csv_file_of_empty_fields_takes_the_header_of_its_neighbours(context: Context, crawl: Crawl) -> None:
    """A file whose numbers are all missing is still one with a header where other files have the same one."""
    put(context, "data/t/a.csv", "name,score\nAnn,1\nBob,2\n")
    put(context, "data/t/b.csv", "name,score\nCid,\nDan,\n")
    crawler = crawl()
    assert columns(context, "t") == {"name": "string", "score": "bigint"}
    assert "left out" not in log_of(crawler)


def test_json_lines_and_gzip(context: Context, crawl: Crawl) -> None:
    """Nested objects and arrays become structs and arrays; gzip is looked into."""
    records = [
        {"Id": 1, "big": 2**40, "tags": ["a"], "at": {"x": 1, "y": None}},
        {"Id": 2, "big": 3, "tags": [], "at": {"x": 1.5}, "late": True},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)
    put(context, "data/t/a.json.gz", gzip.compress(text.encode()))
    crawl()
    wanted = {"id": "int", "big": "bigint", "tags": "array<string>", "at": "struct<x:double,y:string>"}
    assert columns(context, "t") == {**wanted, "late": "boolean"}
    table = context.catalog.get_table("db", "t")
    assert table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] == "org.openx.data.jsonserde.JsonSerDe"
    assert table["Parameters"]["compressionType"] == "gzip"
    assert table["StorageDescriptor"]["Compressed"] is True


def test_hidden_and_empty_files_are_ignored(context: Context, crawl: Crawl) -> None:
    """Names that start with _ or . at any depth are no data, and neither are empty files; nothing else is a table."""
    for key in ("data/_tmp/t/a.csv", "data/t/_SUCCESS", "data/t/.part.crc", "data/t/k=1/_old/a.csv"):
        put(context, key, "a,b\n1,2\n3,4\n")
    put(context, "data/t/k=1/empty.csv", "")
    crawler = crawl()
    assert crawler["LastCrawl"]["Status"] == "SUCCEEDED"
    assert context.catalog.list_tables("db") == []


def test_target_that_is_one_table(context: Context, crawl: Crawl) -> None:
    """A target with partition folders in it is a table itself, named after it, with invalid characters replaced."""
    put(context, "data/My-Table.v2/K=a%20b/a.csv", "x,y\n1,2\n3,4\n")
    crawl("s3://curated/data/My-Table.v2", TablePrefix="raw_")
    table = context.catalog.get_table("db", "raw_my_table_v2")
    assert table["PartitionKeys"] == [{"Name": "k", "Type": "string"}]
    assert context.catalog.list_partitions("db", "raw_my_table_v2")[0]["Values"] == ["a b"]


def test_table_level_says_where_the_tables_are(context: Context, crawl: Crawl) -> None:
    """TableLevelConfiguration counts from the bucket, which is 1; plain folders below are partitions."""
    put_parquet(context, "data/area/t/one/a.parquet", SCORES)
    put_parquet(context, "data/area/t/two/a.parquet", SCORES)
    crawl(Configuration=json.dumps({"Version": 1.0, "Grouping": {"TableLevelConfiguration": 4}}))
    assert context.catalog.get_table("db", "t")["PartitionKeys"] == [{"Name": "partition_0", "Type": "string"}]


def test_second_crawl_changes_nothing(context: Context, operations: CrawlerOperations, crawl: Crawl) -> None:
    """Where the lake is as it was, neither tables nor partitions get a new version."""
    put_parquet(context, "data/t/k=1/a.parquet", SCORES)
    crawl()
    before = context.catalog.get_table("db", "t"), context.catalog.list_partitions("db", "t")
    crawl()
    assert (context.catalog.get_table("db", "t"), context.catalog.list_partitions("db", "t")) == before
    assert metrics(operations) == (0, 0, 0)


def test_changed_schema_is_merged(context: Context, operations: CrawlerOperations, crawl: Crawl) -> None:
    """New columns come last, types change, and what people wrote (comments, parameters) stays."""
    put_parquet(context, "data/t/k=1/a.parquet", {"id": [1], "name": ["Ann"]})
    crawl()
    table = context.catalog.get_table("db", "t")
    table["StorageDescriptor"]["Columns"][0]["Comment"] = "the key"
    kept = ("Name", "StorageDescriptor", "PartitionKeys", "TableType")
    mine = {"Parameters": {**table["Parameters"], "owner_team": "data"}}
    context.catalog.update_table("db", {**{key: table[key] for key in kept}, **mine})
    put_parquet(context, "data/t/k=2/a.parquet", {"extra": [True], "id": [2], "name": ["Bob"]})
    put_parquet(context, "data/t/k=1/a.parquet", {"id": [1], "name": [b"Ann"]})
    crawler = crawl()
    assert columns(context, "t") == {"id": "bigint", "name": "string", "extra": "boolean"}
    now = context.catalog.get_table("db", "t")
    assert now["StorageDescriptor"]["Columns"][0]["Comment"] == "the key"
    assert now["Parameters"]["owner_team"] == "data"
    assert "column name is string, elsewhere binary" in log_of(crawler)
    assert metrics(operations) == (0, 1, 0)
    first = context.catalog.get_partition("db", "t", ["1"])
    assert first["StorageDescriptor"]["Columns"] == now["StorageDescriptor"]["Columns"]


def test_update_behavior_log_leaves_the_table(context: Context, crawl: Crawl) -> None:
    """With UpdateBehavior LOG a new column is only written in the log; new partitions are registered all the same."""
    put_parquet(context, "data/t/k=1/a.parquet", {"id": [1]})
    crawl()
    put_parquet(context, "data/t/k=2/a.parquet", {"id": [1], "more": [1]})
    crawler = crawl(SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
    assert columns(context, "t") == {"id": "bigint"}
    assert "column more bigint is new (only logged" in log_of(crawler)
    assert len(context.catalog.list_partitions("db", "t")) == 2


def test_wider_types_of_an_existing_table_stay(context: Context, operations: CrawlerOperations, crawl: Crawl) -> None:
    """A table that someone declared with wider types, lengths and comments is not touched by narrower files."""
    put_parquet(context, "data/t/k=1/a.parquet", {"id": [1], "name": ["x"]}, {"id": pa.int32(), "name": pa.string()})
    declared = [{"Name": "id", "Type": "bigint", "Comment": "c"}, {"Name": "name", "Type": "varchar(20)"}]
    crawl()
    table = context.catalog.get_table("db", "t")
    storage = {**table["StorageDescriptor"], "Columns": declared}
    context.catalog.update_table(
        "db", {"Name": "t", "StorageDescriptor": storage, "PartitionKeys": table["PartitionKeys"]}
    )
    context.catalog.update_partition("db", "t", ["1"], {"StorageDescriptor": storage})
    version = context.catalog.get_table("db", "t")["VersionId"]
    crawl()
    assert context.catalog.get_table("db", "t")["StorageDescriptor"]["Columns"] == declared
    assert len(context.catalog.list_table_versions("db", "t")) == int(version) + 1


@pytest.mark.parametrize("behavior", ["LOG", "DELETE_FROM_DATABASE", "DEPRECATE_IN_DATABASE"])
def test_vanished_files(context: Context, operations: CrawlerOperations, crawl: Crawl, behavior: str) -> None:
    """A partition and a table without files are left, deleted or marked, as DeleteBehavior says."""
    for key in ("data/t/k=1/a.parquet", "data/t/k=2/a.parquet", "data/gone/a.parquet"):
        put_parquet(context, key, {"id": [1]})
    crawl()
    (context.lake / "curated/data/t/k=2/a.parquet").unlink()
    (context.lake / "curated/data/gone/a.parquet").unlink()
    crawler = crawl(SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": behavior})
    tables = {table["Name"]: table for table in context.catalog.list_tables("db")}
    partitions = {each["Values"][0]: each for each in context.catalog.list_partitions("db", "t")}
    deleted, marked = behavior == "DELETE_FROM_DATABASE", behavior == "DEPRECATE_IN_DATABASE"
    assert ("gone" in tables, "2" in partitions) == (not deleted, not deleted)
    if not deleted:
        assert ("DEPRECATED_BY_CRAWLER" in tables["gone"]["Parameters"]) is marked
        assert ("DEPRECATED_BY_CRAWLER" in partitions["2"]["Parameters"]) is marked
    assert metrics(operations) == (0, int(deleted or marked), int(deleted or marked))
    assert "1 partitions without files (2)" in log_of(crawler)


def test_broken_files_are_not_vanished_ones(context: Context, crawl: Crawl) -> None:
    """A table and a partition whose files cannot be read stay, though the policy deletes what has no files."""
    for key in ("data/t/k=1/a.parquet", "data/t/k=2/a.parquet", "data/u/a.parquet"):
        put_parquet(context, key, {"id": [1]})
    policy = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    crawl(SchemaChangePolicy=policy)
    put(context, "data/t/k=2/a.parquet", b"PAR1 broken")
    put(context, "data/u/a.parquet", b"PAR1 broken")
    crawl(SchemaChangePolicy=policy)
    assert {table["Name"] for table in context.catalog.list_tables("db")} == {"t", "u"}
    assert len(context.catalog.list_partitions("db", "t")) == 2


def test_tables_of_others_are_never_removed(context: Context, crawl: Crawl) -> None:
    """A table that this crawler did not write stays, though its folder under the target is empty."""
    context.catalog.create_table(
        "db", {"Name": "mine", "StorageDescriptor": {"Location": "s3://curated/data/mine/", "Columns": []}}
    )
    crawl(SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"})
    assert [table["Name"] for table in context.catalog.list_tables("db")] == ["mine"]


def test_table_that_the_job_registered_is_only_completed(
    context: Context, operations: CrawlerOperations, crawl: Crawl
) -> None:
    """A table at the same place under any name, and partitions registered without a slash, count as known."""
    put_parquet(context, "data/t/month=1/a.parquet", {"id": [1]})
    put_parquet(context, "data/t/month=2/a.parquet", {"id": [1]})
    crawl()
    table = context.catalog.get_table("db", "t")
    storage = {**table["StorageDescriptor"], "Location": "s3://curated/data/t"}
    context.catalog.delete_table("db", "t")
    keys = [{"Name": "month", "Type": "int"}]
    context.catalog.create_table("db", {"Name": "scores", "StorageDescriptor": storage, "PartitionKeys": keys})
    context.catalog.create_partitions(
        "db", "scores", [{"Values": ["1"], "StorageDescriptor": {**storage, "Location": "s3://curated/data/t/month=1"}}]
    )
    crawl()
    assert [each["Name"] for each in context.catalog.list_tables("db")] == ["scores"]
    assert context.catalog.get_table("db", "scores")["PartitionKeys"] == keys
    assert [each["Values"] for each in context.catalog.list_partitions("db", "scores")] == [["1"], ["2"]]
    assert metrics(operations) == (0, 1, 0)


def test_other_partition_keys_fail_the_crawl_and_spare_the_table(context: Context, crawl: Crawl) -> None:
    """Partition keys cannot change: the crawl is FAILED, says which table, and still writes the others."""
    put_parquet(context, "data/a/k=1/a.parquet", SCORES)
    crawl()
    (context.lake / "curated/data/a/k=1").rename(context.lake / "curated/data/a/other=1")
    put_parquet(context, "data/b/k=1/a.parquet", SCORES)
    last = crawl()["LastCrawl"]
    assert last["Status"] == "FAILED"
    assert "table a has the partition keys (k), its folders say (other)" in last["ErrorMessage"]
    assert {table["Name"] for table in context.catalog.list_tables("db")} == {"a", "b"}


def test_unknown_and_foreign_files_are_named_in_the_log(context: Context, crawl: Crawl) -> None:
    """A file that is none of the formats, broken, or of another format than its table is left out and named."""
    put_parquet(context, "data/t/a.parquet", SCORES)
    put_parquet(context, "data/t/a2.parquet", SCORES)
    put(context, "data/t/b.parquet", b"PAR1 and no more")
    put(context, "data/t/c.csv", "a,b\n1,2\n3,4\n")
    put(context, "data/u/noise.bin", b"\x00\x01\x02")
    text = log_of(crawl())
    assert columns(context, "t") == {"id": "bigint", "score": "double"}
    assert "s3://curated/data/t/b.parquet: no whole Parquet file" in text
    assert "s3://curated/data/t/c.csv: csv with ',' and a header, the table is parquet" in text
    assert "curated/data/u: no file of a known format, so no table" in text


def test_alike_folders_are_two_tables_and_a_warning(context: Context, crawl: Crawl) -> None:
    """Glue may make one table of two alike folders; here they are two, and the log says what to set."""
    put_parquet(context, "data/a/x.parquet", SCORES)
    put_parquet(context, "data/b/x.parquet", SCORES)
    assert "a and b are so alike" in log_of(crawl())


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"target": "s3://nowhere/data/"}, "bucket nowhere does not exist"),
        ({"DatabaseName": "missing"}, "Database missing not found"),
    ],
)
def test_failed_crawl_says_why(crawl: Crawl, members: Json, message: str) -> None:
    """A crawl that cannot do its work is FAILED, never SUCCEEDED."""
    last = crawl(**members)["LastCrawl"]
    assert last["Status"] == "FAILED"
    assert message in last["ErrorMessage"]


@pytest.mark.parametrize(
    "members",
    [
        {"Classifiers": ["mine"]},
        {"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}},
        {"Targets": {"JdbcTargets": [{"Path": "x"}]}},
        {"Targets": {"S3Targets": [{"Path": "s3://curated/", "SampleSize": 3}]}},
        {"Configuration": '{"Version": 1.0, "Grouping": {"Surprise": 1}}'},
        {"Configuration": "{"},
    ],
)
def test_what_is_not_honoured_is_refused(operations: CrawlerOperations, members: Json) -> None:
    """A definition with a member that would have no effect is an error at once."""
    definition = {"Name": "c", "Role": "r", "DatabaseName": "db", "Targets": {"S3Targets": [{"Path": "s3://curated/"}]}}
    with pytest.raises(ServiceError, match="Crawler c: ") as caught:
        operations.create_crawler({**definition, **members})
    assert caught.value.code == "InvalidInputException"


def test_state_errors(operations: CrawlerOperations, crawl: Crawl) -> None:
    """A crawler that does not exist or does not run is told as Glue tells it."""
    with pytest.raises(ServiceError, match="not found") as caught:
        operations.start_crawler({"Name": "c"})
    assert caught.value.code == "EntityNotFoundException"
    crawl()
    with pytest.raises(ServiceError, match="not running") as caught:
        operations.stop_crawler({"Name": "c"})
    assert caught.value.code == "CrawlerNotRunningException"


def test_stop_and_second_start(context: Context, operations: CrawlerOperations, crawl: Crawl) -> None:
    """A running crawler refuses a second start and deletion; a stopped crawl is CANCELLED and makes no more tables."""
    for number in range(60):
        put(context, f"data/t{number:02d}/a.csv", "a,b\n" + "1,2\n" * 5000)
    definition = {"Name": "c", "Role": "r", "DatabaseName": "db"}
    operations.create_crawler({**definition, "Targets": {"S3Targets": [{"Path": "s3://curated/data/"}]}})
    operations.start_crawler({"Name": "c"})
    for refused in (operations.start_crawler, operations.delete_crawler):
        with pytest.raises(ServiceError, match="is RUNNING") as caught:
            refused({"Name": "c"})
        assert caught.value.code == "CrawlerRunningException"
    operations.stop_crawler({"Name": "c"})
    while (crawler := operations.get_crawler({"Name": "c"})["Crawler"])["State"] != "READY":
        time.sleep(0.01)
    assert crawler["LastCrawl"]["Status"] == "CANCELLED"
    assert len(context.catalog.list_tables("db")) < 60
    assert operations.list_crawls({"CrawlerName": "c"})["Crawls"][0]["State"] == "STOPPED"


def test_history_survives_and_a_killed_crawl_is_failed(
    context: Context, operations: CrawlerOperations, crawl: Crawl
) -> None:
    """After a restart the history is there, and a crawl that was under way at a kill is FAILED and says so."""
    crawl()
    killed = {**(context.store.get("crawler", "c") or {}), "State": "RUNNING", "CrawlId": "x", "StartedOn": time.time()}
    context.store.put("crawler", "c", killed)
    again = CrawlerOperations(context)
    crawler = again.get_crawler({"Name": "c"})["Crawler"]
    assert (crawler["State"], crawler["LastCrawl"]["Status"]) == ("READY", "FAILED")
    assert crawler["LastCrawl"]["ErrorMessage"] == STOPPED_WITH_STACK
    states = [each["State"] for each in again.list_crawls({"CrawlerName": "c"})["Crawls"]]
    assert states == ["FAILED", "COMPLETED"]


def test_thousand_partitions(context: Context, crawl: Crawl) -> None:
    """Every partition is registered, however many there are."""
    put_parquet(context, "data/t/k=0/a.parquet", SCORES)
    content = (context.lake / "curated/data/t/k=0/a.parquet").read_bytes()
    for number in range(1, 1000):
        put(context, f"data/t/k={number}/a.parquet", content)
    crawl()
    assert len(context.catalog.list_partitions("db", "t")) == 1000
    assert context.catalog.get_table("db", "t")["Parameters"]["recordCount"] == "2000"
