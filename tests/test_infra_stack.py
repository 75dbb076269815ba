"""The whole embedded stack, as `workbench up` brings it up: provisioned, mended, kept, guarded."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg2
import pytest

from local_aws.home import OURS
from local_aws.lifecycle import Endpoints, reset, status
from local_aws.secrets import POSTGRES_ROLES, aws_keys, postgres_password
from workbench.stack import bring_up, environment

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ["s3", "rclone", "api", "postgres"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder whose stack these tests may harm."""
    home = tmp_path_factory.mktemp("own") / "home"
    bring_up(home)
    yield home
    reset(home)


def client(home: Path, service: str) -> Any:
    """Return a client with the notebooks' key, as `workbench env` describes it."""
    variables = environment(home)
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=variables["AWS_REGION"],
        endpoint_url=variables["AWS_ENDPOINT_URL_S3" if service == "s3" else "AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )


def write_everywhere(home: Path, endpoints: Endpoints, value: str) -> None:
    """Leave a value in S3, in the catalog and in PostgreSQL."""
    client(home, "s3").put_object(Bucket=endpoints.outputs["RawBucket"], Key="kept", Body=value.encode())
    table = {"Name": "kept", "Description": value}
    glue, database = client(home, "glue"), endpoints.outputs["DatabaseName"]
    try:
        glue.create_table(DatabaseName=database, TableInput=table)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=database, TableInput=table)
    ask(home, endpoints, f"CREATE SCHEMA IF NOT EXISTS kept; COMMENT ON SCHEMA kept IS '{value}'")


def read_everywhere(home: Path, endpoints: Endpoints) -> set[str]:
    """Return what the three hold."""
    body = client(home, "s3").get_object(Bucket=endpoints.outputs["RawBucket"], Key="kept")["Body"].read().decode()
    table = client(home, "glue").get_table(DatabaseName=endpoints.outputs["DatabaseName"], Name="kept")["Table"]
    return {body, table["Description"], ask(home, endpoints, "SELECT obj_description('kept'::regnamespace)")}


def ask(home: Path, endpoints: Endpoints, sql: str) -> Any:
    """Run one statement as the loader."""
    where = {name: endpoints.postgres[name] for name in ("host", "port", "dbname")}
    connection = psycopg2.connect(
        user=endpoints.postgres["loader"], password=postgres_password(home, "loader"), **where
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        answer = cursor.fetchone() if cursor.description else None
    connection.close()
    return answer[0] if answer else None


def test_everything_killed_comes_back(own: Path) -> None:
    """After a kill -9 of all servers at once, `up` has them all back, with what they held, on the same ports."""
    before = bring_up(own)
    write_everywhere(own, before, "all")
    for name in SERVERS:
        os.kill(before.processes[name].pid, 9)
    after = bring_up(own)
    assert read_everywhere(own, after) == {"all"}
    assert (after.s3, after.aws, after.postgres, after.outputs) == (
        before.s3,
        before.aws,
        before.postgres,
        before.outputs,
    )
    assert status(own).healthy


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SERVERS, "supervisor"])
def test_each_server_killed_comes_back(own: Path, name: str) -> None:
    """After a kill -9 of one server, `up` has it back, with what it held."""
    before = bring_up(own)
    write_everywhere(own, before, name)
    os.kill(before.processes[name].pid, 9)
    after = bring_up(own)
    assert after.processes[name] != before.processes[name]
    assert read_everywhere(own, after) == {name}


def test_a_second_up_only_looks(own: Path) -> None:
    """With everything in place, `up` imports no AWS client, no moto and no PostgreSQL driver."""
    bring_up(own)
    heavy = "{'boto3', 'botocore', 'moto', 'psycopg2', 'yaml', 'helpers.contract'} & set(sys.modules)"
    script = f"import sys; from workbench.cli import main; main(['up']); print(sorted({heavy}))"
    variables = {**os.environ, "WORKBENCH_HOME": str(own)}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]" and "provisioning" not in done.stdout


def test_code_and_contracts_are_where_the_job_looks(own: Path) -> None:
    """The job's modules and each compiled contract are objects, with the hash of their content."""
    bucket, s3 = bring_up(own).outputs["CuratedBucket"], client(own, "s3")
    listed = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    code = {f"_code/{path.name}" for path in (ROOT / "glue").glob("[!_]*.py")}
    contracts = {f"_contracts/{path.parent.name}.json" for path in ROOT.glob("datasets/*/contract.yaml")}
    assert code | contracts <= listed and "_code/job.py" in code
    assert all(len(s3.head_object(Bucket=bucket, Key=key)["Metadata"]["sha256"]) == 64 for key in code | contracts)


