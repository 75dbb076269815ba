"""Read a dataset's raw objects with Spark: cleaned rows, counts by file, and every rejected row with its place.

A file is looked into byte by byte first (raw_files.py), so Spark only gets what can be read, and so that its count of
records can be compared with one that was made without it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import transform
from increments import read_links
from publication import list_objects, read_json
from raw_files import RawFile, inspect, locate, unpack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyspark.sql import DataFrame, SparkSession


class LostRowsError(Exception):
    """Rows are unaccounted for: a fault of this program; nothing was published."""


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
    """What reading raw objects gave.

    Attributes:
        files: every object that was looked into, readable or not.
        cleaned: their rows (transform.clean), kept; None where no file can be read.
        counts: rows by file, partition and whether they are rejected.
        rejects: file, record, line, raw text and reasons of each rejected row.
    """

    files: list[RawFile]
    cleaned: "DataFrame | None"
    counts: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return by key what the ledger keeps of each object: version, rows, what they feed, what was wrong."""
        reasons: dict[str, Counter[str]] = {}
        for reject in self.rejects:
            reasons.setdefault(reject["file"], Counter()).update(reject["reasons"])
        fed: dict[str, set[str]] = {}
        rejected: Counter[str] = Counter()
        for count in self.counts:
            if count["rejected"]:
                rejected[count["file"]] += count["rows"]
            else:
                fed.setdefault(count["file"], set()).add(count["partition"])
        return {
            file.key: {
                "key": file.key,
                "etag": file.etag,
                "bytes": file.bytes,
                "rows": file.rows,
                "rejected": rejected[file.key],
                "reasons": dict(sorted(reasons.get(file.key, {}).items())),
                "partitions": sorted(fed.get(file.key, ())),
                "unknown_columns": sorted(file.unknown),
                "problem": file.problem,
            }
            for file in self.files
        }


def list_raw(source: Source, known: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """List the dataset's raw objects by key, each with etag, bytes and what it supersedes; hidden ones are left out.

    Args:
        known: what an earlier run found, by key: an object of the same version is not asked for its metadata again.
    """
    found = {}
    for entry in list_objects(source.s3, source.bucket, source.prefix):
        key = entry["key"]
        if is_hidden(key):
            continue
        if key in known and known[key]["etag"] == entry["etag"] and "supersedes" in known[key]:
            links = list(known[key]["supersedes"])
        else:
            links = read_links(source.s3.head_object(Bucket=source.bucket, Key=key)["Metadata"])
        found[key] = entry | {"supersedes": links}
    return found


def list_rejected(source: Source) -> dict[str, str]:
    """Return the raw objects that a person took out of the dataset, with the reason (helpers/transform_reject.py)."""
    prefix = f"{source.prefix}_rejected/"
    marks = [
        read_json(source.s3, source.bucket, entry["key"]) for entry in list_objects(source.s3, source.bucket, prefix)
    ]
    return {mark["key"]: str(mark["reason"]) for mark in marks if mark["rejected"]}


def is_hidden(key: str) -> bool:
    """Tell whether an object's name is one that Spark would skip."""
    return key.rpartition("/")[2][:1] in ("", "_", ".")


def is_unchanged(source: Source, read: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether raw still holds the versions that were read; what is new meanwhile is for the next run."""
    now = {entry["key"]: entry["etag"] for entry in list_objects(source.s3, source.bucket, source.prefix)}
    return all(now.get(key) == entry["etag"] for key, entry in read.items())


def look_into(source: Source, entry: Mapping[str, Any]) -> RawFile:
    """Look into one object: its columns and rows, or why it cannot be read."""
    contract = source.contract
    content = fetch(source, entry["key"])
    return inspect(entry, content, contract["format"], lambda names: transform.match_header(names, contract))


def read_objects(spark: "SparkSession", source: Source, listed: Sequence[Mapping[str, Any]]) -> Reading:
    """Look into each object, let Spark read and clean those that can be read, and find the place of what it rejects."""
    files = [look_into(source, entry) for entry in listed]
    groups: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for file in files:
        if not file.problem:
            groups.setdefault((file.columns, file.encoding), []).append(file.key)
    if not groups:
        return Reading(files, None, [], [])
    placed = [read_group(spark, source, alike, keys) for alike, keys in groups.items()]
    rows = placed[0]
    for other in placed[1:]:
        rows = rows.unionByName(other)
    # Read once, used three times: counted, searched for rejects, ranked and written.
    # Kept as rows: a columnar cache costs as much CPU as cleaning does (docs/adr/0017-increments.md).
    cleaned = transform.clean(rows, source.contract).localCheckpoint(eager=False)
    counts = [row.asDict() for row in transform.tally(cleaned, source.contract).collect()]
    for count in counts:
        count["path"] = count.pop(transform.FILE)
        count["file"] = key_of(count["path"], source.bucket)
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


def is_from(keys: Sequence[str], found: Reading) -> str:
    """Return the condition that a cleaned row comes from one of these objects."""
    paths = {count["file"]: count["path"] for count in found.counts}
    listed = [transform.quote(paths[key]) for key in keys if key in paths]
    return f"{transform.FILE} IN ({', '.join(listed)})" if listed else "false"


def fetch(source: Source, key: str) -> bytes:
    """Return a raw object's content."""
    return source.s3.get_object(Bucket=source.bucket, Key=key)["Body"].read()


def read_group(
    spark: "SparkSession", source: Source, alike: tuple[tuple[str, ...], str], keys: list[str]
) -> "DataFrame":
    """Read the files that have the same columns and encoding, as text, each row with its file and position."""
    columns, encoding = alike
    escaped = [escape_pattern(key) for key in keys]
    raw = spark.read.schema(transform.text_schema(columns)).csv(
        [f"s3://{source.bucket}/{key}" for key in escaped],
        header=True,
        multiLine=True,
        sep=source.contract["format"]["delimiter"],
        quote=source.contract["format"]["quote"],
        escape=source.contract["format"]["quote"],
        encoding=encoding,
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
        text, _ = unpack(key, fetch(source, key), source.contract["format"]["encoding"])
        places = locate(text, set(reasons[key]), source.contract["format"])
        for record, why in sorted(reasons[key].items()):
            line, raw = places[record]
            found.append({"file": key, "record": record, "line": line, "raw": raw, "reasons": why})
    return found
