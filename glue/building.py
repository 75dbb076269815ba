"""Build what a run publishes, under _tmp/: the partitions that changed, and its batch of the quarantine."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import increments
import layout
import publication
import reading
import transform
from cells import quote
from increments import Plan
from publication import Copy, Place
from pyspark.sql import Observation
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUARANTINE_SCHEMA = "file STRING, record BIGINT, line BIGINT, raw STRING, reasons ARRAY<STRING>, raw_base64 STRING"
LONGEST_TEXT = 2**31 - 1  # a record that a quote without an end makes may be all of a file
NO_MARK = "mapreduce.fileoutputcommitter.marksuccessfuljobs"
# Up to so many partitions of a run, lost rows are counted for each, so that one of them can be built anew later.
COUNTED_PARTITIONS = 2000
LOSSES = ("duplicates_removed", "superseded")
HISTOGRAM = "by partition"


@dataclass(frozen=True)
class Site:
    """Where and by which contract a run builds."""

    spark: "SparkSession"
    place: Place
    contract: Mapping[str, Any]

    def uri(self, key: str) -> str:
        """Return an object of the curated bucket as Spark addresses it."""
        return f"s3://{self.place.bucket}/{key}"

    def temporary(self, name: str) -> str:
        """Return where Spark writes before anything is published."""
        return self.uri(f"{self.place.temporary}{name}")


@dataclass(frozen=True)
class Built:
    """Partitions as built.

    Attributes:
        copies: what is to be published.
        affected: the partitions that were built; one without a copy has no rows left.
        lost: rows that lost to another, over all of `affected`.
        lost_by_partition: the same for each; empty where there were too many partitions to count.
    """

    copies: list[Copy]
    affected: frozenset[str]
    lost: dict[str, int]
    lost_by_partition: dict[str, dict[str, int]]


def build_partitions(
    site: Site, rows: "DataFrame | None", merged: Iterable[Mapping[str, Any]], affected: frozenset[str]
) -> Built:
    """Rank all versions of the rows and write those that are kept by partition, one file each.

    Args:
        rows: cleaned rows that are not in the table yet; None where there are none.
        merged: the ledger's entries of partitions whose published rows compete with them.
        affected: the partitions that are built.
    """
    entries = list(merged)
    if entries:
        earlier = read_published(site, entries)
        rows = earlier if rows is None else transform.select_columns(rows, earlier.columns).unionByName(earlier)
    if rows is None:
        return Built([], affected, dict.fromkeys(LOSSES, 0), {})
    tasks = max(1, min(len(affected), 2 * site.spark.sparkContext.defaultParallelism))
    by_partition = len(affected) > layout.OPEN_PARTITIONS
    site.spark.conf.set(layout.WRITERS, "0" if by_partition else str(layout.OPEN_PARTITIONS))
    lost = Observation("lost")
    countable = transform.is_aligned(site.contract) and len(affected) <= COUNTED_PARTITIONS
    names = sorted(affected) if countable else []
    ranked = layout.rank_versions(rows, site.contract, tasks if entries else None, by_partition)
    ranked = ranked.observe(lost, *_count_losses(site.contract, names))
    writer = layout.keep_winners(ranked, site.contract, tasks).write.mode("overwrite")
    writer.partitionBy(site.contract["partition"]).option(NO_MARK, "false").parquet(site.temporary("curated"))
    copies = stage(site, "curated", f"data/{site.place.dataset}/")
    found = lost.get
    total = {loss: int(found[loss]) for loss in LOSSES}
    return Built(copies, affected, total, _read_losses(names, found.get(HISTOGRAM)))


def _count_losses(contract: Mapping[str, Any], names: list[str]) -> list[Any]:
    """Return the counts of rows that lost: all of them, and, as one histogram, by partition.

    Spark's histogram is exact as long as it has a bin for each value; only rows that lost are looked at.
    """
    version, place = layout.VERSION, layout.PLACE
    conditions = (f"{version} > 1 AND {place} = 1", f"{place} > 1")
    counts = [F.expr(f"count_if({condition})").alias(loss) for loss, condition in zip(LOSSES, conditions, strict=True)]
    if names:
        listed = ", ".join(quote(name) for name in names)
        number = f"array_position(array({listed}), CAST(`{contract['partition']}` AS STRING)) - 1"
        value = f"IF({version} = 1, NULL, CAST(2 * ({number}) + IF({place} = 1, 0, 1) AS DOUBLE))"
        counts.append(F.expr(f"to_json(histogram_numeric({value}, {2 * len(names) + 2}))").alias(HISTOGRAM))
    return counts


def _read_losses(names: list[str], histogram: str | None) -> dict[str, dict[str, int]]:
    """Return the rows that lost by partition: bin 2 n holds the nth partition's duplicates, 2 n + 1 its superseded."""
    found = {name: dict.fromkeys(LOSSES, 0) for name in names}
    for entry in json.loads(histogram or "[]"):
        number, loss = divmod(int(entry["x"]), 2)
        found[names[number]][LOSSES[loss]] += int(entry["y"])
    return found


