"""The record of what an upload set going: a run like any other, in runs/<run_id>/manifest.json."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from pathlib import Path
from typing import Any

from workbench.record import (
    Manifest,
    StepRecord,
    append_log,
    describe_environment,
    describe_git,
    describe_process,
    hash_lock,
    point_latest,
    take_figures,
    utc_now,
    write_manifest,
)
from workbench.runs import runs_folder
from workbench.watch_chain import STEPS
from workbench.watch_lost import JOB_RUN_ERROR, LOST_CHAIN

Json = dict[str, Any]


class ChainRecord:
    """One chain: its job run, its steps, its folder. Everything that happens is written at once.

    `given` goes into its parameters, such as `started_by` ("upload", "schedule", or "lost chain" where it makes up for
    one that nobody watched to its end).
    """

    def __init__(self, dataset: str, job_run: Json, keys: list[str], given: Json | None = None) -> None:
        now = dt.datetime.now(dt.UTC)
        self.dataset = dataset
        self.job_run_id: str = job_run["Id"]
        self.run_id = f"{now:%Y%m%dT%H%M%S}-{dataset}-{secrets.token_hex(2)}"
        self.folder: Path = runs_folder() / self.run_id
        self._began = time.monotonic()
        self.manifest = Manifest(
            run_id=self.run_id,
            profile="local",
            dataset=dataset,
            as_of=now.date().isoformat(),
            parameters={
                "dataset": dataset,
                "started_by": "upload" if keys else "schedule",
                "objects": len(keys),
                "first_objects": keys[:10],
                "job_run_id": self.job_run_id,
                "token": job_run["Arguments"]["--RUN_TOKEN"],
                **(given or {}),
            },
            started_at=utc_now(),
            process=describe_process(),
            git=describe_git(),
            lock_sha256=hash_lock(),
            steps=[StepRecord(step, run=self.run_id) for step in STEPS],
            environment=describe_environment(),
        )
        self.folder.mkdir(parents=True)
        self.update(STEPS[0], "running", {"reason": "asked for"})
        point_latest(self.folder)

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.manifest.status == "running"

    @property
    def job_run(self) -> Json:
        """What a record that makes up for this one is made of."""
        return {"Id": self.job_run_id, "Arguments": {"--RUN_TOKEN": self.manifest.parameters["token"]}}

    @property
    def makes_up(self) -> bool:
        """Whether it makes up for a lost chain."""
        return bool(self.manifest.parameters["started_by"] == LOST_CHAIN)

    def update(self, step: str, status: str, facts: Json) -> None:
        """Write down that a step began or how it ended."""
        record = next(found for found in self.manifest.steps if found.notebook == step)
        if status == "running":
            record.started_at, record.attempts = utc_now(), 1
        record.status = status
        record.reason = facts.get("reason", record.reason or "asked for")
        record.error = facts.get("error")
        record.seconds = facts.get("seconds", record.seconds)
        take_figures(record, self.manifest, facts.get("figures", {}))
        self._write(f"step {status}", notebook=step, **{key: facts[key] for key in ("error", "reason") if key in facts})

    def end(self, status: str, message: str = "") -> None:
        """Close the record: succeeded, failed or interrupted, which then holds for the step under way, too."""
        self.manifest.status, self.manifest.ended_at = status, utc_now()
        self.manifest.error = message or next(
            (step.error["message"] for step in self.manifest.steps if step.error), None
        )
        for record in self.manifest.steps:
            if record.status == "running" and status != "succeeded":
                record.status = status
                if message:
                    record.error = {"type": JOB_RUN_ERROR, "message": message, "exit_code": 1}
        self._write("run ended", status=status)

    def _write(self, event: str, **facts: object) -> None:
        self.manifest.seconds = round(time.monotonic() - self._began, 3)
        write_manifest(self.folder, self.manifest)
        append_log(self.folder, event, **facts)
