"""The record of a run: `runs/<run_id>/manifest.json`, written atomically after each step.

The fields are described in docs/records.md, as JSON Schema in docs/manifest.schema.json. What a step did is taken from
what its notebook recorded and from exceptions, never from papermill's cell metadata, which calls the cells of a killed
kernel completed.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.redaction import may_hold_secret, redact, redact_document, redact_values

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = 2
KERNELS_LOG = "kernels.log"  # what the kernels print, each in its own process
_RESERVE = ".reserve"
_RESERVE_BYTES = 256 * 1024
_RUN_NAMES = ("run_id", "profile", "dataset", "as_of", "status", "started_at", "ended_at", "process", "git", "parent")
_STEP_NAMES = ("notebook", "status", "run", "started_at", "kernel")


@dataclass
class StepRecord:
    """What one notebook did; rows are None where the step has no such figure.

    Attributes:
        run: the run that executed the notebook; another one's where this one left it as it was.
        attempts: how often it was executed.
        cells: seconds of each code cell that ran, in order.
    """

    notebook: str
    status: str = "pending"
    reason: str = ""
    seconds: float = 0.0
    rows_in: int | None = None
    rows_out: int | None = None
    rows_quarantined: int | None = None
    outputs: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    run: str | None = None
    started_at: str | None = None
    attempts: int = 0
    cells: list[float] = field(default_factory=list)
    kernel: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


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
    given: dict[str, str] = field(default_factory=dict)
    parent: dict[str, str] | None = None
    ended_at: str | None = None
    error: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=lambda: {"athena_bytes_scanned": 0, "glue_seconds": 0})
    answer: dict[str, Any] | None = None
    answers: list[dict[str, Any]] = field(default_factory=list)
    table: dict[str, Any] | None = None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the folder's manifest by `manifest`: whole old or whole new, also when the machine stops.

    Where the disk is full, the space that `reserve_space` kept is given up for it.
    """
    document = json.loads(json.dumps(asdict(manifest), default=str))
    text = json.dumps(_without_secrets(document) if may_hold_secret(document) else document, indent=2) + "\n"
    try:
        replace_file(folder / "manifest.json", text)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not (folder / _RESERVE).exists():
            raise
        (folder / _RESERVE).unlink()
        replace_file(folder / "manifest.json", text)


def _without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without secrets; what a run is found, skipped and resumed by stays, whatever a secret is."""
    steps = [redact_values(step) | {name: step[name] for name in _STEP_NAMES} for step in document["steps"]]
    asked = document["parameters"]
    parameters = redact_values(asked) | {name: asked[name] for name in ("run_id", "dataset", "as_of") if name in asked}
    names = {name: document[name] for name in _RUN_NAMES}
    return dict(redact_values(document) | names | {"steps": steps, "parameters": parameters})


def reserve_space(folder: Path) -> None:
    """Keep some space for the last words of a run whose disk fills up."""
    with (folder / _RESERVE).open("wb") as stream:
        stream.write(os.urandom(_RESERVE_BYTES))  # zeros would take no space on some disks


def release_space(folder: Path) -> None:
    """Give up what `reserve_space` kept."""
    (folder / _RESERVE).unlink(missing_ok=True)


def replace_file(path: Path, text: str, durable: bool = True) -> None:
    """Write `text` to a temporary name and rename it over `path`; `durable`: also forced to disk before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def append_log(folder: Path, event: str, **facts: object) -> None:
    """Add one line to the folder's log.jsonl; a full disk does not stop the run for a line of its log."""
    line = json.dumps({"at": utc_now(), "event": event, **redact_document(facts)})
    try:
        with (folder / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def point_latest(folder: Path) -> None:
    """Point `runs/latest` at `folder`, in one rename."""
    temporary = folder.parent / f".latest.{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder.name)
    os.replace(temporary, folder.parent / "latest")


def utc_now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def boot_id() -> str:
    """Return what tells one start of the machine from another."""
    place = Path("/proc/sys/kernel/random/boot_id")
    if place.exists():
        return place.read_text().strip()
    import psutil

    return str(int(psutil.boot_time()))


def describe_process() -> dict[str, Any]:
    """Return this process as {pid, started (epoch seconds), ticks, boot_id}: enough to know later whether it runs."""
    import psutil

    started = psutil.Process().create_time()
    return {"pid": os.getpid(), "started": started, "ticks": _ticks(os.getpid()), "boot_id": boot_id()}


def process_lives(process: dict[str, Any]) -> bool:
    """Say whether the process that `describe_process` described still runs; a zombie does not.

    Its start is compared in ticks since the boot, where they are known: the time of day moves when the clock is set.
    """
    import psutil

    from local_aws.processes import ProcessRef

    ref = ProcessRef.read(process)
    if ref is None or process.get("boot_id") != boot_id():
        return False
    now = _ticks(ref.pid)
    if now is None or process.get("ticks") is None:
        return ref.alive()
    try:
        return now == process["ticks"] and psutil.Process(ref.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot (proc_pid_stat(5), field 22); None without /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def describe_git(keep: Path | None = None) -> dict[str, Any]:
    """Return {sha, dirty, diff_sha256} of the checkout, all None where it is no git checkout.

    `keep` is the folder that gets what differs from the commit, as dirty.diff, where something does.
    """
    try:
        sha, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
        if not changed:
            return {"sha": sha, "dirty": False, "diff_sha256": None}
        text = f"{changed}\n\n{_git('diff', 'HEAD', '--no-ext-diff', '--no-color')}\n"
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return {"sha": None, "dirty": None, "diff_sha256": None}
    if keep is not None:
        replace_file(keep / "dirty.diff", redact(text))
    return {"sha": sha, "dirty": True, "diff_sha256": hashlib.sha256(text.encode()).hexdigest()}


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    ).stdout.rstrip()


def hash_lock() -> str:
    """Return the SHA-256 of requirements.lock."""
    return hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()


def describe_environment() -> dict[str, Any]:
    """Return what the run ran in: Python, system, cores, and a hash of the packages that are installed."""
    places = {Path(entry) for entry in sys.path if entry.endswith("site-packages")}
    # the folders' names hold name and version; reading what is in them would take a second
    names = sorted({found.name for place in places for found in place.glob("*.dist-info")})
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": len(names),
        "packages_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
    }


def take_figures(step: StepRecord, manifest: Manifest, figures: dict[str, Any]) -> None:
    """Copy what a notebook recorded into the step and the run."""
    step.rows_in = figures.get("rows_in")
    step.rows_out = figures.get("rows_out")
    step.rows_quarantined = figures.get("rows_quarantined")
    step.outputs = list(figures.get("outputs", []))
    named = ("job_run_id", "quarantined_by_reason", "rules", "uploaded", "changed", "inputs", "verification")
    step.details = {name: figures[name] for name in named if name in figures}
    known = {entry["uri"] for entry in manifest.inputs}
    manifest.inputs += [entry for entry in figures.get("inputs", []) if entry["uri"] not in known]
    manifest.outputs += step.outputs
    for name, amount in (figures.get("cost") or {}).items():
        manifest.cost[name] = manifest.cost.get(name, 0) + amount
    manifest.answer = figures.get("answer") or manifest.answer
