"""Crawl what the job wrote into the Data Catalog, and describe the dataset's table as the catalog has it."""

import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from botocore.exceptions import ClientError

from helpers.config import StepConfig
from helpers.errors import StepError
from helpers.objects import list_objects, read_json
from helpers.progress import ProgressLine
from helpers.record import step_entry
from helpers.session import Session, open_session

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

_TABLE_ROWS = 10


@dataclass(frozen=True)
class CatalogTable:
    """The curated table as the catalog has it, and as the job reported it.

    Attributes:
        columns: name -> type, the partition's last.
        comments: column -> what the catalog says of it.
        reported: rows that the last job report counted.
    """

    name: str
    columns: dict[str, str]
    comments: dict[str, str]
    partition_columns: tuple[str, ...]
    partitions: int
    reported: int

    @property
    def schema(self) -> str:
        """The columns by type, a paragraph each: a table of them would be cut, or longer than ten lines."""
        names: dict[str, list[str]] = {}
        for name, kind in self.columns.items():
            names.setdefault(kind, []).append(f"{name} (partition)" if name in self.partition_columns else name)
        width = max(map(len, names), default=0) + 2
        indent = " " * width
        return "\n".join(
            textwrap.fill(", ".join(found), 100, initial_indent=kind.ljust(width), subsequent_indent=indent)
            for kind, found in names.items()
        )

    @property
    def summary(self) -> pd.DataFrame:
        """What the catalog holds of the table."""
        rows = [
            ["columns", len(self.columns)],
            ["of them partition columns", len(self.partition_columns)],
            ["registered partitions", self.partitions],
            ["rows, as the job reported them", self.reported],
        ]
        return pd.DataFrame(rows, columns=[f"the catalog's {self.name}", "number"])


@step_entry
def crawl_table(cfg: StepConfig) -> CatalogTable:
    """Run the crawler over what the job wrote and return the dataset's table as the catalog has it then.

    Raises:
        StepError: step 02 has not run, or the crawler failed.
    """
    session = open_session(cfg.profile)
    report = read_last_report(session, cfg)
    glue: GlueClient = session.client("glue")
    name = session.outputs.crawler
    with ProgressLine(f"crawler {name}") as progress:
        while True:
            _wait_until_ready(session, progress)
            try:
                glue.start_crawler(Name=name)
                break
            except glue.exceptions.CrawlerRunningException:
                pass  # another's: it may have listed before our partitions were there, so ours follows it
        _wait_until_ready(session, progress)
    last = glue.get_crawler(Name=name)["Crawler"].get("LastCrawl", {})
    if last.get("Status") != "SUCCEEDED":
        raise StepError(f"crawler {name} ended {last.get('Status')}: {last.get('ErrorMessage', 'no message')}")
    return _describe_table(session, cfg, report)


def read_last_report(session: Session, cfg: StepConfig) -> dict[str, Any]:
    """Return the newest job report of the dataset."""
    s3, bucket = session.client("s3"), session.outputs.curated_bucket
    reports = list_objects(s3, bucket, f"_reports/{cfg.dataset}/")
    newest = max(reports, key=lambda found: (found.modified, found.key), default=None)
    report = read_json(s3, bucket, newest.key) if newest else None
    if report is None:
        raise StepError(f"s3://{bucket}/_reports/{cfg.dataset}/ holds no report: run 02_transform for it first")
    return report


def _wait_until_ready(session: Session, progress: ProgressLine) -> None:
    glue: GlueClient = session.client("glue")
    while (state := glue.get_crawler(Name=session.outputs.crawler)["Crawler"]["State"]) != "READY":
        progress.say(state)
        time.sleep(session.poll_seconds * 2)
    progress.say("READY")


def _why_no_table(dataset: str, report: dict[str, Any]) -> str:
    """Say why there is nothing to query: the job kept no row, or the crawler did not see what it wrote."""
    rows = report["rows"]
    if rows["curated"]:
        return f"the crawler made no table {dataset}: run 02_transform for it again"
    unreadable = [f"{file['key'].rpartition('/')[2]} ({file['reason']})" for file in report["unreadable_files"]]
    causes = [f"unreadable: {', '.join(unreadable[:3])}"] if unreadable else []
    causes += [f"{rows['quarantined']} rows quarantined"] if rows["quarantined"] else []
    said = "; ".join(causes) or "there were none"
    return f"02_transform kept no row of {dataset} ({said}): compare the raw files with its contract.yaml"


def _describe_table(session: Session, cfg: StepConfig, report: dict[str, Any]) -> CatalogTable:
    glue: GlueClient = session.client("glue")
    database = session.outputs.database
    try:
        table = glue.get_table(DatabaseName=database, Name=cfg.dataset)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        raise StepError(_why_no_table(cfg.dataset, report)) from error
    keys = table.get("PartitionKeys", [])
    every = [*table["StorageDescriptor"]["Columns"], *keys]
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=cfg.dataset)
    return CatalogTable(
        name=cfg.dataset,
        columns={column["Name"]: column["Type"] for column in every},
        comments={column["Name"]: column["Comment"] for column in every if column.get("Comment")},
        partition_columns=tuple(key["Name"] for key in keys),
        partitions=sum(len(page["Partitions"]) for page in pages),
        reported=int(report["rows"]["curated"]),
    )
