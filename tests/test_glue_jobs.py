"""Job runs with real Spark: what a run's state says, what a script is given, and what is left behind."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_aws.errors import ServiceError
from local_aws.glue.job_operations import JobOperations
from local_aws.glue.job_runs import STOPPED_WITH_STACK
from local_aws.glue.job_sessions import RUN_MARK
from local_aws.glue.spark_archive import archive_flags
from local_aws.server.context import Context, open_context

Json = dict[str, Any]
Define = Callable[..., None]

COMMAND = {"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": "s3://curated/_code/job.py"}
ACTIVE = ("STARTING", "RUNNING", "STOPPING")

WORKING = """
import json, os, sys
from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
import helper, zipped

options = getResolvedOptions(sys.argv, ["JOB_NAME", "RAW_BUCKET", "WORD"])
spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv(f"s3://{options['RAW_BUCKET']}/in/", header=True, schema="id int, name string")
greet = udf(lambda name: helper.greet(name), "string")
rows.select("id", greet("name").alias("greeting")).coalesce(1).write.mode("overwrite").parquet("s3://curated/out/")
names = [os.path.basename(rows.inputFiles()[0]), zipped.NAME, open("extra.txt").read()]
environment = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "WORKBENCH_"))}
conf = spark.sparkContext.getConf()
report = {"options": options, "argv": sys.argv[1:], "names": names, "environment": environment}
report |= {"zone": spark.conf.get("spark.sql.session.timeZone"), "mine": conf.get("spark.mine"), "cwd": os.getcwd()}
open(os.environ["TMPDIR"] + "/../../../report.json", "w").write(json.dumps(report))
print("the script was here")
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder whose path holds what a URI escapes."""
    folder = tmp_path / "my größter home 100%"
    folder.mkdir()
    return folder


@pytest.fixture
def context(home: Path) -> Iterator[Context]:
    """A control plane with two buckets."""
    for bucket in ("raw", "curated"):
        (home / "lake" / bucket).mkdir(parents=True)
    opened = open_context(home)
    yield opened
    opened.store.close()


@pytest.fixture
def operations(context: Context) -> Iterator[JobOperations]:
    """The operations on it; a Timeout's minute lasts two seconds."""
    made = JobOperations(context, seconds_per_minute=2.0)
    yield made
    made.close()


@pytest.fixture
def define(context: Context, operations: JobOperations) -> Define:
    """Put a script into the lake and define the job that runs it."""

    def put_job(script: str, **members: Any) -> None:
        put(context, "curated/_code/job.py", script)
        operations.create_job({"Name": "job", "Role": "r", "Command": COMMAND, **members})

    return put_job


def put(context: Context, place: str, text: str) -> None:
    path = context.lake / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def wait(operations: JobOperations, run_id: str, until: Callable[[Json], bool]) -> Json:
    """Return the run when `until` is true of it, or fail after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        run: Json = operations.get_job_run({"JobName": "job", "RunId": run_id})["JobRun"]
        if until(run):
            return run
        time.sleep(0.02)
    raise AssertionError(f"the run is still {run['JobRunState']}")


def ended(run: Json) -> bool:
    return run["JobRunState"] not in ACTIVE


def running(run: Json) -> bool:
    return bool(run["JobRunState"] == "RUNNING")


def perform(operations: JobOperations, **members: Any) -> Json:
    """Start a run and wait for its end."""
    run_id = operations.start_job_run({"JobName": "job", **members})["JobRunId"]
    return wait(operations, run_id, ended)


def processes_of(run_id: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_MARK) == run_id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_success(context: Context, operations: JobOperations, define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run reads and writes the lake by s3:// with its arguments, modules and files, and knows no way out."""
    monkeypatch.setenv("AWS_PROFILE", "outside")
    put(context, "raw/in/a.csv", "id,name\n1,Ann\n2,Bob\n")
    put(context, "curated/_code/helper.py", "def greet(name): return f'hello {name}'\n")
    put(context, "curated/_code/extra.txt", "extra")
    with zipfile.ZipFile(context.lake / "curated/_code/more.zip", "w") as archive:
        archive.writestr("zipped.py", "NAME = 'zipped'\n")
    defaults = {
        "--RAW_BUCKET": "raw",
        "--WORD": "default",
        "--extra-py-files": "s3://curated/_code/helper.py,s3://curated/_code/more.zip",
        "--extra-files": "s3://curated/_code/extra.txt",
        "--conf": "spark.mine=1",
        "--enable-metrics": "true",
        "--TempDir": "s3://curated/_tmp/",
    }
    define(WORKING, DefaultArguments=defaults)
    run = perform(operations, Arguments={"--WORD": "given"})
    log = Path(run["LogGroupName"]).read_text()
    assert (run["JobRunState"], run.get("ErrorMessage")) == ("SUCCEEDED", None), log
    assert "the script was here" in log and "Traceback" not in log
    assert "without effect here: --enable-metrics" in log
    _check_report(context, run)
    written = sorted(path.name for path in (context.lake / "curated/out").iterdir())
    assert written[0] == "_SUCCESS" and len(written) == 2 and written[1].endswith(".parquet")
    assert list((context.home / "jobs").iterdir()) == []
    assert processes_of(run["Id"]) == []


