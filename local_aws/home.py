"""The state folder (WORKBENCH_HOME): its paths, its permissions, and how its files are written.

The folder itself is 0711, so that PostgreSQL, which runs as another user when we are root, can pass; what is secret
in it is 0600. A file is written beside its place and renamed into it: a reader sees the old or the new one, whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.errors import StackError

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDERS = {"lake": 0o700, "sources": 0o700, "logs": 0o700, "jobs": 0o700, "secrets": 0o700}
VERSION = 1  # of these files, as one program leaves them to the next
FREE_BYTES = 200 * 2**20
SEPARATORS = f",{os.pathsep}"  # Spark takes its folders as a list between commas, Python and Java theirs between colons

LOCK = "lock"
ENDPOINTS = "endpoints.json"
SERVERS = "servers.json"
ACTIVITY = "activity"
DATABASE_MODE = "postgres.mode"
DATABASE_PLACE = "postgres.place"
PROVISIONED = "provisioned.json"

# What `reset` may delete, and what an unlocked folder may hold without being taken for somebody's own.
OURS = frozenset(FOLDERS) | {
    *(LOCK, ENDPOINTS, f"{ENDPOINTS}.lock", SERVERS, ACTIVITY, DATABASE_MODE, DATABASE_PLACE, PROVISIONED, "postgres"),
    *("athena", "cache", "uploads", "superset"),  # of queries, Spark, uploads under way, and dashboards
    "no-aws-config",  # an empty file for AWS clients
    *(f"{name}.sqlite{suffix}" for name in ("catalog", "objects") for suffix in ("", "-wal", "-shm", "-journal")),
}


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state folder: WORKBENCH_HOME, or `.workbench` in the checkout; absolute."""
    return Path(environ.get("WORKBENCH_HOME") or CHECKOUT / ".workbench").resolve()


def stamp_code() -> str:
    """Return what changes when a file of the servers' code changes: how many there are, and the newest one's time."""
    times = [path.stat().st_mtime_ns for path in (CHECKOUT / "local_aws").rglob("*.py")]
    return f"{len(times)}:{max(times)}"


def prepare_home(home: Path) -> None:
    """Make the state folder and the folders in it, and check that there is room.

    Raises StackError where the folder cannot be made or used, is somebody's own, or the disk is nearly full.
    """
    if found := next((sign for sign in SEPARATORS if sign in str(home)), ""):
        raise StackError(
            f'the state folder {home} has a "{found}" in its path, at which Spark and Python split lists of folders: '
            "name another folder in WORKBENCH_HOME"
        )
    try:
        if home.exists() and not (home / LOCK).exists() and (foreign := _foreign_entries(home)):
            raise StackError(
                f"{home} holds files that are not a stack's ({foreign}): name a new folder in WORKBENCH_HOME"
            )
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        home.chmod(0o711)
        for name, mode in FOLDERS.items():
            (home / name).mkdir(mode=mode, exist_ok=True)
            if mode == 0o700:
                (home / name).chmod(mode)
        os.close(os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StackError(
            f"the state folder {home} cannot be used: {error.strerror} ({error.filename}); "
            "mend its permissions or name another folder in WORKBENCH_HOME"
        ) from error
    require_space(home)


def require_space(folder: Path, needed: int = FREE_BYTES) -> None:
    """Raise StackError where the disk of `folder` has less than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StackError(
            f"only {free // 2**20} MB are free on the disk of {folder}, {needed // 2**20} MB are needed: "
            "free some space, then `workbench up`"
        )


def _foreign_entries(home: Path) -> str:
    names = sorted(entry.name for entry in home.iterdir() if entry.name not in OURS)
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file atomically; its permissions are `mode` from its first byte on."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the JSON file atomically, readable by its owner alone."""
    write_file(path, json.dumps(document, indent=1).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file; an empty one where it is missing or broken."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def update_endpoints(home: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Change endpoints.json as one step among processes; `change` returns the new document, or None to leave it."""
    with open(os.open(home / f"{ENDPOINTS}.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        new = change(read_json(home / ENDPOINTS))
        if new is not None:
            write_json(home / ENDPOINTS, new)


@contextmanager
def hold_lock(home: Path) -> Iterator[int | None]:
    """Hold the folder's lock inside the block; the value is None where somebody else holds it."""
    handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield handle
    finally:
        os.close(handle)


def is_locked(home: Path) -> bool:
    """Say whether a supervisor holds the folder."""
    if not (home / LOCK).exists():
        return False
    with hold_lock(home) as handle:
        return handle is None


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, or an empty text."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line), "")[:300]
