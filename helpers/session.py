"""Open a session with the services: the only module that knows the profile.

local: the endpoints of the embedded stack, which is started if it does not answer. The process's environment is
       set so that no AWS call, by whatever library, can leave this machine.
aws:   boto3's ordinary session, with the names from the outputs of one CloudFormation stack.
"""

import fcntl
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from helpers.config import find_home
from helpers.errors import ServiceError
from helpers.progress import ProgressLine

if TYPE_CHECKING:
    from sqlalchemy import Engine

LOOPBACK = "127.0.0.1,localhost,::1"
_START_SECONDS = 240
# What boto3 reads beside AWS_*: a planted one must not steer a local session either.
_OTHER_VARIABLES = ("BOTO_CONFIG", "WR_S3_ENDPOINT_URL", "WR_ATHENA_ENDPOINT_URL", "WR_GLUE_ENDPOINT_URL")


@dataclass(frozen=True)
class StackOutputs:
    """The names that the stack gave its resources (infra/template.yaml)."""

    raw_bucket: str
    curated_bucket: str
    results_bucket: str
    database: str
    job: str
    crawler: str
    workgroup: str


@dataclass(frozen=True)
class Session:
    """What a step needs to reach the services.

    Attributes:
        boto3_session: for awswrangler and for clients made by hand.
        poll_seconds: how long to wait between two looks at something that runs.
        log_folder: where job logs are files; None where they are in CloudWatch.
        reader: the role of PostgreSQL that dashboards read with; None where the server is not ours.
    """

    profile: str
    outputs: StackOutputs
    boto3_session: boto3.Session
    poll_seconds: float
    connect_postgres: Callable[..., Any]
    client_config: Config
    log_folder: Path | None = None
    reader: str | None = None

    @functools.cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def client(self, name: str) -> Any:
        """Return the boto3 client of the service `name`, one per session."""
        if name not in self._clients:
            self._clients[name] = self.boto3_session.client(name, config=self.client_config)  # type: ignore[call-overload]
        return self._clients[name]

    def engine(self) -> "Engine":
        """Return a SQLAlchemy engine over `connect_postgres`, without a pool: a step needs one connection."""
        from sqlalchemy import NullPool, create_engine

        return create_engine("postgresql+psycopg2://", creator=self.connect_postgres, poolclass=NullPool)

    def job_log(self, job_run_id: str) -> str:
        """Say where the log of a job run is."""
        if self.log_folder:
            return str(self.log_folder / "jobs" / f"{job_run_id}.log")
        return f"CloudWatch, /aws-glue/jobs/error, stream {job_run_id}"


def open_session(profile: str | None = None) -> Session:
    """Return the session of `profile` (default: WORKBENCH_PROFILE, else local); start the local stack if it is down.

    Raises:
        ServiceError: the stack does not start, or no stack of that name is deployed.
    """
    profile = profile or os.environ.get("WORKBENCH_PROFILE") or "local"
    if profile == "aws":
        return _open_aws(os.environ.get("WORKBENCH_STACK") or "workbench-dev")
    home = find_home()
    endpoints = _find_endpoints(home)
    _keep_calls_local(home, endpoints)
    return _open_local(home, json.dumps(endpoints), os.environ.get("WORKBENCH_DATABASE_URL"))


def _find_endpoints(home: Path) -> dict[str, Any]:
    """Return endpoints.json of a stack that answers, after starting it where none does."""
    endpoints = _read_endpoints(home)
    if endpoints is None or not _is_supervised(home) or not all(_answers(endpoints[name]) for name in ("s3", "aws")):
        _start_stack()
        endpoints = _read_endpoints(home)
    if endpoints is None:
        raise ServiceError("local stack", f"wrote no {home / 'endpoints.json'}; run `workbench status`")
    return endpoints


def _read_endpoints(home: Path) -> dict[str, Any] | None:
    try:
        document = json.loads((home / "endpoints.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise ServiceError("local stack", f"{error.filename} cannot be read ({error.strerror})") from error
    return document if isinstance(document, dict) and "outputs" in document else None


def _is_supervised(home: Path) -> bool:
    """Say whether the stack's supervisor holds the folder's lock: without one, its ports may be another program's."""
    try:
        with open(home / "lock", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname, address.port or 80), timeout=2):
            return True
    except OSError:
        return False


def _start_stack() -> None:
    """Run `workbench up` as a process: the helpers never import the stack."""
    with ProgressLine("starting the local stack"):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "workbench", "up"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_START_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError("local stack", f"not up after {_START_SECONDS} s; run `workbench status`") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise ServiceError("local stack", f"did not start: {lines[-1].removeprefix('workbench: ')}")


@functools.lru_cache(maxsize=1)
def _open_local(home: Path, endpoints_text: str, database_url: str | None) -> Session:
    """Make the session of these endpoints, and keep it until they change: clients take time to build."""
    endpoints = json.loads(endpoints_text)
    postgres = endpoints["postgres"]
    return Session(
        profile="local",
        outputs=_name_outputs(endpoints["outputs"]),
        boto3_session=boto3.Session(region_name=endpoints["region"]),
        poll_seconds=0.05,
        connect_postgres=functools.partial(_connect_embedded, home, postgres, database_url),
        client_config=Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=3),
        log_folder=home / "logs",
        reader=postgres.get("reader") if not database_url else None,
    )


