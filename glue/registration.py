"""Register what was published in the Data Catalog, so that Athena sees new partitions at once.

The crawler makes a table; in one that is there, the job adds the partitions that the ledger lists, takes out those that
it does not, and writes the contract's descriptions where none stand. It does so while it publishes, before it deletes
older objects, and at the end of every run, also of one with nothing to publish: what failed once is made up for by the
next. A table's columns are left to the crawler.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from publication import Place

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

Json = dict[str, Any]
Values = tuple[str, ...]
CREATED_AT_ONCE, DELETED_AT_ONCE = 100, 25  # Glue takes no more in one call
LETTERS = 255  # of a comment, at most
# What a Table has and a TableInput may have.
TABLE_INPUT = (
    *("Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "StorageDescriptor"),
    *("PartitionKeys", "ViewOriginalText", "ViewExpandedText", "TableType", "Parameters", "TargetTable"),
)
PARAMETERS = ("classification", "compressionType", "typeOfData")  # of a table; true of each of its partitions
QUARANTINE = {
    "file": "The raw object that holds the row.",
    "record": "The row's number in its file, from 1; null where the whole file cannot be read.",
    "line": "The line at which the row begins; the header's is 1.",
    "raw": "The row's text as it stands in the file, without its line end.",
    "reasons": "Everything that speaks against the row or the file.",
    "raw_base64": "The row's bytes, where they are not the UTF-8 of raw.",
    "run_token": "The run of the job that found it.",
}


@dataclass
class Registered:
    """What a run changed in the catalog; `problem` is what kept it from changing more, "" where nothing did."""

    tables: list[str] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    described: int = 0
    problem: str = ""


def register(
    place: Place,
    database: str,
    ledger: Mapping[str, Any],
    contract: Mapping[str, Any],
    find_client: Callable[[Place], "GlueClient"],
) -> Registered:
    """Bring the partitions of the dataset's tables in the catalog to what the ledger lists.

    What goes wrong is told in the result and costs nothing that was published.
    """
    done = Registered()
    comments = {column["name"]: column.get("comment", "") for column in contract["columns"]}
    tables = (
        (place.dataset, ledger.get("partitions", ()), comments, contract.get("description", "")),
        (f"{place.dataset}_quarantine", ledger.get("quarantine", ()), QUARANTINE, f"Rejected rows of {place.dataset}."),
    )
    try:
        glue = find_client(place)
        for name, entries, described, description in tables:
            table = find_table(glue, database, name)
            if table is None:
                continue
            done.tables.append(name)
            changed = describe_table(table, described, description)
            if changed:
                glue.update_table(DatabaseName=database, TableInput=changed, SkipArchive=True)  # type: ignore[arg-type]
                done.described += 1
            _register_partitions(glue, (database, changed or table), find_folders(place, name, entries), done)
    except (ClientError, BotoCoreError) as error:
        done.problem = " ".join(str(error).split())
    return done


class Registrar:
    """Registers one run's tables, whenever it is called; `done` is all that the calls changed together."""

    def __init__(self, database: str, contract: Mapping[str, Any]) -> None:
        self.database = database
        self.contract = contract
        self.done = Registered()
        self._client: GlueClient | None = None
        self._connecting = threading.Lock()

    def connect(self, place: Place) -> "GlueClient":
        """Return a client of the catalog, the same each time: making one takes longer than what it is asked."""
        with self._connecting:
            self._client = self._client or connect(place)
            return self._client

    def __call__(self, place: Place, ledger: Mapping[str, Any]) -> Registered:
        """Register what the ledger lists; a problem counts if the last call had it."""
        before, now = self.done, register(place, self.database, ledger, self.contract, self.connect)
        self.done = Registered(
            now.tables,
            before.added + now.added,
            before.removed + now.removed,
            before.described + now.described,
            now.problem,
        )
        return self.done


def connect(place: Place) -> "GlueClient":
    """Return a client of the catalog; a job that is told no region takes its bucket's."""
    region = boto3.session.Session().region_name
    if region is None:
        headers = place.s3.head_bucket(Bucket=place.bucket)["ResponseMetadata"]["HTTPHeaders"]
        region = headers.get("x-amz-bucket-region")
    client: GlueClient = boto3.client("glue", region_name=region)
    return client


def find_table(glue: "GlueClient", database: str, name: str) -> Json | None:
    """Return a table; None where the catalog has none of this name yet, or one of another kind that has no place."""
    try:
        table: Json = glue.get_table(DatabaseName=database, Name=name)["Table"]  # type: ignore[assignment]
    except glue.exceptions.EntityNotFoundException:
        return None
    return table if table.get("StorageDescriptor", {}).get("Location") else None


