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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workbench.dashboards.errors import DashboardsError

Progress = Callable[[str], None]
ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "dashboards" / "requirements.lock"
VENV = ROOT / ".venv-superset"
PYTHON = VENV / "bin" / "python"
_LOG = "install.log"
_QUIET_SECONDS = 15.0


def is_installed() -> bool:
    """Say whether the virtualenv is whole and of the present lock."""
    return PYTHON.exists() and _read_stamp(LOCK) == hash_lock(LOCK)


def hash_lock(lock: Path = LOCK) -> str:
    """Return what changes with the lock's content."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def ensure_environment(progress: Progress) -> Path:
    """Make the virtualenv if it is missing, half-made or of another lock. Returns its interpreter.

    Raises:
        DashboardsError: a package cannot be had.
    """
    VENV.mkdir(exist_ok=True)
    with _alone():
        if not is_installed():
            progress("installing Superset into .venv-superset (650 MB; a few minutes the first time)")
            _empty()
            _make()
            install_lock(LOCK, progress)
    return PYTHON


def install_lock(lock: Path, progress: Progress) -> None:
    """Install what a lock names into the virtualenv, with hashes, and stamp it.

    Raises:
        DashboardsError: a package cannot be had.
    """
    if _read_stamp(lock) == hash_lock(lock):
        return
    uv = shutil.which("uv")
    argv = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)] if uv else _PIP
    _run([*argv, "--require-hashes", "-r", str(lock)], f"installing {lock.relative_to(ROOT)}", progress)
    _stamp(lock).write_text(hash_lock(lock))


_PIP = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _make() -> None:
    uv = shutil.which("uv")
    base = getattr(sys, "_base_executable", "") or sys.executable
    argv = [uv, "venv", "--quiet", "--allow-existing", "--python", base] if uv else [base, "-m", "venv"]
    _run([*argv, str(VENV)], "making .venv-superset", lambda line: None)


def _empty() -> None:
    for entry in VENV.iterdir():
        if entry.name == "lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _run(argv: Sequence[str], doing: str, progress: Progress) -> None:
    """Run one command to its end, say now and then that it runs, and raise its last line if it fails."""
    began = said = time.monotonic()
    with open(VENV / _LOG, "w+") as log:
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
        lines = [line.strip() for line in log if line.strip()]
    if process.returncode != 0:
        words = next((line for line in reversed(lines) if line.lower().startswith(("error", "×", "╰"))), "")
        raise DashboardsError(
            f"{doing} failed: {(words or (lines[-1] if lines else 'nothing was said'))[:300]} "
            f"(log: {VENV / _LOG}); check the network or the package index, then `workbench dashboards` again"
        )


def _stamp(lock: Path) -> Path:
    return VENV / f"{lock.stem}.installed"


def _read_stamp(lock: Path) -> str:
    try:
        return _stamp(lock).read_text()
    except OSError:
        return ""


@contextmanager
def _alone() -> Iterator[None]:
    """Keep another `workbench dashboards` of this checkout from installing at the same time."""
    with open(VENV / "lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
