"""The S3 front and rclone as real processes, for tests: start, kill, start again."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_aws.s3.rclone import build_command

ROLES = ("admin", "notebook", "glue", "crawler", "lambda", "s3front")


@dataclass
class S3Stack:
    """Both servers over one state folder."""

    home: Path
    port: int
    rclone_port: int
    limits: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    def start(self, *names: str) -> None:
        """Start the named servers (front, rclone; both by default) and wait until they listen."""
        for name in names or ("rclone", "front"):
            command, environment = self._command(name)
            log = open(self.home / "logs" / f"{name}.log", "ab")
            with log:
                self.processes[name] = subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            _await_port(self.port if name == "front" else self.rclone_port, self.processes[name], log.name)

    def _command(self, name: str) -> tuple[list[str], dict[str, str]]:
        if name == "rclone":
            return build_command(self.home, self.rclone_port)
        front = [sys.executable, "-m", "local_aws.s3", "--home", str(self.home), "--port", str(self.port)]
        front += ["--rclone-port", str(self.rclone_port)]
        return (["bash", "-c", f'{self.limits}; exec "$@"', "-", *front] if self.limits else front), dict(os.environ)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one server and wait for its end."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(10)

    def stop(self) -> None:
        """Stop whatever runs."""
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM)

    def key(self, role: str = "notebook") -> dict[str, str]:
        document: dict[str, str] = json.loads((self.home / "secrets" / f"aws-{role}.json").read_text())
        return document

    def client(self, role: str = "notebook", **options: Any) -> Any:
        """Return a boto3 client of S3 with this role's key; options go into its Config, or replace its keys."""
        key = self.key(role)
        own = {name: options.pop(name) for name in ("aws_access_key_id", "aws_secret_access_key") if name in options}
        keys = {"aws_access_key_id": key["access_key_id"], "aws_secret_access_key": key["secret_access_key"]} | own
        config = Config(**({"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}} | options))
        return boto3.client("s3", endpoint_url=self.endpoint, region_name="us-east-1", config=config, **keys)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def write_secrets(home: Path) -> None:
    """Write a key for each role, as the supervisor does."""
    folder = home / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    for role in ROLES:
        path = folder / f"aws-{role}.json"
        path.touch(mode=0o600)
        key = {"access_key_id": "AKIA" + secrets.token_hex(8).upper(), "secret_access_key": secrets.token_urlsafe(30)}
        path.write_text(json.dumps(key))


@contextlib.contextmanager
def s3_stack(home: Path, limits: str = "") -> Iterator[S3Stack]:
    """Start both servers over `home`; `limits` is shell that runs before the front (such as `ulimit -f 100`)."""
    home.mkdir(exist_ok=True)
    for name in ("lake", "logs"):
        (home / name).mkdir(exist_ok=True)
    if not (home / "secrets").is_dir():
        write_secrets(home)
    stack = S3Stack(home, free_port(), free_port(), limits)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack_with_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Stack]:
    """Both servers with an empty bucket `bkt`; a test module takes it as `stack = stack_with_bucket`."""
    with s3_stack(tmp_path_factory.mktemp("s3")) as running:
        running.client().create_bucket(Bucket="bkt")
        yield running


@pytest.fixture
def s3_client(stack: S3Stack) -> Iterator[Any]:
    """A client of the module's `stack`; a test module takes it as `s3 = s3_client`."""
    client = stack.client()
    yield client
    client.close()


def _await_port(port: int, process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.01)
    raise RuntimeError(f"the server did not come up: {Path(log).read_text()[-500:]}")
