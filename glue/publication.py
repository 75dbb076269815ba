"""Publish a dataset's objects on S3 so that a run may die at any point: intent, copies, deletions, ledger.

S3 gives one atomic thing, the PUT (or copy) of one object. So what will be done is written down first (the intent, a
redo log), then done, and the ledger is written last, under a new key: the highest whole one counts. The next run finds
an intent without its ledger and completes it. docs/adr/0012-job-and-publication.md has the reasons.
"""

import hashlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

CONTENT = "content-sha256"  # the metadata of a published object that tells whether it must be replaced
COPIED_AT_ONCE = 4
MOST_DELETED = 1000  # objects in one request (S3 API reference, DeleteObjects)
_passed: list[str] = []  # of crash_point, whose tests count
_ENTRY = re.compile(r"(\d{8})-(.+?)(\.intent)?\.json")


def _nobody(place: "Place", ledger: dict[str, Any]) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Place:
    """Where one run of one dataset writes.

    Attributes:
        announce: called with the ledger to be once its objects are all there, and before older ones are deleted, so
            that a row that moves can be found in its new partition before it leaves the old one.
    """

    s3: "S3Client"
    bucket: str
    dataset: str
    token: str
    announce: Callable[["Place", dict[str, Any]], object] = _nobody

    @property
    def ledger(self) -> str:
        """The prefix of the dataset's ledger."""
        return f"_ledger/{self.dataset}/"

    @property
    def temporary(self) -> str:
        """The prefix for what is not published yet."""
        return f"_tmp/{self.token}/"

    @property
    def published(self) -> tuple[str, str]:
        """The prefixes of the curated table and of its quarantine."""
        return f"data/{self.dataset}/", f"data/{self.dataset}_quarantine/"


@dataclass(frozen=True)
class Copy:
    """One object to publish: from where to where, with its size, its rows, and, once known, its content's hash."""

    source: str
    source_etag: str
    target: str
    bytes: int
    rows: int
    sha256: str = ""


def list_objects(s3: "S3Client", bucket: str, prefix: str) -> list[dict[str, Any]]:
    """List key, etag and bytes of every object under a prefix, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [
        {"key": found["Key"], "etag": found["ETag"].strip('"'), "bytes": found["Size"]}
        for page in pages
        for found in page.get("Contents", [])
    ]


def read_json(s3: "S3Client", bucket: str, key: str) -> dict[str, Any]:
    """Read one JSON object from S3."""
    content: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return content


def write_json(s3: "S3Client", bucket: str, key: str, content: dict[str, Any]) -> None:
    """Write one JSON object to S3."""
    body = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


def say_now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def crash_point(name: str) -> None:
    """Die here if a test says so: WORKBENCH_CRASH_AT is a point, or `point:N` for the Nth time a run is there."""
    wanted, _, times = os.environ.get("WORKBENCH_CRASH_AT", "").partition(":")
    if wanted == name:
        _passed.append(name)
        if len(_passed) == int(times or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def _ledger_entries(place: Place) -> Iterator[tuple[int, str, bool, str]]:
    """Yield sequence, token, whether it is an intent, and key of what lies in the ledger, the highest first."""
    for found in reversed(list_objects(place.s3, place.bucket, place.ledger)):
        name = _ENTRY.fullmatch(found["key"].removeprefix(place.ledger))
        if name:
            yield int(name[1]), name[2], bool(name[3]), found["key"]


def read_ledger(place: Place) -> dict[str, Any]:
    """Return the dataset's ledger, the highest whole one; empty with sequence 0 where nothing was published yet."""
    for sequence, _, intent, key in _ledger_entries(place):
        if not intent:
            try:
                return read_json(place.s3, place.bucket, key) | {"sequence": sequence}
            except ValueError:
                print(f"ledger {key} is not whole; the one before it counts")
    return {"sequence": 0}


def recover(place: Place) -> bool:
    """Complete the publication of a run that died, or discard it; then sweep what dead runs left under _tmp/.

    Returns: False where a publication had begun and cannot be completed: what is published must be built anew.
    """
    entries = list(_ledger_entries(place))
    written = {(sequence, token) for sequence, token, intent, _ in entries if not intent}
    whole = True
    for sequence, token, intent, key in entries:
        if intent and (sequence, token) not in written:
            whole = _complete(place, key) and whole
        if intent:
            place.s3.delete_object(Bucket=place.bucket, Key=key)
    sweep(place)
    return whole


def sweep(place: Place) -> None:
    """Delete all that lies under _tmp/: one run is under way at a time, so it is this run's, or a dead one's.

    Raises:
        ClientError: an object cannot be deleted.
    """
    names: list[ObjectIdentifierTypeDef] = [
        {"Key": found["key"]} for found in list_objects(place.s3, place.bucket, "_tmp/")
    ]
    for at in range(0, len(names), MOST_DELETED):
        answer = place.s3.delete_objects(Bucket=place.bucket, Delete={"Objects": names[at : at + MOST_DELETED]})
        for error in answer.get("Errors", ()):
            raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")


