"""What goes over the wire: signatures, encodings of bodies, checksums, paths. Requests here are made by hand."""

import base64
import hashlib
import http.client
import json
import socket
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from services_s3 import S3Stack, s3_client, stack_with_bucket

from local_aws.keys import AccessKey
from local_aws.s3.crc import CRC32C, CRC64NVME, TabledCrc
from local_aws.signing import Signature, SignedRequest, chunk_signature, sign_request, trailer_signature

stack, s3 = stack_with_bucket, s3_client


def key_of(stack: S3Stack) -> AccessKey:
    return AccessKey(**stack.key(), role="notebook")


def signed(stack: S3Stack, method: str, path: str, now: datetime | None = None, **headers: str) -> dict[str, str]:
    own = {"host": f"127.0.0.1:{stack.port}", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    own |= {name.replace("_", "-"): value for name, value in headers.items()}
    return sign_request(SignedRequest(method, path, "", own), key_of(stack), ("us-east-1", "s3"), now)


def send(stack: S3Stack, method: str, path: str, body: Any = b"", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    try:
        connection.request(method, path, body, headers, encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def put(stack: S3Stack, body: Any, **headers: str) -> tuple[int, str]:
    return send(stack, "PUT", "/bkt/k", body, **signed(stack, "PUT", "/bkt/k", **headers))


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_wrong_keys_are_refused(stack: S3Stack) -> None:
    """An unknown key, another secret, an old signature and no signature each have their error."""
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        stack.client(aws_access_key_id="AKIAUNKNOWN").list_buckets()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stack.client(aws_secret_access_key="other").list_buckets()
    old = signed(stack, "GET", "/bkt", now=datetime.now(UTC) - timedelta(hours=1))
    assert "RequestTimeTooSkewed" in send(stack, "GET", "/bkt", **old)[1]
    assert send(stack, "GET", "/bkt")[0] == 403


def test_new_keys_count_at_once(stack: S3Stack) -> None:
    """A key that is written while the front runs is taken with the next request."""
    new = {"access_key_id": "AKIANEW", "secret_access_key": "s3cret"}
    (stack.home / "secrets" / "aws-new.json").write_text(json.dumps(new))
    client = stack.client("new")
    assert client.list_buckets()["Buckets"]
    client.close()


def test_presigned_urls(stack: S3Stack) -> None:
    """A presigned URL puts and gets without a key, and not for another object."""
    s3 = stack.client(signature_version="s3v4")
    for operation, method, body in (("put_object", "PUT", b"by url"), ("get_object", "GET", b"")):
        url = urlsplit(s3.generate_presigned_url(operation, {"Bucket": "bkt", "Key": "url"}, ExpiresIn=60))
        status, text = send(stack, method, f"{url.path}?{url.query}", body)
        assert status == 200, text
    assert text == "by url"
    assert send(stack, "GET", f"/bkt/other?{url.query}")[0] == 403
    s3.close()


def test_payload_hash_is_verified(stack: S3Stack, s3: Any) -> None:
    """A body that is not the signed one is refused, and the object stays as it was."""
    s3.put_object(Bucket="bkt", Key="k", Body=b"before")
    digest = hashlib.sha256(b"other").hexdigest()
    assert "XAmzContentSHA256Mismatch" in put(stack, b"body!", x_amz_content_sha256=digest)[1]
    assert s3.get_object(Bucket="bkt", Key="k")["Body"].read() == b"before"


@pytest.mark.parametrize("name", ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"])
def test_checksums_are_verified(stack: S3Stack, name: str) -> None:
    """Each checksum is taken where it is the body's, and refused where it is not."""
    body = b"checked" * 5000
    right = {"crc32": crc32(body)}
    for polynomial, known in ((CRC32C, "crc32c"), (CRC64NVME, "crc64nvme")):
        crc = TabledCrc(polynomial)
        crc.update(memoryview(body))
        right[known] = base64.b64encode(crc.digest()).decode()
    for known in ("sha1", "sha256"):
        right[known] = base64.b64encode(hashlib.new(known, body).digest()).decode()
    header = f"x_amz_checksum_{name}"
    assert put(stack, body, **{header: right[name]})[0] == 200
    status, text = put(stack, body + b"!", **{header: right[name]})
    assert (status, "BadDigest" in text) == (400, True)


def test_crcs_have_their_published_check_values() -> None:
    """The CRCs of '123456789' are those of the catalogue of parametrised CRC algorithms; lanes change nothing."""
    for polynomial, check in ((CRC32C, "e3069283"), (CRC64NVME, "ae8b14860a799888")):
        crc = TabledCrc(polynomial)
        crc.update(memoryview(b"123456789"))
        assert crc.digest().hex() == check
        whole, pieces, data = TabledCrc(polynomial), TabledCrc(polynomial), bytes(range(256)) * 137 + b"end"
        whole.update(memoryview(data))
        for start in range(0, len(data), 700):
            pieces.update(memoryview(data)[start : start + 700])
        assert whole.digest() == pieces.digest()


def test_content_md5_is_verified(stack: S3Stack) -> None:
    """Content-MD5 must be the base64 of 16 bytes, and the body's."""
    right = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    assert put(stack, b"body", content_md5=right)[0] == 200
    assert "BadDigest" in put(stack, b"yobd", content_md5=right)[1]
    assert "InvalidDigest" in put(stack, b"body", content_md5="bm90IGl0")[1]


def test_unsigned_chunks_with_trailer(stack: S3Stack, s3: Any) -> None:
    """The encoding that SDKs use over TLS: chunks without signatures, the checksum behind them."""
    body = b"abc" * 70_000
    frame = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n" % (65536, body[:65536], len(body) - 65536, body[65536:])
    headers = {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x_amz_trailer": "x-amz-checksum-crc32",
        "x_amz_decoded_content_length": str(len(body)), "content_encoding": "aws-chunked",
    }  # fmt: skip
    trailer = f"x-amz-checksum-crc32:{crc32(body)}\r\n\r\n".encode()
    assert put(stack, frame + trailer, **headers)[0] == 200
    answer = s3.get_object(Bucket="bkt", Key="k", ChecksumMode="ENABLED")
    assert (answer["Body"].read(), answer["ChecksumCRC32"]) == (body, crc32(body))
    assert "ContentEncoding" not in answer
    wrong = f"x-amz-checksum-crc32:{crc32(b'')}\r\n\r\n".encode()
    assert "BadDigest" in put(stack, frame + wrong, **headers)[1]
    assert "MalformedTrailer" in put(stack, frame + b"\r\n", **headers)[1]
    status, text = send(stack, "PUT", "/bkt/k", iter([frame, trailer]), **signed(stack, "PUT", "/bkt/k", **headers),
                        **{"Transfer-Encoding": "chunked"})  # fmt: skip
    assert status == 200, text


@pytest.mark.parametrize("trailing", [False, True])
@pytest.mark.parametrize("broken", [None, "chunk", "last", "trailer"])
def test_signed_chunks(stack: S3Stack, trailing: bool, broken: str | None) -> None:
    """Chunks (and trailers) that are signed one after the other are taken, and refused where one was changed."""
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailing else "")
    headers = {"x_amz_content_sha256": kind, "x_amz_decoded_content_length": "70000"}
    headers |= {"x_amz_trailer": "x-amz-checksum-crc32"} if trailing else {}
    head = signed(stack, "PUT", "/bkt/k", **headers)
    seed = head["authorization"].rpartition("=")[2]
    scope = head["authorization"].partition("/")[2].partition(",")[0]
    signature = Signature(key_of(stack), head["x-amz-date"], scope, seed, kind)
    frame, previous, body = b"", seed, b"x" * 70_000
    for chunk in (body[:65536], body[65536:], b""):
        previous = chunk_signature(signature, previous, hashlib.sha256(chunk).hexdigest())
        sent = b"y" * len(chunk) if broken == "chunk" and chunk else chunk
        shown = "0" * 64 if broken == "last" and not chunk else previous
        frame += b"%x;chunk-signature=%b\r\n%b" % (len(chunk), shown.encode(), sent) + (b"\r\n" if chunk else b"")
    if trailing:
        text = f"x-amz-checksum-crc32:{crc32(body)}"
        value = trailer_signature(signature, "0" * 64 if broken == "trailer" else previous, f"{text}\n".encode())
        frame += f"{text}\r\nx-amz-trailer-signature:{value}\r\n".encode()
    status, text = send(stack, "PUT", "/bkt/k", frame + b"\r\n", **head)
    fails = broken in ("chunk", "last") or (broken == "trailer" and trailing)
    assert (status, "SignatureDoesNotMatch" in text) == ((403, True) if fails else (200, False))


def test_short_body_changes_nothing(stack: S3Stack, s3: Any) -> None:
    """A client that goes away within its body leaves the object as it was, and no file behind."""
    s3.put_object(Bucket="bkt", Key="k", Body=b"before")
    head = signed(stack, "PUT", "/bkt/k") | {"content-length": "1000000"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", stack.port)) as sock:
        sock.sendall(f"PUT /bkt/k HTTP/1.1\r\n{lines}\r\n".encode() + b"x" * 1000)
    assert s3.get_object(Bucket="bkt", Key="k")["Body"].read() == b"before"
    for _ in range(200):
        if not list((stack.home / "uploads").iterdir()):
            break
        time.sleep(0.01)
    assert not list((stack.home / "uploads").iterdir())


@pytest.mark.parametrize(
    "path",
    ["/bkt/../other/k", "/bkt/a/../../../k", "/bkt/%2e%2e/k", "/bkt/a/%2E%2E/k", "/bkt//etc/passwd", "/bkt/%2Fetc",
     "/bkt/a//b", "/bkt/./k", "/bkt/a%00b", "/bkt/a%0Ab", "/bkt/a%5Cb", "/bkt/..%5Cb", "/bkt/a%7Fb", "/bkt/folder/",
     "/../bkt/k", "/%2e%2e/k", "/bkt/" + "x" * 256, "/bkt/" + "x/" * 600 + "y", "/bkt/a/.rclone_temp_x"],
)  # fmt: skip
def test_paths_do_not_leave_the_bucket(stack: S3Stack, path: str) -> None:
    """Keys that are no clean path below their bucket are refused in every method, and nothing is written."""
    before = sorted(str(found) for found in stack.home.rglob("*"))
    for method, body in (("PUT", b"x"), ("GET", b""), ("DELETE", b"")):
        status, text = send(stack, method, path, body, **signed(stack, method, path))
        assert status in (400, 404) or (method, path, status) == ("DELETE", "/bkt/folder/", 204), text
    copies = signed(stack, "PUT", "/bkt/copy", x_amz_copy_source=path)
    assert send(stack, "PUT", "/bkt/copy", b"", **copies)[0] in (400, 404)
    assert sorted(str(found) for found in stack.home.rglob("*")) == before


def test_not_utf8_is_refused(stack: S3Stack) -> None:
    """A path or query that is no UTF-8 is refused, and the server goes on."""
    for path in ("/bkt/%FF%FE", "/bkt?prefix=%FF"):
        assert send(stack, "GET", path)[0] in (400, 403)
    assert send(stack, "GET", "/bkt", **signed(stack, "GET", "/bkt"))[0] == 200


def test_nonsense_is_answered_and_the_server_goes_on(stack: S3Stack) -> None:
    """What is no HTTP gets 400 and the end of the connection."""
    for nonsense in (
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"PUT / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", stack.port)) as sock:
            sock.sendall(nonsense)
            assert sock.recv(100).startswith(b"HTTP/1.1 400 ")
    assert send(stack, "GET", "/bkt", **signed(stack, "GET", "/bkt"))[0] == 200


def test_only_loopback_listens(stack: S3Stack) -> None:
    """Neither server takes connections on another address of this machine."""
    for port in (stack.port, stack.rclone_port):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=2)


def test_requests_leave_a_trace_of_activity(stack: S3Stack, s3: Any) -> None:
    """An authenticated request touches the file that the supervisor looks at."""
    s3.list_buckets()
    assert (stack.home / "activity").exists()


def test_keys_are_on_no_command_line(stack: S3Stack) -> None:
    """No secret stands where every user of the machine can read it."""
    secrets = [json.loads(path.read_text())["secret_access_key"] for path in (stack.home / "secrets").glob("aws-*")]
    for process in stack.processes.values():
        line = Path(f"/proc/{process.pid}/cmdline").read_text()
        assert not any(secret in line for secret in secrets)
