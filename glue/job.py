"""The Glue job: raw objects in, one table and its quarantine out. Glue 5.1 runs this very file.

    --DATASET --RUN_TOKEN --RAW_BUCKET --CURATED_BUCKET --DATABASE (and Glue's own --JOB_NAME)
    --extra-py-files transform.py, reading.py, raw_files.py, publication.py

It lists the dataset's raw objects, compares them with the ledger, and stops if nothing is new. Otherwise it reads and
cleans all of them, checks that no row was lost, publishes, and writes a report to _reports/<dataset>/<token>.json.
docs/data.md has the layout on S3, docs/adr/0012-job-and-publication.md the reasons.
"""

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import publication
import raw_files
import reading
import transform
from awsglue.utils import getResolvedOptions
from botocore.config import Config
from publication import Copy, Place, crash_point
from pyspark.sql import Observation
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ARGUMENTS = ["JOB_NAME", "DATASET", "RUN_TOKEN", "RAW_BUCKET", "CURATED_BUCKET", "DATABASE"]
QUARANTINE_SCHEMA = "file STRING, record BIGINT, line BIGINT, raw STRING, reasons ARRAY<STRING>"
NO_MARK = "mapreduce.fileoutputcommitter.marksuccessfuljobs"
# Of this session alone, for the sake of the JVM's compiler (docs/adr/0012-job-and-publication.md).
SESSION = {
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PushProjectionThroughUnion",
    "spark.sql.optimizer.inSetConversionThreshold": "2",
}
REPORTED = ("rows", "quarantined_by_reason", "unreadable_files", "unknown_columns", "columns")


class QualityGateError(Exception):
    """Too many rows are rejected; nothing was published."""


@dataclass(frozen=True)
class Run:
    """One run: what it reads, where it writes, by which contract and code."""

    source: reading.Source
    place: Place
    contract_sha256: str
    code_sha256: str
    started: float

    @property
    def contract(self) -> dict[str, Any]:
        """The compiled contract."""
        contract: dict[str, Any] = self.source.contract
        return contract


def open_run(arguments: list[str]) -> Run:
    """Read the arguments and the contract."""
    options: dict[str, str] = getResolvedOptions(arguments, ARGUMENTS)
    s3 = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 6}))
    place = Place(s3, options["CURATED_BUCKET"], options["DATASET"], options["RUN_TOKEN"])
    contract: dict[str, Any] = publication.read_json(s3, place.bucket, f"_contracts/{place.dataset}.json")
    digest = hashlib.sha256(json.dumps(contract, sort_keys=True).encode()).hexdigest()
    source = reading.Source(s3, options["RAW_BUCKET"], contract)
    return Run(source, place, digest, hash_code(), time.monotonic())


def hash_code() -> str:
    """Return the hash of the job's own modules: other code may make other rows of the same objects."""
    files = [__file__, *(module.__file__ for module in (transform, reading, raw_files, publication))]
    return hashlib.sha256(b"".join(Path(str(file)).read_bytes() for file in files)).hexdigest()


def main(arguments: list[str]) -> None:
    """Run the job."""
    run = open_run(arguments)
    whole = publication.recover(run.place)
    ledger = publication.read_ledger(run.place)
    listed = reading.list_raw(run.source)
    if whole and is_unchanged(run, ledger, listed):
        print(f"nothing new: {len(listed)} raw objects, contract and code are those of run {ledger['token']}")
        write_report(run, ledger, "unchanged")
        return
    from pyspark.sql import SparkSession  # a JVM starts only where there is something to do

    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")  # or it warns of every header that is spelt in another way
    for name, value in SESSION.items():
        spark.conf.set(name, value)
    found = reading.read_all(spark, run.source, listed)
    check_gate(run, found)
    written = publish_reading(spark, run, found, int(ledger["sequence"]) + 1)
    write_report(run, written, "published")
    publication.sweep(run.place)


