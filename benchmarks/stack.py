"""A stack for benchmarks alone: a temporary state folder, so that nobody's data is in the way or in danger."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def bench_stack() -> Iterator[Path]:
    """Start a stack in a folder of its own, name it in WORKBENCH_HOME and WORKBENCH_RUNS, and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="wb-bench-"))
    earlier = {name: os.environ.get(name) for name in ("WORKBENCH_HOME", "WORKBENCH_RUNS")}
    os.environ |= {"WORKBENCH_HOME": str(folder / "home"), "WORKBENCH_RUNS": str(folder / "runs")}
    try:
        _workbench("up")
        yield folder
    finally:
        _workbench("reset", "--yes")
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in earlier.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _workbench(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "workbench", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


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
