"""Workgroups, saved statements, metadata and tags of the local Athena, and the shapes of its answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from athena_lab import AthenaLab, Json
from botocore.validate import ParamValidator

from local_aws.athena.operations import AthenaOperations
from local_aws.errors import ServiceError


@pytest.fixture
def lab(home: Path) -> Iterator[AthenaLab]:
    lab = AthenaLab(home)
    yield lab
    lab.close()


MODEL = botocore.session.Session().get_service_model("athena")


def test_every_operation_is_in_the_services_model_and_has_a_method() -> None:
    """Names and accepted members are those of botocore's model; required members are all accepted."""
    for name, operation in AthenaOperations.OPERATIONS.items():
        shape = MODEL.operation_model(name).input_shape
        assert set(operation.accepts) <= set(shape.members), name
        assert set(shape.required_members) <= set(operation.accepts), name
        assert callable(getattr(AthenaOperations, operation.method)), name


def check_output(operation: str, answer: Json) -> None:
    """Validate an answer by the service's own model (times are numbers on the wire)."""
    shape = MODEL.operation_model(operation).output_shape
    unknown = set(answer) - set(shape.members)
    assert not unknown, f"{operation}: {unknown}"
    report = ParamValidator().validate(answer, shape)
    assert not report.has_errors(), report.generate_report()


def test_answers_have_the_services_shapes(lab: AthenaLab) -> None:
    """Answers of every kind hold only members of the model, in its types."""
    lab.setup("CREATE EXTERNAL TABLE t (id int) PARTITIONED BY (y int) LOCATION 's3://data/t/'")
    key = {"QueryExecutionId": lab.succeed("SELECT id FROM t", ExecutionParameters=[])["QueryExecutionId"]}
    table = {"CatalogName": "AwsDataCatalog", "DatabaseName": "db"}
    requests: list[tuple[str, str, Json]] = [
        ("GetQueryExecution", "get_query_execution", key),
        ("BatchGetQueryExecution", "batch_get_query_execution", {"QueryExecutionIds": [key["QueryExecutionId"], "x"]}),
        ("GetQueryRuntimeStatistics", "get_query_runtime_statistics", key),
        ("GetQueryResults", "get_query_results", key),
        ("ListQueryExecutions", "list_query_executions", {}),
        ("GetWorkGroup", "get_work_group", {"WorkGroup": "primary"}),
        ("ListWorkGroups", "list_work_groups", {}),
        ("ListEngineVersions", "list_engine_versions", {}),
        ("GetDataCatalog", "get_data_catalog", {"Name": "AwsDataCatalog"}),
        ("ListDataCatalogs", "list_data_catalogs", {}),
        ("GetDatabase", "get_database", table),
        ("ListDatabases", "list_databases", {"CatalogName": "awsdatacatalog"}),
        ("GetTableMetadata", "get_table_metadata", {**table, "TableName": "t"}),
        ("ListTableMetadata", "list_table_metadata", table),
    ]
    for name, method, request in requests:
        check_output(name, getattr(lab.athena, method)(request))


def refused(call: Any, request: Json) -> tuple[str, str]:
    with pytest.raises(ServiceError) as refusal:
        call(request)
    return refusal.value.code, str(refusal.value)


def test_a_query_needs_an_output_location(lab: AthenaLab) -> None:
    """Without one in the request or the workgroup the query is refused, and so is one that is no bucket's."""
    start = lab.athena.start_query_execution
    code, message = refused(start, {"QueryString": "SELECT 1"})
    assert code == "InvalidRequestException" and message.startswith("No output location provided")
    elsewhere = {"QueryString": "SELECT 1", "ResultConfiguration": {"OutputLocation": "s3://nobucket/"}}
    assert "nobucket" in refused(start, elsewhere)[1]


