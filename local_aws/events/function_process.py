"""Invoke functions: each has a process of its own, with the Lambda role's key, kept from one event to the next."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import select
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.endpoints import Endpoints
from local_aws.secrets import aws_keys
from local_aws.store import Store

Json = dict[str, Any]
RUNTIME = Path(__file__).with_name("runtime.py")
_LOG_BYTES = 5 * 2**20


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: its result, or the error; and what the handler printed."""

    result: Any = None
    error: str = ""
    printed: list[str] = field(default_factory=list)


class Functions:
    """The functions of a running stack, as the store has them at each invocation."""

    def __init__(self, store: Store, endpoints: Endpoints) -> None:
        self._store = store
        self._endpoints = endpoints
        self._processes: dict[str, _Process] = {}

    def invoke(self, name: str, event: Json, request_id: str = "") -> Outcome:
        """Invoke a function and wait for its end, at most its Timeout."""
        function = self._store.get("function", name)
        if function is None:
            return Outcome(error=f"there is no function {name}")
        process = self._processes.get(name)
        if process is None or process.function != function or not process.alive():
            if process is not None:
                process.close()
            try:
                process = self._processes[name] = _Process(function, self._endpoints)
            except (OSError, zipfile.BadZipFile) as error:
                return Outcome(error=f"{name} cannot be started: {error}")
        outcome = process.invoke(event, request_id or str(uuid.uuid4()))
        self._log(name, outcome)
        return outcome

    def close(self) -> None:
        """End the processes."""
        for process in self._processes.values():
            process.close()
        self._processes.clear()

    def _log(self, name: str, outcome: Outcome) -> None:
        path = self._endpoints.home / "logs" / f"lambda-{name}.log"
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size > _LOG_BYTES:
                os.replace(path, path.with_suffix(".log.1"))
            with path.open("a", encoding="utf-8") as file:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                for line in [*outcome.printed, *([f"ERROR {outcome.error}"] if outcome.error else [])]:
                    file.write(f"{stamp} {line}\n")


class _Process:
    """One function's process."""

    def __init__(self, function: Json, endpoints: Endpoints) -> None:
        self.function = function
        settings = function["Settings"]
        self._timeout = float(settings["Timeout"])
        folder = endpoints.home / "cache" / "functions" / settings["FunctionName"]
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(function["Code"]))) as archive:
            archive.extractall(folder)
        command = [sys.executable, "-I", "-B", str(RUNTIME), str(folder), settings["Handler"]]
        self._errors = (endpoints.home / "logs" / f"lambda-{settings['FunctionName']}.log").open("ab")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env=_environment(settings, endpoints, folder),
            start_new_session=True,  # Ctrl-C is for the one who watches; this one ends with its input
        )

    def alive(self) -> bool:
        """Say whether the process runs."""
        return self._process.poll() is None

    def invoke(self, event: Json, request_id: str) -> Outcome:
        """Send one event and read the answer."""
        assert self._process.stdin is not None
        call = {"event": event, "id": request_id, "timeout": self._timeout}
        try:
            self._process.stdin.write(json.dumps(call).encode() + b"\n")
            self._process.stdin.flush()
            line = self._read_line(time.monotonic() + self._timeout)
        except OSError:
            line = b""
        if line is None:
            self.close()
            return Outcome(error=f"Task timed out after {self._timeout:g} seconds")
        if not line.endswith(b"\n"):
            self.close()
            return Outcome(error=f"the process ended with code {self._process.returncode}")
        answer = json.loads(line)
        return Outcome(answer.get("result"), answer.get("error", ""), answer.get("printed", []))

    def _read_line(self, deadline: float) -> bytes | None:
        """Return what the process wrote up to its line end, or its end; None where that takes too long."""
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            part = os.read(self._process.stdout.fileno(), 1 << 16)
            if not part:
                break
            line += part
        return line

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _environment(settings: Json, endpoints: Endpoints, folder: Path) -> dict[str, str]:
    """Return what the function sees: its own variables, the Lambda role's key, and the local endpoints."""
    keys = aws_keys(endpoints.home, "lambda")
    variables: Mapping[str, str] = settings.get("Environment", {}).get("Variables", {})
    return {
        **variables,
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "AWS_LAMBDA_FUNCTION_NAME": settings["FunctionName"],
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": endpoints.region,
        "AWS_DEFAULT_REGION": endpoints.region,
        "AWS_ENDPOINT_URL": endpoints.aws,
        "AWS_ENDPOINT_URL_S3": endpoints.s3,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost,::1",
    }
