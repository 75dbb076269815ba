"""Every resource of the template is made on the local endpoint, and kept as the template says."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.errors import ProvisionError
from infra.functions import pack_code
from infra.provision import MAKERS, SKIPPED_LOCALLY, Place, ProvisionResult, provision_stack
from infra.template import load_template
from local_aws.lifecycle import read_endpoints
from local_aws.secrets import aws_keys

Clients = Callable[[str], Any]
TEMPLATE = load_template(Path(__file__).resolve().parent.parent / "infra" / "template.yaml")
PLACE = Place("000000000000", "us-east-1")
NAMES = {
    "RawBucket": "workbench-local-raw-000000000000",
    "CuratedBucket": "workbench-local-curated-000000000000",
    "ResultsBucket": "workbench-local-results-000000000000",
    "DatabaseName": "workbench_local",
    "JobName": "workbench-local-curate",
    "CrawlerName": "workbench-local-curated",
    "WorkGroupName": "workbench-local",
    "NotebookPolicyArn": "arn:aws:iam::000000000000:policy/workbench-local-notebooks",
    "UploadQueueUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/workbench-local-uploads",
    "DeadLettersUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/workbench-local-dead-letters",
    "UploadFunctionName": "workbench-local-on-upload",
}


@pytest.fixture(scope="module")
def clients(stack: Path) -> Clients:
    """Clients of the running stack, with the key that it is provisioned with."""
    endpoints, keys = read_endpoints(stack), aws_keys(stack, "admin")
    assert endpoints

    @cache
    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name="us-east-1",
            endpoint_url=endpoints.s3 if service == "s3" else endpoints.aws,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )

    return client


def provision(clients: Clients, **parameters: Any) -> ProvisionResult:
    """Provision the project's template, as `workbench up` does."""
    return provision_stack(TEMPLATE, clients, {"Stage": "local", **parameters}, PLACE, "workbench-local")


def test_every_resource_is_made_or_excused(clients: Clients) -> None:
    """What is not made stands in the explicit list; the outputs are the names that helpers use."""
    result = provision(clients)
    assert set(result.resources) | set(result.skipped) == set(TEMPLATE.resources)
    assert {TEMPLATE.resources[name]["Type"] for name in result.skipped} == {"AWS::S3::BucketPolicy"}
    assert result.outputs == NAMES
    assert all(len(reason) > 20 for reason in SKIPPED_LOCALLY.values())
    described = clients("cloudformation").describe_stacks(StackName="workbench-local")["Stacks"][0]
    assert {entry["OutputKey"]: entry["OutputValue"] for entry in described["Outputs"]} == NAMES


def test_buckets_are_as_the_template_says(clients: Clients) -> None:
    """Encryption, ownership, access block, versioning and lifecycle are read back from the endpoint."""
    s3, raw, results = clients("s3"), NAMES["RawBucket"], NAMES["ResultsBucket"]
    for bucket in (raw, results, NAMES["CuratedBucket"]):
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
        assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert s3.get_bucket_versioning(Bucket=raw)["Status"] == "Enabled"
    assert s3.get_bucket_lifecycle_configuration(Bucket=results)["Rules"][0]["Expiration"] == {"Days": 30}


