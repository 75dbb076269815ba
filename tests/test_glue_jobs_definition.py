"""Definitions of jobs and their arguments; no run is started here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.errors import ServiceError
from local_aws.glue.job_arguments import merge_arguments, reachable_bytes, take_apart
from local_aws.glue.job_operations import JobOperations
from local_aws.glue.job_process import error_line
from local_aws.glue.spark import (
    SMALL_INPUT_BYTES,
    choose_jvm_options,
    java_command,
    java_home,
    process_environment,
    spark_properties,
)
from local_aws.server.context import open_context

COMMAND = {"Name": "glueetl", "ScriptLocation": "s3://curated/_code/job.py"}
JOB = {"Name": "job", "Role": "r", "Command": COMMAND}


@pytest.fixture
def operations(home: Path) -> Iterator[JobOperations]:
    """The operations on an empty state folder."""
    context = open_context(home)
    made = JobOperations(context)
    yield made
    made.close()
    context.store.close()


def test_definition_is_kept_and_replaced(operations: JobOperations) -> None:
    """A job has Glue's defaults; an update replaces the whole definition and keeps the time of its creation."""
    operations.create_job({**JOB, "Description": "first", "MaxRetries": 2})
    created = operations.get_job({"JobName": "job"})["Job"]
    assert (created["GlueVersion"], created["Timeout"], created["MaxRetries"]) == ("5.1", 480, 2)
    operations.update_job({"JobName": "job", "JobUpdate": {"Role": "r", "Command": COMMAND, "Timeout": 5}})
    updated = operations.get_job({"JobName": "job"})["Job"]
    assert (updated["Timeout"], updated["MaxRetries"], "Description" in updated) == (5, 0, False)
    assert updated["CreatedOn"] == created["CreatedOn"]


def test_lists_and_batches(operations: JobOperations) -> None:
    """Jobs are listed in pages, and a batch names what is not there."""
    for name in ("b", "a"):
        operations.create_job({**JOB, "Name": name})
    assert [job["Name"] for job in operations.get_jobs({})["Jobs"]] == ["a", "b"]
    first = operations.list_jobs({"MaxResults": 1})
    assert first["JobNames"] == ["a"]
    assert operations.list_jobs({"NextToken": first["NextToken"]}) == {"JobNames": ["b"]}
    assert operations.batch_get_jobs({"JobNames": ["a", "x"]})["JobsNotFound"] == ["x"]
    operations.delete_job({"JobName": "a"})
    operations.delete_job({"JobName": "a"})
    assert operations.list_jobs({})["JobNames"] == ["b"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"GlueVersion": "4.0"}, "only 5.1"),
        ({"Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/k"}}, "only glueetl"),
        ({"Command": {"Name": "glueetl", "ScriptLocation": "/tmp/job.py"}}, "must be s3://"),
        ({"Command": {**COMMAND, "PythonVersion": "2"}}, "must be 3"),
        ({"JobMode": "NOTEBOOK"}, "only SCRIPT"),
        ({"DefaultArguments": {"--extra-jars": "s3://b/a.jar"}}, "--extra-jars is not supported"),
        ({"DefaultArguments": {"--job-bookmark-option": "job-bookmark-enable"}}, "no bookmarks"),
        ({"DefaultArguments": {"--job-language": "scala"}}, "only Python"),
        ({"DefaultArguments": {"--extra-py-files": "helper.py"}}, "no s3:// location"),
        ({"DefaultArguments": {"--conf": "surprise"}}, "no spark.name=value"),
    ],
)
def test_what_would_not_run_is_refused(operations: JobOperations, members: dict[str, Any], message: str) -> None:
    """A definition that could not run here as it says is an error at once, and names what is wrong."""
    with pytest.raises(ServiceError, match=message) as caught:
        operations.create_job({**JOB, **members})
    assert caught.value.code == "InvalidInputException"


def test_missing_names(operations: JobOperations) -> None:
    """Jobs and runs that are not there, and a job that is there twice, are told as Glue tells them."""
    for call in (operations.get_job, operations.start_job_run, operations.get_job_runs):
        with pytest.raises(ServiceError, match="Job none not found") as caught:
            call({"JobName": "none"})
        assert caught.value.code == "EntityNotFoundException"
    operations.create_job(JOB)
    with pytest.raises(ServiceError, match="already exists"):
        operations.create_job(JOB)
    with pytest.raises(ServiceError, match="Job run jr_1 not found"):
        operations.get_job_run({"JobName": "job", "RunId": "jr_1"})


