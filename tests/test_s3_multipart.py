"""Multipart uploads through the real servers."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from services_s3 import S3Stack, s3_client, s3_stack, stack_with_bucket

MIB = 1 << 20
SMALL = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)


stack, s3 = stack_with_bucket, s3_client


def start(s3: Any, key: str, parts: dict[int, bytes], **options: Any) -> tuple[str, list[dict[str, Any]]]:
    upload = s3.create_multipart_upload(Bucket="bkt", Key=key, **options)["UploadId"]
    sent = []
    for number, body in parts.items():
        answer = s3.upload_part(Bucket="bkt", Key=key, UploadId=upload, PartNumber=number, Body=body)
        sent.append({"PartNumber": number, "ETag": answer["ETag"]})
    return upload, sent


def complete(s3: Any, key: str, upload: str, parts: list[dict[str, Any]]) -> Any:
    return s3.complete_multipart_upload(Bucket="bkt", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


def joined_etag(*parts: bytes) -> str:
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
    return f'"{digest}-{len(parts)}"'


def test_files_go_up_and_down_in_parts(s3: Any, tmp_path: Path) -> None:
    """boto3's upload_file, managed copy and download_file keep bytes, metadata and the -N of the ETag."""
    (tmp_path / "up").write_bytes(os.urandom(17 * MIB))
    extra = {"Metadata": {"a": "1"}, "ContentType": "text/csv"}
    s3.upload_file(str(tmp_path / "up"), "bkt", "big", ExtraArgs=extra, Config=SMALL)
    s3.copy({"Bucket": "bkt", "Key": "big"}, "bkt", "copied", Config=SMALL)
    s3.download_file("bkt", "copied", str(tmp_path / "down"), Config=SMALL)
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    head, copied = (s3.head_object(Bucket="bkt", Key=key) for key in ("big", "copied"))
    (line,) = s3.list_objects_v2(Bucket="bkt", Prefix="big")["Contents"]
    assert head["ETag"] == copied["ETag"] == line["ETag"]
    assert head["ETag"].endswith('-4"')
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "text/csv")


def test_parts_out_of_order_and_again(s3: Any, stack: S3Stack) -> None:
    """Parts may come in any order, with gaps, and again: the last of a number counts; nothing stays in staging."""
    first, second = b"a" * (5 * MIB), b"b" * 10
    upload, _ = start(s3, "order", {7: second, 3: b"wrong" * MIB})
    answer = s3.upload_part(Bucket="bkt", Key="order", UploadId=upload, PartNumber=3, Body=first)
    listed = s3.list_parts(Bucket="bkt", Key="order", UploadId=upload, MaxParts=1)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(3, 5 * MIB)]
    assert listed["IsTruncated"]
    parts = [{"PartNumber": 3, "ETag": answer["ETag"]}, {"PartNumber": 7, "ETag": hashlib.md5(second).hexdigest()}]
    assert complete(s3, "order", upload, parts)["ETag"] == joined_etag(first, second)
    assert s3.get_object(Bucket="bkt", Key="order")["Body"].read() == first + second
    assert not list((stack.home / "uploads").iterdir())


def test_completing_twice_answers_twice(s3: Any) -> None:
    """A client that did not get the answer to its completion asks again, and gets it."""
    upload, parts = start(s3, "twice", {1: b"x"})
    assert complete(s3, "twice", upload, parts)["ETag"] == complete(s3, "twice", upload, parts)["ETag"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda parts: parts[::-1], "InvalidPartOrder"),
        (lambda parts: [*parts, {"PartNumber": 9, "ETag": parts[0]["ETag"]}], "InvalidPart"),
        (lambda parts: [{"PartNumber": 1, "ETag": "0" * 32}, parts[1]], "InvalidPart"),
        (lambda parts: parts, "EntityTooSmall"),
    ],
)
def test_wrong_completions_are_refused(s3: Any, change: Any, match: str) -> None:
    """A completion that is not of these parts is refused, and the upload goes on."""
    upload, parts = start(s3, "wrong", {1: b"small", 2: b"last"})
    with pytest.raises(ClientError, match=match):
        complete(s3, "wrong", upload, change(parts))
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket="bkt", Prefix="wrong")["Uploads"]] == [upload]
    s3.abort_multipart_upload(Bucket="bkt", Key="wrong", UploadId=upload)


def test_aborted_upload_is_gone(s3: Any, stack: S3Stack) -> None:
    """After an abort there is no upload, no object and no file."""
    upload, parts = start(s3, "aborted", {1: b"x" * 100})
    s3.abort_multipart_upload(Bucket="bkt", Key="aborted", UploadId=upload)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        complete(s3, "aborted", upload, parts)
    assert "Contents" not in s3.list_objects_v2(Bucket="bkt", Prefix="aborted")
    assert not list((stack.home / "uploads").iterdir())


def test_part_is_copied_from_an_object(s3: Any) -> None:
    """UploadPartCopy takes a range of another object, and refuses one outside of it."""
    s3.put_object(Bucket="bkt", Key="source", Body=b"0123456789")
    upload = s3.create_multipart_upload(Bucket="bkt", Key="pieced")["UploadId"]
    options = {"Bucket": "bkt", "Key": "pieced", "UploadId": upload, "PartNumber": 1, "CopySource": "bkt/source"}
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.upload_part_copy(**options, CopySourceRange="bytes=5-10")
    part = s3.upload_part_copy(**options, CopySourceRange="bytes=2-4")["CopyPartResult"]
    complete(s3, "pieced", upload, [{"PartNumber": 1, "ETag": part["ETag"]}])
    assert s3.get_object(Bucket="bkt", Key="pieced")["Body"].read() == b"234"


def test_checksums_of_parts_become_the_objects(s3: Any) -> None:
    """With SHA-256 the object's checksum is that of its parts' checksums, with their number."""
    body = b"z" * 1000
    upload = s3.create_multipart_upload(Bucket="bkt", Key="summed", ChecksumAlgorithm="SHA256")["UploadId"]
    part = s3.upload_part(
        Bucket="bkt", Key="summed", UploadId=upload, PartNumber=1, Body=body, ChecksumAlgorithm="SHA256"
    )
    sent = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}
    answer = complete(s3, "summed", upload, [sent])
    digest = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    assert answer["ChecksumSHA256"] == f"{base64.b64encode(digest).decode()}-1"


def test_upload_survives_a_restart(tmp_path: Path) -> None:
    """Parts that were answered are there after both servers were killed; files of no upload are swept."""
    with s3_stack(tmp_path) as stack:
        s3 = stack.client()
        s3.create_bucket(Bucket="bkt")
        upload, parts = start(s3, "long", {1: b"a" * (5 * MIB)}, Metadata={"m": "1"})
        for name in ("front", "rclone"):
            stack.kill(name)
        (stack.home / "uploads" / "stale-1-00.part").write_bytes(b"x")
        (stack.home / "uploads" / "stale.tmp").write_bytes(b"x")
        (stack.lake / "bkt" / ".rclone_temp_put_x").write_bytes(b"x")
        stack.start()
        assert len(list((stack.home / "uploads").iterdir())) == 1
        assert not (stack.lake / "bkt" / ".rclone_temp_put_x").exists()
        last = s3.upload_part(Bucket="bkt", Key="long", UploadId=upload, PartNumber=2, Body=b"b")
        complete(s3, "long", upload, [*parts, {"PartNumber": 2, "ETag": last["ETag"]}])
        assert s3.head_object(Bucket="bkt", Key="long")["Metadata"] == {"m": "1"}
        s3.close()
