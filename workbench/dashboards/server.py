"""Superset's web server: one gunicorn on loopback, known by its pid and start time in `superset/server.json`.

It carries the stack's mark in its environment, so `workbench down`, `reset` and the stack's own end stop it too:
without PostgreSQL it has nothing to show.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_aws.home import last_line, read_json, write_json
from local_aws.probes import LOOPBACK, is_free, pick_port
from local_aws.processes import MARK, ProcessRef, end_processes
from workbench.dashboards.errors import DashboardsError
from workbench.dashboards.install import PYTHON, ROOT, hash_lock

Progress = Callable[[str], None]
CONFIG = ROOT / "dashboards" / "server" / "superset_config.py"
BOOTSTRAP = ROOT / "dashboards" / "server" / "bootstrap.py"
START_SECONDS = 180.0
_FIRST_PORT = 8088  # Superset's usual one, if it is free
_QUIET_SECONDS = 10.0
_THREADS = 16


@dataclass(frozen=True)
class Server:
    """A web server as server.json has it."""

    process: ProcessRef
    port: int
    made_of: str

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://{LOOPBACK}:{self.port}"


def place(home: Path) -> Path:
    """Return the folder that holds what Superset keeps outside its database."""
    return home / "superset"


def log_file(home: Path) -> Path:
    """Return the web server's log."""
    return home / "logs" / "superset.log"


def find_server(home: Path) -> Server | None:
    """Return the web server if its process lives."""
    record = read_json(place(home) / "server.json")
    process = ProcessRef.read(record)
    if not process or not process.alive():
        return None
    return Server(process, int(record["port"]), str(record.get("made_of")))


def is_healthy(port: int, timeout: float = 2.0) -> bool:
    """Say whether Superset answers on the port."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{LOOPBACK}:{port}/health", timeout=timeout) as answer:
            return bool(answer.status == 200 and answer.read(16).strip() == b"OK")
    except OSError:
        return False


def describe_code() -> str:
    """Return what changes when a running web server would be another one if it were started now."""
    return hashlib.sha256(f"{hash_lock()} {CONFIG} ".encode() + CONFIG.read_bytes()).hexdigest()


def make_environment(home: Path, port: int | None = None) -> dict[str, str]:
    """Return the whole environment of Superset's processes: paths, and nothing of the user's configuration."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": str(place(home)),
        "WORKBENCH_HOME": str(home),
        "WORKBENCH_SUPERSET_PORT": str(port or "superset"),
        "SUPERSET_HOME": str(place(home)),
        "SUPERSET_CONFIG_PATH": str(CONFIG),
        "FLASK_APP": "superset.app:create_app()",
        "SCARF_ANALYTICS": "false",
        "NO_PROXY": "*",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        MARK: str(home),
    }


def choose_port(home: Path, wanted: int | None) -> int:
    """Return the port to listen on: the wanted one, else that of last time, else a free one.

    Raises:
        DashboardsError: the wanted port is taken.
    """
    if wanted:
        if not is_free(wanted):
            raise DashboardsError(f"port {wanted} is taken: name another with --port, or none for a free one")
        return wanted
    earlier = read_json(place(home) / "server.json").get("port")
    return pick_port(int(earlier) if earlier else _FIRST_PORT)


def start_server(home: Path, port: int, progress: Progress) -> Server:
    """Start gunicorn in the background and wait until Superset answers.

    Raises:
        DashboardsError: it does not come up; with its last words and its log.
    """
    argv = [str(PYTHON), "-m", "gunicorn", "--bind", f"{LOOPBACK}:{port}", "--workers", "1", "--worker-class"]
    argv += ["gthread", "--threads", str(_THREADS), "--timeout", "120", "--keep-alive", "5", "--limit-request-line"]
    argv += ["0", "--limit-request-field_size", "0", "--log-level", "warning", "superset.app:create_app()"]
    log = log_file(home)
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=place(home),
            env=make_environment(home, port),
            umask=0o077,
            start_new_session=True,
        )
    server = Server(ProcessRef.of(process.pid), port, describe_code())
    record = {"pid": server.process.pid, "started": server.process.started, "port": port, "made_of": server.made_of}
    write_json(place(home) / "server.json", record)
    try:
        _wait(process, server, log, progress)
    except BaseException:
        stop_server(home)
        raise
    return server


def _wait(process: subprocess.Popen[bytes], server: Server, log: Path, progress: Progress) -> None:
    began = said = time.monotonic()
    while not is_healthy(server.port):
        now = time.monotonic()
        if process.poll() is not None:
            raise DashboardsError(f"Superset does not stay up: {last_line(log)} (log: {log})")
        if now - began > START_SECONDS:
            raise DashboardsError(f"Superset does not answer after {now - began:.0f} s: {last_line(log)} (log: {log})")
        if now - said > _QUIET_SECONDS:
            said = now
            progress(f"waiting for Superset on port {server.port}: {now - began:.0f} s")
        time.sleep(0.1)


def stop_server(home: Path) -> bool:
    """Stop the web server and its workers. Says whether there was one."""
    server = find_server(home)
    found = server.process.process() if server else None
    if not found:
        return False
    end_processes([found, *found.children(recursive=True)], grace=10.0)
    return True


def measure_memory(server: Server) -> int:
    """Return how many bytes of memory the web server and its workers hold."""
    process = server.process.process()
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) if process else 0
