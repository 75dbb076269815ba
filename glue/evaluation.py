"""Start Spark for a run, with the settings of this job, and choose how expressions are evaluated.

docs/adr/0012-job-and-publication.md and 0026-job-speed.md have the reasons.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Of this session alone; the first three for the JVM's compiler's sake (docs/adr/0012-job-and-publication.md).
SESSION = {
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.PushProjectionThroughUnion",
    "spark.sql.optimizer.inSetConversionThreshold": "2",
    # Days before 1582 are those of today's calendar, as everyone but an old Spark counts them.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.sources.ignoreDataLocality": "true",  # objects have none, and asking for it is a process for each file
}
# Of less, expressions are evaluated one by one, and a query is planned once: compiling them, and planning anew behind
# each shuffle, take longer than they can save.
SMALL_BYTES = 1 << 20
# What PySpark asks the JVM for again and again; it remembers nothing of that, and the JVM looks through all jars.
ASKED_NAMES = ("functions", "PythonUtils", "SparkSession", "SparkSession$", "System", "java", "org", "py4j")
TASKS = "spark.sql.files.minPartitionNum"  # for files that are alike, at least; one for each core if it is not set
REHEARSED = "workbench.rehearsed"  # a property of the JVM: the contract and code that it has run (rehearsal.py)


def start_spark(size: int) -> "SparkSession":
    """Start Spark with the job's settings: a JVM only starts where there is something to do.

    Args:
        size: bytes of the raw objects to read and of the table.
    """
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    java: Any = spark._jvm
    for name in ASKED_NAMES:
        setattr(java, name, getattr(java, name))
    spark.sparkContext.setLogLevel("ERROR")  # or it warns of every header that is spelt in another way
    spark.conf.unset(TASKS)  # a session may be an earlier run's
    for name, value in {**SESSION, **choose_execution(size)}.items():
        spark.conf.set(name, value)
    return spark


def is_rehearsed(spark: "SparkSession", expressions: str) -> bool:
    """Tell whether this JVM has analysed these expressions before, the contract's rules among them."""
    return bool(spark._jvm.System.getProperty(REHEARSED) == expressions)  # type: ignore[union-attr]


def name_expressions(contract_sha256: str, code_sha256: str) -> str:
    """Return what tells the expressions of a run from those of another."""
    return f"{contract_sha256} {code_sha256}"


def choose_execution(size: int) -> dict[str, str]:
    """Return the settings by which Spark compiles expressions and plans behind shuffles, or, for few bytes, does not.

    Of few bytes, files that are alike also go into one task: what a task costs is more than the work in it.
    """
    few = size < SMALL_BYTES
    return {
        "spark.sql.codegen.wholeStage": "false" if few else "true",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN" if few else "FALLBACK",
        "spark.sql.adaptive.enabled": "false" if few else "true",
        **({TASKS: "1"} if few else {}),
    }
