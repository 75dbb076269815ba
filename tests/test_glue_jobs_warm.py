"""The Spark process that stands ready: it serves one run, only a run that it fits, and leaves nothing behind."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.glue.job_attempt import Attempt, Standby
from local_aws.glue.job_preparation import Wanted, add_script, prepare_launch, read_wanted
from local_aws.glue.job_sessions import end_leftovers
from local_aws.glue.job_warm import WarmSpark
from local_aws.glue.spark_archive import SETTING, UNUSED_SECONDS, archive_flags, archive_path, remove_unused
from local_aws.server.context import Context, open_context

JOB = {
    "Name": "job",
    "CreatedOn": 1.0,
    "Command": {"Name": "glueetl", "ScriptLocation": "s3://curated/_code/job.py"},
    "GlueVersion": "5.1",
}
SCRIPT = """
import os, sys
from pyspark.sql import SparkSession
import helper
spark = SparkSession.builder.appName("mine").getOrCreate()
assert spark.sparkContext.appName == "mine" and spark.catalog.listTables() == []
spark.range(5).write.mode("overwrite").parquet("s3://curated/out/")
print(f"{helper.WORD} {sys.argv[1:3]} {os.getcwd() == os.environ['HOME']}")
spark._jvm.System.err.println("the JVM was here")
"""
REHEARSAL = """
import os, random, sys
import boto3
from pyspark.sql import SparkSession
import helper
def rehearse(arguments, bucket, folder):
    spark = SparkSession.builder.getOrCreate()
    spark.range(5).write.parquet(f"s3://{bucket}/out/")
    rows = spark.read.parquet(f"s3://{bucket}/out/").count()
    os.environ |= {"LEFT": sys.argv[0], "AWS_DEFAULT_REGION": "rehearsed-1"}
    boto3.client("glue", aws_access_key_id="rehearsed", aws_secret_access_key="rehearsed")
    spark._jvm.java = "rehearsed"
    print("rehearsed", helper.WORD, arguments[0].rpartition("/")[2], os.path.isdir(f"{folder}/out"), rows)
"""
FORGOTTEN = """
import os, sys
assert "rehearsal" not in sys.modules and "LEFT" not in os.environ
import boto3
os.environ["AWS_DEFAULT_REGION"] = "other-1"
assert boto3.client("s3", aws_access_key_id="a", aws_secret_access_key="b").meta.region_name == "other-1"
import helper
assert helper.WORD == "other" and "rehearsal" not in " ".join(sys.path)
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
assert spark._jvm.java.lang.Integer.valueOf("7") == 7
settings = spark.sparkContext.getConf().getAll()
assert "rehearsal-" not in str(settings) and "warm-up" not in str(settings)
"""
ENDLESS = """
from pyspark.sql import SparkSession
def rehearse(arguments, bucket, folder):
    print("it begins", flush=True)
    SparkSession.builder.getOrCreate().range(10**14).selectExpr("sum(hash(id))").collect()
"""

KEPT_REHEARSAL = """
from pyspark.sql import SparkSession
def rehearse(arguments, bucket, folder):
    spark = SparkSession.builder.getOrCreate()
    sc = spark.sparkContext
    spark.range(3).createOrReplaceTempView("left")
    spark.range(3).cache().count()
    spark.sql("CREATE DATABASE left_database")
    spark.conf.set("spark.sql.shuffle.partitions", "77")
    sc.setJobGroup("left", "left")
    sc.setLogLevel("ERROR")
    sc._jvm.System.setProperty("context", str(sc._jsc.sc().startTime()))
    CHANGE
"""
KEPT_SCRIPT = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
assert spark.catalog.listTables() == [] and not spark.catalog.databaseExists("left_database")
assert spark.conf.get("spark.sql.shuffle.partitions") != "77" and sc.getLocalProperty("spark.jobGroup.id") is None
assert len(sc._jsc.getPersistentRDDs()) == 0 and sc._jsc.hadoopConfiguration().get("left") is None
assert sc.getCheckpointDir() is None and sc.listFiles == [] and "warm" not in sc.appName
assert spark.range(4).selectExpr("sum(id)").collect()[0][0] == 6
assert str(sc._jvm.org.apache.logging.log4j.LogManager.getRootLogger().getLevel()) == "WARN"
if sc._jvm.System.getProperty("context") == str(sc._jsc.sc().startTime()):
    print("the same context")
"""
# What else a rehearsal does, and whether the run may have its context.
CHANGES = {
    "pass": True,
    "sc._jsc.hadoopConfiguration().set('left', '1')": False,
    "sc._jsc.sc().conf().set('spark.left', '1')": False,
    "sc.setCheckpointDir(folder)": False,
    "sc.addFile(__file__)": False,
    "sc.range(3).map(str).collect()": False,
    "spark.stop()": False,
    "spark.stop(); SparkSession.builder.getOrCreate().range(3).count()": False,
}


