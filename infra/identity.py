"""AWS::IAM::Role and AWS::IAM::ManagedPolicy by ordinary IAM calls."""

from __future__ import annotations

import json
from typing import Any

from infra.properties import Json, Properties, same_policy

VERSIONS_KEPT = 5  # IAM refuses a sixth version of a policy


def make_role(iam: Any, properties: Properties) -> str:
    """Create or update the role with its inline policies. Returns its name."""
    name: str = properties.take("RoleName")
    trust = properties.take("AssumeRolePolicyDocument")
    policies: list[Json] = properties.take("Policies", [])
    description = properties.take("Description", "")
    properties.finish()
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), Description=description)
    else:
        if not same_policy(role["AssumeRolePolicyDocument"], trust):
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        if role.get("Description", "") != description:
            iam.update_role(RoleName=name, Description=description)
    _set_inline_policies(iam, name, {policy["PolicyName"]: policy["PolicyDocument"] for policy in policies})
    return name


def _set_inline_policies(iam: Any, role: str, wanted: dict[str, Json]) -> None:
    for name in set(iam.list_role_policies(RoleName=role)["PolicyNames"]) - set(wanted):
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    for name, document in wanted.items():
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def make_managed_policy(iam: Any, properties: Properties, arn_prefix: str) -> str:
    """Create the policy, or make the template's document its default version. Returns its ARN."""
    name: str = properties.take("ManagedPolicyName")
    document = properties.take("PolicyDocument")
    description = properties.take("Description", "")
    properties.finish()
    arn = f"{arn_prefix}:policy/{name}"
    try:
        default = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    except iam.exceptions.NoSuchEntityException:
        iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document), Description=description)
        return arn
    version = iam.get_policy_version(PolicyArn=arn, VersionId=default)["PolicyVersion"]
    if not same_policy(version["Document"], document):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        old = [entry["VersionId"] for entry in versions if not entry["IsDefaultVersion"]]
        if len(versions) >= VERSIONS_KEPT:
            iam.delete_policy_version(PolicyArn=arn, VersionId=min(old, key=lambda text: int(text[1:])))
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
    return arn
