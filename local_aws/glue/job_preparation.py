"""The work folder of a job run: script and files from the lake, configuration, and what job_process.py is told."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.errors import LakeError
from local_aws.glue.job_arguments import CONSUMED, RunArguments, reachable_bytes, take_apart
from local_aws.glue.job_sessions import RUN_MARK
from local_aws.glue.spark import (
    SMALL_INPUT_BYTES,
    JvmOptions,
    choose_jvm_options,
    java_command,
    process_environment,
    spark_properties,
    write_configuration,
)
from local_aws.glue.spark_archive import archive_flags
from local_aws.processes import MARK
from local_aws.server.context import Context


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start: what to tell its process, its environment, and where its result will be.

    `recording` tells that its JVM writes a list of classes, which is whole only when it has ended by itself.
    """

    specification: Path
    environment: dict[str, str]
    result: Path
    recording: bool
    description: str


def prepare_run(
    context: Context, job: Mapping[str, Any], run_id: str, arguments: Mapping[str, str], work: Path
) -> Prepared:
    """Fill the run's work folder. Raises LakeError where a file is not in the lake, ServiceError for a bad --conf."""
    parts = take_apart(job, run_id, arguments)
    for folder in ("", "tmp", "local", "python"):
        (work / folder).mkdir(mode=0o700, parents=True)
    script = copy_object(context.lake, parts.script, work)
    python_path = [work, *(copy_object(context.lake, uri, work / "python") for uri in parts.py_files)]
    for uri in parts.files:
        copy_object(context.lake, uri, work)
    options = choose_jvm_options(reachable_bytes(context.lake, arguments, SMALL_INPUT_BYTES))
    flags = archive_flags(context.home, work / "classes.lst")
    conf = write_configuration(work, spark_properties(context.lake, work, options, parts.properties))
    specification = {
        "script": str(script),
        "argv": parts.argv,
        "work": str(work),
        "java": java_command(conf, options, flags),
        "result": str(work / "result.json"),
    }
    (work / "specification.json").write_text(json.dumps(specification), encoding="utf-8")
    environment = process_environment(context.home, context.region, work, _importable(python_path))
    return Prepared(
        specification=work / "specification.json",
        environment={**environment, MARK: str(context.home), RUN_MARK: run_id},
        result=work / "result.json",
        recording=any("DumpLoadedClassList" in flag for flag in flags),
        description=_describe(job, run_id, parts, options, arguments),
    )


def copy_object(lake: Path, uri: str, folder: Path) -> Path:
    """Copy an object of the lake into `folder` under its last name."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    names = key.split("/")
    if not uri.startswith("s3://") or not bucket or bucket.startswith(".") or {"", ".", ".."} & set(names):
        raise LakeError(f"{uri!r} is no s3://bucket/key of a file")
    source = lake.joinpath(bucket, *names)
    if not source.is_file():
        raise LakeError(f"{uri} does not exist: put it there, or correct the job's definition")
    target = folder / names[-1]
    shutil.copyfile(source, target)
    return target


def _importable(paths: list[Path]) -> list[Path]:
    """What goes on PYTHONPATH: archives themselves, the folder of single modules."""
    return list(dict.fromkeys(path.parent if path.suffix == ".py" else path for path in paths))


def _describe(
    job: Mapping[str, Any], run_id: str, parts: RunArguments, options: JvmOptions, arguments: Mapping[str, str]
) -> str:
    """The first line of the run's log; argument values may be private, so only names are in it."""
    without_effect = sorted(CONSUMED & arguments.keys())
    return (
        f"job {job['Name']}, run {run_id}: {parts.script}, {os.cpu_count()} cores, heap {options.heap}, "
        f"{options.compiler}" + (f"; without effect here: {', '.join(without_effect)}" if without_effect else "")
    )