def _complete(place: Place, key: str) -> bool:
    """Do what an intent says and was not done; False where its sources are gone."""
    try:
        intent = read_json(place.s3, place.bucket, key)
    except ValueError:
        print(f"{key} is not whole: its run died before it published anything")
        return True
    copies = [Copy(**copy) for copy in intent["copies"]]
    missing = [copy for copy in copies if not _is_published(place, copy) and not _head(place, copy.source)]
    if missing:
        print(f"{key} cannot be completed: {missing[0].source} is gone; the table is built anew")
        return False
    print(f"completing the publication of run {intent['token']}, which died")
    _carry_out(place, copies, intent["deletes"], intent["ledger"], frozenset(copy.target for copy in copies))
    return True


def publish(place: Place, copies: list[Copy], ledger: dict[str, Any]) -> dict[str, Any]:
    """Publish the copies, delete what the ledger does not list, and write the ledger; return it as written.

    Args:
        copies: what this run made; those whose content is there already are left alone.
        ledger: the ledger to write, with `sequence` and `token`, and all objects that the dataset will have.
    """
    targets = {entry["key"] for entry in [*ledger["partitions"], *ledger["quarantine"]]}
    present = [found["key"] for prefix in place.published for found in list_objects(place.s3, place.bucket, prefix)]
    deletes = [key for key in present if key not in targets]
    name = f"{place.ledger}{ledger['sequence']:08d}-{ledger['token']}.intent.json"
    intent = {"schema": 1, "token": ledger["token"], "copies": [asdict(copy) for copy in copies]}
    write_json(place.s3, place.bucket, name, intent | {"deletes": deletes, "ledger": ledger})
    crash_point("intent")
    written = _carry_out(place, copies, deletes, ledger, frozenset(present))
    crash_point("ledger")
    place.s3.delete_object(Bucket=place.bucket, Key=name)
    return written


def _carry_out(
    place: Place, copies: list[Copy], deletes: list[str], ledger: dict[str, Any], present: frozenset[str]
) -> dict[str, Any]:
    """Copy, announce, delete, write the ledger: each step may be done twice.

    Args:
        present: the keys that are published already, or may be.
    """

    def publish_one(copy: Copy) -> None:
        if copy.target not in present or not _is_published(place, copy):
            _copy(place, copy, ledger["token"])

    with ThreadPoolExecutor(COPIED_AT_ONCE) as pool:
        for _ in pool.map(publish_one, copies):
            crash_point("copy")
    place.announce(place, ledger)
    crash_point("announced")
    for key in deletes:
        place.s3.delete_object(Bucket=place.bucket, Key=key)
        crash_point("deletion")
    crash_point("delete")
    etags = {o["key"]: o["etag"] for prefix in place.published for o in list_objects(place.s3, place.bucket, prefix)}
    for entry in [*ledger["partitions"], *ledger["quarantine"]]:
        entry["etag"] = etags[entry["key"]]
    write_json(place.s3, place.bucket, f"{place.ledger}{ledger['sequence']:08d}-{ledger['token']}.json", ledger)
    return ledger


def _copy(place: Place, copy: Copy, token: str) -> None:
    """Publish one object."""
    place.s3.copy_object(
        Bucket=place.bucket,
        Key=copy.target,
        CopySource={"Bucket": place.bucket, "Key": copy.source},
        CopySourceIfMatch=copy.source_etag,
        Metadata={CONTENT: copy.sha256, "token": token},
        MetadataDirective="REPLACE",
    )


def _head(place: Place, key: str) -> dict[str, str] | None:
    """Return an object's metadata; None where there is no such object."""
    try:
        return place.s3.head_object(Bucket=place.bucket, Key=key)["Metadata"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def _is_published(place: Place, copy: Copy) -> bool:
    """Tell whether the target holds this content already."""
    found = _head(place, copy.target)
    return found is not None and found.get(CONTENT) == copy.sha256


def hash_content(place: Place, key: str, schema: str) -> str:
    """Return a SHA-256 over a Parquet object's schema and pages: equal for equal rows, whichever JVM wrote them.

    The footer is left out: it lists the encodings of a column in an order that differs from one JVM to the next. It
    lies before the last eight bytes, which hold its length and a magic number.
    """
    content = place.s3.get_object(Bucket=place.bucket, Key=key)["Body"].read()
    pages = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return hashlib.sha256(schema.encode() + memoryview(content)[:pages]).hexdigest()


def is_intact(place: Place, ledger: dict[str, Any]) -> bool:
    """Tell whether what the ledger says was published is there, and nothing else."""
    listed = {o["key"]: o["etag"] for prefix in place.published for o in list_objects(place.s3, place.bucket, prefix)}
    return listed == {entry["key"]: entry["etag"] for entry in [*ledger["partitions"], *ledger["quarantine"]]}
