"""What a process that stands ready does before there is a run: load packages and classes, and rehearse the last run.

job_process.py executes this file by its path; it imports nothing of this project either. A script that brings a
`rehearsal.py` beside it in the lake has that rehearsed: `rehearse(arguments, bucket, folder)` is called with the last
run's arguments and a bucket that Spark finds in a scratch folder.
"""

import importlib
import importlib.util
import os
import py_compile
import runpy
import shutil
import sys
import traceback
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

PACKAGES = ("boto3", "numpy", "pandas", "pyarrow", "pyspark.sql.functions", "awsglue.utils", "email.utils")
# Reading text, splitting, casting, ranking, as cleaning jobs do.
LINE = "concat(id % 300, ', name ', id % 7, ' ,', id % 97, '.5,2024-0', id % 3 + 1, '-03') AS value"
QUERY = """
SELECT key, name, score, day, date_format(day, 'yyyy-MM') AS month FROM (
  SELECT *, row_number() OVER (PARTITION BY key ORDER BY day DESC) AS place FROM (
    SELECT trim(f[0]) AS key, initcap(trim(f[1])) AS name, try_cast(f[2] AS DECIMAL(9,2)) AS score,
           to_date(trim(f[3]), 'yyyy-MM-dd') AS day, sha2(value, 256) AS hash,
           CASE WHEN f[2] RLIKE '^[0-9.]+$' THEN array() ELSE array('score') END AS problems
    FROM (SELECT split(regexp_replace(value, '[ ]+', ' '), ',') AS f, value FROM lines))
  WHERE size(problems) = 0 AND key IS NOT NULL)
WHERE place = 1 ORDER BY month, key
"""


def warm_up(wanted: dict[str, Any]) -> None:
    """Load what jobs use, in a Spark session of its own: the script makes its own, as on Glue.

    Nothing is left of it but loaded and compiled classes, and a context that is as a new one (job_context.py).

    Args:
        wanted: `work`, and `rehearsal`: `code` (a folder) and `arguments`, where the script brings one.
    """
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError:  # a script that needs it will say so
            continue
    from pyspark.sql import SparkSession

    work, bucket = Path(wanted["work"]), f"rehearsal-{token_hex(8)}"
    scratch = work / "rehearsal" / "lake"
    scratch.mkdir(parents=True, exist_ok=True)
    keeper = runpy.run_path(str(Path(__file__).with_name("job_context.py")))["ContextKeeper"]()
    spark = SparkSession.builder.getOrCreate()
    keeper.note(spark)
    hadoop, mount = spark._jsc.hadoopConfiguration(), f"fs.viewfs.mounttable.{bucket}.linkFallback"
    hadoop.set(mount, f"lake://{quote(str(scratch))}")
    rehearsed = False
    try:
        if rehearsal := wanted.get("rehearsal"):
            _rehearse(rehearsal, bucket, str(scratch), vars(spark._jvm))
            _keep_compiled(Path(rehearsal["code"]), work / "python")
        else:
            _run_query(spark, f"s3://{bucket}")
        rehearsed = True
    except Exception:  # what is not warm is slower, and nothing else
        traceback.print_exc()
    finally:
        hadoop.unset(mount)
        keeper.close(spark, rehearsed)
        _forget(spark)
        shutil.rmtree(work / "rehearsal", ignore_errors=True)


def _run_query(spark: Any, place: str) -> None:
    lines = spark.range(400).selectExpr(LINE)
    lines.repartition(2).write.mode("overwrite").text(f"{place}/text")
    spark.read.text(f"{place}/text").createOrReplaceTempView("lines")
    spark.sql(QUERY).write.mode("overwrite").partitionBy("month").parquet(f"{place}/table")
    table = spark.read.parquet(f"{place}/table")
    table.groupBy("month").agg({"score": "avg", "key": "count"}).collect()
    table.selectExpr("input_file_name() AS f").groupBy("f").count().collect()


def _rehearse(rehearsal: dict[str, Any], bucket: str, scratch: str, view: dict[str, Any]) -> None:
    """Call the script's rehearsal, and forget its modules, path and environment: the run may bring others.

    Args:
        view: the attributes of PySpark's view of the JVM; what is added to them is forgotten, too.
    """
    before, environment, path, seen = set(sys.modules), dict(os.environ), list(sys.path), dict(view)
    sys.path.insert(0, rehearsal["code"])
    try:
        importlib.import_module("rehearsal").rehearse(rehearsal["arguments"], bucket, scratch)
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environment)
        view.clear()
        view.update(seen)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(rehearsal["code"]):
                del sys.modules[name]


def _keep_compiled(code: Path, path: Path) -> None:
    """Put the compiled modules where the run's import looks for them; it takes one whose source has the same hash."""
    for source in code.glob("*.py"):
        target = str(path / source.name)
        compiled = importlib.util.cache_from_source(target)
        py_compile.compile(str(source), compiled, target, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def _forget(spark: Any) -> None:
    """Forget what Hadoop and boto3 keep of a closed session, and give the heap back."""
    jvm = spark._jvm
    jvm.org.apache.spark.util.Utils.setLogLevel(jvm.org.apache.logging.log4j.Level.WARN)  # the JVM has one for all
    type(spark).builder._options.clear()
    jvm.org.apache.hadoop.fs.FileSystem.closeAll()
    jvm.System.gc()
    _renew_session()


def _renew_session() -> None:
    """Give boto3 a session that has read no settings yet; it keeps the services' descriptions, which are parsed."""
    boto3: Any = sys.modules.get("boto3")
    if boto3 and boto3.DEFAULT_SESSION:
        core = boto3.DEFAULT_SESSION._session
        renewed = type(core)()
        renewed.register_component("data_loader", core.get_component("data_loader"))
        boto3.DEFAULT_SESSION = boto3.Session(botocore_session=renewed)
