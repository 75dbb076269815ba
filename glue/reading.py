"""Read a dataset's raw objects with Spark: cleaned rows, counts by file, and every rejected row with its place.

A file is looked into byte by byte first (raw_files.py), so Spark only gets what can be read, and so that its count of
records can be compared with one that was made without it.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import transform
from publication import list_objects
from pyspark import StorageLevel
from raw_files import RawFile, inspect, locate, unpack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import DataFrame, SparkSession

READING_TRIES = 3


class LostRowsError(Exception):
    """Rows are unaccounted for: a fault of this program; nothing was published."""


class RawChangedError(Exception):
    """Raw objects kept changing while they were read; nothing was published."""


@dataclass(frozen=True)
class Source:
    """The raw objects of one dataset, and the contract by which they are read."""

    s3: "S3Client"
    bucket: str
    contract: dict[str, Any]

    @property
    def prefix(self) -> str:
        """The prefix of the dataset's raw objects."""
        return f"{self.contract['dataset']}/"


@dataclass(frozen=True)
class Reading:
    """What reading all raw objects gave.

    Attributes:
        files: every raw object, readable or not.
        cleaned: their rows (transform.clean), cached; None where no file can be read.
        counts: rows by file, partition and whether they are rejected.
        rejects: file, record, line, raw text and reasons of each rejected row.
    """

    files: list[RawFile]
    cleaned: "DataFrame | None"
    counts: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    def count_reasons(self) -> Counter[str]:
        """Count rejected rows by reason; a row may have several."""
        return Counter(reason for reject in self.rejects for reason in reject["reasons"])


def list_raw(source: Source) -> dict[str, dict[str, Any]]:
    """List the dataset's raw objects by key; hidden ones, which Spark would skip, are left out."""
    found = list_objects(source.s3, source.bucket, source.prefix)
    return {o["key"]: o for o in found if o["key"].rpartition("/")[2][:1] not in ("", "_", ".")}


def etags(listed: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return key -> etag of a listing."""
    return {key: entry["etag"] for key, entry in listed.items()}


def read_all(spark: "SparkSession", source: Source, listed: dict[str, dict[str, Any]]) -> Reading:
    """Read and clean every raw object; start again if one is replaced meanwhile.

    Raises:
        RawChangedError: that happened several times.
    """
    for _ in range(READING_TRIES):
        reading = read_once(spark, source, listed)
        again = list_raw(source)
        if etags(again) == etags(listed):
            return reading
        print("raw objects changed while they were read; reading them again")
        if reading.cleaned is not None:
            reading.cleaned.unpersist()
        listed = again
    raise RawChangedError(f"s3://{source.bucket}/{source.prefix} kept changing while it was read; run the job again")


def read_once(spark: "SparkSession", source: Source, listed: dict[str, dict[str, Any]]) -> Reading:
    """Look into each object, let Spark read and clean those that can be read, and find the place of what it rejects."""
    files = [
        inspect(
            entry,
            fetch(source, key),
            source.contract["format"],
            lambda names: transform.match_header(names, source.contract),
        )
        for key, entry in listed.items()
    ]
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        if not file.problem:
            groups.setdefault(file.columns, []).append(file.key)
    if not groups:
        return Reading(files, None, [], [])
    placed = [read_group(spark, source, columns, keys) for columns, keys in groups.items()]
    rows = placed[0]
    for other in placed[1:]:
        rows = rows.unionByName(other)
    # Read once, used three times: counted, searched for rejects, ranked and written.
    cleaned = transform.clean(rows, source.contract).persist(StorageLevel.MEMORY_AND_DISK)
    counts = [row.asDict() for row in transform.tally(cleaned, source.contract).collect()]
    for count in counts:
        count["file"] = key_of(count.pop(transform.FILE), source.bucket)
    check_counts(files, counts)
    first: dict[str, int] = {}
    for count in counts:
        first[count["file"]] = min(count["first"], first.get(count["file"], count["first"]))
    rejected = cleaned.where(f"{transform.REASONS} IS NOT NULL").select(
        transform.FILE, transform.ROW, transform.REASONS
    )
    reasons: dict[str, dict[int, list[str]]] = {}
    for path, row, found in rejected.collect():
        key = key_of(path, source.bucket)
        reasons.setdefault(key, {})[row - first[key] + 1] = found
    return Reading(files, cleaned, counts, place_rejects(source, reasons))


def fetch(source: Source, key: str) -> bytes:
    """Return a raw object's content."""
    return source.s3.get_object(Bucket=source.bucket, Key=key)["Body"].read()


def read_group(spark: "SparkSession", source: Source, columns: tuple[str, ...], keys: list[str]) -> "DataFrame":
    """Read the files that have the same columns, as text, each row with its file and position."""
    escaped = [escape_pattern(key) for key in keys]
    raw = spark.read.schema(transform.text_schema(columns)).csv(
        [f"s3://{source.bucket}/{key}" for key in escaped],
        header=True,
        multiLine=True,
        sep=source.contract["format"]["delimiter"],
        quote=source.contract["format"]["quote"],
        escape=source.contract["format"]["quote"],
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=transform.CORRUPT,
    )
    placed: DataFrame = transform.place_rows(raw, columns, source.contract)
    return placed


def escape_pattern(key: str) -> str:
    """Escape what Hadoop would take for a pattern."""
    return "".join(f"\\{sign}" if sign in "*?[]{}\\" else sign for sign in key)


def key_of(path: str, bucket: str) -> str:
    """Return the key of a file as Spark names it: an encoded URI."""
    return unquote(path).removeprefix(f"s3://{bucket}/")


def check_counts(files: list[RawFile], counts: list[dict[str, Any]]) -> None:
    """Compare the records that Spark read with those that stand in the files.

    Raises:
        LostRowsError: they differ in a file.
    """
    read: Counter[str] = Counter()
    for count in counts:
        read[count["file"]] += count["rows"]
    for file in files:
        if read[file.key] != file.rows:
            raise LostRowsError(
                f"{file.key} has {file.rows} records, and Spark read {read[file.key]}: report this file"
            )


def place_rejects(source: Source, reasons: dict[str, dict[int, list[str]]]) -> list[dict[str, Any]]:
    """Find line and text of every rejected record, reading only the files that have some."""
    found = []
    for key in sorted(reasons):
        places = locate(unpack(key, fetch(source, key)), set(reasons[key]), source.contract["format"])
        for record, why in sorted(reasons[key].items()):
            line, raw = places[record]
            found.append({"file": key, "record": record, "line": line, "raw": raw, "reasons": why})
    return found
