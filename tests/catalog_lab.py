"""A lake with the job over it and a control plane beside it, for tests: catalog, crawler and Athena."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from control_plane import Server, run_server
from job_lab import CURATED, JobLab, job_lab

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

    def empty(self) -> "CatalogLab":
        """Delete all objects and tables, for tests that share the lake; return the lab."""
        self.job.empty()
        glue = self.server.client("glue")
        for page in glue.get_paginator("get_tables").paginate(DatabaseName=DATABASE):
            for table in page["TableList"]:
                glue.delete_table(DatabaseName=DATABASE, Name=table["Name"])
        return self


@contextlib.contextmanager
def catalog_lab(folder: Path) -> Iterator[CatalogLab]:
    """Start S3, the job's lake and a control plane over one state folder."""
    with job_lab(folder) as job, run_server(job.stack.home) as server:
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
