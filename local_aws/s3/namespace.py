"""Buckets, which rclone makes, lists and removes, and deletions of objects, which it must not do.

Measured (docs/adr/0003-s3-front.md): rclone says "deleted" of a file that is younger than its view of the folder and
leaves it, and it removes emptied folders under another program that is about to write there.
"""

import os

from local_aws.errors import LocalAwsError, ServiceError
from local_aws.s3.body import read_document
from local_aws.s3.conditions import failed
from local_aws.s3.documents import document, parse, tag
from local_aws.s3.lake import Identity, check_key, check_new_bucket, remove_empty, remove_file, sync_folder
from local_aws.s3.listing import has_objects
from local_aws.s3.objects import Call, Objects
from local_aws.s3.rclone import Answer, Rclone
from local_aws.s3.wire import Reply, Request
from local_aws.signing import Signature

LARGEST_BATCH = 1000


class Namespace:
    """What there is in the lake, beside the objects' content."""

    def __init__(self, objects: Objects, rclone: Rclone) -> None:
        self._objects = objects
        self._rclone = rclone

    def list_buckets(self) -> Reply:
        """Answer ListBuckets, as rclone does."""
        return _passed(self._rclone.call("GET", "/"))

    def head_bucket(self, bucket: str) -> Reply:
        """Answer HeadBucket."""
        self._objects.lake.bucket(bucket)
        return Reply(headers={"x-amz-bucket-region": "us-east-1"})

    def create_bucket(self, bucket: str) -> Reply:
        """Answer CreateBucket; an own bucket that is there already is no error, as in us-east-1."""
        check_new_bucket(bucket)
        if not (self._objects.lake.root / bucket).is_dir():
            answer = self._rclone.call("PUT", f"/{bucket}")
            if not answer.ok and not (self._objects.lake.root / bucket).is_dir():
                return _passed(answer)
        return Reply(headers={"Location": f"/{bucket}"})

    def delete_bucket(self, bucket: str) -> Reply:
        """Answer DeleteBucket; folders without files are no objects, and go with it."""
        folder = self._objects.lake.bucket(bucket)
        if has_objects(str(folder)):
            raise ServiceError("BucketNotEmpty", f"The bucket {bucket} has objects: delete them first.", 409)
        for entry in os.scandir(folder):
            if entry.is_dir():
                remove_empty(entry.path)
        answer = self._rclone.call("DELETE", f"/{bucket}")
        if folder.is_dir():
            raise ServiceError("InternalError", f"rclone could not remove the bucket {bucket} ({answer.status})", 500)
        self._objects.index.forget_bucket(bucket)
        return Reply(204)

    def delete_object(self, call: Call) -> Reply:
        """Answer DeleteObject; a key that is not there is no error."""
        folder = self._objects.lake.bucket(call.bucket)
        if _is_folder(call.key):
            return Reply(204)
        with self._objects.locks.of(call.bucket, call.key):
            if (wanted := call.request.headers.get("if-match")) is not None:
                present = self._objects.present_etag(call.bucket, call.key)
                if present is None or wanted.strip('"') not in ("*", present):
                    raise failed("If-Match")
            removed = remove_file(f"{folder}/{call.key}")
        self._forget(call.bucket, {call.key: removed})
        return Reply(204)

    def delete_objects(self, request: Request, signature: Signature, bucket: str) -> Reply:
        """Answer DeleteObjects: at most 1000 keys, each with its own result."""
        folder = self._objects.lake.bucket(bucket)
        root = parse(read_document(request, signature), "Delete")
        keys = [item.findtext("Key") or "" for item in root.iter("Object")]
        if not 0 < len(keys) <= LARGEST_BATCH:
            raise ServiceError("MalformedXML", f"{len(keys)} keys: a batch has 1 to {LARGEST_BATCH}.", 400)
        errors: dict[str, LocalAwsError] = {}
        removed: dict[str, Identity | None] = {}
        for key in keys:
            try:
                if not _is_folder(key):
                    with self._objects.locks.of(bucket, key):
                        removed[key] = remove_file(f"{folder}/{key}")
            except LocalAwsError as error:
                errors[key] = error
        self._forget(bucket, removed)
        quiet = root.findtext("Quiet") == "true"
        items = [f"<Deleted>{tag('Key', key)}</Deleted>" for key in keys if not quiet and key not in errors]
        items += [_error(key, problem) for key, problem in errors.items()]
        return document("DeleteResult", items)

    def _forget(self, bucket: str, removed: dict[str, Identity | None]) -> None:
        """Make removals durable, and forget the records of exactly the removed files."""
        gone = [(key, identity) for key, identity in removed.items() if identity is not None]
        for folder in {key.rpartition("/")[0] for key, _ in gone}:
            sync_folder(f"{self._objects.lake.root}/{bucket}/{folder}")
        if gone:
            self._objects.index.forget(bucket, gone)


def _error(key: str, problem: LocalAwsError) -> str:
    code = problem.code if isinstance(problem, ServiceError) else "InternalError"
    return f"<Error>{tag('Key', key)}{tag('Code', code)}{tag('Message', problem)}</Error>"


def _is_folder(key: str) -> bool:
    """Say whether the key is one of a folder, which is never an object; refuse keys that are none at all."""
    check_key(key.removesuffix("/"))
    return key.endswith("/")


def _passed(answer: Answer) -> Reply:
    kept = {name: value for name, value in answer.headers.items() if name.lower() == "content-type"}
    return Reply(answer.status, kept, answer.body)
