"""Read a dataset's raw objects with Spark: cleaned rows, counts by file, and every rejected row with its place.

A file is looked into byte by byte first (raw_files.py), so Spark only gets what can be read, and so that its count of
records can be compared with one that was made without it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import layout
import raw_files
import raw_json
import raw_parquet
import transform
from headers import ADDED, evolve, find_unknown, match_header
from increments import check_counts
from raw_files import CSV, JSON, PARQUET, RawFile
from raw_objects import HELD_BYTES, Source, fetch, fetch_ahead, keep_copy
from raw_records import MARKS
from rejects import collect_rejects, find_rejects, place_rejects

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


GROUPS_AT_ONCE = 3  # of files that are alike; most of the time one waits for the JVM


@dataclass(frozen=True)
class Reading:
    """What reading raw objects gave.

    Attributes:
        files: every object that was looked into, readable or not.
        cleaned: their rows (transform.clean), kept; None where no file can be read.
        counts: rows by file, partition and whether they are rejected.
        rejects: file, record, line, raw text, its bytes where that is not all, and reasons of each rejected row.
        contract: the contract with the columns that the files add to it.
    """

    files: list[RawFile]
    cleaned: "DataFrame | None" = None
    counts: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    contract: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return by key what the ledger keeps of each object: version, rows, what they feed, what was wrong."""
        added = [column for column in self.contract.get("columns", ()) if column.get(ADDED)]
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
                "added_columns": sorted(set(file.columns) & {c["name"] for c in added}),
                "problem": file.problem,
            }
            for file in self.files
        }


def look_into(source: Source, entry: Mapping[str, Any]) -> Reading:
    """Look into one object that is not to be read: its columns and rows, or why it cannot be read."""
    file, _ = inspect(source.contract, entry, fetch(source, entry["key"]))
    return Reading([file], contract=evolve(source.contract, file.columns))


def inspect(contract: Mapping[str, Any], entry: Mapping[str, Any], content: bytes) -> tuple[RawFile, bytes | None]:
    """Look into what an object holds, and return with it the copy that Spark must read in its place, if there is need.

    Whatever a reader stops at is the file's problem, and the others go on.
    """
    found: tuple[RawFile, bytes | None]

    def match(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        columns = match_header(names, contract)
        return columns, find_unknown(names, columns, contract)

    try:
        kind = raw_files.find_kind(entry["key"], content, contract["format"].get("kind", CSV))
        if kind == JSON:
            found = raw_json.inspect(entry, content, contract)
        elif kind == PARQUET:
            found = raw_parquet.inspect(entry, content, contract, match)
        else:
            found = raw_files.inspect(entry, content, contract["format"], match)
    except (MemoryError, ImportError):
        raise  # of the machine, not of the file
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")[:100]
        problem = f"cannot be read: {type(error).__name__}: {first}".removesuffix(": ")
        found = RawFile(entry["key"], entry["etag"], entry["bytes"], problem=problem), None
    return found


@dataclass(frozen=True)
class Prepared:
    """Objects that were looked into.

    Attributes:
        files: what was found of each.
        groups: the paths that Spark reads by what is alike in them.
        origins: the key of the object behind each copy.
        held: contents by key, up to HELD_BYTES in all.
    """

    files: list[RawFile]
    groups: dict[tuple[Any, ...], list[str]]
    origins: dict[str, str]
    held: dict[str, bytes]

    def fetch(self, source: Source, key: str) -> bytes:
        """Return an object's content once more."""
        return self.held[key] if key in self.held else fetch(source, key)


def prepare(source: Source, listed: Sequence[Mapping[str, Any]]) -> Prepared:
    """Look into each object, and put copies where Spark cannot read the object itself."""
    prepared, room = Prepared([], {}, {}, {}), HELD_BYTES
    for number, (entry, content) in enumerate(zip(listed, fetch_ahead(source, listed), strict=True)):
        file, copy = inspect(source.contract, entry, content)
        prepared.files.append(file)
        if len(content) <= room:
            prepared.held[file.key] = content
            room -= len(content)
        if file.problem:
            continue
        path = f"s3://{source.bucket}/{file.key}"
        if copy is not None:
            path = keep_copy(source, number, copy)
            prepared.origins[path] = file.key
        alike = (file.kind, file.columns if file.kind == CSV else (), file.encoding, file.copied)
        prepared.groups.setdefault(alike, []).append(path)
    return prepared


def read_objects(
    spark: "SparkSession",
    source: Source,
    listed: Sequence[Mapping[str, Any]],
    added: Iterable[str],
    begin: Callable[[], object],
) -> Reading:
    """Look into each object, let Spark read and clean those that can be read, and find the place of what it rejects.

    Args:
        added: columns that other files of the dataset add to the contract's.
        begin: called before Spark reads the first row.
    """
    prepared = prepare(source, listed)
    files = prepared.files
    contract = evolve(source.contract, [*added, *(name for file in files for name in file.columns)])
    if not prepared.groups:
        return Reading(files, contract=contract)
    with ThreadPoolExecutor(GROUPS_AT_ONCE) as pool:
        placed = list(pool.map(lambda group: read_group(spark, contract, *group), prepared.groups.items()))
    rows = reduce(lambda some, more: some.unionByName(more), placed)
    # Read once, used three times: counted, searched for rejects, ranked and written.
    nested = any(file.kind == JSON for file in files)
    size = sum(file.bytes for file in files)
    cleaned = layout.keep_shuffled(transform.clean(rows, contract, nested), contract, size)
    tallied = transform.tally(cleaned, contract)
    begin()
    with ThreadPoolExecutor(2) as beside:  # two queries over one shuffle, which Spark fills once for both
        hashed = beside.submit(layout.hash_names, spark, placed)
        rejected = beside.submit(collect_rejects, cleaned)
        counts = [row.asDict() for row in tallied.collect()]
        names = hashed.result()
    for count in counts:
        path = names[count[transform.FILE]]
        count["file"] = prepared.origins.get(path) or layout.key_of(path, source.bucket)
    check_counts(files, counts)
    found = find_rejects(rejected.result(), counts)
    rejects = place_rejects(lambda key: prepared.fetch(source, key), contract["format"], found)
    return Reading(files, cleaned, counts, rejects, contract)


def is_from(keys: Sequence[str], found: Reading) -> str:
    """Return the condition that a cleaned row comes from one of these objects."""
    hashes = {count["file"]: str(count[transform.FILE]) for count in found.counts}
    listed = [hashes[key] for key in keys if key in hashes]
    return f"{transform.FILE} IN ({', '.join(listed)})" if listed else "false"


def read_group(
    spark: "SparkSession", contract: Mapping[str, Any], alike: tuple[Any, ...], paths: list[str]
) -> "DataFrame":
    """Read files that are alike, as text, each row with its file and position.

    Args:
        alike: format, columns (of CSV), encoding, and whether these are copies.
    """
    kind, columns, encoding, copied = alike
    escaped = [layout.escape_pattern(path) for path in paths]
    placed: DataFrame
    if kind != CSV:
        reader = spark.read.schema(transform.copy_schema(contract))
        placed = transform.place_copies(reader.json(escaped) if kind == JSON else reader.parquet(*escaped), contract)
        return placed
    raw = spark.read.schema(transform.text_schema(columns)).csv(
        escaped,
        header=True,
        multiLine=True,
        sep=contract["format"]["delimiter"],
        quote=contract["format"]["quote"],
        escape=contract["format"]["quote"],
        encoding=encoding,
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=transform.CORRUPT,
    )
    placed = transform.place_rows(raw, columns, contract, MARKS if copied else None)
    return placed
