"""Signature version 4: verify what a client signed, and sign what we send on.

    ServiceError
    └── SigningError              the request is not, or not rightly, signed
        ├── MissingSignatureError     no Authorization header and no X-Amz-Signature
        ├── MalformedSignatureError   there is one, but it cannot be read
        ├── UnknownKeyError           no secret file holds this access key id
        ├── ClockSkewError            signed too long ago or in the future, or the presigned URL has expired
        └── SignatureMismatchError    the secret, or what was signed, is another

The algorithm: "Signature Version 4 signing process" in the AWS General Reference; chunks and trailers: "Signature
calculations for the Authorization header: transferring payload in multiple chunks" in the S3 API Reference.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from local_aws.errors import ServiceError
from local_aws.keys import AccessKey as AccessKey  # whoever verifies needs the keys, too
from local_aws.keys import KeyRing as KeyRing

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
SKEW_SECONDS = 15 * 60
LONGEST_PRESIGNED = 7 * 24 * 3600
_SPACES = re.compile(" +")
_AUTHORIZATION = re.compile(
    ALGORITHM + r"\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<signed>[^,\s]+)\s*,"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})\s*"
)


class SigningError(ServiceError):
    """The request is not, or not rightly, signed."""


class MissingSignatureError(SigningError):
    """Nothing in the request is a signature."""


class MalformedSignatureError(SigningError):
    """The signature's parts cannot be read."""


class UnknownKeyError(SigningError):
    """No secret file holds the access key id."""


class ClockSkewError(SigningError):
    """The request was signed at another time than now."""


class SignatureMismatchError(SigningError):
    """The signature is not the one that the secret gives."""