def test_arguments_are_merged_and_split() -> None:
    """The run's arguments go over the job's, the non-overridable ones over both; Glue's own do not reach the script."""
    job = {**JOB, "CreatedOn": 1.0, "DefaultArguments": {"--a": "1", "--b": "1", "--enable-metrics": "true"}}
    merged = merge_arguments({**job, "NonOverridableArguments": {"--b": "3"}}, {"--a": "2", "--b": "2"})
    parts = take_apart(job, "jr_1", {**merged, "--conf": "spark.a=1 --conf spark.b=x=y", "--JOB_NAME": "forged"})
    assert parts.properties == {"spark.a": "1", "spark.b": "x=y"}
    assert parts.argv[:4] == ["--a", "2", "--b", "3"]
    assert parts.argv[4::2] == ["--JOB_ID", "--JOB_RUN_ID", "--JOB_NAME"]
    assert parts.argv[-1] == "job"


def test_reachable_bytes_follow_the_arguments(home: Path) -> None:
    """The input is estimated from the buckets and prefixes that arguments name, narrowed by folders others name."""
    for key, size in {"raw/d1/a": 10, "raw/d2/a": 100, "curated/x": 1000}.items():
        path = home / "lake" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    lake = home / "lake"
    assert reachable_bytes(lake, {"--RAW": "raw"}, 10**6) == 110
    assert reachable_bytes(lake, {"--RAW": "raw", "--DATASET": "d1"}, 10**6) == 10
    assert reachable_bytes(lake, {"--RAW": "s3://raw/d2/", "--OUT": "s3://curated/"}, 10**6) == 1100
    assert reachable_bytes(lake, {"--WORD": "../raw", "--N": "7", "--E": ""}, 10**6) == 0


def test_jvm_fits_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small input gets the quick compiler and the serial collector, a large one the opposite; memory can be set."""
    small, large = choose_jvm_options(0), choose_jvm_options(SMALL_INPUT_BYTES)
    assert {"-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:+UseSerialGC"} <= set(small.flags)
    assert "-XX:TieredStopAtLevel=1" not in large.flags and "-XX:+UseParallelGC" in large.flags
    monkeypatch.setenv("WORKBENCH_SPARK_MEMORY", "3g")
    assert "-Xmx3g" in choose_jvm_options(0).flags


def test_a_named_jvm_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKBENCH_JAVA_HOME names the JVM of a run, in its command and in its environment."""
    monkeypatch.setenv("WORKBENCH_JAVA_HOME", str(home / "jdk"))
    java_home.cache_clear()
    try:
        assert java_command(home / "conf", choose_jvm_options(0), [])[0] == str(home / "jdk" / "bin" / "java")
        assert process_environment(home, "us-east-1", home / "work", [])["JAVA_HOME"] == str(home / "jdk")
    finally:
        java_home.cache_clear()


def test_every_bucket_is_mounted(home: Path) -> None:
    """Each folder of the lake is a mount of s3:// and s3a://; hidden ones are none."""
    for name in ("raw", "my.bucket", ".hidden"):
        (home / "lake" / name).mkdir(parents=True)
    properties = spark_properties(home / "lake", home / "work", choose_jvm_options(0), {"spark.x": "1"})
    mounts = sorted(name for name in properties if "mounttable" in name)
    assert mounts == [f"spark.hadoop.fs.viewfs.mounttable.{name}.linkFallback" for name in ("my.bucket", "raw")]
    assert properties["spark.x"] == "1"


class Py4JJavaError(Exception):
    """Has the name and the text of Py4J's."""


def test_error_line_finds_the_cause() -> None:
    """Of a Java stack trace the last cause is shown, without one the exception, else the first line of the text."""
    text = "An error occurred while calling o1.save.\n: org.apache.spark.SparkException: Job aborted.\n\tat x\n"
    assert error_line(Py4JJavaError(text)) == "Py4JJavaError: org.apache.spark.SparkException: Job aborted."
    caused = text + "Caused by: java.io.IOException: No space left on device\n\t... 3 more\n"
    assert error_line(Py4JJavaError(caused)) == "Py4JJavaError: java.io.IOException: No space left on device"
    assert error_line(KeyError("a")) == "KeyError: 'a'"
    assert error_line(ValueError("\n first\nsecond")) == "ValueError: first"
    assert error_line(ValueError()) == "ValueError"
