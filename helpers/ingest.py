"""Step 01: look at the raw files of a dataset and put them, unchanged, under its raw prefix.

An object's key holds the hash of its bytes, so the same bytes are one object, on whatever day and under whatever
name they come again: `<dataset>/ingest_date=YYYY-MM-DD/<sha256[:12]>-<file name>`.
"""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from boto3.s3.transfer import TransferConfig

from helpers.config import StepConfig
from helpers.contract import load_contract
from helpers.errors import InputError
from helpers.ingest_chain import HASH_LETTERS, Chain, read_chain, write_links
from helpers.ingest_profile import TABLE_ROWS, Profile, profile_paths, simplify_name
from helpers.ingest_sources import RawFile, find_files
from helpers.objects import S3Object, list_objects
from helpers.progress import ProgressLine
from helpers.record import step_entry
from helpers.session import Session, open_session

_PART = 16 * 1024 * 1024


@dataclass(frozen=True)
class Delivery:
    """One file of this run, the object that holds its bytes, and whether this run put it there."""

    name: str
    sha256: str
    object: S3Object
    uploaded: bool


@dataclass(frozen=True)
class IngestResult:
    """What is in raw now.

    Attributes:
        deliveries: the files of this run.
        total_objects: objects under the dataset's raw prefix, whenever they came.
        total_bytes: their size.
        rows: records that were profiled before, None where nobody did.
    """

    dataset: str
    prefix: str
    deliveries: tuple[Delivery, ...]
    total_objects: int
    total_bytes: int
    rows: int | None
    seconds: float

    @property
    def uploaded(self) -> int:
        """How many objects are new; zero when the same files come again."""
        return len({delivery.object.key for delivery in self.deliveries if delivery.uploaded})

    @property
    def distinct_contents(self) -> int:
        """How many different contents this run's files have."""
        return len({delivery.sha256 for delivery in self.deliveries})

    @property
    def delivered_bytes(self) -> int:
        """The size of this run's files as S3 has them."""
        return sum(delivery.object.bytes for delivery in self.deliveries)

    @property
    def table(self) -> pd.DataFrame:
        """One row a file, at most ten: its name, the start of its hash, its size."""
        rows = [[d.name, d.sha256[:HASH_LETTERS], d.object.bytes] for d in self.deliveries]
        return pd.DataFrame(rows, columns=["file", "sha256 starts with", "bytes"])[:TABLE_ROWS]

    @property
    def totals(self) -> pd.DataFrame:
        """What this dataset has in raw, whichever run put it there."""
        figures = [
            ["files of this delivery", len(self.deliveries)],
            ["distinct contents among them", self.distinct_contents],
            ["objects under the dataset's raw prefix", self.total_objects],
            ["their bytes", self.total_bytes],
        ]
        return pd.DataFrame(figures, columns=["in raw", "number"])

    def figures(self) -> dict[str, Any]:
        """Return what the run's record keeps."""
        objects = {delivery.object.key: delivery.object for delivery in self.deliveries}
        return {
            "rows_in": self.rows,
            "rows_out": self.rows,
            "rows_quarantined": 0,
            "inputs": [found.as_input() for found in objects.values()],
            "outputs": [self.prefix],
            "uploaded": self.uploaded,
            "seconds": round(self.seconds, 3),
        }


@step_entry
def profile_files(cfg: StepConfig) -> Profile:
    """Count what is in the raw files before anything is done to them: rows, columns, missing cells, repeated rows.

    Raises:
        InputError: a file is missing or unreadable, or there is none. A file that is broken inside is described.
    """
    started = time.monotonic()
    contract = load_contract(cfg.dataset)
    found = find_files(cfg)
    files = profile_paths([file.path for file in found], contract.null_spellings)
    aliases = {simplify_name(name): column.name for column in contract.columns for name in column.source_names}
    return Profile(cfg.dataset, files, aliases, time.monotonic() - started)


