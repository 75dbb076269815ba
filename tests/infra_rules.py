"""What the stack's template must say, beside what the linter checks: each rule yields the sentences it finds untrue."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra_rules_events import find_event_faults

from infra.parameters import resolve_parameters
from infra.template import Resolver, Template

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
NAMES = ("BucketName", "RoleName", "ManagedPolicyName", "LogGroupName", "QueueName", "FunctionName", "Name")
PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Region": "eu-central-1",
    "AWS::Partition": "aws",
    "AWS::StackName": "stack",
    "AWS::StackId": "STACK",
}
RAW, CURATED, RESULTS = (f"workbench-dev-{kind}-111122223333" for kind in ("raw", "curated", "results"))
GLUE = "arn:aws:glue:eu-central-1:111122223333"
CATALOG = {f"{GLUE}:catalog", f"{GLUE}:database/workbench_dev", f"{GLUE}:table/workbench_dev/*"}
LOGS = "arn:aws:logs:eu-central-1:111122223333:log-group"
READ_WRITE = "s3:AbortMultipartUpload s3:GetObject s3:PutObject"
CRAWL = (
    "glue:BatchCreatePartition glue:BatchDeletePartition glue:BatchDeleteTable glue:BatchGetPartition"
    " glue:BatchUpdatePartition glue:CreateTable glue:DeleteTable glue:GetDatabase glue:GetPartition glue:GetPartitions"
    " glue:GetTable glue:GetTables glue:UpdatePartition glue:UpdateTable"
)
REGISTER = "glue:BatchCreatePartition glue:BatchDeletePartition glue:GetPartitions glue:GetTable glue:UpdateTable"
GRANTS = {
    "JobRole": {
        "s3:ListBucket": {RAW, CURATED},
        "s3:GetObject": {f"{RAW}/*", f"{CURATED}/_code/*", f"{CURATED}/_contracts/*"},
        f"{READ_WRITE} s3:DeleteObject": {f"{CURATED}/{part}/*" for part in ("data", "_tmp", "_ledger")},
        "s3:GetObject s3:PutObject": {f"{CURATED}/_reports/*", f"{CURATED}/_refused/*"},
        REGISTER: CATALOG,
        "logs:CreateLogStream logs:PutLogEvents": {f"{LOGS}:/aws-glue/jobs/*"},
        "cloudwatch:PutMetricData": {"*"},
    },
    "CrawlerRole": {
        "s3:ListBucket": {CURATED},
        "s3:GetObject": {f"{CURATED}/data/*"},
        CRAWL: CATALOG,
        "logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents": {f"{LOGS}:/aws-glue/crawlers*"},
    },
    "NotebookPolicy": {
        "cloudformation:DescribeStacks": {"STACK"},
        "s3:GetBucketLocation s3:ListBucket": {RAW, CURATED, RESULTS},
        "s3:GetObject s3:PutObject": {f"{CURATED}/_code/*", f"{CURATED}/_contracts/*"},
        "s3:GetObject": {f"{CURATED}/{part}/*" for part in ("data", "_ledger", "_reports")},
        "s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject": {f"{RAW}/*", f"{RESULTS}/*"},
        "glue:BatchStopJobRun glue:GetJob glue:GetJobRun glue:GetJobRuns glue:StartJobRun": {
            f"{GLUE}:job/workbench-dev-curate"
        },
        "glue:GetCrawler glue:StartCrawler glue:StopCrawler": {f"{GLUE}:crawler/workbench-dev-curated"},
        "glue:GetDatabase glue:GetPartition glue:GetPartitions glue:GetTable glue:GetTables": CATALOG,
        "athena:BatchGetQueryExecution athena:GetQueryExecution athena:GetQueryResults athena:GetWorkGroup"
        " athena:StartQueryExecution athena:StopQueryExecution": {
            "arn:aws:athena:eu-central-1:111122223333:workgroup/workbench-dev"
        },
    },
}
BUCKET = {
    "BucketEncryption": {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    },
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    "PublicAccessBlockConfiguration": dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    ),
}
KEPT = {"VersioningConfiguration": {"Status": "Enabled"}}
UPLOADS = {"Id": "abandoned-uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}
PROPERTIES: Json = {
    "RawBucket": {**BUCKET, **KEPT, "BucketName": RAW, "LifecycleConfiguration": {"Rules": [UPLOADS]}},
    "CuratedBucket": {
        **BUCKET,
        **KEPT,
        "BucketName": CURATED,
        "LifecycleConfiguration": {
            "Rules": [
                UPLOADS,
                {"Id": "unpublished", "Status": "Enabled", "Prefix": "_tmp/", "ExpirationInDays": 7},
                {
                    "Id": "replaced-versions",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                },
            ]
        },
    },
    "ResultsBucket": {
        **BUCKET,
        "BucketName": RESULTS,
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "old-results",
                    "Status": "Enabled",
                    "ExpirationInDays": 30,
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
    },
    "Database": {
        "CatalogId": "111122223333",
        "DatabaseInput": {"Name": "workbench_dev", "LocationUri": f"s3://{CURATED}/data/"},
    },
    "JobLogs": {"LogGroupName": "/aws-glue/jobs/workbench-dev", "RetentionInDays": 30},
    "Job": {
        "Name": "workbench-dev-curate",
        "Role": "arn:aws:iam::111122223333:role/workbench-dev-job",
        "GlueVersion": "5.1",
        "WorkerType": "G.1X",
        "NumberOfWorkers": 2,
        "Timeout": 60,
        "MaxRetries": 0,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "Command": {"Name": "glueetl", "PythonVersion": "3", "ScriptLocation": f"s3://{CURATED}/_code/job.py"},
        "DefaultArguments": {
            "--job-language": "python",
            "--job-bookmark-option": "job-bookmark-disable",
            "--TempDir": f"s3://{CURATED}/_tmp/",
            "--enable-metrics": "true",
            "--enable-continuous-cloudwatch-log": "true",
            "--continuous-log-logGroup": "/aws-glue/jobs/workbench-dev",
            "--RAW_BUCKET": RAW,
            "--CURATED_BUCKET": CURATED,
            "--DATABASE": "workbench_dev",
        },
    },
    "Crawler": {
        "Name": "workbench-dev-curated",
        "Role": "arn:aws:iam::111122223333:role/workbench-dev-crawler",
        "DatabaseName": "workbench_dev",
        "Targets": {"S3Targets": [{"Path": f"s3://{CURATED}/data/"}]},
        "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DELETE_FROM_DATABASE"},
        "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
        "Configuration": '{"Version":1.0,"CrawlerOutput":{"Partitions":{"AddOrUpdateBehavior":"InheritFromTable"}},'
        '"Grouping":{"TableGroupingPolicy":"CombineCompatibleSchemas","TableLevelConfiguration":3}}',
    },
    "WorkGroup": {
        "Name": "workbench-dev",
        "State": "ENABLED",
        "RecursiveDeleteOption": True,
        "WorkGroupConfiguration": {
            "EnforceWorkGroupConfiguration": True,
            "PublishCloudWatchMetricsEnabled": True,
            "BytesScannedCutoffPerQuery": 107374182400,
            "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
            "ResultConfiguration": {
                "OutputLocation": f"s3://{RESULTS}/workbench-dev/",
                "ExpectedBucketOwner": "111122223333",
                "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
            },
        },
    },
}


def resolve_template(template: Template) -> Json:
    """Return the properties of each resource as AWS would see them, without making anything."""
    resolver = Resolver(template, resolve_parameters(template, {}), PSEUDO)
    resolved: Json = {}
    for logical_id in resolver.order():
        resource = resolver.properties(logical_id)
        kind = template.resources[logical_id]["Type"]
        name = next((str(resource[key]) for key in NAMES if key in resource), logical_id)
        if kind == "AWS::Glue::Database":
            name = resource.get("DatabaseInput", {}).get("Name", "")
        queue = f"https://sqs.eu-central-1.amazonaws.com/111122223333/{name}"
        resolver.record(logical_id, queue if kind == "AWS::SQS::Queue" else name, {"Arn": _arn(kind, name)})
        resolved[logical_id] = resource
    resolver.outputs()
    return resolved


def _arn(kind: str, name: str) -> str:
    place = "eu-central-1:111122223333"
    known = {
        "AWS::IAM::Role": f"iam::111122223333:role/{name}",
        "AWS::SQS::Queue": f"sqs:{place}:{name}",
        "AWS::Events::Rule": f"events:{place}:rule/{name}",
        "AWS::Lambda::Function": f"lambda:{place}:function:{name}",
        "AWS::Logs::LogGroup": f"logs:{place}:log-group:{name}:*",
    }
    return f"arn:aws:{known.get(kind, f's3:::{name}')}"


def find_faults(resolved: Json) -> Iterator[str]:
    """Yield what is not as it must be."""
    for logical_id, wanted in PROPERTIES.items():
        yield from _differences(resolved.get(logical_id), wanted, logical_id)
    shipped = [path.name for path in (ROOT / "glue").glob("[!_]*.py") if path.stem not in ("job", "rehearsal")]
    modules = {f"s3://{CURATED}/_code/{name}" for name in shipped}  # the rehearsal is the embedded Glue's alone
    arguments = resolved.get("Job", {}).get("DefaultArguments", {})
    if set(arguments.get("--extra-py-files", "").split(",")) != modules:
        yield "Job: --extra-py-files are not the modules of glue/"
    for logical_id, grants in GRANTS.items():
        yield from _check_grants(logical_id, resolved.get(logical_id, {}), grants)
    yield from find_event_faults(resolved)
    for kind, bucket in (("Raw", RAW), ("Curated", CURATED), ("Results", RESULTS)):
        yield from _check_bucket_policy(f"{kind}BucketPolicy", resolved.get(f"{kind}BucketPolicy", {}), bucket)


def _differences(found: Any, wanted: Any, where: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _differences(found.get(key), value, f"{where}.{key}")
    elif found != wanted:
        yield f"{where} is {found!r}, not {wanted!r}"


def _check_grants(logical_id: str, resource: Json, wanted: dict[str, set[str]]) -> Iterator[str]:
    documents = [policy.get("PolicyDocument", {}) for policy in resource.get("Policies", [resource])]
    found: dict[str, set[str]] = {}
    for statement in (statement for document in documents for statement in document.get("Statement", [])):
        if statement.get("Effect") != "Allow":
            yield f"{logical_id}: {statement.get('Sid')} allows nothing"
        actions, resources = _as_list(statement.get("Action", [])), _as_list(statement.get("Resource", []))
        found.setdefault(" ".join(sorted(actions)), set()).update(
            name.replace("arn:aws:s3:::", "") for name in resources
        )
        if resources == ["*"] and statement.get("Condition") != {"StringEquals": {"cloudwatch:namespace": "Glue"}}:
            yield f"{logical_id}: {statement.get('Sid')} is not limited"
    if {document.get("Version") for document in documents} != {"2012-10-17"}:
        yield f"{logical_id}: a policy without its Version"
    wanted_resources = {" ".join(sorted(actions.split())): resources for actions, resources in wanted.items()}
    if found != wanted_resources:
        yield f"{logical_id} grants {found}"
    if logical_id.endswith("Role"):
        yield from _check_trust(logical_id, resource)
    elif resource.get("ManagedPolicyName") != "workbench-dev-notebooks":
        yield f"{logical_id}: no name"


def _check_trust(logical_id: str, resource: Json) -> Iterator[str]:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "glue.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": "111122223333"}},
            }
        ],
    }
    if resource.get("AssumeRolePolicyDocument") != trust:
        yield f"{logical_id}: others than Glue of this account may take the role"
    if not str(resource.get("RoleName", "")).startswith("workbench-dev-"):
        yield f"{logical_id}: no name"
    if not all(policy.get("PolicyName") for policy in resource.get("Policies", [])):
        yield f"{logical_id}: a policy without a name"


def _check_bucket_policy(logical_id: str, resource: Json, bucket: str) -> Iterator[str]:
    arn = f"arn:aws:s3:::{bucket}"
    statement = {
        "Sid": "EncryptedConnectionsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    if resource != {"Bucket": bucket, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}:
        yield f"{logical_id}: does not refuse plain HTTP"


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
