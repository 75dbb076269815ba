"""One run per dataset at a time: a lock that the system frees with its holder, and that says which run holds it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import BusyError
from workbench.record import describe_process, utc_now

_POLL_SECONDS = 0.2


@contextmanager
def hold_dataset(folder: Path, run_id: str, wait: bool, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the dataset whose lock is in `folder` while the block runs.

    Raises:
        BusyError: another run holds it, and `wait` is False; the run is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        told = False
        while not _try(descriptor):
            holder = _read_holder(folder)
            if not wait:
                raise BusyError(f"{holder} is under way for {folder.name}: let it end, or say --wait")
            if not told:
                tell(f"waiting for {holder}")
                told = True
            time.sleep(_POLL_SECONDS)
        _write_holder(folder, {"run_id": run_id, "since": utc_now(), **describe_process()})
        yield
    finally:
        os.close(descriptor)  # which frees the lock


def is_held(folder: Path) -> bool:
    """Say whether a run holds the lock in `folder` now."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(folder: Path, holder: dict[str, object]) -> None:
    part = folder / f"holder.{os.getpid()}"
    part.write_text(json.dumps(holder), encoding="utf-8")
    os.replace(part, folder / "holder.json")


def _read_holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / "holder.json").read_text(encoding="utf-8"))
        return f"run {holder['run_id']} (pid {holder['pid']}, since {holder['since']})"
    except (OSError, ValueError, KeyError):
        return "another run"
