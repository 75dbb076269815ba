"""The record of a run: `runs/<run_id>/manifest.json`, written atomically after each step.

The fields are described in docs/records.md. What a step did is taken from what its notebook recorded and from
exceptions, never from papermill's cell metadata, which calls the cells of a killed kernel completed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = 1


@dataclass
class StepRecord:
    """What one notebook did; rows are None where the step has no such figure."""

    notebook: str
    status: str = "pending"
    reason: str = ""
    seconds: float = 0.0
    rows_in: int | None = None
    rows_out: int | None = None
    rows_quarantined: int | None = None
    outputs: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None


@dataclass
class Manifest:
    """One run; `status` is running, succeeded, failed or interrupted."""

    run_id: str
    profile: str
    dataset: str
    as_of: str
    parameters: dict[str, Any]
    started_at: str
    process: dict[str, Any]
    git: dict[str, Any]
    lock_sha256: str
    steps: list[StepRecord]
    schema: int = SCHEMA
    status: str = "running"
    seconds: float = 0.0
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=lambda: {"athena_bytes_scanned": 0, "glue_seconds": 0})
    answer: dict[str, Any] | None = None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the folder's manifest by `manifest`: whole old or whole new, also when the machine stops."""
    replace_file(folder / "manifest.json", json.dumps(asdict(manifest), indent=2, default=str) + "\n")


def replace_file(path: Path, text: str) -> None:
    """Write `text` to a temporary name, force it to disk and rename it over `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def append_log(folder: Path, event: str, **facts: object) -> None:
    """Add one line to the folder's log.jsonl."""
    with (folder / "log.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"at": utc_now(), "event": event, **facts}, default=str) + "\n")


def point_latest(folder: Path) -> None:
    """Point `runs/latest` at `folder`, in one rename."""
    temporary = folder.parent / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    os.replace(temporary, folder.parent / "latest")


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_process() -> dict[str, Any]:
    """Return this process as {pid, started (epoch seconds), boot_id}: enough to know later whether it still runs."""
    import psutil

    boot = Path("/proc/sys/kernel/random/boot_id")
    boot_id = boot.read_text().strip() if boot.exists() else str(int(psutil.boot_time()))
    return {"pid": os.getpid(), "started": psutil.Process().create_time(), "boot_id": boot_id}


def describe_git() -> dict[str, Any]:
    """Return {sha, dirty} of the checkout, both None where it is no git checkout."""
    try:
        sha = _git("rev-parse", "HEAD")
        return {"sha": sha, "dirty": bool(_git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"sha": None, "dirty": None}


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout.strip()


def hash_lock() -> str:
    """Return the SHA-256 of requirements.lock."""
    return hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
