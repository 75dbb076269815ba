"""A stack of its own with `workbench watch` on it, for tests."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local_aws.lifecycle import reset
from workbench.stack import bring_up, environment

ROOT = Path(__file__).resolve().parent.parent
RAW, CURATED = (f"workbench-local-{kind}-000000000000" for kind in ("raw", "curated"))
JOB = "workbench-local-curate"
HEADER = (
    "student_id,gender,ethnicity,parental_education,lunch,test_preparation,region,school_id,exam_date,math_score,"
    "reading_score,writing_score,final_percentage,remarks,recorded_at"
)


def wait_for(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    """Return what is true at last; fail after so long."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
    return found


@dataclass
class WatchLab:
    """The state folder, and what the watching process prints."""

    home: Path

    @property
    def runs(self) -> Path:
        """Where records are."""
        return self.home.parent / "runs"

    @property
    def log(self) -> Path:
        """What the watching process printed."""
        return self.home.parent / "watch.log"

    def client(self, service: str, role: str = "notebook") -> Any:
        """Return a client with a role's key."""
        variables = environment(self.home)
        keys = json.loads((self.home / "secrets" / f"aws-{role}.json").read_text())
        return boto3.session.Session().client(  # type: ignore[call-overload]
            service,
            region_name=variables["AWS_REGION"],
            endpoint_url=variables["AWS_ENDPOINT_URL_S3" if service == "s3" else "AWS_ENDPOINT_URL"],
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
        )

    def variables(self) -> dict[str, str]:
        """Return the environment of commands on this stack."""
        return {**os.environ, "WORKBENCH_HOME": str(self.home), "WORKBENCH_RUNS": str(self.runs)}

    def job_runs(self) -> list[dict[str, Any]]:
        """Return the job's runs, the oldest first."""
        pages = self.client("glue").get_paginator("get_job_runs").paginate(JobName=JOB)
        return [run for page in pages for run in page["JobRuns"]][::-1]

    def ended_runs(self) -> list[dict[str, Any]]:
        """Return the runs that have ended."""
        return [run for run in self.job_runs() if run["JobRunState"] not in ("STARTING", "RUNNING", "STOPPING")]

    def records(self) -> list[dict[str, Any]]:
        """Return the manifests, the oldest first."""
        paths = sorted(self.runs.glob("2*/manifest.json"))
        return [json.loads(path.read_text()) for path in paths]

    def report(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return a job run's report."""
        arguments = run["Arguments"]
        key = f"_reports/{arguments['--DATASET']}/{arguments['--RUN_TOKEN']}.json"
        return dict(json.loads(self.client("s3").get_object(Bucket=CURATED, Key=key)["Body"].read()))

    def ledger_objects(self, dataset: str) -> set[str]:
        """Return the keys in the newest ledger."""
        from local_aws.events.ledgers import read_objects

        return set(read_objects(self.client("s3"), CURATED, dataset))

    @contextmanager
    def watching(self, *flags: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Watch during the block, from when the first line says so."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workbench", "watch", *flags],
                cwd=ROOT,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(lambda: "watching s3://" in self.printed() or process.poll() is not None, 60)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    def printed(self) -> str:
        """Return what the watching process has printed."""
        return self.log.read_text(errors="replace")


@contextmanager
def watch_lab(folder: Path) -> Iterator[WatchLab]:
    """Bring up a stack for the block."""
    lab = WatchLab(folder / "home")
    bring_up(lab.home)
    try:
        yield lab
    finally:
        reset(lab.home)


def sample_rows(count: int, first: int = 1) -> bytes:
    """Return a CSV of clean rows for the contract of student_sample, each with an id of its own."""
    rest = "female,group A,high school,standard,none,North,SCH-08,2024-01-18,50,60,70,60.00,,2024-01-23T15:18:51"
    return "\n".join([HEADER, *(f"S{first + number:07d},{rest}" for number in range(count)), ""]).encode()
