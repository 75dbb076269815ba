"""Services beside Glue and Athena: IAM and Logs as records, CloudFormation and STS truthfully."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from control_plane import Server, run_server

from local_aws.server.records import RECORDS
from local_aws.store import Store

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("home")) as running:
        yield running


def test_roles_and_inline_policies_come_back(server: Server) -> None:
    """A role keeps its trust, its description and its policies, under the local account."""
    iam = server.client("iam")
    iam.create_role(RoleName="job", AssumeRolePolicyDocument=TRUST, Description="the job", MaxSessionDuration=7200)
    iam.put_role_policy(RoleName="job", PolicyName="lake", PolicyDocument=POLICY)
    role = iam.get_role(RoleName="job")["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/job" and role["MaxSessionDuration"] == 7200
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert iam.get_role_policy(RoleName="job", PolicyName="lake")["PolicyDocument"] == json.loads(POLICY)
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.create_role(RoleName="job", AssumeRolePolicyDocument=TRUST)
    iam.delete_role_policy(RoleName="job", PolicyName="lake")
    iam.delete_role(RoleName="job")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role(RoleName="job")


def test_managed_policies_attach_and_version(server: Server) -> None:
    """A managed policy can be attached, renewed by a version, detached and deleted."""
    iam = server.client("iam")
    iam.create_role(RoleName="user", AssumeRolePolicyDocument=TRUST)
    arn = iam.create_policy(PolicyName="read", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="user", PolicyArn=arn)
    assert [p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName="user")["AttachedPolicies"]] == [arn]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=True)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    iam.detach_role_policy(RoleName="user", PolicyArn=arn)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)
    iam.delete_role(RoleName="user")


def test_log_groups_keep_their_retention_and_events(server: Server) -> None:
    """A log group keeps retention, streams and what was put there."""
    logs = server.client("logs")
    logs.create_log_group(logGroupName="/jobs", tags={"stage": "local"})
    logs.put_retention_policy(logGroupName="/jobs", retentionInDays=7)
    group = logs.describe_log_groups(logGroupNamePrefix="/jobs")["logGroups"][0]
    assert group["retentionInDays"] == 7 and ":000000000000:" in group["arn"]
    logs.create_log_stream(logGroupName="/jobs", logStreamName="one")
    event: dict[str, Any] = {"timestamp": group["creationTime"], "message": "hello ☃"}
    logs.put_log_events(logGroupName="/jobs", logStreamName="one", logEvents=[event])
    events = logs.get_log_events(logGroupName="/jobs", logStreamName="one")["events"]
    assert [event["message"] for event in events] == ["hello ☃"]
    logs.delete_log_group(logGroupName="/jobs")


@pytest.mark.parametrize("service", sorted(RECORDS))
def test_no_listed_record_is_unknown_to_moto(server: Server, service: str) -> None:
    """Every record operation is answered, or refused for its request: never as not implemented."""
    client = server.client(service)
    for name in RECORDS[service]:
        shape = client.meta.service_model.operation_model(name).input_shape
        request = {member: "none" for member in shape.required_members if shape.members[member].type_name == "string"}
        try:
            client._make_api_call(name, request)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, name
            assert error.response["Error"]["Code"] not in ("InvalidAction", "UnknownOperationException"), name


def test_the_provisioned_stack_is_described(server: Server) -> None:
    """DescribeStacks and ListStacks show what provisioning wrote down, and nothing else exists."""
    cloudformation = server.client("cloudformation")
    with pytest.raises(ClientError, match=r"ValidationError.*workbench-local does not exist"):
        cloudformation.describe_stacks(StackName="workbench-local")
    document = {
        "StackName": "workbench-local",
        "Outputs": {"RawBucket": "workbench-local-raw-000000000000", "JobName": "curate & <co>"},
        "Parameters": {"Stage": "local", "Workers": 2},
        "TemplateSha256": "0" * 64,
        "CreatedAt": "2026-01-31T12:00:00+00:00",
    }
    store = Store(server.home / "catalog.sqlite")
    store.put("stack", "workbench-local", document)
    store.close()
    stack = cloudformation.describe_stacks(StackName="workbench-local")["Stacks"][0]
    assert {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]} == document["Outputs"]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]} == {"Stage": "local", "Workers": "2"}
    assert (stack["StackStatus"], stack["CreationTime"].isoformat()) == ("CREATE_COMPLETE", "2026-01-31T12:00:00+00:00")
    assert cloudformation.describe_stacks(StackName=stack["StackId"])["Stacks"][0] == stack
    assert cloudformation.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"] == []
    assert len(cloudformation.list_stacks()["StackSummaries"]) == 1