def find_folders(place: Place, table: str, entries: Iterable[Mapping[str, Any]]) -> dict[Values, str]:
    """Return the partitions that published objects lie in: values -> location."""
    root = f"data/{table}/"
    folders = {entry["key"].rpartition("/")[0] for entry in entries}
    return {
        tuple(
            unquote(step.partition("=")[2]) for step in folder.removeprefix(root).split("/")
        ): f"s3://{place.bucket}/{folder}/"
        for folder in sorted(folders)
    }


def describe_table(table: Mapping[str, Any], comments: Mapping[str, str], description: str) -> Json | None:
    """Return the table with descriptions where it has none, as Glue takes it; None where nothing is missing."""
    known: Json = {"PartitionKeys": []} | {name: table[name] for name in TABLE_INPUT if name in table}
    columns = _comment(table["StorageDescriptor"].get("Columns", ()), comments)
    described = {**known, "StorageDescriptor": {**table["StorageDescriptor"], "Columns": columns}}
    described["PartitionKeys"] = _comment(known["PartitionKeys"], comments)
    if description and not table.get("Description"):
        described["Description"] = description
    return described if described != known else None


def _comment(columns: Iterable[Mapping[str, Any]], comments: Mapping[str, str]) -> list[Json]:
    """Return the columns with a comment where they have none."""
    return [
        {**column, **({"Comment": comment[:LETTERS]} if comment and not column.get("Comment") else {})}
        for column in columns
        for comment in [comments.get(column["Name"], "")]
    ]


def _register_partitions(
    glue: "GlueClient", at: tuple[str, Mapping[str, Any]], wanted: Mapping[Values, str], done: Registered
) -> None:
    """Add what is wanted and missing, and take out what lies in the table's folder and is not wanted.

    Args:
        at: the database and its table.
    """
    database, table = at
    root = str(table["StorageDescriptor"]["Location"]).rstrip("/") + "/"
    keys = len(table.get("PartitionKeys", ()))
    if any(len(values) != keys or not location.startswith(root) for values, location in wanted.items()):
        done.problem = f"table {table['Name']} lies at {root} with {keys} partition keys: delete it, and crawl again"
        return
    place: Any = {"DatabaseName": database, "TableName": table["Name"]}
    pages = glue.get_paginator("get_partitions").paginate(**place, ExcludeColumnSchema=True)
    known = {tuple(p["Values"]): str(p["StorageDescriptor"]["Location"]) for page in pages for p in page["Partitions"]}
    stale = [
        values
        for values, location in known.items()
        if location.startswith(root) and location.rstrip("/") != wanted.get(values, "").rstrip("/")
    ]
    # A partition that lies elsewhere now makes room first; one that goes does so when all others are there.
    _remove(glue, place, [values for values in stale if values in wanted], done)
    new = [values for values in wanted if values not in known or values in stale]
    for some in _batches(new, CREATED_AT_ONCE):
        inputs = [describe_partition(table, values, wanted[values]) for values in some]
        answer = glue.batch_create_partition(**place, PartitionInputList=inputs)
        done.added += len(some) - _note_errors(answer, done)
    _remove(glue, place, [values for values in stale if values not in wanted], done)


def _remove(glue: "GlueClient", place: Any, stale: list[Values], done: Registered) -> None:
    for some in _batches(stale, DELETED_AT_ONCE):
        answer = glue.batch_delete_partition(**place, PartitionsToDelete=[{"Values": list(v)} for v in some])
        done.removed += len(some) - _note_errors(answer, done)


def describe_partition(table: Mapping[str, Any], values: Values, location: str) -> Any:
    """Return a partition as the crawler would write it: all but the place is its table's."""
    known = table.get("Parameters", {})
    return {
        "Values": list(values),
        "StorageDescriptor": {**table["StorageDescriptor"], "Location": location},
        "Parameters": {name: known[name] for name in PARAMETERS if name in known},
    }


def _note_errors(answer: Mapping[str, Any], done: Registered) -> int:
    """Keep the first error of a batch; what another did meanwhile is none. Return how many were not done."""
    errors = answer.get("Errors", [])
    for error in errors:
        detail = error.get("ErrorDetail", {})
        if detail.get("ErrorCode") not in ("AlreadyExistsException", "EntityNotFoundException"):
            values = "/".join(error.get("PartitionValues", ()))
            done.problem = (
                done.problem or f"partition {values}: {detail.get('ErrorCode')}: {detail.get('ErrorMessage')}"
            )
    return len(errors)


def _batches(items: list[Values], size: int) -> Iterator[list[Values]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
