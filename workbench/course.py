"""A run on its way: how its record begins, and how it ends, however the run does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.console import Output
from workbench.failure_hook import tell_failure
from workbench.interruption import deaf
from workbench.leftovers import end_kernels, end_spare, stop_services
from workbench.lineage import emit
from workbench.pages import draw_pages
from workbench.record import (
    KERNELS_LOG,
    Manifest,
    StepRecord,
    append_log,
    describe_environment,
    describe_git,
    describe_process,
    hash_lock,
    point_latest,
    release_space,
    reserve_space,
    utc_now,
    write_manifest,
)
from workbench.redaction import redact_file
from workbench.request import Request
from workbench.runs import runs_folder


@dataclass
class Course:
    """A run on its way: what was asked, its folder, its record, when it must be over, and what is kept so far.

    Attributes:
        answers: what the record will say of them; None where they are not kept yet.
        table: the input of step 04 that the table was described by, and the description.
    """

    request: Request
    folder: Path
    manifest: Manifest
    started: float
    output: Output
    answers: list[dict[str, Any]] | None = None
    table: tuple[dict[str, Any], dict[str, Any]] | None = None

    @property
    def seconds_left(self) -> float:
        """What is left of the run's time."""
        return self.request.settings.run_seconds - (time.monotonic() - self.started)

    def write(self) -> None:
        """Write the record down as it is now."""
        self.manifest.seconds = round(time.monotonic() - self.started, 3)
        write_manifest(self.folder, self.manifest)


def open_course(request: Request, started: float, output: Output) -> Course:
    """Make the run's folder and its first record."""
    folder = runs_folder() / request.run_id
    folder.mkdir(parents=True)
    manifest = Manifest(
        run_id=request.run_id,
        profile=request.profile,
        dataset=request.dataset,
        as_of=request.as_of,
        parameters=request.parameters,
        started_at=utc_now(),
        process=describe_process(),
        git=describe_git(folder),
        lock_sha256=hash_lock(),
        steps=[StepRecord(notebook.name) for notebook in request.notebooks],
        given=request.origins,
        parent=request.parent,
        environment=describe_environment(),
    )
    course = Course(request, folder, manifest, started, output)
    course.write()
    return course


def announce(course: Course) -> None:
    """Say in every place that the run is under way."""
    folder, manifest = course.folder, course.manifest
    reserve_space(folder)
    point_latest(folder)
    append_log(folder, "run started", run_id=manifest.run_id, parameters=manifest.parameters)
    emit(folder, manifest)
    course.output.line(
        f"run {manifest.run_id}: dataset {manifest.dataset}, profile {manifest.profile}, as of {manifest.as_of}"
    )


def close_course(course: Course) -> None:
    """Stop what a run that did not succeed left under way, and write its last record, whatever is heard meanwhile."""
    manifest, request = course.manifest, course.request
    with deaf(ends=True):
        end_spare()
        if manifest.status == "running":  # a signal came before the first step, or after the last one
            manifest.status, manifest.error = "interrupted", "stopped from outside"
        if manifest.status != "succeeded":
            end_kernels(request.run_id)
            redact_file(course.folder / KERNELS_LOG)
            stopped = stop_services(request.run_id, request.dataset, request.profile, manifest.started_at)
            if stopped:
                append_log(course.folder, "stopped", what=stopped)
        for step in manifest.steps:
            if step.status == "running":
                step.status = "interrupted" if manifest.status == "interrupted" else "failed"
        manifest.ended_at = utc_now()
        course.write()
        release_space(course.folder)
        append_log(course.folder, "run ended", status=manifest.status, seconds=manifest.seconds, error=manifest.error)
        emit(course.folder, manifest)
        if manifest.status != "succeeded":
            tell_failure(course.folder, manifest, request.settings.on_failure)
        draw_pages(course.folder)