def test_job_crawler_and_workgroup_are_as_the_template_says(clients: Clients) -> None:
    """The job, crawler, workgroup and database are read back from the endpoint."""
    job = clients("glue").get_job(JobName=NAMES["JobName"])["Job"]
    assert (job["GlueVersion"], job["WorkerType"], job["ExecutionProperty"]) == (
        "5.1",
        "G.1X",
        {"MaxConcurrentRuns": 1},
    )
    assert job["DefaultArguments"]["--CURATED_BUCKET"] == NAMES["CuratedBucket"]
    assert job["Command"]["ScriptLocation"] == f"s3://{NAMES['CuratedBucket']}/_code/job.py"
    crawler = clients("glue").get_crawler(Name=NAMES["CrawlerName"])["Crawler"]
    assert crawler["Targets"]["S3Targets"][0]["Path"] == f"s3://{NAMES['CuratedBucket']}/data/"
    workgroup = clients("athena").get_work_group(WorkGroup="workbench-local")["WorkGroup"]["Configuration"]
    assert workgroup["EnforceWorkGroupConfiguration"]
    location = workgroup["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{NAMES['ResultsBucket']}/workbench-local/"
    assert clients("glue").get_database(Name="workbench_local")["Database"]["LocationUri"]


def test_roles_and_the_policy_are_written_down(clients: Clients) -> None:
    """The roles with their trust and inline policies, and the notebooks' policy, are read back."""
    iam = clients("iam")
    role = iam.get_role(RoleName="workbench-local-job")["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "glue.amazonaws.com"}
    assert set(iam.list_role_policies(RoleName="workbench-local-job")["PolicyNames"]) == {"data", "logs"}
    assert iam.list_role_policies(RoleName="workbench-local-crawler")["PolicyNames"] == ["crawl"]
    assert iam.get_policy(PolicyArn=NAMES["NotebookPolicyArn"])["Policy"]["DefaultVersionId"] == "v1"
    assert clients("logs").describe_log_groups()["logGroups"][0]["retentionInDays"] == 30


def test_provisioning_again_changes_what_differs(clients: Clients) -> None:
    """What was changed by hand is as the template says again, and a changed parameter reaches its resource."""
    glue, athena = clients("glue"), clients("athena")
    job = glue.get_job(JobName=NAMES["JobName"])["Job"]
    changed = {"Role": job["Role"], "Command": job["Command"], "Timeout": 7}
    glue.update_job(JobName=NAMES["JobName"], JobUpdate=changed)
    glue.update_crawler(Name=NAMES["CrawlerName"], SchemaChangePolicy={"DeleteBehavior": "LOG"})
    glue.update_database(Name="workbench_local", DatabaseInput={"Name": "workbench_local"})
    provision(clients, AthenaScanLimitBytes=20000000)
    assert glue.get_job(JobName=NAMES["JobName"])["Job"]["DefaultArguments"] == job["DefaultArguments"]
    assert (
        glue.get_crawler(Name=NAMES["CrawlerName"])["Crawler"]["RecrawlPolicy"]["RecrawlBehavior"] == "CRAWL_EVERYTHING"
    )
    assert glue.get_database(Name="workbench_local")["Database"]["LocationUri"]
    limit = athena.get_work_group(WorkGroup="workbench-local")["WorkGroup"]["Configuration"][
        "BytesScannedCutoffPerQuery"
    ]
    assert limit == 20000000
    provision(clients)


def test_the_path_of_events_follows_the_template(clients: Clients) -> None:
    """Queue, rule, mapping, function, permission and schedule that were changed by hand are as the template says."""
    sqs, events, functions, scheduler = (clients(name) for name in ("sqs", "events", "lambda", "scheduler"))
    name, queue = NAMES["UploadFunctionName"], NAMES["UploadQueueUrl"]
    code = functions.get_function_configuration(FunctionName=name)["CodeSha256"]
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1", "Policy": ""})
    extra = {"Id": "extra", "Arn": "arn:aws:sqs:us-east-1:000000000000:workbench-local-dead-letters"}
    events.put_targets(Rule="workbench-local-object-created", Targets=[extra])
    events.put_rule(Name="workbench-local-object-created", EventPattern='{"source": ["x"]}', State="DISABLED")
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    functions.update_function_code(FunctionName=name, ZipFile=pack_code("x = 1\n"))
    functions.update_function_configuration(FunctionName=name, Timeout=1)
    functions.remove_permission(FunctionName="workbench-local-on-job-done", StatementId="JobDonePermission")
    provision(clients)
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "300" and "events.amazonaws.com" in attributes["Policy"]
    targets = events.list_targets_by_rule(Rule="workbench-local-object-created")["Targets"]
    assert [target["Id"] for target in targets] == ["uploads"]
    assert events.describe_rule(Name="workbench-local-object-created")["State"] == "ENABLED"
    assert functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Enabled"
    settings = functions.get_function_configuration(FunctionName=name)
    assert (settings["CodeSha256"], settings["Timeout"]) == (code, 30)
    assert functions.get_policy(FunctionName="workbench-local-on-job-done")["Policy"]
    target = scheduler.get_schedule(Name="workbench-local-sweep")["Target"]
    assert target["Input"] == '{"detail-type": "Sweep"}'


def test_policies_follow_the_template(clients: Clients) -> None:
    """An added inline policy goes, a changed managed policy gets a new default version."""
    iam, arn = clients("iam"), NAMES["NotebookPolicyArn"]
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    nothing = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName="workbench-local-job", PolicyName="extra", PolicyDocument=nothing)
    for _ in range(2):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=nothing, SetAsDefault=True)
        provision(clients)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v4")
    provision(clients)
    assert set(iam.list_role_policies(RoleName="workbench-local-job")["PolicyNames"]) == {"data", "logs"}
    default = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=default)["PolicyVersion"]["Document"]
    assert len(document["Statement"]) == 10 and len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) <= 5


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("{Type: AWS::SNS::Topic}", r"It: resource type AWS::SNS::Topic is not provisioned locally"),
        (
            "{Type: AWS::Glue::Job, Properties: {Name: x, Colour: red}}",
            r"It \(AWS::Glue::Job\): property Colour is not",
        ),
        ("{Type: AWS::Glue::Job, Properties: {Role: x}}", r"It \(AWS::Glue::Job\): property Name is missing"),
        ("{Type: AWS::Glue::Job, Properties: {Name: x}}", r"It \(AWS::Glue::Job\) cannot be provisioned: .*Role"),
        (
            "{Type: AWS::Athena::WorkGroup, "
            "Properties: {Name: x, WorkGroupConfiguration: {ResultConfiguration: 1, A: 1}}}",
            r"It \(AWS::Athena::WorkGroup\): WorkGroupConfiguration: property A is not provisioned locally",
        ),
    ],
)
def test_what_is_not_known_is_an_error(clients: Clients, tmp_path: Path, resource: str, message: str) -> None:
    """An unknown type or property, and a refused call, are errors that name the resource."""
    path = tmp_path / "template.yaml"
    path.write_text(f"Resources:\n  It: {resource}\n")
    with pytest.raises(ProvisionError, match=message):
        provision_stack(load_template(path), clients, {}, PLACE, "other")


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_no_maker_ignores_a_property(clients: Clients, kind: str) -> None:
    """A property that a type's maker does not know is an error, whatever the type."""
    logical_id, known = next(pair for pair in TEMPLATE.resources.items() if pair[1]["Type"] == kind)
    resource = {**known, "Properties": {**known["Properties"], "Unheard": 1}}
    template = replace(TEMPLATE, resources={**TEMPLATE.resources, logical_id: resource})
    with pytest.raises(ProvisionError, match=rf"{logical_id} \({kind}\): property Unheard is not provisioned locally"):
        provision_stack(template, clients, {"Stage": "local"}, PLACE, "workbench-local")
