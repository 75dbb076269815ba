"""The configuration of buckets: kept and given back word for word, and nothing more is done with it."""

import json
from dataclasses import dataclass

from local_aws.errors import ServiceError
from local_aws.s3.body import read_document
from local_aws.s3.documents import document, parse, read_tags
from local_aws.s3.index import Index
from local_aws.s3.wire import Reply, Request
from local_aws.signing import Signature


@dataclass(frozen=True)
class Kind:
    """A sub-resource: its document's root, and the error (code, status) or empty document where there is none."""

    root: str
    missing: str = ""
    deletable: bool = True
    put_status: int = 200


KINDS = {
    "encryption": Kind("ServerSideEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError"),
    "lifecycle": Kind("LifecycleConfiguration", "NoSuchLifecycleConfiguration"),
    "notification": Kind("NotificationConfiguration", deletable=False),
    "policy": Kind("", "NoSuchBucketPolicy", put_status=204),
    "versioning": Kind("VersioningConfiguration", deletable=False),
    "tagging": Kind("Tagging", "NoSuchTagSet", put_status=204),
    "publicAccessBlock": Kind("PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"),
    "ownershipControls": Kind("OwnershipControls", "OwnershipControlsNotFoundError"),
    "cors": Kind("CORSConfiguration", "NoSuchCORSConfiguration"),
}


def answer(index: Index, request: Request, signature: Signature, bucket: str, name: str) -> Reply:
    """Answer GET, PUT or DELETE of the sub-resource `name` of an existing bucket."""
    kind = KINDS[name]
    if request.method == "GET":
        return _get(index, bucket, name, kind)
    if request.method == "PUT":
        body = read_document(request, signature)
        _check(body, kind)
        index.put_subresource(bucket, name, body)
        return Reply(kind.put_status)
    if request.method == "DELETE" and kind.deletable:
        index.delete_subresource(bucket, name)
        return Reply(204)
    raise ServiceError("MethodNotAllowed", f"{request.method} of ?{name} is not an operation of S3.", 405)


def location() -> Reply:
    """Answer GetBucketLocation: empty, which is us-east-1."""
    return document("LocationConstraint", ())


def _get(index: Index, bucket: str, name: str, kind: Kind) -> Reply:
    body = index.subresource(bucket, name)
    if body is not None:
        return Reply(headers={"Content-Type": "application/xml" if kind.root else "application/json"}, body=body)
    if kind.missing:
        raise ServiceError(kind.missing, f"The bucket {bucket} has no {name} configuration.", 404)
    return document(kind.root, ())


def _check(body: bytes, kind: Kind) -> None:
    if kind.root == "Tagging":
        read_tags(body)
    elif kind.root:
        parse(body, kind.root)
    else:
        try:
            json.loads(body)
        except ValueError:
            raise ServiceError("MalformedPolicy", "The policy is not JSON.", 400) from None