def is_unchanged(run: Run, ledger: dict[str, Any], listed: dict[str, dict[str, Any]]) -> bool:
    """Tell whether the ledger's table is what this run would make."""
    if not ledger["sequence"]:
        return False
    if (ledger["contract_sha256"], ledger["code_sha256"]) != (run.contract_sha256, run.code_sha256):
        return False
    known = {entry["key"]: entry["etag"] for entry in ledger["objects"]}
    return bool(known == reading.etags(listed) and publication.is_intact(run.place, ledger))


def check_gate(run: Run, found: reading.Reading) -> None:
    """Refuse the data where more rows are rejected than the contract allows.

    Raises:
        QualityGateError: with the share and the most frequent reasons.
    """
    rows = sum(file.rows for file in found.files)
    limit = run.contract["quarantine_limit"]
    if len(found.rejects) > limit * rows:
        common = ", ".join(f"{reason} ({count})" for reason, count in found.count_reasons().most_common(5))
        raise QualityGateError(
            f"{len(found.rejects)} of {rows} rows of {run.place.dataset} are rejected, more than the {limit:.0%} that "
            f"its contract allows: {common}; correct the files, or raise quarantineLimit in the contract"
        )


def publish_reading(spark: "SparkSession", run: Run, found: reading.Reading, sequence: int) -> dict[str, Any]:
    """Write table and quarantine under _tmp/, check that no row was lost, publish, and return the ledger.

    Raises:
        LostRowsError: readable rows are not the sum of what became of them.
    """
    curated, lost = write_curated(spark, run, found)
    crash_point("written")
    quarantine = write_quarantine(spark, run, found)
    rows = {"readable": sum(file.rows for file in found.files), "curated": sum(copy.rows for copy in curated)}
    rows |= lost | {"quarantined": len(found.rejects)}
    if rows["readable"] != sum(count for name, count in rows.items() if name != "readable"):
        raise reading.LostRowsError(f"rows are unaccounted for: {rows}; nothing was published")
    ledger = {
        "schema": 1,
        "sequence": sequence,
        "dataset": run.place.dataset,
        "token": run.place.token,
        "contract_sha256": run.contract_sha256,
        "code_sha256": run.code_sha256,
        "rows": rows,
        "partitions": [{"key": copy.target, "rows": copy.rows, "bytes": copy.bytes} for copy in curated],
        "quarantine": [{"key": copy.target, "rows": copy.rows, "bytes": copy.bytes} for copy in quarantine],
        "columns": [{"name": c["name"], "type": c["type"]} for c in transform.table_columns(run.contract)],
    }
    ledger |= describe_reading(found)
    written: dict[str, Any] = publication.publish(run.place, curated + quarantine, ledger)
    return written


def describe_reading(found: reading.Reading) -> dict[str, Any]:
    """Return what the ledger keeps of a reading: raw objects, what they feed, what was wrong with them."""
    fed: dict[str, set[str]] = {}
    for count in found.counts:
        if not count["rejected"]:
            fed.setdefault(count["file"], set()).add(count["partition"])
    return {
        "quarantined_by_reason": dict(sorted(found.count_reasons().items())),
        "unreadable_files": [{"key": file.key, "reason": file.problem} for file in found.files if file.problem],
        "unknown_columns": sorted({name for file in found.files for name in file.unknown}),
        "objects": [
            {
                "key": file.key,
                "etag": file.etag,
                "bytes": file.bytes,
                "rows": file.rows,
                "partitions": sorted(fed.get(file.key, ())),
            }
            for file in found.files
        ],
    }


def write_curated(spark: "SparkSession", run: Run, found: reading.Reading) -> tuple[list[Copy], dict[str, int]]:
    """Write the kept rows by partition, one file each; count the others as duplicates or superseded."""
    if found.cleaned is None:
        return [], {"duplicates_removed": 0, "superseded": 0}
    partitions = {count["partition"] for count in found.counts if not count["rejected"]}
    tasks = max(1, min(len(partitions), 2 * spark.sparkContext.defaultParallelism))
    rows = found.cleaned.where(f"{transform.REASONS} IS NULL")
    ranked = transform.rank_versions(rows, run.contract, tasks)
    lost = Observation("lost")
    ranked = ranked.observe(
        lost,
        F.expr(f"count_if({transform.VERSION} > 1 AND {transform.PLACE} = 1)").alias("duplicates_removed"),
        F.expr(f"count_if({transform.PLACE} > 1)").alias("superseded"),
    )
    writer = transform.keep_winners(ranked, run.contract, tasks).write.mode("overwrite")
    writer.partitionBy(run.contract["partition"]).option(NO_MARK, "false").parquet(temporary(run, "curated"))
    copies = stage(spark, run, "curated", f"data/{run.place.dataset}/")
    return copies, {name: int(count) for name, count in lost.get.items()}


