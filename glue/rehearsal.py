"""Rehearse the job in a process that stands ready for its next run, which then finds classes loaded and code compiled.

The embedded Glue calls `rehearse`, with the arguments of the last run; AWS Glue never loads this file. What is read is
the beginning of some raw objects and the contract. What is written, and all that the job then does, stays in a folder:
neither S3 nor the catalog hears of it. docs/adr/0024-warm-spark.md has the reasons.
"""

import hashlib
import io
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import evaluation
import job  # type: ignore[import-not-found]
import publication
import raw_files
import raw_objects
import registration
from awsglue.utils import getResolvedOptions
from botocore.exceptions import ClientError
from pyspark.sql import SparkSession

OBJECTS = 16
HEAD_BYTES = 32 << 10  # of a file that is text
WHOLE_BYTES = 256 << 10  # one that can only be read as a whole is left out if it is larger
FURTHER_RUNS = 3  # over all objects, behind the first two
RAW, TOKEN = "raw/", "rehearsal"


class NoSuchKey(ClientError):
    """There is no such object, as S3 says it."""

    def __init__(self, operation: str) -> None:
        missing = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        super().__init__(missing, operation)  # type: ignore[arg-type]


class Exceptions:
    """The exceptions of an S3 client."""

    NoSuchKey = NoSuchKey


class FolderBucket:
    """What the job asks of S3, over one folder: every bucket's name is as good as another."""

    exceptions = Exceptions

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._metadata: dict[str, dict[str, str]] = {}

    def get_paginator(self, _: str) -> "FolderBucket":
        """Return what lists objects: this."""
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        """Yield one page with the objects under a prefix."""
        files = sorted(path for path in self._folder.rglob("*") if path.is_file())
        keys = [path.relative_to(self._folder).as_posix() for path in files]
        yield {"Contents": [self._describe(key) for key in keys if key.startswith(Prefix)]}

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        """Return an object's metadata. Raises ClientError where there is none."""
        if not (self._folder / Key).is_file():
            raise NoSuchKey("HeadObject")
        return {"Metadata": self._metadata.get(Key, {})}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        """Return an object's content. Raises NoSuchKey where there is none."""
        if not (self._folder / Key).is_file():
            raise NoSuchKey("GetObject")
        return {"Body": io.BytesIO((self._folder / Key).read_bytes())}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        """Write an object."""
        (self._folder / Key).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / Key).write_bytes(Body)

    def copy_object(self, Bucket: str, Key: str, CopySource: dict[str, str], **more: Any) -> None:
        """Copy an object."""
        self.put_object(Bucket, Key, (self._folder / CopySource["Key"]).read_bytes())
        self._metadata[Key] = more["Metadata"]

    def delete_object(self, Bucket: str, Key: str) -> None:
        """Delete an object."""
        (self._folder / Key).unlink(missing_ok=True)

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        """Delete objects."""
        for entry in Delete["Objects"]:
            self.delete_object(Bucket, entry["Key"])
        return {}

    def _describe(self, key: str) -> dict[str, Any]:
        content = (self._folder / key).read_bytes()
        return {"Key": key, "ETag": hashlib.md5(content, usedforsecurity=False).hexdigest(), "Size": len(content)}


class Silent(registration.Registrar):  # type: ignore[misc]
    """Tells the catalog nothing."""

    def __call__(self, place: publication.Place, ledger: Any) -> registration.Registered:
        """Return that nothing was changed."""
        return self.done


def rehearse(arguments: list[str], bucket: str, folder: str) -> None:
    """Run the job over the beginning of what the last run read: first over half of the objects, then over all.

    So the second one is an increment, which reads what the first published. More runs over all follow, since the JVM
    compiles what it has run often enough.

    Args:
        arguments: of the last run, as `job.main` takes them.
        bucket: what Spark is told to find `folder` under.
    """
    options: dict[str, str] = getResolvedOptions(arguments, job.ARGUMENTS)
    s3, scratch = boto3.client("s3"), FolderBucket(Path(folder))
    contract = publication.read_json(s3, options["CURATED_BUCKET"], f"_contracts/{options['DATASET']}.json")
    rehearsed = evaluation.name_expressions(job.hash_contract(contract), job.hash_code())
    contract |= {"dataset": RAW.removesuffix("/"), "quarantine_limit": 1.0}
    contract["quality"] = [{**rule, "severity": "warning"} for rule in contract.get("quality", ())]
    listed = publication.list_objects(s3, options["RAW_BUCKET"], f"{options['DATASET']}/")
    sample = list(take_sample(s3, options["RAW_BUCKET"], listed))
    large = sum(found["bytes"] for found in listed) >= evaluation.SMALL_BYTES
    evaluation.SMALL_BYTES = 0 if large else sys.maxsize  # the sample is read as the run will read all
    for turn, some in enumerate((sample[::2], sample[1::2], *[[]] * FURTHER_RUNS)):
        for name, content in some:
            scratch.put_object(bucket, f"{RAW}{name}", content)
        if sample:
            job.main([], open_scratch(scratch, bucket, contract, f"{TOKEN}-{turn}", full=turn > 1))
    if sample:
        SparkSession.builder.getOrCreate()._jvm.System.setProperty(evaluation.REHEARSED, rehearsed)  # type: ignore[union-attr]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)


def open_scratch(scratch: Any, bucket: str, contract: dict[str, Any], token: str, full: bool) -> job.Run:
    """Return a run that reads and writes the folder alone."""
    registrar = Silent("", contract)
    place = publication.Place(scratch, bucket, contract["dataset"], token, registrar)
    source = raw_objects.Source(scratch, bucket, contract, bucket, f"{place.temporary}copies/")
    return job.Run(source, place, "", "", full, registrar, time.monotonic())


def take_sample(s3: Any, bucket: str, objects: Iterable[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Yield name and beginning of some of these raw objects, the smallest first; text is cut behind a line."""
    listed = [found for found in objects if not raw_objects.is_hidden(found["key"])]
    taken = 0
    for found in sorted(listed, key=lambda found: (found["bytes"], found["key"])):
        key, size = found["key"], found["bytes"]
        if taken == OBJECTS:
            return
        if size == 0:
            continue
        whole = size <= HEAD_BYTES or key.endswith(".gz")
        if size > WHOLE_BYTES and whole:
            continue
        asked = {} if whole else {"Range": f"bytes=0-{HEAD_BYTES - 1}"}
        content = s3.get_object(Bucket=bucket, Key=key, **asked)["Body"].read()
        if not whole:
            if raw_files.find_kind(key, content) == raw_files.PARQUET:
                continue
            content = content[: content.rfind(b"\n") + 1]
        taken += 1
        yield key.rpartition("/")[2], content