def test_an_enforced_configuration_wins(lab: AthenaLab) -> None:
    """Where the workgroup enforces its settings the request's location is ignored, else it counts."""
    location = {"ResultConfiguration": {"OutputLocation": "s3://results/own/"}}
    lab.athena.create_work_group({"Name": "w", "Configuration": location, "Description": "about"})
    group = lab.athena.get_work_group({"WorkGroup": "w"})["WorkGroup"]
    assert (group["State"], group["Configuration"]["EnforceWorkGroupConfiguration"]) == ("ENABLED", True)
    output = lab.succeed("SHOW DATABASES", WorkGroup="w")["ResultConfiguration"]["OutputLocation"]
    assert output.startswith("s3://results/own/")
    free = {"EnforceWorkGroupConfiguration": False}
    lab.athena.update_work_group({"WorkGroup": "w", "ConfigurationUpdates": free})
    output = lab.succeed("SHOW DATABASES", WorkGroup="w")["ResultConfiguration"]["OutputLocation"]
    assert output.startswith("s3://results/q/")


def test_workgroups_are_updated_disabled_and_deleted(lab: AthenaLab) -> None:
    """Updates change single settings; a disabled workgroup runs nothing; primary cannot be deleted."""
    lab.athena.create_work_group({"Name": "w"})
    assert refused(lab.athena.create_work_group, {"Name": "w"})[1] == "WorkGroup is already created"
    updates = {
        "BytesScannedCutoffPerQuery": 10_000_000,
        "ResultConfigurationUpdates": {"OutputLocation": "s3://results/"},
    }
    lab.athena.update_work_group({"WorkGroup": "w", "ConfigurationUpdates": updates, "State": "DISABLED"})
    assert "is disabled" in refused(lab.athena.start_query_execution, {"QueryString": "SELECT 1", "WorkGroup": "w"})[1]
    removal = {"RemoveBytesScannedCutoffPerQuery": True, "ResultConfigurationUpdates": {"RemoveOutputLocation": True}}
    lab.athena.update_work_group({"WorkGroup": "w", "ConfigurationUpdates": removal})
    configuration = lab.athena.get_work_group({"WorkGroup": "w"})["WorkGroup"]["Configuration"]
    assert "BytesScannedCutoffPerQuery" not in configuration and configuration["ResultConfiguration"] == {}
    lab.athena.delete_work_group({"WorkGroup": "w"})
    assert "is not found" in refused(lab.athena.get_work_group, {"WorkGroup": "w"})[1]
    assert "cannot be deleted" in refused(lab.athena.delete_work_group, {"WorkGroup": "primary"})[1]


@pytest.mark.parametrize(
    "configuration",
    [
        {"ManagedQueryResultsConfiguration": {"Enabled": True}},
        {"EngineVersion": {"SelectedEngineVersion": "PySpark engine version 3"}},
        {"ExecutionRole": "arn:aws:iam::000000000000:role/x"},
    ],
)
def test_settings_without_effect_are_refused(lab: AthenaLab, configuration: Json) -> None:
    """A workgroup never takes a setting that the local Athena would ignore."""
    message = refused(lab.athena.create_work_group, {"Name": "w", "Configuration": configuration})[1]
    assert "is not supported by the local Athena" in message


def test_prepared_statements_run_with_values(lab: AthenaLab) -> None:
    """The API and SQL share them; values are literals or stand for the strings that they spell."""
    lab.setup()
    name = {"StatementName": "Find", "WorkGroup": "primary"}
    lab.athena.create_prepared_statement({**name, "QueryStatement": "SELECT ? AS a, '?' AS b, ? AS c"})
    assert lab.rows("EXECUTE Find USING 1, 'it''s'") == [["1", "?", "it's"]]
    assert lab.rows("EXECUTE Find", ExecutionParameters=["2.5", "x' OR 'a'='a"]) == [["2.5", "?", "x' OR 'a'='a"]]
    assert lab.fail("EXECUTE Find USING 1").startswith("INVALID_PARAMETER_USAGE")
    lab.succeed("PREPARE other FROM SELECT 7 AS a")
    listed = lab.athena.list_prepared_statements({"WorkGroup": "primary"})["PreparedStatements"]
    assert [statement["StatementName"] for statement in listed] == ["Find", "other"]
    lab.succeed("DEALLOCATE PREPARE other")
    lab.athena.update_prepared_statement({**name, "QueryStatement": "SELECT 8 AS a"})
    assert lab.rows("EXECUTE Find") == [["8"]]
    lab.athena.delete_prepared_statement(name)
    assert refused(lab.athena.get_prepared_statement, name)[0] == "ResourceNotFoundException"
    assert lab.fail("EXECUTE Find").startswith("NOT_FOUND")