def test_code_is_not_renewed_under_a_run(own: Path) -> None:
    """While a run of the job is under way its code stays; the next `up` renews it."""
    endpoints, lines = bring_up(own), list[str]()
    bucket, job, s3, glue = (
        *(endpoints.outputs[name] for name in ("CuratedBucket", "JobName")),
        *(client(own, name) for name in ("s3", "glue")),
    )
    s3.put_object(Bucket=bucket, Key="_code/job.py", Body=b"import time; time.sleep(600)")
    run = glue.start_job_run(JobName=job, Arguments={"--DATASET": "student_sample", "--RUN_TOKEN": "t"})["JobRunId"]
    (own / "provisioned.json").unlink()
    bring_up(own, lines.append)
    assert any("its code is renewed by the next `workbench up`" in line for line in lines)
    glue.batch_stop_job_run(JobName=job, JobRunIds=[run])
    while glue.get_job_run(JobName=job, RunId=run)["JobRun"]["JobRunState"] != "STOPPED":
        pass
    bring_up(own, lines.append)
    assert s3.get_object(Bucket=bucket, Key="_code/job.py")["Body"].read() == (ROOT / "glue" / "job.py").read_bytes()


def test_records_in_memory_are_written_again(own: Path) -> None:
    """Roles live in the control plane's memory: after its restart `up` provisions them again."""
    os.kill(bring_up(own).processes["api"].pid, 9)
    bring_up(own)
    assert client(own, "iam").get_role(RoleName="workbench-local-job")["Role"]["Arn"]


def test_a_planted_aws_configuration_leads_nowhere(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints, keys, a profile and files of the user's do not reach the provisioning."""
    (tmp_path / "config").write_text("[profile p]\nendpoint_url = http://127.0.0.1:9\nregion = eu-west-1\n")
    planted = {"ENDPOINT_URL": "http://127.0.0.1:9", "ENDPOINT_URL_S3": "http://127.0.0.1:9", "PROFILE": "p"}
    planted |= {"CONFIG_FILE": str(tmp_path / "config"), "SESSION_TOKEN": "x", "ACCESS_KEY_ID": "x"}
    for name, value in planted.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    (own / "provisioned.json").unlink()
    assert bring_up(own).outputs["RawBucket"] == "workbench-local-raw-000000000000"


def test_env_leads_any_client_to_the_stack(own: Path) -> None:
    """In a shell that evaluates `workbench env`, boto3 and psql work, whatever the shell had set before."""
    bring_up(own)
    planted = {"AWS_PROFILE": "p", "AWS_SESSION_TOKEN": "x", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
    planted |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "no_proxy": "other"}
    planted |= {"PGSERVICE": "none", "PGSSLMODE": "require", "PATH": os.defpath, "WORKBENCH_HOME": str(own)}
    python = shlex.quote(sys.executable)
    who = f'{python} -c \'import boto3; print(boto3.client("sts").get_caller_identity()["Account"])\''
    script = f'eval "$({python} -m workbench env)" && {who} && psql -Atc "SELECT current_user"'
    done = subprocess.run(["sh", "-c", script], env=planted, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["000000000000", "workbench_reader"], done.stderr


def test_status_shows_pids_and_ports_as_they_are_typed(own: Path, tmp_path: Path) -> None:
    """`workbench status` groups no digits, and says how to start what does not run, with exit code 4."""
    endpoints = bring_up(own)
    command = [sys.executable, "-m", "workbench", "status"]
    shown = {}
    for home, code in ((own, 0), (tmp_path / "nothing", 4)):
        done = subprocess.run(command, env={**os.environ, "WORKBENCH_HOME": str(home)}, capture_output=True, text=True)
        assert done.returncode == code
        shown[home] = done.stdout
    assert f" {endpoints.postgres['port']} " in shown[own] and f" {endpoints.processes['api'].pid} " in shown[own]
    assert shown[tmp_path / "nothing"] == f"no stack is up in {tmp_path / 'nothing'}: `workbench up` starts it\n"


def test_no_secret_is_to_be_seen(own: Path) -> None:
    """No key and no password stands in a command line or a log; `status` and the folder show what is ours."""
    bring_up(own)
    secrets = [postgres_password(own, role) for role in POSTGRES_ROLES]
    secrets += [aws_keys(own, role).secret_access_key for role in ("admin", "notebook", "glue", "s3front")]
    texts = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    texts += [path.read_text(errors="replace") for path in (own / "logs").glob("*.log")]
    assert not [secret for secret in secrets for text in texts if secret in text]
    assert {path.name for path in own.iterdir()} <= OURS
    assert [server.name for server in status(own).servers] == ["supervisor", "rclone", "s3", "api", "postgres"]


@pytest.mark.slow
def test_a_broken_contract_is_left_out(tmp_path: Path) -> None:
    """A contract that does not compile is named, and the rest of the stack comes up; two checkouts do not meet."""
    checkout = tmp_path / "checkout"
    command = ["git", "-C", ROOT, "ls-files", "-z"]
    files = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_bytes((ROOT / name).read_bytes())
    (checkout / "datasets" / "student_sample" / "contract.yaml").write_text("apiVersion: [")
    variables = {**os.environ, "WORKBENCH_HOME": str(tmp_path / "home")}
    try:
        run = [sys.executable, "-m", "workbench", "up"]
        done = subprocess.run(run, env=variables, cwd=checkout, capture_output=True, text=True, check=True)
        assert "datasets/student_sample/contract.yaml is left out: " in done.stdout
        assert f'"checkout": "{checkout}"' in (tmp_path / "home" / "servers.json").read_text()
    finally:
        reset(tmp_path / "home")
