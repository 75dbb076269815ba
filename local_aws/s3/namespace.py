"""Buckets and deletions: rclone does them, the front sees to it that they mean what S3 means by them."""

import os
import time

from local_aws.errors import ServiceError
from local_aws.s3.body import read_document
from local_aws.s3.conditions import failed
from local_aws.s3.documents import document, parse, tag
from local_aws.s3.lake import Identity, check_key, check_new_bucket, identity_at, remove_empty
from local_aws.s3.listing import has_objects
from local_aws.s3.objects import Call, Objects
from local_aws.s3.rclone import Answer, Rclone
from local_aws.s3.wire import Reply, Request
from local_aws.signing import Signature

LARGEST_BATCH = 1000
_ATTEMPTS = 50


class Namespace:
    """What is passed on to rclone."""

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
            return _passed(answer) if not answer.ok else _still_there(bucket)
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
            if identity := identity_at(f"{folder}/{call.key}"):
                self._delete(call.bucket, call.key, identity)
                self._objects.index.forget(call.bucket, [(call.key, identity)])
        return Reply(204)

    def delete_objects(self, request: Request, signature: Signature, bucket: str) -> Reply:
        """Answer DeleteObjects: at most 1000 keys, each with its own result."""
        folder = self._objects.lake.bucket(bucket)
        root = parse(read_document(request, signature), "Delete")
        keys = [item.findtext("Key") or "" for item in root.iter("Object")]
        if not 0 < len(keys) <= LARGEST_BATCH:
            raise ServiceError("MalformedXML", f"{len(keys)} keys: a batch has 1 to {LARGEST_BATCH}.", 400)
        errors = {}
        there: dict[str, Identity] = {}
        for key in keys:
            try:
                if not _is_folder(key) and (identity := identity_at(f"{folder}/{key}")):
                    there[key] = identity
            except ServiceError as error:
                errors[key] = error
        if there:
            batch = "".join(f"<Object>{tag('Key', key)}</Object>" for key in there)
            self._rclone.call(
                "POST", f"/{bucket}", {"delete": ""}, f"<Delete><Quiet>true</Quiet>{batch}</Delete>".encode()
            )
        for key, identity in there.items():
            try:
                self._delete(bucket, key, identity)
            except ServiceError as error:
                errors[key] = error
        self._objects.index.forget(bucket, [version for version in there.items() if version[0] not in errors])
        quiet = root.findtext("Quiet") == "true"
        items = [f"<Deleted>{tag('Key', key)}</Deleted>" for key in keys if not quiet and key not in errors]
        items += [f"<Error>{tag('Key', k)}{tag('Code', e.code)}{tag('Message', e)}</Error>" for k, e in errors.items()]
        return document("DeleteResult", items)

    def _delete(self, bucket: str, key: str, identity: Identity) -> None:
        """Have rclone delete this version, where it is still the present one, and see that it did.

        rclone looks at its view of the folder, up to a millisecond old: of a younger file it says "deleted" and
        leaves it.
        """
        path = f"{self._objects.lake.bucket(bucket)}/{key}"
        for _ in range(_ATTEMPTS):
            if identity_at(path) != identity:
                return
            answer = self._rclone.call("DELETE", f"/{bucket}/{key}")
            if not answer.ok:
                text = answer.body[:200].decode("utf-8", "replace")
                raise ServiceError("InternalError", f"rclone could not delete {key!r}: {answer.status} {text}", 500)
            if identity_at(path) == identity:
                time.sleep(0.002)
        raise ServiceError("InternalError", f"rclone says it deleted {key!r}, and it is there still; try again", 500)


def _is_folder(key: str) -> bool:
    """Say whether the key is one of a folder, which is never an object; refuse keys that are none at all."""
    check_key(key.removesuffix("/"))
    return key.endswith("/")


def _passed(answer: Answer) -> Reply:
    kept = {name: value for name, value in answer.headers.items() if name.lower() == "content-type"}
    return Reply(answer.status, kept, answer.body)


def _still_there(bucket: str) -> Reply:
    raise ServiceError("InternalError", f"rclone says it deleted the bucket {bucket}, and it is there; try again", 500)
