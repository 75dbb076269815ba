"""The session: names from the stack's outputs, and no call that could leave this machine."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.config import build_config
from helpers.errors import ServiceError
from helpers.ingest import ingest_files
from helpers.load_postgres import preview_relation
from helpers.session import open_session

# Run as a process of its own: what is planted must not reach the other tests.
LOOK = """
import json, sys
import boto3
early = boto3.DEFAULT_SESSION or boto3.setup_default_session()
import awswrangler as wr
from helpers.session import open_session
session = open_session()
every = boto3.Session().get_available_services()
names = every if sys.argv[1] == "all" else ["s3", "glue", "athena", "sts", "cloudformation", "lambda", *every[::25]]
found = {}
for name in names:
    for maker in (boto3.client, session.boto3_session.client):
        found.setdefault(name, []).append(maker(name).meta.endpoint_url)
found["session"] = [session.client("s3").meta.endpoint_url, session.client("glue").meta.endpoint_url]
found["awswrangler"] = [wr.config.s3_endpoint_url, wr.config.athena_endpoint_url]
print(json.dumps(found))
print(boto3.client("sts").get_caller_identity()["Account"])
"""
CONFIG = """
[default]
region = eu-west-1
endpoint_url = https://planted.example
use_fips_endpoint = true
services = planted
[profile planted]
role_arn = arn:aws:iam::123456789012:role/planted
credential_source = Environment
[services planted]
s3 =
  endpoint_url = https://s3.planted.example
glue =
  endpoint_url = https://glue.planted.example
"""


def plant(folder: Path) -> dict[str, str]:
    """Return an environment in which everything points to AWS or elsewhere."""
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(CONFIG)
    (folder / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\n")
    return {
        **os.environ,
        "HOME": str(folder),
        "AWS_CONFIG_FILE": str(folder / ".aws" / "config"),
        "AWS_ENDPOINT_URL": "https://planted.example",
        "AWS_ENDPOINT_URL_GLUE": "https://glue.planted.example",
        "AWS_ENDPOINT_URL_STS": "https://sts.amazonaws.com",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_SESSION_TOKEN": "planted",
        "AWS_PROFILE": "planted",
        "AWS_REGION": "eu-west-1",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/planted",
        "WR_ATHENA_ENDPOINT_URL": "https://athena.planted.example",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }


def look(stack: Path, folder: Path, which: str) -> dict[str, list[str | None]]:
    """Return service -> the endpoints that clients of a process with a planted environment have."""
    environment = plant(folder) | {"WORKBENCH_HOME": str(stack)}
    command = [sys.executable, "-c", LOOK, which]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    endpoints, account = done.stdout.splitlines()
    assert account == "000000000000"
    found: dict[str, list[str | None]] = json.loads(endpoints)
    return found


def test_no_client_can_reach_aws_whatever_is_planted(stack: Path, tmp_path: Path) -> None:
    """Variables, profiles and files that name other endpoints, keys and proxies steer no client of a session."""
    for service, endpoints in look(stack, tmp_path, "some").items():
        for endpoint in endpoints:
            assert endpoint is None or endpoint.startswith("http://127.0.0.1:"), (service, endpoint)


@pytest.mark.slow
def test_no_client_of_any_service_can_reach_aws(stack: Path, tmp_path: Path) -> None:
    """The same for every service that boto3 knows."""
    for service, endpoints in look(stack, tmp_path, "all").items():
        assert all(endpoint is None or endpoint.startswith("http://127.0.0.1:") for endpoint in endpoints), service


def test_every_name_comes_from_the_stacks_outputs(stack: Path) -> None:
    """The session's names are those of endpoints.json, and its buckets exist."""
    outputs = json.loads((stack / "endpoints.json").read_text())["outputs"]
    session = open_session()
    assert session.outputs.raw_bucket == outputs["RawBucket"]
    assert session.outputs.job == outputs["JobName"]
    assert session.client("s3").head_bucket(Bucket=session.outputs.curated_bucket)
    assert session.client("glue") is open_session().client("glue")


def test_the_reader_reads_and_cannot_write(stack: Path) -> None:
    """PostgreSQL's two roles come with their own passwords."""
    with open_session().connect_postgres(role="reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('default_transaction_read_only')")
        assert cursor.fetchone() == ("workbench_reader", "on")
    connection.close()


def test_a_postgresql_that_does_not_answer_is_named(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the user's that cannot be reached is one line with exit code 4, without its password."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://me:hidden@127.0.0.1:9/nowhere")
    with pytest.raises(ServiceError, match=r"PostgreSQL: .*127\.0\.0\.1.*workbench up") as caught:
        preview_relation(build_config("student_sample"))
    assert caught.value.exit_code == 4
    assert "hidden" not in str(caught.value)


def test_the_stack_is_started_where_it_is_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook starts the stack of its state folder, also where another program has the ports of a killed one."""
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        document = {"s3": url, "aws": url, "region": "us-east-1", "outputs": {}, "postgres": {}}
        (home / "endpoints.json").write_text(json.dumps(document))
        try:
            assert ingest_files(build_config("student_sample")).uploaded == 13
            assert url not in (home / "endpoints.json").read_text()
        finally:
            command = [sys.executable, "-m", "workbench", "down"]
            subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)


def test_a_stack_that_cannot_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason that `workbench up` gives is the error's line."""
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "file"))
    with pytest.raises(ServiceError, match=r"local stack: "):
        open_session()
