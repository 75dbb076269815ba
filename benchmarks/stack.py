"""A stack for benchmarks alone: a temporary state folder, so that nobody's data is in the way or in danger."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from workbench.interruption import deaf

_PREFIX = "wb-bench-"
_ROOT = Path(__file__).resolve().parent.parent
_COMPILED = ("helpers", "glue", "lambdas", "workbench", "local_aws", "infra", "dashboards", "benchmarks")
_WARM_SECONDS = 180.0  # the first one of a stack waits for its archive of classes


@contextmanager
def bench_stack() -> Iterator[Path]:
    """Start a stack in a folder of its own, name it in WORKBENCH_HOME and WORKBENCH_RUNS, and remove it at the end.

    Also where Ctrl-C, SIGTERM or SIGHUP ends the benchmark; what one left that was killed, the next one removes.
    """
    _remove_left()
    for package in _COMPILED:  # once, also where PYTHONDONTWRITEBYTECODE is set: no side compiles it again
        compileall.compile_dir(_ROOT / package, quiet=1)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    earlier = {name: os.environ.get(name) for name in ("WORKBENCH_HOME", "WORKBENCH_RUNS")}
    handlers = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        os.environ |= {"WORKBENCH_HOME": str(folder / "home"), "WORKBENCH_RUNS": str(folder / "runs")}
        _workbench("up")
        yield folder
    finally:
        with deaf():
            _remove(folder)
        for name, value in earlier.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _remove_left() -> None:
    """Remove the stacks of benchmarks whose process is gone; its pid is in the folder's name."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            _remove(folder)


def _remove(folder: Path) -> None:
    """End the stack of a folder and remove both."""
    if (folder / "home").exists():
        _workbench("reset", "--yes", home=folder / "home")
    shutil.rmtree(folder, ignore_errors=True)


def _workbench(*arguments: str, home: Path | None = None) -> None:
    """Run the command in a session of its own: a Ctrl-C at the terminal is this process's to handle."""
    subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        env={**os.environ, **({"WORKBENCH_HOME": str(home)} if home else {})},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def await_warm_spark(since: float) -> bool:
    """Wait until a Spark process stands ready that was started after `since` (epoch seconds); False where none is.

    Both sides of a benchmark then begin on the same warm stack, however long the one before took.
    """
    log = Path(os.environ["WORKBENCH_HOME"]) / "logs" / "warm-spark.log"
    deadline = time.monotonic() + _WARM_SECONDS
    while time.monotonic() < deadline:
        if log.exists() and log.stat().st_mtime >= since and "stands ready" in log.read_text(errors="replace"):
            return True
        time.sleep(0.1)
    return False


def forget_dataset(dataset: str) -> None:
    """Delete what the buckets hold of a dataset, so that the next run does all of the work again."""
    from helpers.session import open_session

    session = open_session()
    s3: Any = session.client("s3")
    outputs = session.outputs
    places = [(outputs.raw_bucket, f"{dataset}/"), (outputs.curated_bucket, f"data/{dataset}")]
    places += [(outputs.curated_bucket, f"_ledger/{dataset}/"), (outputs.curated_bucket, f"_reports/{dataset}/")]
    for bucket, prefix in places:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if keys:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})


def postgres_variables() -> dict[str, str]:
    """Return libpq's variables for the loader's role of the benchmark's server."""
    import json

    home = Path(os.environ["WORKBENCH_HOME"])
    place = json.loads((home / "endpoints.json").read_text())["postgres"]
    return {
        "PGHOST": place["host"],
        "PGPORT": str(place["port"]),
        "PGDATABASE": place["dbname"],
        "PGUSER": place["loader"],
        "PGPASSWORD": (home / "secrets" / "postgres-loader").read_text(),
    }
