"""Buckets and their configuration, through the real servers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from services_s3 import S3Stack, s3_client, stack_with_bucket

stack, s3 = stack_with_bucket, s3_client


POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})
RULES = [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "_tmp/"}, "Expiration": {"Days": 7}}]
BLOCK = {name: True for name in ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")}
# name of the operations, argument, value, error where there is none, name of the delete operation
KINDS = [
    ("bucket_encryption", "ServerSideEncryptionConfiguration",
     {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
     "ServerSideEncryptionConfigurationNotFoundError", "bucket_encryption"),
    ("bucket_lifecycle_configuration", "LifecycleConfiguration", {"Rules": RULES},
     "NoSuchLifecycleConfiguration", "bucket_lifecycle"),
    ("bucket_policy", "Policy", POLICY, "NoSuchBucketPolicy", "bucket_policy"),
    ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "a", "Value": "1"}]}, "NoSuchTagSet", "bucket_tagging"),
    ("public_access_block", "PublicAccessBlockConfiguration", BLOCK,
     "NoSuchPublicAccessBlockConfiguration", "public_access_block"),
    ("bucket_ownership_controls", "OwnershipControls", {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
     "OwnershipControlsNotFoundError", "bucket_ownership_controls"),
    ("bucket_cors", "CORSConfiguration", {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]},
     "NoSuchCORSConfiguration", "bucket_cors"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=[kind[0] for kind in KINDS])
def test_configuration_is_kept_and_deleted(s3: Any, kind: tuple[str, str, Any, str, str]) -> None:
    """What is put comes back, and without it there is the service's own error."""
    name, argument, value, missing, delete = kind
    get: Callable[..., Any] = getattr(s3, f"get_{name}")
    with pytest.raises(ClientError, match=missing):
        get(Bucket="bkt")
    getattr(s3, f"put_{name}")(Bucket="bkt", **{argument: value})
    answer = get(Bucket="bkt")
    assert value in (answer.get(argument), {key: answer[key] for key in answer if key != "ResponseMetadata"})
    getattr(s3, f"delete_{delete}")(Bucket="bkt")
    with pytest.raises(ClientError, match=missing):
        get(Bucket="bkt")


def test_versioning_and_notification_are_empty_until_put(s3: Any) -> None:
    """These two have an empty document instead of an error."""
    assert "Status" not in s3.get_bucket_versioning(Bucket="bkt")
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket="bkt")["Status"] == "Enabled"
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket="bkt")
    s3.put_bucket_notification_configuration(Bucket="bkt", NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert s3.get_bucket_notification_configuration(Bucket="bkt")["EventBridgeConfiguration"] == {}
    assert s3.get_bucket_location(Bucket="bkt")["LocationConstraint"] is None


def test_configuration_survives_a_restart_and_ends_with_the_bucket(s3: Any, stack: S3Stack) -> None:
    """A bucket made anew does not have the configuration of the one before."""
    s3.create_bucket(Bucket="short")
    s3.put_bucket_policy(Bucket="short", Policy=POLICY)
    stack.kill("front")
    stack.start("front")
    assert s3.get_bucket_policy(Bucket="short")["Policy"] == POLICY
    s3.delete_bucket(Bucket="short")
    s3.create_bucket(Bucket="short")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="short")
    s3.delete_bucket(Bucket="short")


def test_buckets_are_made_listed_and_removed(s3: Any, stack: S3Stack) -> None:
    """Creating an own bucket again is no error; removing one needs it empty of objects, not of folders."""
    s3.create_bucket(Bucket="again")
    s3.create_bucket(Bucket="again")
    assert "again" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket="again")
    s3.put_object(Bucket="again", Key="a/b/c", Body=b"")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="again")
    s3.delete_object(Bucket="again", Key="a/b/c")
    s3.delete_bucket(Bucket="again")
    assert not (stack.lake / "again").exists()
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket="again")


@pytest.mark.parametrize("name", ["ab", "Upper", "under_score", "10.0.0.1x..y", "-dash"])
def test_bad_bucket_names_are_refused(stack: S3Stack, name: str) -> None:
    """A name that S3 would not give is refused, and nothing is made."""
    client = stack.client(parameter_validation=False)
    with pytest.raises(ClientError, match=r"InvalidBucketName|ParamValidation"):
        client.create_bucket(Bucket=name)
    client.close()
    assert not (stack.lake / name).exists()


def test_malformed_configuration_is_refused(s3: Any) -> None:
    """A policy that is no JSON, and tags without keys, are refused."""
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket="bkt", Policy="{")
    with pytest.raises(ClientError, match="InvalidTag"):
        s3.put_bucket_tagging(Bucket="bkt", Tagging={"TagSet": [{"Key": "a", "Value": ""}] * 2})


@pytest.mark.parametrize(
    ("operation", "options"),
    [
        ("get_bucket_acl", {}),
        ("get_bucket_website", {}),
        ("get_bucket_logging", {}),
        ("list_object_versions", {}),
        ("get_object_acl", {"Key": "k"}),
        ("get_object_torrent", {"Key": "k"}),
        ("get_object_retention", {"Key": "k"}),
        ("restore_object", {"Key": "k"}),
        ("put_object", {"Key": "k", "Body": b"", "ACL": "public-read"}),
        ("put_object", {"Key": "k", "Body": b"", "SSECustomerKey": b"0" * 32, "SSECustomerAlgorithm": "AES256"}),
    ],
)
def test_what_is_not_done_is_refused(s3: Any, operation: str, options: dict[str, Any]) -> None:
    """Operations and headers that are not supported are NotImplemented, and the answer names the table."""
    with pytest.raises(ClientError, match=r"NotImplemented.*docs/s3\.md"):
        getattr(s3, operation)(Bucket="bkt", **options)


def test_other_accounts_buckets_are_refused(s3: Any) -> None:
    """ExpectedBucketOwner must be the one account that there is."""
    s3.list_objects_v2(Bucket="bkt", ExpectedBucketOwner="000000000000")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket="bkt", ExpectedBucketOwner="111111111111")
