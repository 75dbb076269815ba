"""A control plane server for tests: a process of its own, on a state folder of its own."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import boto3
from botocore.config import Config

KEYS = {
    role: {"access_key_id": f"AK{role.upper()}", "secret_access_key": f"{role}-Ωsecret"}
    for role in ("admin", "notebook")
}
CONFIG = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, parameter_validation=False)


class Server:
    """One server process; it can be killed and started again on the same state folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "api.log"
        (home / "secrets").mkdir(parents=True, exist_ok=True)
        for role, keys in KEYS.items():
            (home / "secrets" / f"aws-{role}.json").write_text(json.dumps(keys))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._clients: list[Any] = []
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        command = [sys.executable, "-m", "local_aws.server", "--home", str(self.home), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/health") as answer:
                    assert json.load(answer) == {"status": "ok"}
                return
            except URLError:
                time.sleep(0.05)
        raise RuntimeError(f"no control plane: {self.log.read_text()}")

    def kill(self) -> None:
        """End the process as kill -9 does."""
        self.close_clients()
        self.process.kill()
        self.process.wait()

    def client(self, service: str, role: str = "admin", **changes: Any) -> Any:
        """Return a boto3 client with a role's key; `changes` go to boto3."""
        keys = {f"aws_{name}": value for name, value in KEYS[role].items()}
        settings = {"endpoint_url": self.url, "region_name": "us-east-1", "config": CONFIG, **keys, **changes}
        client = boto3.session.Session().client(service, **settings)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        """Close the connections of all clients that were handed out."""
        while self._clients:
            self._clients.pop().close()


@contextmanager
def run_server(home: Path) -> Iterator[Server]:
    """Run a server on `home` for the block."""
    server = Server(home)
    try:
        yield server
    finally:
        server.close_clients()
        server.process.terminate()
        server.process.wait(30)
