"""Superset as a whole: start, stop, status."""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_aws.endpoints import Endpoints, read_endpoints
from local_aws.home import read_json, write_json
from local_aws.probes import answers_postgres
from workbench.dashboards.collect import Assets, collect_assets, find_published
from workbench.dashboards.errors import AssetsError, DashboardsError
from workbench.dashboards.install import PYTHON, hash_lock, is_installed
from workbench.dashboards.server import (
    BOOTSTRAP,
    Server,
    choose_port,
    describe_code,
    find_server,
    is_healthy,
    log_file,
    make_environment,
    measure_memory,
    place,
    start_server,
    stop_server,
)

Progress = Callable[[str], None]
ADMIN_SECRET = "superset-admin"
_IMPORTED = "imported.json"


@dataclass(frozen=True)
class Started:
    """A Superset that answers.

    Attributes:
        dashboards: dataset -> address of its dashboard.
        new_password: the account's password where it was made just now, to be shown this once; else "".
    """

    url: str
    dashboards: dict[str, str]
    new_password: str


@dataclass(frozen=True)
class Dashboards:
    """What runs: state is running, starting, down or absent; `note` says what to do about it."""

    state: str
    url: str = ""
    pid: int | None = None
    port: int | None = None
    memory_mb: int | None = None
    since: str = ""
    note: str = ""

    @property
    def healthy(self) -> bool:
        """Say whether dashboards can be looked at."""
        return self.state == "running" and not self.note


def start(home: Path, progress: Progress, port: int | None = None) -> Started:
    """Bring the stack and Superset up, with the dashboards of everything that has been published.

    Raises:
        DashboardsError: what cannot be installed, set up or started.
        AssetsError: an asset with a mistake; what was imported before is still served.
    """
    from workbench.dashboards.database import ensure_database, write_secret
    from workbench.dashboards.install import ensure_environment
    from workbench.stack import bring_up

    home = home.resolve()
    refuse_named_server()
    ensure_environment(progress)
    endpoints = bring_up(home, progress)
    with alone(home):
        write_secret(home, "superset-secret-key", secrets.token_urlsafe(48))
        write_secret(home, "postgres-superset", secrets.token_urlsafe(32))
        password = secrets.token_urlsafe(18)
        new = write_secret(home, ADMIN_SECRET, password)
        identity = ensure_database(endpoints)
        assets = collect_assets(find_published(endpoints, progress), progress)
        server = find_server(home)
        if import_where_changed(home, assets, identity, progress) and server:
            forget_everything(home, server)
        server = _serve(home, port, progress)
    slugs = {dataset: dataset.replace("_", "-") for dataset in assets.datasets}
    addresses = {dataset: f"{server.url}/superset/dashboard/{slug}/" for dataset, slug in slugs.items()}
    return Started(server.url, addresses, password if new else "")


def stop(home: Path) -> bool:
    """Stop Superset; what it holds stays. Says whether it ran."""
    home = home.resolve()
    return place(home).is_dir() and stop_server(home)


def status(home: Path) -> Dashboards:
    """Say what runs, without starting anything."""
    home = home.resolve()
    record, server = read_json(place(home) / "server.json"), find_server(home)
    if not server:
        state = "down" if record else "absent"
        return Dashboards(state, port=record.get("port"), note="`workbench dashboards` starts it")
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(server.process.started))
    healthy, note = is_healthy(server.port), ""
    endpoints = read_endpoints(home)
    if not endpoints or not answers_postgres(int(endpoints.postgres.get("port") or 0)):
        note = "PostgreSQL is down, so no chart can be drawn: `workbench up` starts it"
    elif not healthy:
        note = f"it does not answer; log: {log_file(home)}"
    memory = measure_memory(server) // 2**20
    state = "running" if healthy else "starting"
    return Dashboards(state, server.url, server.process.pid, server.port, memory, since, note)


def refuse_named_server() -> None:
    """Raise where the environment names a PostgreSQL of the user's: nothing of ours is put into it."""
    if os.environ.get("WORKBENCH_DATABASE_URL"):
        raise DashboardsError(
            "dashboards are served from the embedded PostgreSQL, and WORKBENCH_DATABASE_URL names another: unset it, "
            "then `workbench dashboards`; or connect a Superset of your own to that server"
        )


def import_where_changed(home: Path, assets: Assets, identity: str, progress: Progress) -> bool:
    """Set up and import unless this very database has these assets already. Says whether it did.

    Raises:
        AssetsError, DashboardsError: nothing was changed.
    """
    wanted = {"database": identity, "assets": assets.fingerprint, "lock": hash_lock()}
    if read_json(place(home) / _IMPORTED).get("made_from") == wanted:
        return False
    progress("importing the dashboards: " + (", ".join(assets.datasets) or "none is published yet"))
    assets.write(place(home) / "assets")
    _bootstrap(home, progress)
    write_json(place(home) / _IMPORTED, {"made_from": wanted, "datasets": list(assets.datasets)})
    return True


def imported_datasets(home: Path) -> list[str]:
    """Return the datasets whose dashboards were imported last."""
    return list(read_json(place(home) / _IMPORTED).get("datasets", []))


def forget_everything(home: Path, server: Server) -> None:
    """Have a running Superset drop all cached results."""
    from workbench.dashboards.client import Superset

    superset = Superset(server.url, (home / "secrets" / ADMIN_SECRET).read_text())
    superset.forget_results(*superset.find_datasets().values())


def require_endpoints(home: Path) -> Endpoints:
    """Return where the stack is.

    Raises:
        DashboardsError: it is down.
    """
    endpoints = read_endpoints(home)
    if not endpoints or endpoints.postgres.get("url_from_environment"):
        raise DashboardsError("the embedded PostgreSQL is down: `workbench up` starts it")
    return endpoints


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep another process from setting up or importing at the same time; makes the folder."""
    place(home).mkdir(mode=0o700, exist_ok=True)
    with open(os.open(place(home) / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _serve(home: Path, port: int | None, progress: Progress) -> Server:
    """Return a web server of the present code, on the wanted port if one is wanted."""
    server = find_server(home)
    if server and server.made_of == describe_code() and port in (None, server.port) and is_healthy(server.port, 10):
        return server
    if server:
        progress("stopping Superset to start it anew")
        stop_server(home)
    chosen = choose_port(home, port)
    progress(f"starting Superset on port {chosen}")
    return start_server(home, chosen, progress)


def _bootstrap(home: Path, progress: Progress) -> None:
    """Run server/bootstrap.py, pass its lines on, and raise the one that says what is wrong."""
    if not is_installed():
        raise DashboardsError("Superset is not installed: `workbench dashboards` does it")
    argv = [str(PYTHON), str(BOOTSTRAP), "--assets", str(place(home) / "assets")]
    failure = ""
    with open(os.open(log_file(home), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=place(home),
            env=make_environment(home),
            umask=0o077,
            text=True,
        )
        with process:
            try:
                for line in process.stdout or ():
                    if line.startswith("error: "):
                        failure = line.removeprefix("error: ").strip()
                    elif line.startswith("step: "):
                        progress(line.removeprefix("step: ").strip())
            except BaseException:
                process.kill()
                raise
    if process.returncode == 2:
        raise AssetsError(f"dashboards/assets/{failure}; nothing was imported")
    if process.returncode:
        raise DashboardsError(f"Superset cannot be set up: {failure or process.returncode} (log: {log_file(home)})")
