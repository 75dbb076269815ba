"""The catalog after the job: partitions are there at once, and nothing is left for the crawler to change."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from control_plane import Server, run_server
from job_lab import CURATED, JobLab, job_lab
from test_job import small_contract

HEAD = b"k,n,version,day\n"
DATABASE = "lab"


@dataclass(frozen=True)
class CatalogLab:
    """A lake with the job over it, and the control plane with catalog, crawler and Athena."""

    job: JobLab
    server: Server

    @cached_property
    def athena(self) -> Any:
        """A client of Athena."""
        return self.server.client("athena")

    def crawl(self) -> dict[str, int]:
        """Run the crawler and return how many tables it created, updated and deleted."""
        glue = self.server.client("glue")
        glue.start_crawler(Name="lab")
        while glue.get_crawler(Name="lab")["Crawler"]["State"] != "READY":
            time.sleep(0.1)
        last = glue.get_crawler(Name="lab")["Crawler"]["LastCrawl"]
        assert last["Status"] == "SUCCEEDED", last
        metrics = glue.get_crawler_metrics(CrawlerNameList=["lab"])["CrawlerMetricsList"][0]
        return {name: metrics[f"Tables{name}"] for name in ("Created", "Updated", "Deleted")}

    def ask(self, sql: str) -> list[list[str]]:
        """Ask Athena."""
        athena = self.athena
        asked = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": DATABASE},
            ResultConfiguration={"OutputLocation": f"s3://{CURATED}/_results/"},
        )["QueryExecutionId"]
        while (state := athena.get_query_execution(QueryExecutionId=asked)["QueryExecution"]["Status"])[
            "State"
        ] not in ("SUCCEEDED", "FAILED"):
            time.sleep(0.05)
        assert state["State"] == "SUCCEEDED", state
        rows = athena.get_query_results(QueryExecutionId=asked)["ResultSet"]["Rows"][1:]
        return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows]

    def days(self, dataset: str) -> list[str]:
        """Return the partitions that the catalog has."""
        pages = self.server.client("glue").get_paginator("get_partitions")
        found = pages.paginate(DatabaseName=DATABASE, TableName=dataset)
        return sorted(partition["Values"][0] for page in found for partition in page["Partitions"])

    def table(self, name: str) -> dict[str, Any]:
        """Return a table of the catalog."""
        found: dict[str, Any] = self.server.client("glue").get_table(DatabaseName=DATABASE, Name=name)["Table"]
        return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogLab]:
    """A lake, the job, and a control plane over one state folder."""
    with job_lab(tmp_path_factory.mktemp("catalog")) as job, run_server(job.stack.home) as server:
        glue = server.client("glue")
        glue.create_database(DatabaseInput={"Name": DATABASE})
        output = {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}
        grouping = {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 3}
        glue.create_crawler(
            Name="lab",
            Role="arn:aws:iam::000000000000:role/crawler",
            DatabaseName=DATABASE,
            Targets={"S3Targets": [{"Path": f"s3://{CURATED}/data/"}]},
            SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
            Configuration=json.dumps({"Version": 1.0, "CrawlerOutput": output, "Grouping": grouping}),
        )
        yield CatalogLab(replace(job, catalog=server.url), server)


def put_days(lab: CatalogLab, dataset: str, **more: Any) -> None:
    """Put a contract with comments, a first file with a rejected row, and run job and crawler."""
    contract = small_contract(dataset, description="Small rows.", **more)
    for column in contract["columns"]:
        column["comment"] = f"What {column['name']} means."
    lab.job.put_contract(dataset, contract)
    lab.job.upload(dataset, "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\nz,x,1,2024-01-02\n")
    assert lab.job.run(dataset, "first") == ""
    assert lab.job.report(dataset, "first")["catalog"] == {
        "tables": [], "added": 0, "removed": 0, "described": 0, "problem": ""
    }  # fmt: skip
    assert lab.crawl()["Created"] == 2


def test_new_partition_shows_at_once_and_the_crawler_changes_nothing(lab: CatalogLab) -> None:
    """Athena sees a new day after the job alone; the crawler then reports nothing created, changed or deleted."""
    put_days(lab, "days")
    lab.job.upload("days", "b.csv", HEAD + b"c,3,1,2024-01-03\nc,x,1,2024-01-03\n")
    assert lab.job.run("days", "second") == ""
    assert lab.ask("SELECT k, day FROM days ORDER BY k") == [
        ["a", "2024-01-01"], ["b", "2024-01-02"], ["c", "2024-01-03"]
    ]  # fmt: skip
    assert lab.ask("SELECT count(*) FROM days_quarantine") == [["2"]]
    assert lab.crawl() == {"Created": 0, "Updated": 0, "Deleted": 0}
    assert lab.days("days") == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_partition_without_rows_leaves_the_catalog(lab: CatalogLab) -> None:
    """A rejected delivery's own day is taken out of the catalog with its object."""
    put_days(lab, "leaves")
    late = lab.job.upload("leaves", "b.csv", HEAD + b"c,3,1,2024-01-09\n")
    assert lab.job.run("leaves", "second") == ""
    lab.job.reject(late)
    assert lab.job.run("leaves", "third") == ""
    assert lab.days("leaves") == ["2024-01-01", "2024-01-02"]
    done = lab.job.report("leaves", "third")["catalog"]
    assert (done["added"], done["removed"]) == (1, 2)  # the key decides no day here: the quarantine is made anew, too
    assert lab.crawl() == {"Created": 0, "Updated": 0, "Deleted": 0}


def test_descriptions_are_written_where_none_stand(lab: CatalogLab) -> None:
    """Table and columns are described from the contract; what a person wrote there stays, also after a crawl."""
    put_days(lab, "described")
    glue, table = lab.server.client("glue"), lab.table("described")
    table["StorageDescriptor"]["Columns"][0]["Comment"] = "A person's words."
    kept = ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    glue.update_table(DatabaseName=DATABASE, TableInput={name: table[name] for name in kept})
    assert lab.job.run("described", "second") == ""
    assert lab.crawl() == {"Created": 0, "Updated": 0, "Deleted": 0}
    table = lab.table("described")
    comments = [column.get("Comment") for column in table["StorageDescriptor"]["Columns"]]
    assert comments == ["A person's words.", "What n means.", "What version means."]
    assert table["PartitionKeys"][0]["Comment"] == "What day means." and table["Description"] == "Small rows."
    quarantine = lab.table("described_quarantine")
    assert all(column["Comment"] for column in quarantine["StorageDescriptor"]["Columns"])
    assert lab.job.report("described", "second")["catalog"]["described"] == 2


def test_failed_registration_is_made_up_for_by_the_next_run(lab: CatalogLab, tmp_path: Path) -> None:
    """A catalog that does not answer costs nothing that was published; a run with nothing new registers it."""
    put_days(lab, "later")
    lab.job.upload("later", "b.csv", HEAD + b"c,3,1,2024-01-03\n")
    down = lab.job.run_process("later", "second", AWS_ENDPOINT_URL_GLUE="http://127.0.0.1:9")
    assert down.returncode == 0, down.stderr[-2000:]
    report = lab.job.report("later", "second")
    assert report["status"] == "published" and "127.0.0.1:9" in report["catalog"]["problem"]
    assert "the catalog is not up to date" in down.stdout and lab.days("later") == ["2024-01-01", "2024-01-02"]
    assert lab.job.run("later", "third") == ""
    assert lab.job.report("later", "third")["status"] == "unchanged"
    assert lab.days("later") == ["2024-01-01", "2024-01-02", "2024-01-03"]
