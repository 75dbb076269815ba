"""Start Spark for a run, with the settings of this job, and choose how expressions are evaluated.

docs/adr/0012-job-and-publication.md and 0026-job-speed.md have the reasons.
"""

from typing import TYPE_CHECKING

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
}
SMALL_BYTES = 1 << 20  # of less, evaluating expressions one by one takes less time than compiling them
# From so many bytes Spark plans anew behind each shuffle; of less, that takes longer than it can save.
ADAPTIVE_BYTES = 1 << 20
REHEARSED = "workbench.rehearsed"  # a property of the JVM: the contract and code that it has compiled (rehearsal.py)


def start_spark(size: int, expressions: str) -> "SparkSession":
    """Start Spark with the job's settings: a JVM only starts where there is something to do.

    Args:
        size: bytes of the raw objects to read and of the table.
        expressions: what `name_expressions` says of the run.
    """
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")  # or it warns of every header that is spelt in another way
    compiled = is_rehearsed(spark, expressions)
    for name, value in {**SESSION, **choose_evaluation(size, compiled), **choose_planning(size)}.items():
        spark.conf.set(name, value)
    return spark


def is_rehearsed(spark: "SparkSession", expressions: str) -> bool:
    """Tell whether this JVM has analysed and compiled these expressions before, the contract's rules among them."""
    return bool(spark._jvm.System.getProperty(REHEARSED) == expressions)  # type: ignore[union-attr]


def name_expressions(contract_sha256: str, code_sha256: str) -> str:
    """Return what tells the expressions of a run from those of another."""
    return f"{contract_sha256} {code_sha256}"


def choose_evaluation(size: int, compiled: bool) -> dict[str, str]:
    """Return the settings by which Spark compiles its expressions, or, for so few bytes, does not."""
    if size < SMALL_BYTES and not compiled:
        return {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    return {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}


def choose_planning(size: int) -> dict[str, str]:
    """Return the setting by which Spark plans a query once, or, where there is more, anew behind each shuffle."""
    return {"spark.sql.adaptive.enabled": "true" if size >= ADAPTIVE_BYTES else "false"}