def _keep_calls_local(home: Path, endpoints: dict[str, Any]) -> None:
    """Set this process's environment so that every AWS client, of whatever library, calls the local endpoints.

    A profile, an endpoint of one service, a session token or a configuration file of the user's would each win over
    the general endpoint, so all of them are taken away first.
    """
    keys = json.loads(_read_secret(home, "aws-notebook.json"))
    nothing = home / "no-aws-config"
    nothing.touch()
    wanted = {
        "AWS_ACCESS_KEY_ID": keys["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_DEFAULT_REGION": endpoints["region"],
        "AWS_REGION": endpoints["region"],
        "AWS_ENDPOINT_URL": endpoints["aws"],
        "AWS_ENDPOINT_URL_S3": endpoints["s3"],
        "AWS_CONFIG_FILE": str(nothing),
        "AWS_SHARED_CREDENTIALS_FILE": str(nothing),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    planted = [name for name in os.environ if name.startswith("AWS_") or name in _OTHER_VARIABLES]
    if {name: os.environ[name] for name in planted} == wanted:
        return
    for name in planted:
        del os.environ[name]
    os.environ |= wanted | {"WR_ATHENA_QUERY_WAIT_POLLING_DELAY": "0.05"}
    for name in ("NO_PROXY", "no_proxy"):
        others = os.environ.get(name)
        os.environ[name] = f"{LOOPBACK},{others}" if others else LOOPBACK
    boto3.DEFAULT_SESSION = None  # one made earlier would keep the environment that it saw; the next use makes another
    if "awswrangler" in sys.modules:
        sys.modules["awswrangler"].config.reset()


def _open_aws(stack: str) -> Session:
    session = boto3.Session()
    config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10)
    try:
        answer = session.client("cloudformation", config=config).describe_stacks(StackName=stack)
    except ClientError as error:
        raise ServiceError("CloudFormation", f"stack {stack}: {error}; deploy it, or set WORKBENCH_STACK") from error
    outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in answer["Stacks"][0].get("Outputs", [])}
    url = os.environ.get("WORKBENCH_DATABASE_URL")
    return Session(
        profile="aws",
        outputs=_name_outputs(outputs),
        boto3_session=session,
        poll_seconds=2.0,
        connect_postgres=functools.partial(_connect_url, url),
        client_config=config,
    )


def _name_outputs(outputs: Mapping[str, str]) -> StackOutputs:
    try:
        return StackOutputs(
            raw_bucket=outputs["RawBucket"],
            curated_bucket=outputs["CuratedBucket"],
            results_bucket=outputs["ResultsBucket"],
            database=outputs["DatabaseName"],
            job=outputs["JobName"],
            crawler=outputs["CrawlerName"],
            workgroup=outputs["WorkGroupName"],
        )
    except KeyError as error:
        raise ServiceError("stack", f"has no output {error}; deploy it again from infra/template.yaml") from error


def _connect_embedded(home: Path, postgres: dict[str, Any], url: str | None, role: str = "loader") -> Any:
    """Connect to the embedded server as `role` (loader, reader), or to WORKBENCH_DATABASE_URL where that is set."""
    if url or postgres.get("url_from_environment"):
        return _connect_url(url, role)
    import psycopg2

    return psycopg2.connect(
        host=postgres["host"],
        port=postgres["port"],
        dbname=postgres["dbname"],
        user=postgres[role],
        password=_read_secret(home, f"postgres-{role}"),
        connect_timeout=5,
    )


def _connect_url(url: str | None, role: str = "loader") -> Any:
    """Connect to a server that is not ours: one URL, whose user is both loader and reader."""
    if not url:
        raise ServiceError("PostgreSQL", "set WORKBENCH_DATABASE_URL to a server of PostgreSQL 15 or newer")
    import psycopg2

    return psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://", 1), connect_timeout=10)


def _read_secret(home: Path, name: str) -> str:
    path = home / "secrets" / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ServiceError("local stack", f"{path} cannot be read ({error.strerror}); run `workbench up`") from error