@step_entry
def ingest_files(cfg: StepConfig, profile: Profile | None = None) -> IngestResult:
    """Put each file under the dataset's raw prefix, unless its bytes are there already, under whatever date.

    Args:
        profile: what `profile_files` found, for the row counts of the record.

    Raises:
        InputError: a file is missing or unreadable, or changed while it was read; two files of one name differ where
            a delivery replaces what came under its name.
    """
    started = time.monotonic()
    session = open_session(cfg.profile)
    files = find_files(cfg)
    bucket = session.outputs.raw_bucket
    there = [
        o for o in list_objects(session.client("s3"), bucket, f"{cfg.dataset}/") if o.name[:1] not in ("", "_", ".")
    ]
    chain = read_chain(session, cfg, there)
    if chain.by_name:
        _refuse_two_contents(files)
    deliveries = []
    with ProgressLine(f"ingesting {len(files)} files", sum(file.path.stat().st_size for file in files)) as progress:
        for file in files:
            deliveries.append(_deliver(session, cfg, file, chain, progress))
    new = {delivery.object.key: delivery.object for delivery in deliveries if delivery.uploaded}
    everything = {found.key: found for found in there} | new
    return IngestResult(
        dataset=cfg.dataset,
        prefix=f"s3://{bucket}/{cfg.dataset}/",
        deliveries=tuple(deliveries),
        total_objects=len(everything),
        total_bytes=sum(found.bytes for found in everything.values()),
        rows=profile.rows if profile else None,
        seconds=time.monotonic() - started,
    )


def _refuse_two_contents(files: list[RawFile]) -> None:
    """Stop where two files of one name differ, before either of them replaces the other."""
    first: dict[str, RawFile] = {}
    for file in files:
        known = first.setdefault(file.name, file)
        if known is not file and _hash_file(known.path)[0] != _hash_file(file.path)[0]:
            one, other = (each.origin if each.origin.startswith("s3://") else each.path for each in (known, file))
            raise InputError(
                f"{one} and {other} differ under one name, and a delivery replaces what came under its name "
                "(deliveries: replace_by_name): rename one, or leave one out with `files`; nothing was ingested"
            )


def _deliver(session: Session, cfg: StepConfig, file: RawFile, chain: Chain, progress: ProgressLine) -> Delivery:
    """Find the object that holds a file's bytes and counts, or upload it; the chain gets to know it.

    Raises:
        InputError: the file cannot be read, or changed while it was.
    """
    sha256, state = _hash_file(file.path)
    if there := chain.find(file.name, sha256, state.st_size):
        progress.advance(state.st_size)
        return Delivery(file.name, sha256, there, False)
    replaced = chain.list_replaced(file.name)
    key = chain.choose_key(f"{cfg.dataset}/ingest_date={cfg.as_of.isoformat()}/", _key_name(file), sha256)
    metadata = {"sha256": sha256, "run-id": cfg.run_id, "source": quote(file.origin)}
    found = _upload(session, file, key, metadata | write_links(replaced), progress)
    if _changed(file.path, state):
        session.client("s3").delete_object(Bucket=found.bucket, Key=key)
        raise InputError(f"{file.path} changed while it was read: run again when its writer is done")
    chain.add(found, replaced)
    return Delivery(file.name, sha256, found, True)


def _upload(session: Session, file: RawFile, key: str, metadata: dict[str, str], progress: ProgressLine) -> S3Object:
    """Upload one file, a large one in parts, and return its object."""
    s3, bucket = session.client("s3"), session.outputs.raw_bucket
    s3.upload_file(
        str(file.path),
        bucket,
        key,
        ExtraArgs={"Metadata": metadata},
        Config=TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=4),
        Callback=progress.advance,
    )
    head = s3.head_object(Bucket=bucket, Key=key)
    return S3Object(bucket, key, head["ETag"].strip('"'), head["ContentLength"], head["LastModified"].timestamp())


def _key_name(file: RawFile) -> str:
    """Return the file's name for its key.

    Raises:
        InputError: the name holds a control character or a backslash, which many tools cannot address.
    """
    if not file.name.isprintable() or "\\" in file.name:
        raise InputError(f"{file.path!r}: rename the file, its name holds a control character or a backslash")
    return file.name


def _hash_file(path: Path) -> tuple[str, os.stat_result]:
    """Return the SHA-256 of a file, and its state as it was before."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            return hashlib.file_digest(file, "sha256").hexdigest(), state
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def _changed(path: Path, before: os.stat_result) -> bool:
    after = path.stat()
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
