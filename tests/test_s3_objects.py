"""Objects through the real servers: put, get, head, copy, tags, conditions, ranges, and files that others write."""

import hashlib
import os
from typing import Any

import pytest
from botocore.exceptions import ClientError
from services_s3 import S3Stack, s3_client, s3_stack, stack_with_bucket

stack, s3 = stack_with_bucket, s3_client


def put(s3: Any, key: str, body: bytes = b"body", **options: Any) -> Any:
    return s3.put_object(Bucket="bkt", Key=key, Body=body, **options)


def read(s3: Any, key: str, **options: Any) -> bytes:
    body: bytes = s3.get_object(Bucket="bkt", Key=key, **options)["Body"].read()
    return body


@pytest.mark.parametrize(
    "key", ["plain", "a/b/c", "ü 日本", "a+b%20c", "q?r#s&t=u", "<&>'\"", "sp ", ".dot", "c:d", "x" * 255]
)
def test_keys_round_trip(s3: Any, stack: S3Stack, key: str) -> None:
    """Any clean key is a plain file of that name, with the bytes that were put."""
    etag = put(s3, key, key.encode())["ETag"]
    assert (stack.lake / "bkt" / key).read_bytes() == read(s3, key) == key.encode()
    assert etag == s3.head_object(Bucket="bkt", Key=key)["ETag"] == f'"{hashlib.md5(key.encode()).hexdigest()}"'


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 3])
def test_sizes_round_trip(s3: Any, size: int) -> None:
    """Bodies around the size of a piece keep every byte, and their checksum."""
    body = os.urandom(size)
    put(s3, "sized", body, ChecksumAlgorithm="SHA256")
    answer = s3.get_object(Bucket="bkt", Key="sized", ChecksumMode="ENABLED")
    assert answer["Body"].read() == body
    assert answer["ChecksumSHA256"]


def test_attributes_survive_a_restart(tmp_path: Any) -> None:
    """Metadata, content type and headers are those of the upload, also after both servers were killed."""
    with s3_stack(tmp_path) as stack:
        s3 = stack.client()
        s3.create_bucket(Bucket="bkt")
        put(
            s3, "k", Metadata={"sha256": "abc"}, ContentType="text/csv", ContentEncoding="gzip", CacheControl="no-store"
        )
        before = s3.head_object(Bucket="bkt", Key="k")
        for name in ("front", "rclone"):
            stack.kill(name)
        stack.start()
        after = s3.head_object(Bucket="bkt", Key="k")
        s3.close()
    assert after["Metadata"] == {"sha256": "abc"}
    assert (after["ContentType"], after["ContentEncoding"], after["CacheControl"]) == ("text/csv", "gzip", "no-store")
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])


