"""AWS::S3::Bucket by ordinary S3 calls."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from infra.properties import Json, Properties


def make_bucket(s3: Any, properties: Properties, region: str) -> str:
    """Create the bucket where it is missing, and set what the template says of it. Returns its name."""
    name: str = properties.take("BucketName")
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **place)
    encryption = properties.take_nested("BucketEncryption")
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=_encryption(encryption))
    access = properties.take("PublicAccessBlockConfiguration")
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=access)
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties.take("OwnershipControls"))
    versioning = properties.take("VersioningConfiguration", None)
    if versioning:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    lifecycle = properties.take("LifecycleConfiguration", None)
    if lifecycle:
        rules = [_lifecycle_rule(properties.nest(rule, "LifecycleConfiguration")) for rule in lifecycle["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    else:
        s3.delete_bucket_lifecycle(Bucket=name)
    notifications = properties.take("NotificationConfiguration", {})
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration=_notifications(properties.nest(notifications, "NotificationConfiguration")),
    )
    properties.finish()
    return name


def _notifications(properties: Properties) -> Json:
    """Return the notifications as the API has them: an empty EventBridgeConfiguration means enabled."""
    bridge = properties.nest(properties.take("EventBridgeConfiguration", {}), "EventBridgeConfiguration")
    enabled = bridge.take("EventBridgeEnabled", False)
    bridge.finish()
    properties.finish()
    return {"EventBridgeConfiguration": {}} if enabled else {}


def _encryption(properties: Properties) -> Json:
    rules = []
    for rule in properties.take("ServerSideEncryptionConfiguration"):
        entry = properties.nest(rule, "ServerSideEncryptionConfiguration")
        default = entry.take("ServerSideEncryptionByDefault")
        rules.append({"ApplyServerSideEncryptionByDefault": default, **entry.take_all("BucketKeyEnabled")})
        entry.finish()
    properties.finish()
    return {"Rules": rules}


def _lifecycle_rule(rule: Properties) -> Json:
    """Return a rule as the API has it: CloudFormation says ExpirationInDays, the API Expiration.Days."""
    made = {"ID": rule.take("Id"), "Status": rule.take("Status"), "Filter": {"Prefix": rule.take("Prefix", "")}}
    days = rule.take("ExpirationInDays", None)
    if days is not None:
        made["Expiration"] = {"Days": days}
    made |= rule.take_all("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
    rule.finish()
    return made
