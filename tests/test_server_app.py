"""The control plane's server: signatures, validation, protocols, restarts."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from control_plane import CONFIG, KEYS, Server, run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("home")) as running:
        yield running


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Send a request that is not signed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_health_says_ok_and_nothing_else(server: Server) -> None:
    """Anyone may ask whether the server is up, and learns no more."""
    assert ask(server, "GET", "/health") == (200, b'{"status":"ok"}')


@pytest.mark.parametrize(
    ("service", "operation", "wrong_key", "wrong_secret"),
    [
        ("glue", "get_databases", "UnrecognizedClientException", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("lambda", "list_functions", "UnrecognizedClientException", "InvalidSignatureException"),
    ],
)
def test_a_wrong_key_is_refused_in_the_services_words(
    server: Server, service: str, operation: str, wrong_key: str, wrong_secret: str
) -> None:
    """An unknown access key and a wrong secret fail with the errors that the service has for them."""
    for change, code in (({"aws_access_key_id": "AKX"}, wrong_key), ({"aws_secret_access_key": "x"}, wrong_secret)):
        with pytest.raises(ClientError, match=code):
            getattr(server.client(service, **change), operation)()


def test_an_unsigned_request_is_refused(server: Server) -> None:
    """Without a signature nothing is answered, whatever is asked."""
    target = {"X_Amz_Target": "AWSGlue.GetDatabases", "Content_Type": "application/x-amz-json-1.1"}
    status, body = ask(server, "POST", "/", b"{}", **target)
    assert status == 400 and json.loads(body)["__type"] == "MissingAuthenticationTokenException"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    status, body = ask(server, "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", **form)
    assert status == 403 and b"<Code>MissingAuthenticationToken</Code>" in body


def test_each_role_is_who_its_key_says(server: Server) -> None:
    """GetCallerIdentity names the role whose key signed."""
    arns = {role: server.client("sts", role).get_caller_identity()["Arn"] for role in KEYS}
    assert arns == {role: f"arn:aws:iam::000000000000:user/{role}" for role in KEYS}


def test_a_member_that_is_not_honoured_is_refused(server: Server) -> None:
    """A request member outside the operation's list is an error, never ignored."""
    with pytest.raises(ClientError, match=r"InvalidInputException.*TransactionId.*docs/aws-support\.md"):
        server.client("glue").get_tables(DatabaseName="x", TransactionId="1")
    with pytest.raises(ClientError, match=r"InvalidParameterException.*kmsKeyId"):
        server.client("logs").create_log_group(logGroupName="/a", kmsKeyId="k")
    with pytest.raises(ClientError, match="InvalidAction"):
        server.client("cloudformation").delete_stack(StackName="x")


def test_a_request_that_the_model_does_not_allow_is_refused(server: Server) -> None:
    """Missing, empty and wrongly typed members fail before any handler, also those that no SDK would send."""
    glue = server.client("glue")
    for request in ({}, {"Name": 5}, {"Name": ""}):
        with pytest.raises(ClientError, match="ValidationException"):
            glue._make_api_call("GetDatabase", request)
    with pytest.raises(ClientError, match=r"ValidationError.*lacks RoleName"):
        server.client("iam")._make_api_call("GetRole", {})


def test_every_answer_has_a_request_id(server: Server) -> None:
    """Answers and errors carry x-amzn-RequestId, in JSON and in Query."""
    for service, call in (("glue", "get_databases"), ("sts", "get_caller_identity"), ("iam", "list_roles")):
        answer = getattr(server.client(service), call)()["ResponseMetadata"]
        assert re.fullmatch(r"[0-9a-f-]{36}", answer["HTTPHeaders"]["x-amzn-requestid"])
    with pytest.raises(ClientError) as caught:
        server.client("glue").get_database(Name="none")
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_an_oversized_body_is_refused(server: Server) -> None:
    """A body over the bound is refused by its announced length, before it is read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(17 * 2**20))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_errors_are_logged_without_secrets(server: Server) -> None:
    """Each refused request is one JSON line in the log, with the role and neither key nor members."""
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        server.client("glue", "notebook").get_table(DatabaseName="private-name", Name="private-table")
    line = json.loads(server.log.read_text().splitlines()[-1])
    assert (line["call"], line["role"], line["code"]) == ("glue GetTable", "notebook", "EntityNotFoundException")
    text = server.log.read_text()
    assert "private-" not in text and "secret" not in text and "AKNOTEBOOK" not in text


def test_signed_requests_renew_the_activity_file(tmp_path: Path) -> None:
    """Only what is signed counts as use of the stack."""
    with run_server(tmp_path) as server:
        ask(server, "GET", "/health")
        ask(server, "POST", "/", b"{}", X_Amz_Target="AWSGlue.GetDatabases")
        assert not (tmp_path / "activity").exists()
        server.client("glue").get_databases()
        assert (tmp_path / "activity").exists()


def test_the_catalog_survives_kill_9(tmp_path: Path) -> None:
    """What was answered is there after kill -9 and a new start, and the server works on."""
    with run_server(tmp_path) as server:
        glue = server.client("glue")
        glue.create_database(DatabaseInput={"Name": "kept"})
        keys = [{"Name": "y", "Type": "int"}]
        glue.create_table(DatabaseName="kept", TableInput={"Name": "t", "PartitionKeys": keys})
        inputs = [{"Values": [str(year)]} for year in range(100)]
        glue.batch_create_partition(DatabaseName="kept", TableName="t", PartitionInputList=inputs)
        server.kill()
        server.start()
        again = server.client("glue")
        assert again.get_database(Name="kept")["Database"]["Name"] == "kept"
        assert len(again.get_partitions(DatabaseName="kept", TableName="t")["Partitions"]) == 100
        again.delete_table(DatabaseName="kept", Name="t")


def test_concurrent_writers_are_all_answered(server: Server) -> None:
    """Sixteen connections at once lose nothing and break nothing."""
    glue = server.client("glue", config=CONFIG.merge(Config(max_pool_connections=16)))
    names = [f"many{number:03}" for number in range(64)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: glue.create_database(DatabaseInput={"Name": name}), names))
    pages = glue.get_paginator("get_databases").paginate(PaginationConfig={"PageSize": 7})
    found = [database["Name"] for page in pages for database in page["DatabaseList"]]
    assert [name for name in found if name.startswith("many")] == names


def test_idle_connections_keep_nobody_out(server: Server) -> None:
    """Hundreds of clients that keep their connection open between calls do not make the next one wait."""
    idle = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(300)]
    try:
        for connection in idle:
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        assert ask(server, "GET", "/health")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_a_port_that_is_taken_is_named(server: Server, tmp_path: Path) -> None:
    """A second server on the port ends with exit code 4 and one line."""
    command = [sys.executable, "-m", "local_aws.server", "--home", str(tmp_path), "--port", str(server.port)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 4
    assert re.fullmatch(rf"127\.0\.0\.1:{server.port} cannot be served \(.*\n", ended.stderr)


def test_the_target_must_be_of_the_signed_service(server: Server) -> None:
    """A signature for another service than the one that is asked finds nothing listed."""
    client = server.client("athena", config=CONFIG)
    client.meta.service_model.metadata["targetPrefix"] = "AWSGlue"
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_work_groups()