def test_parameters_fill_question_marks_of_any_statement(lab: AthenaLab) -> None:
    """ExecutionParameters replace question marks outside of strings and comments, in order."""
    lab.setup()
    sql = "SELECT ? AS a /* ? */, '?' AS b -- ?\n, ? AS c"
    assert lab.rows(sql, ExecutionParameters=["1", "DATE '2024-01-31'"]) == [["1", "?", "2024-01-31"]]
    assert "expected 2 but found 3" in lab.fail(sql, ExecutionParameters=["1", "2", "3"])


def test_named_queries_are_kept(lab: AthenaLab) -> None:
    """Named queries are created once per token, listed by workgroup, updated and deleted."""
    query = {"Name": "n", "Database": "db", "QueryString": "SELECT 1", "ClientRequestToken": "t" * 32}
    key = lab.athena.create_named_query(query)["NamedQueryId"]
    assert lab.athena.create_named_query(query)["NamedQueryId"] == key
    lab.athena.update_named_query({"NamedQueryId": key, "Name": "m", "QueryString": "SELECT 2"})
    found = lab.athena.get_named_query({"NamedQueryId": key})["NamedQuery"]
    check_output("GetNamedQuery", {"NamedQuery": found})
    assert (found["Name"], found["QueryString"], found["WorkGroup"]) == ("m", "SELECT 2", "primary")
    assert lab.athena.list_named_queries({})["NamedQueryIds"] == [key]
    batch = lab.athena.batch_get_named_query({"NamedQueryIds": [key, "x"]})
    assert (len(batch["NamedQueries"]), len(batch["UnprocessedNamedQueryIds"])) == (1, 1)
    lab.athena.delete_named_query({"NamedQueryId": key})
    assert "was not found" in refused(lab.athena.get_named_query, {"NamedQueryId": key})[1]


def test_executions_are_listed_newest_first_in_pages(lab: AthenaLab) -> None:
    """Every execution of the workgroup comes once."""
    lab.setup()
    started = [lab.succeed("SHOW DATABASES")["QueryExecutionId"] for _ in range(5)]
    pages, token = [], {}
    while True:
        answer = lab.athena.list_query_executions({"MaxResults": 2, **token})
        pages.append(answer["QueryExecutionIds"])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    listed = [key for page in pages for key in page]
    assert listed[:5] == started[::-1] and len(listed) == len(set(listed)) == 6
    assert "NextToken is not valid" in refused(lab.athena.list_query_executions, {"NextToken": "?"})[1]


def test_metadata_is_glues(lab: AthenaLab) -> None:
    """Table metadata shows columns, keys and storage; a missing one is MetadataException."""
    lab.setup("CREATE EXTERNAL TABLE one (id int) LOCATION 's3://data/t/'")
    request = {"CatalogName": "AwsDataCatalog", "DatabaseName": "db"}
    found = lab.athena.list_table_metadata({**request, "Expression": "ON."})["TableMetadataList"]
    assert [table["Name"] for table in found] == ["one"]
    assert found[0]["Parameters"]["location"] == "s3://data/t/"
    assert refused(lab.athena.get_table_metadata, {**request, "TableName": "two"})[0] == "MetadataException"
    assert "was not found" in refused(lab.athena.get_data_catalog, {"Name": "other"})[1]


def test_tags_are_recorded(lab: AthenaLab) -> None:
    """Tags of a workgroup are kept, changed and removed; an unknown resource is refused."""
    arn = "arn:aws:athena:us-east-1:000000000000:workgroup/w"
    lab.athena.create_work_group({"Name": "w", "Tags": [{"Key": "a", "Value": "1"}]})
    lab.athena.tag_resource({"ResourceARN": arn, "Tags": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}]})
    lab.athena.untag_resource({"ResourceARN": arn, "TagKeys": ["b"]})
    assert lab.athena.list_tags_for_resource({"ResourceARN": arn})["Tags"] == [{"Key": "a", "Value": "3"}]
    assert refused(lab.athena.list_tags_for_resource, {"ResourceARN": "arn:x"})[0] == "ResourceNotFoundException"