@pytest.fixture
def context(home: Path) -> Iterator[Context]:
    """A control plane with a script in its lake."""
    (home / "lake" / "curated" / "_code").mkdir(parents=True)
    (home / "lake" / "curated" / "_code" / "job.py").write_text(SCRIPT)
    (home / "lake" / "curated" / "_code" / "helper.py").write_text("WORD = 'hello'")
    (home / "logs").mkdir(exist_ok=True)
    opened = open_context(home)
    yield opened
    opened.store.close()


@pytest.fixture
def warm(context: Context) -> Iterator[WarmSpark]:
    """A keeper that starts its process at once."""
    kept = WarmSpark(context, after=0.0)
    yield kept
    kept.close()
    assert end_leftovers(kept.mark) == 0


def wanted(context: Context, **arguments: str) -> Wanted:
    """Return what a run asks for."""
    told = {f"--{name.replace('_', '-')}": value for name, value in arguments.items()}
    return read_wanted(
        context, JOB, "jr_1", {"--extra-py-files": "s3://curated/_code/helper.py", "--WORD": "w", **told}
    )


def wait_until_ready(warm: WarmSpark) -> None:
    """Wait for the process that is being warmed up."""
    deadline = time.monotonic() + 120
    while not warm.is_ready() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert warm.is_ready()


def perform(context: Context, asked: Wanted, ready: Standby | None) -> tuple[str, str]:
    """Run the script; return the state and the run's log."""
    work = context.home / "jobs" / "jr_1"
    launched = ready.prepared if ready else prepare_launch(context, asked.launch, "jr_1", work)
    log = context.home / "logs" / "jr_1.log"
    attempt = Attempt("key", JOB, asked.arguments, log, 120.0)
    state, _ = attempt.perform(add_script(context, asked, launched), lambda: None, ready)
    attempt.clear()
    return state, log.read_text()


def test_a_ready_process_runs_the_script_like_a_cold_one(context: Context, warm: WarmSpark) -> None:
    """It has a session of its own, its modules, arguments and folder; what it and the JVM print is in the run's log."""
    asked = wanted(context)
    warm.want(asked)
    wait_until_ready(warm)
    ready = warm.take(asked.launch)
    assert ready is not None and warm.take(asked.launch) is None
    state, log = perform(context, asked, ready)
    assert state == "SUCCEEDED", log
    assert "hello ['--WORD', 'w'] True" in log and "the JVM was here" in log
    cold, other = perform(context, asked, None)
    assert cold == "SUCCEEDED" and "hello ['--WORD', 'w'] True" in other


def test_the_last_run_is_rehearsed_and_forgotten(context: Context, warm: WarmSpark) -> None:
    """What lies beside the script as rehearsal.py is called with the run's arguments; the run finds nothing of it."""
    (context.lake / "curated" / "_code" / "rehearsal.py").write_text(REHEARSAL)
    asked = wanted(context)
    warm.want(asked)
    wait_until_ready(warm)
    said = (context.home / "logs" / "warm-spark.log").read_text()
    assert "rehearsed hello job.py True 5" in said, said
    ready = warm.take(asked.launch)
    assert ready is not None
    work = ready.prepared.specification.parent
    assert not (work / "rehearsal").exists() and list((work / "python").rglob("helper.*.pyc"))  # of the older source
    (context.lake / "curated" / "_code" / "helper.py").write_text("WORD = 'other'")
    (context.lake / "curated" / "_code" / "job.py").write_text(FORGOTTEN)
    state, log = perform(context, asked, ready)
    assert state == "SUCCEEDED", log
    assert sorted(path.name for path in context.lake.rglob("*")) == [
        "_code",
        "curated",
        "helper.py",
        "job.py",
        "rehearsal.py",
    ]


