"""The raw objects of a dataset: list them, fetch them, keep copies of some where Spark reads them."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from increments import read_links
from publication import list_objects, read_json

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FETCHES_AT_ONCE = 4
HELD_BYTES = 4 << 20  # of objects that may be looked into twice; what is more is fetched twice


@dataclass(frozen=True)
class Source:
    """The raw objects of one dataset, the contract by which they are read, and where Spark's copies of some go."""

    s3: "S3Client"
    bucket: str
    contract: dict[str, Any]
    scratch_bucket: str
    scratch: str  # a prefix

    @property
    def prefix(self) -> str:
        """The prefix of the dataset's raw objects."""
        return f"{self.contract['dataset']}/"


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


def fetch(source: Source, key: str) -> bytes:
    """Return a raw object's content."""
    return source.s3.get_object(Bucket=source.bucket, Key=key)["Body"].read()


def fetch_ahead(source: Source, listed: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yield each object's content in turn, and fetch the next ones meanwhile as long as they are small."""
    with ThreadPoolExecutor(FETCHES_AT_ONCE) as pool:
        ahead: deque[Future[bytes]] = deque()
        for number, entry in enumerate(listed):
            begun = number + len(ahead)
            for other in listed[begun : number + FETCHES_AT_ONCE]:
                if other["bytes"] > HELD_BYTES // FETCHES_AT_ONCE:
                    break
                ahead.append(pool.submit(fetch, source, other["key"]))
            yield ahead.popleft().result() if ahead else fetch(source, entry["key"])


def keep_copy(source: Source, number: int, copy: bytes) -> str:
    """Put a copy where Spark reads it; return its URI."""
    key = f"{source.scratch}{number:06d}"
    source.s3.put_object(Bucket=source.scratch_bucket, Key=key, Body=copy)
    return f"s3://{source.scratch_bucket}/{key}"
