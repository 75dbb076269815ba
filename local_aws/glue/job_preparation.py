"""The work folder of a job run: script and files from the lake, configuration, and what job_process.py is told."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
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

REHEARSAL = "rehearsal.py"


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


@dataclass(frozen=True)
class Wanted:
    """What a run asks of its process; `launch` alone decides whether a process that is ready already fits."""

    job: Mapping[str, Any]
    run_id: str
    arguments: Mapping[str, str]
    parts: RunArguments
    launch: "Launch"


@dataclass(frozen=True)
class Launch:
    """How a process is launched, whatever it then runs: JVM, Spark's properties, single modules or also archives."""

    options: JvmOptions
    properties: Mapping[str, str]
    archives: bool

    def fingerprint(self, context: Context) -> str:
        """Return what two launches have in common that may stand for each other: mounts, heap, compiler, packages."""
        nowhere = Path("/work")
        told = [
            spark_properties(context.lake, nowhere, self.options, self.properties),
            java_command(nowhere / "conf", self.options, []),
            process_environment(context.home, context.region, nowhere, []),
            sys.version,
        ]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def with_c2(self) -> "Launch":
        """The same for a process that stands ready: C2 has the time for what a cold small run would only pay for."""
        return replace(self, options=replace(self.options, compiler="C2"))


def read_wanted(context: Context, job: Mapping[str, Any], run_id: str, arguments: Mapping[str, str]) -> Wanted:
    """Take a run's arguments apart and choose its JVM. Raises ServiceError for a bad --conf."""
    parts = take_apart(job, run_id, arguments)
    options = choose_jvm_options(reachable_bytes(context.lake, arguments, SMALL_INPUT_BYTES))
    archives = not all(uri.endswith(".py") for uri in parts.py_files)
    return Wanted(job, run_id, arguments, parts, Launch(options, parts.properties, archives))


def prepare_launch(context: Context, launch: Launch, mark: str, work: Path) -> Prepared:
    """Fill the work folder of a process, all but for the script. Raises LakeError.

    Where one that stands ready has C2 for a small run, its compiler gives way to that run's own threads.
    """
    for folder in ("", "tmp", "local", "python"):
        (work / folder).mkdir(mode=0o700, parents=True)
    flags = archive_flags(context.home, work / "classes.lst")
    conf = write_configuration(work, spark_properties(context.lake, work, launch.options, launch.properties))
    specification = {
        "work": str(work),
        "java": java_command(conf, launch.options, flags),
        "result": str(work / "result.json"),
        "compiler_gives_way": launch.options.collector == "Serial",
    }
    (work / "specification.json").write_text(json.dumps(specification), encoding="utf-8")
    environment = process_environment(context.home, context.region, work, [work, work / "python"])
    return Prepared(
        specification=work / "specification.json",
        environment={**environment, MARK: str(context.home), RUN_MARK: mark},
        result=work / "result.json",
        recording=any("DumpLoadedClassList" in flag for flag in flags),
        description="",
    )


def add_rehearsal(context: Context, wanted: Wanted, launched: Prepared) -> None:
    """Bring what job_rehearsal.py rehearses: the modules of a script that has a rehearsal.py beside it in the lake.

    Where one of them is not in the lake any more, there is no rehearsal.
    """
    parts = wanted.parts
    code = launched.specification.parent / "rehearsal" / "code"
    code.mkdir(parents=True)
    try:
        for uri in (f"{parts.script.rpartition('/')[0]}/{REHEARSAL}", parts.script, *parts.py_files):
            copy_object(context.lake, uri, code)
    except LakeError:
        return
    specification = json.loads(launched.specification.read_text(encoding="utf-8"))
    specification["rehearsal"] = {"code": str(code), "arguments": [parts.script, *parts.argv]}
    launched.specification.write_text(json.dumps(specification), encoding="utf-8")


def add_script(context: Context, wanted: Wanted, launched: Prepared) -> Prepared:
    """Bring the script and its files into the work folder. Raises LakeError where one is not in the lake."""
    work, parts = launched.specification.parent, wanted.parts
    script = copy_object(context.lake, parts.script, work)
    python_path = [work, *(copy_object(context.lake, uri, work / "python") for uri in parts.py_files)]
    for uri in parts.files:
        copy_object(context.lake, uri, work)
    specification = json.loads(launched.specification.read_text(encoding="utf-8"))
    specification |= {"script": str(script), "argv": parts.argv}
    launched.specification.write_text(json.dumps(specification), encoding="utf-8")
    importable = os.pathsep.join(str(path) for path in _importable(python_path))
    return replace(
        launched,
        environment={**launched.environment, "PYTHONPATH": importable},
        description=_describe(wanted.job, wanted.run_id, parts, wanted.launch.options, wanted.arguments),
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
