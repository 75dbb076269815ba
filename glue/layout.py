"""Lay rows out: keep them for several uses, rank the versions of a key, order what is written.

These decide what Spark's plans cost: docs/adr/0026-job-speed.md has the measurements.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import transform
from pyspark.sql import DataFrame, SparkSession

Contract = Mapping[str, Any]

VERSION, PLACE = "_version", "_place"
# Of raw text to one task behind the shuffle: as rows it is about three times as much, which a task must sort.
BYTES_PER_TASK = 48 << 20
# So many partitions a run writes at once; more are sorted by partition first, which costs more.
OPEN_PARTITIONS = 64
HASH_SEED = 42  # of the SQL function xxhash64
ADAPTIVE, WRITERS = "spark.sql.adaptive.enabled", "spark.sql.maxConcurrentOutputFileWriters"


def keep_shuffled(cleaned: DataFrame, contract: Contract, size: int) -> DataFrame:
    """Return the rows laid out by what they are ranked by, so that they are read and cleaned once.

    Every use reads the shuffle's files: Spark skips the stage that wrote them. Neither a cache nor localCheckpoint does
    that without a copy of all rows in the heap. Where the key decides the partition, rows are laid out by partition,
    which serves ranking and writing alike; otherwise by key.

    Args:
        size: bytes of the objects that the rows come from.
    """
    session = cleaned.sparkSession
    by = [contract["partition"]] if transform.is_aligned(contract) else contract["key"]
    tasks = max(2 * session.sparkContext.defaultParallelism, size // BYTES_PER_TASK)
    spread = cleaned.repartition(tasks, *by)
    sql = session._jvm.org.apache.spark.sql  # type: ignore[union-attr]
    adaptive = session.conf.get(ADAPTIVE)
    session.conf.set(ADAPTIVE, "false")  # an adaptive plan would not say how its rows are laid out
    try:
        rows = spread._jdf.queryExecution().toRdd()
        plan = _object(sql.execution, "LogicalRDD").fromDataset(rows, spread._jdf, False)
        return DataFrame(sql.Dataset.ofRows(session._jsparkSession, plan), session)
    finally:
        session.conf.set(ADAPTIVE, str(adaptive))


def hash_names(spark: SparkSession, frames: Sequence[DataFrame]) -> dict[int, str]:
    """Return the names of the files behind these frames by what each row has of them (transform.FILE).

    Raises:
        ValueError: two files have the same hash.
    """
    names = [name for frame in frames for name in frame.inputFiles()]
    spark_java: Any = spark._jvm.org.apache.spark  # type: ignore[union-attr]
    # What the SQL function xxhash64 calls: a query would cost more, and Python workers more than all else in here.
    hash_value = _object(spark_java.sql.catalyst.expressions, "XxHash64Function").hash
    make_text, text = spark_java.unsafe.types.UTF8String.fromString, _object(spark_java.sql.types, "StringType")
    hashes = {int(hash_value(make_text(name), text, HASH_SEED)): name for name in names}
    if len(hashes) != len(set(names)):
        raise ValueError("the names of two raw objects have the same hash: ingest one of them under another name")
    return hashes


def _object(package: Any, name: str) -> Any:
    """Return what Scala calls an object."""
    return getattr(getattr(package, f"{name}$"), "MODULE$")


def rank_versions(rows: DataFrame, contract: Contract, tasks: int | None, by_partition: bool = False) -> DataFrame:
    """Rank the rows of each key over a total order of their content, so that the same rows give the same winner.

    The contract's ordering decides, then every other column. `_version` is 1 for the row that is kept. A row equal to
    it in every column of the contract has `_place` 1 as well (a duplicate); any other is superseded.

    Where the key decides the partition, one shuffle serves ranking and writing; otherwise the writer needs its own.

    Args:
        tasks: of the shuffle; None where the rows lie as `keep_shuffled` lays them.
        by_partition: whether the rows of one partition must follow each other. Without it they are sorted by key at
            once, which compares the first bytes of keys, where by partition nearly all of those are the same.
    """
    own = [column["name"] for column in contract["columns"] if not column.get("added")]
    added = [column["name"] for column in contract["columns"] if column.get("added")]
    first = [
        f"`{o['column']}` {'DESC NULLS LAST' if o['descending'] else 'ASC NULLS FIRST'}" for o in contract["ordering"]
    ]
    ordered = [entry["column"] for entry in contract["ordering"]]
    rest = [f"`{name}` ASC NULLS FIRST" for name in own if name not in ordered and name not in contract["key"]]
    last = [f"`{name}` ASC NULLS LAST" for name in added]  # of equal rows, one that has the later column
    keys = list(contract["key"])
    shuffled: DataFrame = transform.select_columns(rows, [*own, *added])
    if transform.is_aligned(contract):
        keys = [contract["partition"], *keys] if by_partition else [*keys, contract["partition"]]
        if tasks:
            shuffled = shuffled.repartition(tasks, contract["partition"])
    window = f"PARTITION BY {', '.join(f'`{k}`' for k in dict.fromkeys(keys))} ORDER BY "
    version, place = (", ".join([*first, *rest, *more] or ["1"]) for more in (last, []))
    return shuffled.selectExpr(
        "*", f"row_number() OVER ({window}{version}) AS {VERSION}", f"rank() OVER ({window}{place}) AS {PLACE}"
    )


def keep_winners(ranked: DataFrame, contract: Contract, tasks: int) -> DataFrame:
    """Return the kept rows as the table has them, those of one partition in one task and sorted by key."""
    names = [column["name"] for column in transform.table_columns(contract)]
    kept: DataFrame = transform.select_columns(ranked.where(f"{VERSION} = 1"), names)
    if transform.is_aligned(contract):
        return kept
    return kept.repartition(tasks, contract["partition"]).sortWithinPartitions(contract["partition"], *contract["key"])


def escape_pattern(key: str) -> str:
    """Escape what Hadoop would take for a pattern."""
    return "".join(f"\\{sign}" if sign in "*?[]{}\\" else sign for sign in key)


def key_of(path: str, bucket: str) -> str:
    """Return the key of a file as Spark names it: an encoded URI."""
    return unquote(path).removeprefix(f"s3://{bucket}/")
