"""Read and write S3 objects: listings, JSON documents, and code that is replaced only where it differs."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from helpers.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class S3Object:
    """One object as a listing shows it; `modified` in seconds since 1970."""

    bucket: str
    key: str
    etag: str
    bytes: int
    modified: float

    @property
    def uri(self) -> str:
        """The object's s3:// URI."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """What stands behind the key's last slash."""
        return self.key.rpartition("/")[2]

    def as_input(self) -> dict[str, Any]:
        """Return what a run's record says of an object that was read."""
        return {"uri": self.uri, "etag": self.etag, "bytes": self.bytes}


def list_objects(s3: "S3Client", bucket: str, prefix: str) -> list[S3Object]:
    """Return the objects under `prefix`, by key."""
    return list(_list_pages(s3, bucket, prefix))


def _list_pages(s3: "S3Client", bucket: str, prefix: str) -> Iterator[S3Object]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            etag = entry["ETag"].strip('"')
            yield S3Object(bucket, entry["Key"], etag, entry["Size"], entry["LastModified"].timestamp())


def read_json(s3: "S3Client", bucket: str, key: str) -> dict[str, Any] | None:
    """Return a JSON document, or None where there is no such object."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    document = json.loads(body)
    return document if isinstance(document, dict) else None


def write_json(s3: "S3Client", bucket: str, key: str, document: dict[str, Any]) -> str:
    """Write a JSON document and return its URI."""
    body = json.dumps(document, indent=1).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    return f"s3://{bucket}/{key}"


def differs(s3: "S3Client", bucket: str, key: str, body: bytes) -> bool:
    """Tell whether the object is missing or has another content, by its metadata `sha256`."""
    try:
        metadata = s3.head_object(Bucket=bucket, Key=key)["Metadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return True
        raise
    return metadata.get("sha256") != hashlib.sha256(body).hexdigest()


def put_hashed(s3: "S3Client", bucket: str, key: str, body: bytes) -> None:
    """Write `body` with its SHA-256 as metadata `sha256`, which `differs` compares."""
    s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"sha256": hashlib.sha256(body).hexdigest()})


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of an s3:// URI.

    Raises:
        ConfigError: the URI names no bucket.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise ConfigError(f'"{uri}" is no s3:// URI: write s3://bucket/key')
    return bucket, key