def _check_report(context: Context, run: Json) -> None:
    import json

    report = json.loads((context.home / "report.json").read_text())
    assert report["options"]["WORD"] == "given"
    assert report["names"] == ["a.csv", "zipped", "extra"]
    pairs = dict(zip(report["argv"][::2], report["argv"][1::2], strict=True))
    assert pairs.keys() == {"--RAW_BUCKET", "--WORD", "--TempDir", "--JOB_ID", "--JOB_RUN_ID", "--JOB_NAME"}
    assert (pairs["--JOB_RUN_ID"], pairs["--JOB_NAME"]) == (run["Id"], "job")
    assert (report["zone"], report["mine"]) == ("UTC", "1")
    assert report["environment"]["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert report["environment"]["AWS_CONFIG_FILE"] == os.devnull
    assert "AWS_PROFILE" not in report["environment"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise ValueError('bad score: 7')", "ValueError: bad score: 7"),
        ("import sys; sys.exit('nothing to do')", "SystemExit: nothing to do"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(4)", "the script ended with code 4: see "),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the run's process was killed by signal 9"),
        ("def broken(:", "SyntaxError: invalid syntax"),
    ],
)
def test_failure_carries_the_exceptions_text(
    operations: JobOperations, define: Define, script: str, message: str
) -> None:
    """Whatever ends a script other than code 0 makes the run FAILED, with the exception's own words."""
    define(script)
    run = perform(operations)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(message)
    assert processes_of(run["Id"]) == []


def test_spark_errors_are_one_line(operations: JobOperations, define: Define) -> None:
    """Of an exception inside a Python worker, deep in Spark's own, the worker's words are what is shown."""
    define(
        "from pyspark.sql import SparkSession\n"
        "from pyspark.sql.functions import udf\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "try:\n    spark.read.parquet('s3://raw/none/')\n"
        "except Exception as error:\n    print(type(error).__name__, str(error).splitlines()[0])\n"
        "spark.range(3).select(udf(lambda n: 1 // (n - 1))('id')).collect()\n"
    )
    run = perform(operations)
    log = Path(run["LogGroupName"]).read_text()
    assert run["ErrorMessage"] == "PythonException: ZeroDivisionError: integer division or modulo by zero"
    assert "AnalysisException [PATH_NOT_FOUND] Path does not exist: s3://raw/none" in log


def test_exit_with_zero_is_success(operations: JobOperations, define: Define) -> None:
    """sys.exit(0) is an end like any other."""
    define("import sys; sys.exit(0)")
    assert perform(operations)["JobRunState"] == "SUCCEEDED"


def test_missing_script(operations: JobOperations, define: Define, context: Context) -> None:
    """A script that is not in the lake makes the run FAILED and is named."""
    define("pass")
    (context.lake / "curated/_code/job.py").unlink()
    run = perform(operations)
    assert run["JobRunState"] == "FAILED"
    assert "s3://curated/_code/job.py does not exist" in run["ErrorMessage"]


SLEEPING = """
import time
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(1).count()
time.sleep(120)
"""


def test_concurrency_and_stop(operations: JobOperations, define: Define) -> None:
    """A second run is refused while one is under way; stopping it leaves none of its processes."""
    define(SLEEPING)
    run_id = operations.start_job_run({"JobName": "job"})["JobRunId"]
    with pytest.raises(ServiceError, match=f"at most 1; {run_id} is under way") as caught:
        operations.start_job_run({"JobName": "job"})
    assert caught.value.code == "ConcurrentRunsExceededException"
    wait(operations, run_id, running)
    assert len(processes_of(run_id)) >= 2
    answer = operations.batch_stop_job_run({"JobName": "job", "JobRunIds": [run_id, "jr_none"]})
    assert answer["SuccessfulSubmissions"] == [{"JobName": "job", "JobRunId": run_id}]
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert wait(operations, run_id, ended)["JobRunState"] == "STOPPED"
    assert processes_of(run_id) == []