def read_published(site: Site, entries: Iterable[Mapping[str, Any]]) -> "DataFrame":
    """Read partitions of the table as they are published, with the contract's types."""
    paths = [site.uri(layout.escape_pattern(entry["key"])) for entry in entries]
    reader = site.spark.read.schema(transform.table_schema(site.contract))
    table: DataFrame = reader.option("basePath", site.uri(f"data/{site.place.dataset}/")).parquet(*paths)
    columns: DataFrame = transform.select_columns(table, (column["name"] for column in site.contract["columns"]))
    return columns


def find_partitions(site: Site, rows: "DataFrame", entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the published partitions that hold a key of these rows; of the table, only the key's columns are read."""
    listed = list(entries)
    if not listed:
        return set()
    key = site.contract["key"]
    name = F.col(site.contract["partition"]).cast("string").alias("_partition")
    held = read_published(site, listed).select(*key, name)
    found = held.join(rows.select(*key).distinct(), on=list(key), how="left_semi").select("_partition").distinct()
    return {row[0] for row in found.collect()}


def build_quarantine(
    site: Site, rejects: list[dict[str, Any]], batches: Iterable[Mapping[str, Any]], without: frozenset[str]
) -> list[Copy]:
    """Write rejected rows as a batch of this run.

    Args:
        rejects: file, record, line, raw text and reasons; a file that cannot be read has only file and reasons.
        batches: the ledger's entries of earlier batches that this one replaces.
        without: the files whose rows are left out of those.
    """
    frames = []
    if rejects:
        lines = "".join(json.dumps(reject) + "\n" for reject in rejects)
        key = f"{site.place.temporary}rejects.json"
        site.place.s3.put_object(Bucket=site.place.bucket, Key=key, Body=lines.encode())
        reader = site.spark.read.schema(QUARANTINE_SCHEMA).option("maxStringLen", LONGEST_TEXT)
        frames.append(reader.json(site.uri(key)))
    paths = [site.uri(layout.escape_pattern(entry["key"])) for entry in batches]
    if paths:
        earlier = site.spark.read.schema(QUARANTINE_SCHEMA).parquet(*paths)
        frames.append(earlier.where(~F.col("file").isin(sorted(without))))
    if not frames:
        return []
    rows = frames[0] if len(frames) == 1 else frames[0].unionByName(frames[1])
    rows = rows.coalesce(1).sortWithinPartitions("file", "record")
    rows.write.mode("overwrite").option(NO_MARK, "false").parquet(site.temporary("quarantine"))
    target = f"data/{site.place.dataset}_quarantine/run_token={site.place.token}/"
    return hash_copies(site.place, stage(site, "quarantine", target), QUARANTINE_SCHEMA)


def build_curated(site: Site, plan: Plan, found: reading.Reading, before: Mapping[str, Any]) -> Built:
    """Build the partitions that this run concerns: from what was read, and from what is published of them."""
    good, affected = select_rows(site, plan, found)
    present = list(before.get("partitions", ())) if not plan.full else []
    if good is not None and present and not transform.is_aligned(site.contract):
        affected |= find_partitions(site, good, present)
    merged = [entry for entry in present if entry["partition"] in affected - plan.rebuild]
    return build_partitions(site, good, merged, frozenset(affected | plan.rebuild))


def select_rows(site: Site, plan: Plan, found: reading.Reading) -> tuple["DataFrame | None", set[str]]:
    """Return the good rows to build from, and their partitions; of objects read again, only what is rebuilt."""
    kept = [count for count in found.counts if not count["rejected"]]
    affected = {c["partition"] for c in kept if c["file"] in plan.added or c["partition"] in plan.rebuild}
    if found.cleaned is None or not affected:
        return None, affected
    good = found.cleaned.where(f"{transform.REASONS} IS NULL")
    if plan.reread:
        again = reading.is_from(sorted(plan.reread), found)
        good = good.where(f"NOT ({again}) OR {transform.in_partitions(site.contract, sorted(plan.rebuild))}")
    return good, affected


def merge_partitions(
    plan: Plan, built: Built, before: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the ledger's entries of all objects of the table, and the rows that lost to another, over all of it.

    What is known of a partition (`lost`, `shards`) stands in the entry of each of its objects.
    """
    present = list(before.get("partitions", ())) if not plan.full else []
    past = {entry["partition"]: entry for entry in present}
    lost = dict(before["lost"]) if past else dict.fromkeys(LOSSES, 0)
    for name in LOSSES:
        lost[name] += built.lost[name] - sum(past[p]["lost"][name] for p in plan.rebuild if p in past)
    entries = [dict(entry) for entry in present if entry["partition"] not in built.affected]
    for copy in built.copies:
        name = partition_of(copy.target)
        entry: dict[str, Any] = {"partition": name, "key": copy.target, "rows": copy.rows, "bytes": copy.bytes}
        entry["shards"] = int(copy.target.rpartition("-of-")[2].removesuffix(".parquet"))
        earlier = past.get(name, {}).get("lost") if name not in plan.rebuild else dict.fromkeys(LOSSES, 0)
        if name not in past:
            earlier = dict.fromkeys(LOSSES, 0)
        if earlier is not None and name in built.lost_by_partition:
            entry["lost"] = {loss: earlier[loss] + built.lost_by_partition[name][loss] for loss in LOSSES}
        entries.append(entry)
    return sorted(entries, key=lambda entry: (entry["partition"], entry["key"])), lost


def build_batches(
    site: Site, plan: Plan, found: reading.Reading, before: Mapping[str, Any]
) -> tuple[list[Copy], list[dict[str, Any]]]:
    """Write this run's batch of the quarantine, and return it with the ledger's entries of all batches.

    An earlier batch with rows of an object that does not count any more is replaced.
    """
    rejects = [reject for reject in found.rejects if reject["file"] in plan.added]
    rejects += [
        {"file": file.key, "reasons": [file.problem]} for file in found.files if file.problem and file.key in plan.added
    ]
    out = frozenset(entry["key"] for entry in before.get("objects", ()) if entry["key"] not in plan.kept)
    past = [] if plan.full else list(before.get("quarantine", ()))
    replaced = [entry for entry in past if out & set(entry["files"])]
    copies = build_quarantine(site, rejects, replaced, out)
    files = {reject["file"] for reject in rejects} | {key for entry in replaced for key in entry["files"]} - out
    batches = [dict(entry) for entry in past if entry not in replaced]
    batches += [{"key": c.target, "rows": c.rows, "bytes": c.bytes, "files": sorted(files)} for c in copies]
    return copies, batches


def partition_of(key: str) -> str:
    """Return the partition's value of a published object: its folder is escaped as Hive does it."""
    return unquote(key.split("/")[-2].partition("=")[2])


def count_rows(site: Site, keys: Iterable[str]) -> Iterator[int]:
    """Yield the rows of each Parquet object as its footer has them: no Spark job, and no row is looked at."""
    java: Any = site.spark._jvm  # which is asked for each part of a name: once for all objects
    make_path, hadoop = java.org.apache.hadoop.fs.Path, java.org.apache.parquet.hadoop
    make_file, make_reader = hadoop.util.HadoopInputFile.fromPath, hadoop.ParquetFileReader.open
    settings = site.spark.sparkContext._jsc.hadoopConfiguration()
    for key in keys:
        reader = make_reader(make_file(make_path(site.uri(key)), settings))
        try:
            yield int(reader.getRecordCount())
        finally:
            reader.close()


def stage(site: Site, name: str, target: str) -> list[Copy]:
    """Describe what Spark wrote under `name` as copies to keys of our choice, with rows from the files' statistics.

    Raises:
        LostRowsError: a partition is not one file.
    """
    prefix = f"{site.place.temporary}{name}/"
    found = publication.list_objects(site.place.s3, site.place.bucket, prefix)
    listed = [entry for entry in found if entry["key"].endswith(".parquet")]
    copies = []
    for entry, rows in zip(listed, count_rows(site, [entry["key"] for entry in listed]), strict=True):
        if not rows:
            continue  # a file without rows, which Spark writes where there are none at all
        folder = entry["key"].removeprefix(prefix).rpartition("/")[0]
        copies.append(
            Copy(
                source=entry["key"],
                source_etag=entry["etag"],
                target=f"{target}{folder + '/' if folder else ''}part-00000-of-00001.parquet",
                bytes=entry["bytes"],
                rows=rows,
            )
        )
    if len({copy.target for copy in copies}) != len(copies):
        raise increments.LostRowsError(f"{prefix} has a partition of more than one file; nothing was published")
    return copies


def hash_copies(place: Place, copies: Iterable[Copy], schema: str) -> list[Copy]:
    """Return the copies with their contents' hashes; one is whole in memory at a time."""
    return [replace(copy, sha256=publication.hash_content(place, copy.source, schema)) for copy in copies]
