"""What a job's arguments mean: which Glue consumes, which reach the script, and which this stack refuses.

After "Using job parameters in AWS Glue jobs" in the Glue developer guide. docs/glue-jobs.md shows the table.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.errors import ServiceError

Arguments = Mapping[str, str]

# Settings of Glue's own machinery (logs, metrics, scaling) that change no result: consumed, without effect here.
CONSUMED = frozenset(
    {
        "--enable-metrics",
        "--enable-observability-metrics",
        "--enable-continuous-cloudwatch-log",
        "--enable-continuous-log-filter",
        "--continuous-log-logGroup",
        "--continuous-log-logStreamPrefix",
        "--continuous-log-conversionPattern",
        "--custom-logGroup-prefix",
        "--custom-logStream-prefix",
        "--enable-spark-ui",
        "--spark-event-logs-path",
        "--enable-job-insights",
        "--enable-auto-scaling",
        "--enable-glue-datacatalog",
        "--executor-cores",
        "--enable-s3-parquet-optimized-committer",
    }
)
HONOURED = frozenset({"--extra-py-files", "--extra-files", "--conf", "--scriptLocation"})
OURS = frozenset({"--JOB_NAME", "--JOB_ID", "--JOB_RUN_ID"})

REFUSED = {
    "--additional-python-modules": "no package is installed at a job's start: use --extra-py-files",
    "--python-modules-installer-option": "no package is installed at a job's start: use --extra-py-files",
    "--extra-jars": "no other jars than Spark's own are loaded",
    "--user-jars-first": "no other jars than Spark's own are loaded",
    "--class": "only Python scripts run",
    "--datalake-formats": "Hudi, Delta and Iceberg need jars that are not installed",
    "--enable-data-lineage": "lineage is not recorded",
    "--enable-lakeformation-fine-grained-access": "there is no Lake Formation",
    "--write-shuffle-files-to-s3": "shuffle files stay in the run's work folder",
}


@dataclass(frozen=True)
class RunArguments:
    """A run's arguments, taken apart: paths are s3:// URIs, `properties` Spark's, `argv` what the script is given."""

    script: str
    py_files: list[str]
    files: list[str]
    properties: dict[str, str]
    argv: list[str]


def merge_arguments(job: Mapping[str, Any], run: Arguments) -> dict[str, str]:
    """Merge as Glue does: a job's defaults, over them the run's, over these the job's non-overridable ones."""
    return {**job.get("DefaultArguments", {}), **run, **job.get("NonOverridableArguments", {})}


def check_arguments(arguments: Arguments) -> None:
    """Raise InvalidInputException for the first argument that would need what is not there."""
    for name, value in arguments.items():
        if name in REFUSED:
            raise ServiceError("InvalidInputException", f"Argument {name} is not supported here: {REFUSED[name]}.")
        if name == "--job-language" and value.lower() != "python":
            raise ServiceError("InvalidInputException", f"Argument {name}={value}: only Python scripts run.")
        if name == "--job-bookmark-option" and value != "job-bookmark-disable":
            message = f"Argument {name}={value}: there are no bookmarks here; keep a ledger of what was read."
            raise ServiceError("InvalidInputException", message)
    for location in _locations(arguments):
        if not location.startswith("s3://"):
            raise ServiceError("InvalidInputException", f"{location!r} is no s3:// location.")
    dict(_properties(arguments.get("--conf", "")))


def take_apart(job: Mapping[str, Any], run_id: str, arguments: Arguments) -> RunArguments:
    """Split merged arguments into what Glue consumes and the script's argv (without the script's own name)."""
    consumed = CONSUMED | HONOURED | OURS
    passed = [part for name, value in arguments.items() if name not in consumed for part in (name, value)]
    job_id = "j_" + hashlib.sha256(f"{job['Name']} {job['CreatedOn']}".encode()).hexdigest()
    identity = ["--JOB_ID", job_id, "--JOB_RUN_ID", run_id, "--JOB_NAME", job["Name"]]
    return RunArguments(
        script=arguments.get("--scriptLocation") or job["Command"]["ScriptLocation"],
        py_files=_split(arguments.get("--extra-py-files", "")),
        files=_split(arguments.get("--extra-files", "")),
        properties=dict(_properties(arguments.get("--conf", ""))),
        argv=[*passed, *identity],
    )


def reachable_bytes(lake: Path, arguments: Arguments, limit: int) -> int:
    """Sum the files under every bucket or s3:// prefix that an argument names, stopping above `limit`.

    An estimate of the run's input, made before it starts; it only chooses how the JVM is tuned.
    """
    values = [value for name, value in arguments.items() if name not in HONOURED | CONSUMED]
    roots: set[Path] = set()
    for named in filter(None, (_prefix(lake, value) for value in values)):
        # --RAW_BUCKET with --DATASET: only the folders of the bucket that other arguments name.
        narrower = {named / value for value in values if value and "/" not in value and (named / value).is_dir()}
        roots |= narrower or ({named} if named.is_dir() else set())
    total = 0
    for root in roots:
        if any(parent in roots for parent in root.parents):
            continue
        for folder, _, files in os.walk(root):
            total += sum(_size(os.path.join(folder, name)) for name in files)
            if total > limit:
                return total
    return total


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:  # replaced or deleted meanwhile
        return 0


def _prefix(lake: Path, value: str) -> Path | None:
    """The folder of the lake that an argument's value names; None where it names none."""
    name = value.removeprefix("s3://").strip("/")
    bucket, *rest = name.split("/")
    if not bucket or bucket.startswith(".") or ".." in rest or (rest and not value.startswith("s3://")):
        return None
    return lake.joinpath(bucket, *rest) if (lake / bucket).is_dir() else None


def _locations(arguments: Arguments) -> Iterator[str]:
    yield from _split(arguments.get("--extra-py-files", ""))
    yield from _split(arguments.get("--extra-files", ""))
    yield from _split(arguments.get("--scriptLocation", ""))


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _properties(value: str) -> Iterator[tuple[str, str]]:
    """Read `a=1 --conf b=2`, the way in which one --conf argument carries several properties."""
    for part in filter(None, (part.strip() for part in value.split("--conf"))):
        name, equals, setting = part.partition("=")
        if not equals or not name.startswith("spark."):
            raise ServiceError("InvalidInputException", f"Argument --conf: {part!r} is no spark.name=value.")
        yield name.strip(), setting.strip()
