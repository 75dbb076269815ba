"""Superset's own virtualenv: its pins reject the pandas and SQLAlchemy of ours.

It stands in the checkout as .venv-superset, is made from hashed locks with uv where it is present and pip otherwise,
and is stamped with each lock's hash when whole: a half-made or outdated one is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from workbench.dashboards.errors import DashboardsError

Progress = Callable[[str], None]
ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "dashboards" / "requirements.lock"
VENV = ROOT / ".venv-superset"
PYTHON = VENV / "bin" / "python"
_LOG = "install.log"
_QUIET_SECONDS = 15.0


def hash_lock(lock: Path = LOCK) -> str:
    """Return what changes with the lock's content."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def is_installed(venv: Path = VENV, lock: Path = LOCK) -> bool:
    """Say whether the virtualenv holds what the lock names now."""
    stamp = _stamp(venv, lock)
    return stamp.exists() and stamp.read_text() == hash_lock(lock)


def ensure_environment(progress: Progress, venv: Path = VENV, lock: Path = LOCK) -> None:
    """Make the virtualenv if it is missing, half-made or of another lock.

    Raises:
        DashboardsError: a package cannot be had.
    """
    if is_installed(venv, lock):
        return
    venv.mkdir(exist_ok=True)
    with open(venv / "lock", "w") as guard:  # another process may install at the same time
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not is_installed(venv, lock):
            progress(f"installing Superset into {venv.name} (650 MB; a few minutes the first time)")
            _empty(venv)
            uv, base = shutil.which("uv"), getattr(sys, "_base_executable", "") or sys.executable
            argv = [uv, "venv", "--quiet", "--allow-existing", "--python", base] if uv else [base, "-m", "venv"]
            _run([*argv, str(venv)], f"making {venv.name}", venv, progress)
            (venv / ".gitignore").write_text("*\n")  # neither git nor a linter looks into it
            install_lock(progress, venv, lock)


def install_lock(progress: Progress, venv: Path, lock: Path) -> None:
    """Install what a lock names into the virtualenv, with hashes, and stamp it.

    Raises:
        DashboardsError: a package cannot be had.
    """
    if is_installed(venv, lock):
        return
    uv, python = shutil.which("uv"), str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # compiled now, as pip does by itself: else each start of Superset compiles what it imports, for seconds
    argv = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python] if uv else pip
    _run([*argv, "--require-hashes", "-r", str(lock)], f"installing {lock.parent.name}/{lock.name}", venv, progress)
    _stamp(venv, lock).write_text(hash_lock(lock))


def _stamp(venv: Path, lock: Path) -> Path:
    return venv / f"{lock.stem}.installed"


def _empty(venv: Path) -> None:
    for entry in venv.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


def _run(argv: Sequence[str], doing: str, venv: Path, progress: Progress) -> None:
    """Run one command to its end, say now and then that it runs, and raise its last words if it fails."""
    began = said = time.monotonic()
    with open(venv / _LOG, "w+") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT)
        try:
            while process.poll() is None:
                time.sleep(0.1)
                if time.monotonic() - said > _QUIET_SECONDS:
                    said = time.monotonic()
                    progress(f"{doing}: {said - began:.0f} s")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        words = " ".join(log.read().split())
    if process.returncode != 0:
        raise DashboardsError(
            f"{doing} failed: …{words[-300:]} (log: {venv / _LOG}); "
            "check the network or the package index, then `workbench dashboards` again"
        )