@dataclass(frozen=True)
class SignedRequest:
    """What of a request is signed: `path` and `query` as sent (still encoded), header names in lower case.

    `body_sha256` (hex) is the body's own hash. Where the caller has not read the body yet it is None: then the
    header x-amz-content-sha256 stands for it, and the caller compares it with the body.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body_sha256: str | None = None


@dataclass(frozen=True)
class Signature:
    """A verified signature: whose it is, and what the signatures of chunks are chained to."""

    key: AccessKey
    timestamp: str
    scope: str
    value: str
    payload_hash: str
    presigned: bool = False

    @property
    def role(self) -> str:
        return self.key.role

    @property
    def region(self) -> str:
        return self.scope.split("/")[1]

    @property
    def service(self) -> str:
        return self.scope.split("/")[2]


def verify_request(request: SignedRequest, keys: KeyRing, now: datetime | None = None) -> Signature:
    """Verify the signature of `request`, in its header or its query, and return it with its key.

    Raises one of the SigningErrors. `now` defaults to the clock, in UTC.
    """
    now = now or datetime.now(UTC)
    presigned = "authorization" not in request.headers and "X-Amz-Signature=" in request.query
    fields = _presigned_fields(request, now) if presigned else _header_fields(request, now)
    key_id, scope = fields.credential.split("/", 1)
    key = keys.find(key_id)
    if key is None:
        raise UnknownKeyError(
            "InvalidAccessKeyId", f"The access key id {key_id!r} is not in secrets/ of the state folder.", 403
        )
    payload = (
        UNSIGNED if presigned else request.headers.get("x-amz-content-sha256", request.body_sha256 or EMPTY_SHA256)
    )
    if presigned:
        payload = request.headers.get("x-amz-content-sha256", payload)
    elif request.body_sha256 is not None and re.fullmatch("[0-9a-f]{64}", payload) and payload != request.body_sha256:
        raise SignatureMismatchError(
            "XAmzContentSHA256Mismatch", "The body's SHA-256 is not the one in x-amz-content-sha256.", 400
        )
    double = scope.split("/")[2] != "s3"
    canonical = canonical_request(request, fields.signed, payload, double_encode=double)
    expected = _sign(key.secret_access_key, fields.timestamp, scope, canonical)
    if not hmac.compare_digest(expected, fields.signature):
        raise SignatureMismatchError(
            "SignatureDoesNotMatch", "The request's signature is not what its secret access key gives: check it.", 403
        )
    return Signature(key, fields.timestamp, scope, fields.signature, payload, presigned)


def sign_request(
    request: SignedRequest, key: AccessKey, scope: tuple[str, str], now: datetime | None = None
) -> dict[str, str]:
    """Return the headers of `request` with x-amz-date and Authorization added; `scope` is (region, service).

    The request must carry `host`; its body counts with `body_sha256`, or x-amz-content-sha256 where that is there.
    """
    timestamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    headers = {name.lower(): value for name, value in request.headers.items()} | {"x-amz-date": timestamp}
    payload = headers.get("x-amz-content-sha256", request.body_sha256 or EMPTY_SHA256)
    signed = sorted(name for name in headers if name in ("host", "content-type") or name.startswith("x-amz-"))
    full = SignedRequest(request.method, request.path, request.query, headers)
    scope_text = "/".join((timestamp[:8], *scope, "aws4_request"))
    canonical = canonical_request(full, tuple(signed), payload, double_encode=scope[1] != "s3")
    signature = _sign(key.secret_access_key, timestamp, scope_text, canonical)
    headers["authorization"] = (
        f"{ALGORITHM} Credential={key.access_key_id}/{scope_text}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return headers


def canonical_request(request: SignedRequest, signed: tuple[str, ...], payload: str, *, double_encode: bool) -> str:
    """Return the canonical request; every service but S3 encodes the path a second time."""
    path = quote(unquote(request.path), safe="/-_.~") or "/"
    if double_encode:
        path = quote(path, safe="/-_.~")
    lines = [f"{name}:{_SPACES.sub(' ', request.headers[name].strip())}" for name in signed]
    return "\n".join((request.method, path, _canonical_query(request.query), *lines, "", ";".join(signed), payload))


def chunk_signature(signature: Signature, previous: str, chunk_sha256: str) -> str:
    """Return the signature of one aws-chunked chunk, chained to the `previous` one (the first: the request's)."""
    text = "\n".join(
        (ALGORITHM + "-PAYLOAD", signature.timestamp, signature.scope, previous, EMPTY_SHA256, chunk_sha256)
    )
    return _hmac(_signing_key(signature.key.secret_access_key, signature.scope), text).hex()


def trailer_signature(signature: Signature, previous: str, trailers: bytes) -> str:
    """Return the signature of the trailing headers (`name:value\\n` each), chained to the last chunk's."""
    digest = hashlib.sha256(trailers).hexdigest()
    text = "\n".join((ALGORITHM + "-TRAILER", signature.timestamp, signature.scope, previous, digest))
    return _hmac(_signing_key(signature.key.secret_access_key, signature.scope), text).hex()


@dataclass(frozen=True)
class _Fields:
    credential: str
    signed: tuple[str, ...]
    signature: str
    timestamp: str


def _header_fields(request: SignedRequest, now: datetime) -> _Fields:
    text = request.headers.get("authorization")
    if text is None:
        raise MissingSignatureError(
            "AccessDenied", "The request is not signed by version 4: sign it with a key of secrets/.", 403
        )
    match = _AUTHORIZATION.fullmatch(text)
    if match is None:
        raise MalformedSignatureError(
            "AuthorizationHeaderMalformed", "The Authorization header is not one of signature version 4.", 400
        )
    timestamp = request.headers.get("x-amz-date", "")
    fields = _Fields(match["credential"], tuple(match["signed"].split(";")), match["signature"], timestamp)
    signed_at = _checked(request, fields)
    if abs((now - signed_at).total_seconds()) > SKEW_SECONDS:
        raise ClockSkewError("RequestTimeTooSkewed", f"Signed at {timestamp}, more than 15 minutes from now.", 403)
    return fields


def _presigned_fields(request: SignedRequest, now: datetime) -> _Fields:
    pairs = dict(_pairs(request.query))
    try:
        fields = _Fields(
            pairs["X-Amz-Credential"],
            tuple(pairs["X-Amz-SignedHeaders"].split(";")),
            pairs["X-Amz-Signature"],
            pairs["X-Amz-Date"],
        )
        seconds = int(pairs["X-Amz-Expires"])
    except (KeyError, ValueError):
        raise MalformedSignatureError(
            "AuthorizationQueryParametersError", "The presigned URL lacks a parameter of signature version 4.", 400
        ) from None
    if pairs.get("X-Amz-Algorithm") != ALGORITHM or not 0 < seconds <= LONGEST_PRESIGNED:
        raise MalformedSignatureError(
            "AuthorizationQueryParametersError", "X-Amz-Algorithm or X-Amz-Expires (at most a week) is wrong.", 400
        )
    age = (now - _checked(request, fields)).total_seconds()
    if age > seconds or age < -SKEW_SECONDS:
        raise ClockSkewError("AccessDenied", "The presigned URL has expired, or is not valid yet.", 403)
    return fields


def _checked(request: SignedRequest, fields: _Fields) -> datetime:
    """Check the parts of a signature against each other; return the time of signing."""
    parts = fields.credential.split("/")
    try:
        signed_at = datetime.strptime(fields.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise MalformedSignatureError(
            "AccessDenied", "X-Amz-Date is missing, or not like 20260131T120000Z.", 403
        ) from None
    if len(parts) != 5 or parts[4] != "aws4_request" or parts[1] != fields.timestamp[:8]:
        raise MalformedSignatureError(
            "AuthorizationHeaderMalformed",
            "The credential is not <key id>/<date>/<region>/<service>/aws4_request.",
            400,
        )
    absent = [name for name in fields.signed if name not in request.headers]
    bare = [name for name in request.headers if name.startswith("x-amz-") and name not in fields.signed]
    if absent or "host" not in fields.signed or (bare and bare != ["x-amz-content-sha256"]):
        what = f"headers signed but not sent: {absent}; sent but not signed: {bare}; host must be signed"
        raise MalformedSignatureError("AccessDenied", f"The signed headers are not the request's ({what}).", 403)
    return signed_at


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for item in query.split("&") if query else []:
        name, _, value = item.replace("+", " ").partition("=")
        pairs.append((unquote(name), unquote(value)))
    return pairs


def _canonical_query(query: str) -> str:
    encoded = [(quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in _pairs(query) if n != "X-Amz-Signature"]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _sign(secret: str, timestamp: str, scope: str, canonical: str) -> str:
    text = "\n".join((ALGORITHM, timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    return _hmac(_signing_key(secret, scope), text).hex()


@lru_cache(maxsize=64)
def _signing_key(secret: str, scope: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