def test_copy_keeps_or_replaces_metadata(s3: Any) -> None:
    """MetadataDirective COPY takes the source's metadata whole, REPLACE the request's whole."""
    put(s3, "from", Metadata={"a": "1", "b": "2"}, ContentType="text/a", Tagging="t=1")
    source = {"Bucket": "bkt", "Key": "from"}
    etag = s3.copy_object(Bucket="bkt", Key="kept", CopySource=source)["CopyObjectResult"]["ETag"]
    s3.copy_object(Bucket="bkt", Key="new", CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "3"})
    kept, new = (s3.head_object(Bucket="bkt", Key=key) for key in ("kept", "new"))
    assert (kept["Metadata"], kept["ContentType"], kept["ETag"]) == ({"a": "1", "b": "2"}, "text/a", etag)
    assert (new["Metadata"], new["ContentType"], new["ETag"]) == ({"c": "3"}, "binary/octet-stream", etag)
    assert s3.get_object_tagging(Bucket="bkt", Key="new")["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_copy_onto_itself_must_change_something(s3: Any) -> None:
    """A copy onto itself is refused, and with REPLACE it renews the metadata."""
    put(s3, "self", Metadata={"a": "1"})
    source = {"Bucket": "bkt", "Key": "self"}
    with pytest.raises(ClientError, match="InvalidRequest"):
        s3.copy_object(Bucket="bkt", Key="self", CopySource=source)
    s3.copy_object(Bucket="bkt", Key="self", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert s3.head_object(Bucket="bkt", Key="self")["Metadata"] == {"b": "2"}
    assert read(s3, "self") == b"body"


def test_tags_are_put_read_and_deleted(s3: Any) -> None:
    """Object tags come back, are counted, and go without touching the rest."""
    put(s3, "tagged", Metadata={"m": "1"})
    s3.put_object_tagging(Bucket="bkt", Key="tagged", Tagging={"TagSet": [{"Key": "a", "Value": "<1>"}]})
    assert s3.get_object_tagging(Bucket="bkt", Key="tagged")["TagSet"] == [{"Key": "a", "Value": "<1>"}]
    s3.delete_object_tagging(Bucket="bkt", Key="tagged")
    assert s3.get_object_tagging(Bucket="bkt", Key="tagged")["TagSet"] == []
    assert s3.head_object(Bucket="bkt", Key="tagged")["Metadata"] == {"m": "1"}


@pytest.mark.parametrize(
    ("wanted", "expected", "shown"),
    [("bytes=0-3", b"0123", "bytes 0-3/10"), ("bytes=7-", b"789", "bytes 7-9/10"), ("bytes=-2", b"89", "bytes 8-9/10"),
     ("bytes=5-99", b"56789", "bytes 5-9/10"), ("bytes=-99", b"0123456789", "bytes 0-9/10")],
)  # fmt: skip
def test_ranges(s3: Any, wanted: str, expected: bytes, shown: str) -> None:
    """A range gives those bytes, as 206, and says which."""
    put(s3, "digits", b"0123456789")
    answer = s3.get_object(Bucket="bkt", Key="digits", Range=wanted)
    assert answer["Body"].read() == expected
    assert (answer["ContentRange"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (shown, 206)


@pytest.mark.parametrize("wanted", ["bytes=3-1", "bytes=x-2", "bytes=0-1,3-4", "lines=1-2"])
def test_unreadable_ranges_give_the_whole_object(s3: Any, wanted: str) -> None:
    """What is no single range of bytes is passed over, as S3 does."""
    put(s3, "digits", b"0123456789")
    assert read(s3, "digits", Range=wanted) == b"0123456789"


def test_range_outside_is_refused(s3: Any) -> None:
    """A range after the end, and any range of nothing, is 416."""
    put(s3, "digits", b"0123456789")
    put(s3, "nothing", b"")
    for key, wanted in (("digits", "bytes=10-"), ("nothing", "bytes=0-0"), ("digits", "bytes=-0")):
        with pytest.raises(ClientError, match="InvalidRange"):
            read(s3, key, Range=wanted)


def test_conditional_reads(s3: Any) -> None:
    """If-Match and If-Unmodified-Since fail with 412, If-None-Match and If-Modified-Since with 304."""
    etag = put(s3, "cond")["ETag"]
    modified = s3.head_object(Bucket="bkt", Key="cond")["LastModified"]
    assert read(s3, "cond", IfMatch=etag) == read(s3, "cond", IfNoneMatch='"0"') == b"body"
    for options in ({"IfMatch": '"0"'}, {"IfUnmodifiedSince": modified.replace(year=2001)}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            read(s3, "cond", **options)
    for options in ({"IfNoneMatch": etag}, {"IfModifiedSince": modified}):
        with pytest.raises(ClientError, match="304"):
            read(s3, "cond", **options)


def test_conditional_writes(s3: Any) -> None:
    """If-None-Match: * writes a new key only, If-Match only over the version that is named."""
    etag = put(s3, "once", b"first", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(s3, "once", b"second", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(s3, "once", b"second", IfMatch='"0"')
    with pytest.raises(ClientError, match="NoSuchKey"):
        put(s3, "never", b"second", IfMatch=etag)
    assert read(s3, "once") == b"first"
    put(s3, "once", b"second", IfMatch=etag)
    assert read(s3, "once") == b"second"


def test_response_headers_are_overridden(s3: Any) -> None:
    """response-* parameters change the answer's headers, not the object's."""
    put(s3, "over", ContentType="text/csv")
    answer = s3.get_object(Bucket="bkt", Key="over", ResponseContentType="text/x", ResponseCacheControl="no-cache")
    assert (answer["ContentType"], answer["CacheControl"]) == ("text/x", "no-cache")
    assert s3.head_object(Bucket="bkt", Key="over")["ContentType"] == "text/csv"


def test_files_of_other_programs_are_objects_at_once(s3: Any, stack: S3Stack) -> None:
    """A file written, changed or removed directly is so in GET, HEAD and listings with the next request."""
    path = stack.lake / "bkt" / "direct" / "part-0.parquet"
    path.parent.mkdir()
    for body in (b"one", b"two!", b"three"):
        path.write_bytes(body)
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        head = s3.head_object(Bucket="bkt", Key="direct/part-0.parquet")
        (line,) = s3.list_objects_v2(Bucket="bkt", Prefix="direct/")["Contents"]
        assert read(s3, "direct/part-0.parquet") == body
        assert (head["ETag"], head["ContentLength"]) == (line["ETag"], line["Size"]) == (etag, len(body))
    path.unlink()
    assert s3.list_objects_v2(Bucket="bkt", Prefix="direct/")["KeyCount"] == 0
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="bkt", Key="direct/part-0.parquet")


def test_direct_write_loses_the_metadata_of_what_was_there(s3: Any, stack: S3Stack) -> None:
    """Metadata belongs to the version that it was put with, not to the key."""
    put(s3, "mixed", Metadata={"a": "1"})
    (stack.lake / "bkt" / "mixed").write_bytes(b"by another program")
    assert s3.head_object(Bucket="bkt", Key="mixed")["Metadata"] == {}


def test_deletions(s3: Any, stack: S3Stack) -> None:
    """A deleted object is gone as a file, too; deleting what is not there is no error; folders stay."""
    for key in ("gone/a", "gone/b", "gone/c"):
        put(s3, key)
    s3.delete_object(Bucket="bkt", Key="gone/a")
    s3.delete_object(Bucket="bkt", Key="gone/a")
    batch = [{"Key": key} for key in ("gone/b", "gone/c", "gone/never", "gone/../x")]
    answer = s3.delete_objects(Bucket="bkt", Delete={"Objects": batch})
    assert [line["Key"] for line in answer["Deleted"]] == ["gone/b", "gone/c", "gone/never"]
    assert [(line["Key"], line["Code"]) for line in answer["Errors"]] == [("gone/../x", "InvalidArgument")]
    assert list((stack.lake / "bkt" / "gone").iterdir()) == []
    put(s3, "gone", b"now a file")
    assert read(s3, "gone") == b"now a file"


def test_key_and_folder_of_one_name_clash(s3: Any) -> None:
    """'a' and 'a/b' cannot both be objects of a plain folder: the second is refused, the first stays."""
    put(s3, "clash", b"first")
    with pytest.raises(ClientError, match="cannot hold both"):
        put(s3, "clash/below")
    put(s3, "above/clash")
    with pytest.raises(ClientError, match="cannot hold both"):
        put(s3, "above")
    assert read(s3, "clash") == b"first"


def test_missing_objects_and_buckets(s3: Any) -> None:
    """What is not there is NoSuchKey or NoSuchBucket, folders included."""
    put(s3, "folder/file")
    for key in ("never", "folder", "folder/", "folder/file/below"):
        with pytest.raises(ClientError, match="NoSuchKey"):
            read(s3, key)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.get_object(Bucket="no-such-bucket", Key="k")