def test_a_run_does_not_wait_for_a_rehearsal(context: Context, warm: WarmSpark) -> None:
    """A process that is warming up when a run comes is ended, and the run gets a cold one."""
    (context.lake / "curated" / "_code" / "rehearsal.py").write_text(ENDLESS)
    asked = wanted(context)
    warm.want(asked)
    log = context.home / "logs" / "warm-spark.log"
    deadline = time.monotonic() + 120
    while not (log.exists() and "it begins" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not warm.is_ready()
    assert warm.take(asked.launch) is None
    assert end_leftovers(warm.mark) == 0 and not list((context.home / "jobs").glob("warm-*"))


@pytest.mark.parametrize(("change", "kept"), CHANGES.items(), ids=CHANGES)
def test_the_context_of_a_rehearsal_is_kept_where_nobody_can_tell(
    context: Context, warm: WarmSpark, change: str, kept: bool
) -> None:
    """A rehearsal that changed settings, files or workers, and a script that asks for other settings, get a new one."""
    code = context.lake / "curated" / "_code"
    code.joinpath("rehearsal.py").write_text(KEPT_REHEARSAL.replace("CHANGE", change))
    code.joinpath("job.py").write_text(KEPT_SCRIPT)
    asked = wanted(context)
    warm.want(asked)
    wait_until_ready(warm)
    assert "Traceback" not in (context.home / "logs" / "warm-spark.log").read_text()  # the change was made
    for static, value in (("", ""), ("spark.sql.warehouse.dir", "/tmp"), ("spark.driver.maxResultSize", "7g")):
        if static:
            warm.want(asked)
            wait_until_ready(warm)
            code.joinpath("job.py").write_text(KEPT_SCRIPT.replace("builder", f'builder.config("{static}", "{value}")'))
        ready = warm.take(asked.launch)
        assert ready is not None
        (context.home / "logs" / "jr_1.log").unlink(missing_ok=True)
        state, log = perform(context, asked, ready)
        assert state == "SUCCEEDED", log
        assert ("the same context" in log) == (kept and not static), log
        if not kept:
            return


def test_only_a_run_that_fits_is_served(context: Context, warm: WarmSpark) -> None:
    """Another property, another bucket or an archive on the path gets a cold process, and the ready one is released."""
    asked = wanted(context)
    assert asked.launch.fingerprint(context) == wanted(context, OTHER="x").launch.fingerprint(context)
    assert asked.launch.fingerprint(context) != wanted(context, conf="spark.mine=1").launch.fingerprint(context)
    assert wanted(context, extra_py_files="s3://curated/_code/z.zip").launch.archives
    warm.want(asked)
    wait_until_ready(warm)
    (context.lake / "another").mkdir()
    assert warm.take(wanted(context).launch) is None
    assert end_leftovers(warm.mark) == 0 and not list((context.home / "jobs").glob("warm-*"))


def test_an_idle_process_is_released(context: Context) -> None:
    """Nobody wanted it for long enough: it is gone, with its folder."""
    kept = WarmSpark(context, after=0.0, idle=0.5)
    kept.want(wanted(context))
    deadline = time.monotonic() + 30
    while not list((context.home / "jobs").glob("warm-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    while list((context.home / "jobs").glob("warm-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list((context.home / "jobs").glob("warm-*")) and end_leftovers(kept.mark) == 0
    kept.close()


def test_off_is_off(context: Context, warm: WarmSpark, monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKBENCH_SPARK_WARM=off starts nothing."""
    monkeypatch.setenv("WORKBENCH_SPARK_WARM", "off")
    warm.want(wanted(context))
    assert warm.take(wanted(context).launch) is None and not list((context.home / "jobs").glob("warm-*"))


def test_archives_that_take_turns_stay(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two environments each keeps its archive; one that nobody used for a fortnight is removed; use is noted."""
    monkeypatch.setenv(SETTING, str(tmp_path))
    ours, other, old = archive_path(home), tmp_path / "other.jsa", tmp_path / "old.jsa"
    for path in (ours, other, old):
        path.write_bytes(b"x")
        os.utime(path, times=(time.time() - UNUSED_SECONDS - 60,) * 2)
    os.utime(other)
    assert f"-XX:SharedArchiveFile={ours}" in archive_flags(home, tmp_path / "classes")
    assert time.time() - ours.stat().st_mtime < 60
    remove_unused(ours)
    assert sorted(tmp_path.glob("*.jsa")) == sorted([ours, other])
    remove_unused(other)
    assert ours.exists()
