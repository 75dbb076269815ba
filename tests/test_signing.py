"""Signature version 4, against the worked examples of AWS's own documentation and against botocore."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws.signing import (
    EMPTY_SHA256,
    AccessKey,
    ClockSkewError,
    KeyRing,
    MalformedSignatureError,
    MissingSignatureError,
    SignatureMismatchError,
    SignedRequest,
    UnknownKeyError,
    chunk_signature,
    sign_request,
    verify_request,
)

# The examples of the S3 API Reference, "Authenticating requests (AWS Signature Version 4)".
KEY = AccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "notebook")
THEN = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"
SCOPE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    document = {"access_key_id": KEY.access_key_id, "secret_access_key": KEY.secret_access_key}
    (tmp_path / "aws-notebook.json").write_text(json.dumps(document))
    return KeyRing(tmp_path)


def example(signature: str, signed: str, **headers: str) -> SignedRequest:
    authorization = f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={signed},Signature={signature}"
    own = {"host": HOST, "x-amz-date": "20130524T000000Z", "authorization": authorization}
    return SignedRequest(
        "GET", "/test.txt", "", own | {name.replace("_", "-"): value for name, value in headers.items()}
    )


def get_example() -> SignedRequest:
    return example(
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        "host;range;x-amz-content-sha256;x-amz-date",
        range="bytes=0-9",
        x_amz_content_sha256=EMPTY_SHA256,
    )


def test_documented_get_is_verified(ring: KeyRing) -> None:
    """The documentation's GET is accepted, with its role and scope."""
    signature = verify_request(get_example(), ring, THEN)
    assert (signature.role, signature.region, signature.service) == ("notebook", "us-east-1", "s3")


def test_documented_presigned_url_is_verified(ring: KeyRing) -> None:
    """The documentation's presigned URL is accepted for its day, and refused after it."""
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
        + SCOPE.replace("/", "%2F")
        + "&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = SignedRequest("GET", "/test.txt", query, {"host": HOST})
    assert verify_request(request, ring, THEN + timedelta(hours=23)).presigned
    with pytest.raises(ClockSkewError, match="expired"):
        verify_request(request, ring, THEN + timedelta(days=1, seconds=1))


def test_documented_chunks_are_chained(ring: KeyRing) -> None:
    """The three chunk signatures of the documentation's streaming upload follow from the seed signature."""
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    signed = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
    request = example(
        seed, signed + ";x-amz-storage-class", content_encoding="aws-chunked", content_length="66824",
        x_amz_content_sha256=payload, x_amz_decoded_content_length="66560", x_amz_storage_class="REDUCED_REDUNDANCY",
    )  # fmt: skip
    request = replace(request, method="PUT", path="/examplebucket/chunkObject.txt")
    request = replace(request, headers={**request.headers, "host": "s3.amazonaws.com"})
    signature = verify_request(request, ring, THEN)
    previous, found = signature.value, []
    for size in (65536, 1024, 0):
        previous = chunk_signature(signature, previous, hashlib.sha256(b"a" * size).hexdigest())
        found.append(previous[:16])
    assert found == ["ad80c730a21e5b8d", "0055627c9e194cb4", "b6c6ea8a5354eaf1"]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"path": "/other.txt"}, SignatureMismatchError, "signature is not"),
        ({"method": "PUT"}, SignatureMismatchError, "signature is not"),
        ({"query": "acl"}, SignatureMismatchError, "signature is not"),
        ({"range": "bytes=0-10"}, SignatureMismatchError, "signature is not"),
        ({"range": None}, MalformedSignatureError, "signed but not sent: .'range'"),
        ({"x-amz-meta-more": "1"}, MalformedSignatureError, "not signed: .'x-amz-meta-more'"),
        ({"authorization": None}, MissingSignatureError, "not signed"),
        ({"authorization": "Basic YTpi"}, MalformedSignatureError, "version 4"),
        ({"x-amz-date": "yesterday"}, MalformedSignatureError, "X-Amz-Date"),
    ],
)
def test_changed_request_is_refused(ring: KeyRing, change: dict[str, str | None], error: type, match: str) -> None:
    """Whatever of a signed request is changed, it is refused."""
    request = get_example()
    parts = {name: change.pop(name) for name in ("path", "method", "query") if name in change}
    headers = {name: value for name, value in {**request.headers, **change}.items() if value is not None}
    with pytest.raises(error, match=match):
        verify_request(replace(request, headers=headers, **parts), ring, THEN)  # type: ignore[arg-type]


def test_old_request_is_refused(ring: KeyRing) -> None:
    """A request signed more than 15 minutes ago is refused."""
    with pytest.raises(ClockSkewError, match="15 minutes") as raised:
        verify_request(get_example(), ring, THEN + timedelta(minutes=15, seconds=1))
    assert raised.value.code == "RequestTimeTooSkewed"


def test_keys_are_read_again_when_the_folder_changes(ring: KeyRing, tmp_path: Path) -> None:
    """A key is unknown until its file is there, and unknown again when it is gone."""
    (tmp_path / "aws-notebook.json").rename(tmp_path / "away")
    with pytest.raises(UnknownKeyError, match="AKIAIOSFODNN7EXAMPLE"):
        verify_request(get_example(), ring, THEN)
    (tmp_path / "away").rename(tmp_path / "aws-notebook.json")
    assert verify_request(get_example(), ring, THEN).key == KEY


def test_botocore_signs_alike_for_other_services(ring: KeyRing) -> None:
    """What botocore signs for a JSON service is accepted, and refused with another body."""
    body = b'{"Name": "a b"}'
    request = AWSRequest("POST", "http://127.0.0.1:1/a%20b?x=1&a=%2F", {"X-Amz-Target": "AWSGlue.GetTable"}, body)
    SigV4Auth(Credentials(KEY.access_key_id, KEY.secret_access_key), "glue", "us-east-1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:1"}
    digest = hashlib.sha256
    signed = SignedRequest("POST", "/a%20b", "x=1&a=%2F", headers, digest(body).hexdigest())
    assert verify_request(signed, ring).service == "glue"
    with pytest.raises(SignatureMismatchError, match="signature is not"):
        verify_request(replace(signed, body_sha256=digest(b"{}").hexdigest()), ring)


def test_own_signatures_are_accepted(ring: KeyRing) -> None:
    """What sign_request signs, verify_request accepts: odd paths and queries, too."""
    request = SignedRequest(
        "PUT", "/b/%C3%BC%20x%2By", "b=2&a=%20", {"host": "h:1", "x-amz-content-sha256": EMPTY_SHA256}
    )
    signed = replace(request, headers=sign_request(request, KEY, ("us-east-1", "s3")))
    assert verify_request(signed, ring).role == "notebook"


def test_secret_is_not_in_the_representation() -> None:
    """A key that lands in a log or traceback shows no secret."""
    assert KEY.secret_access_key not in repr(KEY)