def test_timeout(operations: JobOperations, define: Define) -> None:
    """A run that takes longer than its Timeout is ended as TIMEOUT."""
    define("import time; time.sleep(60)")
    run = perform(operations, Timeout=2)
    assert (run["JobRunState"], run["Timeout"]) == ("TIMEOUT", 2)
    assert "longer than its Timeout" in run["ErrorMessage"]
    assert processes_of(run["Id"]) == []


def test_retries(context: Context, operations: JobOperations, define: Define) -> None:
    """MaxRetries starts a failed run again, under an id that tells the attempt."""
    define(
        f"import os\nif os.path.exists({str(context.home / 'once')!r}): raise SystemExit(0)\n"
        f"open({str(context.home / 'once')!r}, 'w').close()\nraise OSError('try again')",
        MaxRetries=1,
    )
    first = perform(operations)
    second = wait(operations, f"{first['Id']}_attempt_1", ended)
    assert (first["JobRunState"], first["ErrorMessage"]) == ("FAILED", "OSError: try again")
    assert (second["JobRunState"], second["Attempt"], second["PreviousRunId"]) == ("SUCCEEDED", 1, first["Id"])
    assert [run["Id"] for run in operations.get_job_runs({"JobName": "job"})["JobRuns"]] == [second["Id"], first["Id"]]


@pytest.mark.slow
def test_archive_is_built_once_and_used(
    context: Context, operations: JobOperations, define: Define, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first run that loads enough of Spark leaves an archive of its classes, with which the next one starts."""
    monkeypatch.setenv("WORKBENCH_SPARK_ARCHIVE", str(tmp_path / "archive"))
    put(context, "raw/in/a.csv", "id,name\n1,Ann\n2,Bob\n")
    define(READING)
    assert perform(operations)["JobRunState"] == "SUCCEEDED"
    deadline = time.monotonic() + 400
    while not (built := list((tmp_path / "archive").glob("*.jsa"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    flags = archive_flags(context.home, tmp_path / "classes.lst")
    assert flags[0] == f"-XX:SharedArchiveFile={built[0]}"
    run = perform(operations)
    assert run["JobRunState"] == "SUCCEEDED"
    assert "Java" not in Path(run["LogGroupName"]).read_text()


READING = """
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F
spark = SparkSession.builder.getOrCreate()
rows = spark.read.csv("s3://raw/in/", header=True, schema="id int, name string")
numbered = rows.withColumn("n", F.row_number().over(Window.partitionBy("id").orderBy("name")))
numbered.repartition("id").write.mode("overwrite").partitionBy("id").parquet("s3://curated/out/")
spark.read.parquet("s3://curated/out/").groupBy("name").agg(F.count_distinct("n"), F.avg("n")).collect()
"""

KILLED = """
import os, pathlib, sys, time
from local_aws.glue.job_operations import JobOperations
from local_aws.server.context import open_context
operations = JobOperations(open_context(pathlib.Path(sys.argv[1])))
run_id = operations.start_job_run({"JobName": "job"})["JobRunId"]
while operations.get_job_run({"JobName": "job", "RunId": run_id})["JobRun"]["JobRunState"] != "RUNNING":
    time.sleep(0.05)
print(run_id, flush=True)
os.kill(os.getpid(), 9)
"""


def test_killed_control_plane(context: Context, operations: JobOperations, define: Define) -> None:
    """When the control plane is killed its runs' processes end by themselves; the next one writes FAILED and why."""
    define(SLEEPING)
    command = [sys.executable, "-c", KILLED, str(context.home)]
    run_id = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert run_id.startswith("jr_")
    deadline = time.monotonic() + 20
    while processes_of(run_id) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(run_id) == []
    again = JobOperations(context)
    run = again.get_job_run({"JobName": "job", "RunId": run_id})["JobRun"]
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", STOPPED_WITH_STACK)
    assert not (context.home / "jobs" / run_id).exists()
    again.close()


def test_close_fails_what_is_under_way(context: Context, operations: JobOperations, define: Define) -> None:
    """An orderly stop of the control plane ends runs as FAILED, without a retry."""
    define("import time; time.sleep(60)", MaxRetries=2)
    run_id = operations.start_job_run({"JobName": "job"})["JobRunId"]
    wait(operations, run_id, running)
    operations.close()
    (run,) = operations.get_job_runs({"JobName": "job"})["JobRuns"]
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", STOPPED_WITH_STACK)
    assert processes_of(run_id) == []