def write_quarantine(spark: "SparkSession", run: Run, found: reading.Reading) -> list[Copy]:
    """Write the rejected rows, and one for each file that cannot be read (without record, line and text)."""
    unreadable = [{"file": file.key, "reasons": [file.problem]} for file in found.files if file.problem]
    if not (found.rejects or unreadable):
        return []
    lines = "".join(json.dumps(reject) + "\n" for reject in [*found.rejects, *unreadable])
    key = f"{run.place.temporary}rejects.json"
    run.place.s3.put_object(Bucket=run.place.bucket, Key=key, Body=lines.encode())
    rows = spark.read.schema(QUARANTINE_SCHEMA).json(f"s3://{run.place.bucket}/{key}").coalesce(1)
    rows.write.mode("overwrite").option(NO_MARK, "false").parquet(temporary(run, "quarantine"))
    return stage(spark, run, "quarantine", f"data/{run.place.dataset}_quarantine/run_token={run.place.token}/")


def temporary(run: Run, name: str) -> str:
    """Return where Spark writes before anything is published."""
    return f"s3://{run.place.bucket}/{run.place.temporary}{name}"


def stage(spark: "SparkSession", run: Run, name: str, target: str) -> list[Copy]:
    """Describe what Spark wrote under `name` as copies to keys of our choice, with rows from the files' statistics.

    Raises:
        LostRowsError: a partition is not one file.
    """
    prefix = f"{run.place.temporary}{name}/"
    listed = publication.list_objects(run.place.s3, run.place.bucket, prefix)
    written = [entry for entry in listed if entry["key"].endswith(".parquet")]
    table = spark.read.parquet(temporary(run, name))
    schema = table.schema.simpleString()
    counted = table.groupBy(F.input_file_name()).count().collect()
    rows = {reading.key_of(path, run.place.bucket): int(count) for path, count in counted}
    copies = []
    for entry in written:
        if not rows.get(entry["key"]):
            continue  # a file without rows, which Spark writes where there are none at all
        folder = entry["key"].removeprefix(prefix).rpartition("/")[0]
        copies.append(
            Copy(
                source=entry["key"],
                source_etag=entry["etag"],
                target=f"{target}{folder + '/' if folder else ''}part-00000-of-00001.parquet",
                sha256=publication.hash_content(run.place, entry["key"], schema),
                bytes=entry["bytes"],
                rows=rows[entry["key"]],
            )
        )
    if len({copy.target for copy in copies}) != len(copies):
        raise reading.LostRowsError(f"{prefix} has a partition of more than one file; nothing was published")
    return copies


def write_report(run: Run, ledger: dict[str, Any], status: str) -> None:
    """Write the report of this run: the totals of the whole dataset, and what this run did (`status`)."""
    content = {
        "schema": 1,
        "dataset": run.place.dataset,
        "token": run.place.token,
        "status": status,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - run.started, 3),
        "objects": [{name: o[name] for name in ("key", "etag", "bytes", "rows")} for o in ledger["objects"]],
        "partitions": [{name: p[name] for name in ("key", "rows", "bytes")} for p in ledger["partitions"]],
        "quarantine": [entry["key"] for entry in ledger["quarantine"]],
    }
    content |= {name: ledger[name] for name in REPORTED}
    key = f"_reports/{run.place.dataset}/{run.place.token}.json"
    publication.write_json(run.place.s3, run.place.bucket, key, content)
    print(f"{status}: {ledger['rows']}; report: s3://{run.place.bucket}/{key}")


if __name__ == "__main__":
    main(sys.argv)
