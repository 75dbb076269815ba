"""Which operation a request is, and who answers it. Everything that is not named here is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from local_aws.errors import ServiceError
from local_aws.s3 import attributes as attribute
from local_aws.s3 import listing, subresources
from local_aws.s3.index import Index
from local_aws.s3.lake import Identity, Lake, identity_at
from local_aws.s3.multipart import Multipart
from local_aws.s3.namespace import Namespace
from local_aws.s3.objects import Call, Objects
from local_aws.s3.rclone import Rclone
from local_aws.s3.wire import Reply, Request
from local_aws.signing import Signature

# Parameters that do not say which operation it is.
_NEUTRAL = re.compile(r"X-Amz-.*|x-id|response-.*|versionId|AWSAccessKeyId")
_LISTING = {"list-type", "prefix", "delimiter", "max-keys", "encoding-type", "marker", "start-after"}
_LISTING |= {"continuation-token", "fetch-owner"}
_UPLOADS = {"prefix", "delimiter", "max-uploads", "encoding-type", "key-marker", "upload-id-marker"}


class Service:
    """The S3 service over one state folder."""

    def __init__(self, home: Path, rclone_port: int) -> None:
        self.lake = Lake(home)
        self.index = Index(home / "objects.sqlite")
        self.objects = Objects(self.lake, self.index)
        self.multipart = Multipart(self.objects)
        self.namespace = Namespace(self.objects, Rclone(home, rclone_port))
        objects, multipart, namespace = self.objects, self.multipart, self.namespace
        self._object_calls: dict[tuple[str, frozenset[str]], Callable[[Call], Reply]] = {
            ("GET", frozenset()): objects.get,
            ("HEAD", frozenset()): objects.get,
            ("PUT", frozenset()): self._put_or_copy,
            ("DELETE", frozenset()): namespace.delete_object,
            ("GET", frozenset({"tagging"})): objects.get_tags,
            ("PUT", frozenset({"tagging"})): objects.put_tags,
            ("DELETE", frozenset({"tagging"})): objects.delete_tags,
            ("POST", frozenset({"uploads"})): multipart.create,
            ("PUT", frozenset({"uploadId", "partNumber"})): self._put_or_copy_part,
            ("POST", frozenset({"uploadId"})): multipart.complete,
            ("DELETE", frozenset({"uploadId"})): multipart.abort,
            ("GET", frozenset({"uploadId"})): multipart.list_parts,
        }

    def sweep(self) -> None:
        """Remove what a killed server left; call before the first request."""
        self.lake.sweep()
        self.multipart.sweep()
        root = self.lake.root

        def exists(bucket: str, key: str, identity: Identity) -> bool:
            return identity_at(f"{root}/{bucket}/{key}") == identity

        self.index.keep_only(exists)

    def answer(self, request: Request, signature: Signature) -> Reply:
        """Answer one authenticated request."""
        attribute.check_headers(request.headers)
        bucket, _, key = _path(request.path)
        asked = frozenset(name for name in request.parameters if not _NEUTRAL.fullmatch(name))
        if not bucket:
            if request.method == "GET" and asked <= {"max-buckets", "prefix"}:
                return self.namespace.list_buckets()
        elif not key:
            return self._bucket_call(request, signature, bucket, asked)
        else:
            attribute.check_version(request.parameters.get("versionId"))
            pages = (
                {"max-parts", "part-number-marker"} if request.method == "GET" and "uploadId" in asked else frozenset()
            )
            call = self._object_calls.get((request.method, asked - pages))
            if call is not None:
                return call(Call(request, signature, bucket, key))
        raise _not_done(request, asked)

    def _bucket_call(self, request: Request, signature: Signature, bucket: str, asked: frozenset[str]) -> Reply:
        method = request.method
        if not asked and method in ("PUT", "DELETE", "HEAD"):
            calls = {"PUT": self._create, "DELETE": self.namespace.delete_bucket, "HEAD": self.namespace.head_bucket}
            return calls[method](bucket)
        self.lake.bucket(bucket)
        if method == "GET" and asked <= _LISTING:
            return listing.list_objects(self.objects, bucket, request.parameters)
        if method == "GET" and asked == {"location"}:
            return subresources.location()
        if method == "GET" and "uploads" in asked and asked - {"uploads"} <= _UPLOADS:
            return self.multipart.list_uploads(bucket, request.parameters.get("prefix", ""))
        if method == "POST" and asked == {"delete"}:
            return self.namespace.delete_objects(request, signature, bucket)
        if len(asked) == 1 and (name := next(iter(asked))) in subresources.KINDS:
            return subresources.answer(self.index, request, signature, bucket, name)
        raise _not_done(request, asked)

    def _create(self, bucket: str) -> Reply:
        return self.namespace.create_bucket(bucket)

    def _put_or_copy(self, call: Call) -> Reply:
        copies = "x-amz-copy-source" in call.request.headers
        return self.objects.copy(call) if copies else self.objects.put(call)

    def _put_or_copy_part(self, call: Call) -> Reply:
        copies = "x-amz-copy-source" in call.request.headers
        return self.multipart.copy_part(call) if copies else self.multipart.put_part(call)


def _path(path: str) -> tuple[str, str, str]:
    """Split a request's path into bucket and key, decoded."""
    try:
        bucket, slash, key = unquote(path, errors="strict").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "The path is not UTF-8.", 400) from None
    return bucket, slash, key


def _not_done(request: Request, asked: frozenset[str]) -> ServiceError:
    what = f"{request.method} {'?' + '&'.join(sorted(asked)) if asked else request.path[:60]}"
    return ServiceError("NotImplemented", f"{what} is not done by this S3: docs/s3.md lists what is.", 501)
