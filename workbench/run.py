"""Run the notebooks in order as one recorded run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from workbench.ahead import work_ahead
from workbench.console import Output
from workbench.course import Course, announce, close_course, open_course
from workbench.errors import Interrupted, StepFailed
from workbench.fingerprint import Services, describe_outputs, describe_parts
from workbench.interruption import OutOfTime, stoppable
from workbench.kept import carry_results, keep_results
from workbench.leftovers import end_kernels, stop_services, watched
from workbench.lineage import emit
from workbench.locks import hold_dataset, is_held
from workbench.notebooks import Notebook
from workbench.plan import Decision, find_step, plan, read_keys, write_key
from workbench.record import Manifest, StepRecord, append_log, take_figures, utc_now
from workbench.repair import resume
from workbench.request import Request, RunConfig, check_request
from workbench.runs import runs_folder, settle_runs
from workbench.transient import backoff, is_transient

__all__ = ["Request", "RunConfig", "check_request", "run_pipeline", "run_request", "runs_folder"]


def run_pipeline(config: RunConfig, output: Output) -> Manifest:
    """Check what is asked, run it, and return the record, which is also in runs/<run_id>/manifest.json.

    Raises:
        UsageError: before anything starts.
        BusyError: another run of the dataset is under way.
        StepFailed: a notebook failed; its executed copy and the record are kept.
        Interrupted: Ctrl-C or SIGTERM.
    """
    return run_request(check_request(config), output)


def run_request(request: Request, output: Output) -> Manifest:
    """Run what was checked; the errors are those of `run_pipeline`."""
    prepare(request, output)
    with hold_dataset(lock_folder(request.profile, request.dataset), request.run_id, request.wait, output.line):
        started = time.monotonic()  # waiting for another run is no time of this one
        services = Services(request)
        decisions = resume(request) if request.resume else plan(request, services)
        executes = any(decision.runs for decision in decisions)
        if executes:
            from workbench.warm_kernels import start_server

            start_server()  # it imports for two seconds, beside what comes next
            _ = services.session  # what it sets in the environment, every kernel is to have
        with stoppable(request.settings.run_seconds - (time.monotonic() - started)):
            course = open_course(request, started, output)
            try:
                with watched(request.run_id) if executes else contextlib.nullcontext():
                    _perform(course, decisions, services)
            finally:
                close_course(course)
    return course.manifest


def prepare(request: Request, output: Output) -> None:
    """Bring up the local stack and write down the truth about runs whose runner was killed."""
    os.environ["WORKBENCH_PROFILE"] = request.profile
    if request.profile == "local":
        from workbench.stack import bring_up, default_home

        bring_up(default_home(), output.line)
    settle(output.line)


def settle(tell: Callable[[str], None]) -> None:
    """Settle killed runs, stopping what they left; those of a dataset that is held are its holder's business."""

    def stop(manifest: Manifest) -> None:
        end_kernels(manifest.run_id)
        if not is_held(lock_folder(manifest.profile, manifest.dataset)):
            stop_services(manifest.run_id, manifest.dataset, manifest.profile, manifest.started_at)

    settle_runs(stop, tell)


def lock_folder(profile: str, dataset: str) -> Path:
    """Return the folder of the lock of a dataset in a profile; one per state folder."""
    from local_aws.home import default_home

    return default_home() / "cache" / "runs" / f"{profile}-{dataset}"


def _perform(course: Course, decisions: list[Decision], services: Services) -> None:
    """Take the steps in order; whatever ends them early is in the record before it is raised."""
    manifest, request = course.manifest, course.request
    try:
        announce(course)
        for notebook, step, decision in zip(request.notebooks, manifest.steps, decisions, strict=True):
            if decision.earlier is not None:
                _leave_step(course, step, decision)
                continue
            parts = describe_parts(notebook, services)
            with work_ahead(course, services, notebook):
                _take_step(course, notebook, step, decision.reason)
            write_key(course.folder, step.notebook, parts, describe_outputs(step, services))
            course.write()
        _keep(course, decisions, services)
        manifest.status = "succeeded"
    except OutOfTime as error:
        manifest.status, manifest.error = "failed", "the run took longer than run_seconds"
        raise StepFailed(f"run {request.run_id} took longer than {request.settings.run_seconds:g} s") from error
    except (Interrupted, KeyboardInterrupt) as error:
        manifest.status, manifest.error = "interrupted", str(error) or "interrupted"
        raise
    except BaseException as error:
        manifest.status, manifest.error = "failed", str(error)
        raise


def _keep(course: Course, decisions: list[Decision], services: Services) -> None:
    """Keep what runs are compared by; a run whose steps were all left keeps what the earlier one did."""
    last = decisions[-1].earlier
    if last is not None and last.manifest.table is not None:  # a run that was stopped at its very end kept nothing
        carry_results(course.folder, course.manifest, last.folder, last.manifest)
    else:
        keep_results(course.folder, course.manifest, services.session, course.answers, course.table)


def _leave_step(course: Course, step: StepRecord, decision: Decision) -> None:
    """Leave a step as an earlier run left it: its figures and its key are carried over."""
    assert decision.earlier is not None
    earlier = find_step(decision.earlier, step.notebook)
    for field in fields(StepRecord):
        setattr(step, field.name, getattr(earlier, field.name))
    step.status, step.reason, step.seconds, step.attempts = "skipped", decision.reason, 0.0, 0
    course.manifest.inputs = course.manifest.inputs or decision.earlier.manifest.inputs
    course.manifest.outputs += step.outputs
    if step.notebook == "03_catalog_query":  # whose answer it is; another step's skip says nothing of it
        course.manifest.answer = decision.earlier.manifest.answer
    if key := read_keys(decision.earlier.folder).get(step.notebook):
        write_key(course.folder, step.notebook, key["parts"], key["outputs"])
    course.write()
    append_log(course.folder, "step skipped", notebook=step.notebook, reason=step.reason)
    course.output.line(f"{step.notebook}: skipped, {decision.reason}")


def _take_step(course: Course, notebook: Notebook, step: StepRecord, reason: str) -> None:
    """Execute one notebook, again where it failed for a transient reason, and fill its record."""
    settings = course.request.settings
    step.status, step.reason, step.started_at = "running", reason, utc_now()
    step.run = course.request.run_id
    course.write()
    append_log(course.folder, "step started", notebook=notebook.name)
    emit(course.folder, course.manifest, step)
    begun = time.monotonic()
    try:
        with course.output.step(notebook.name):
            while True:
                step.attempts += 1
                outcome = _attempt(course, notebook, begun)
                if outcome.error is None or step.attempts > settings.retries or not is_transient(outcome.error):
                    break
                _pause(course, notebook, step.attempts, outcome.error)
    except OutOfTime:
        step.status = "failed"
        step.error = {"type": "TimeLimit", "message": "the run took longer than run_seconds", "exit_code": 1}
        raise
    except Interrupted as error:
        step.status = "interrupted"
        step.error = {"type": "Interrupted", "message": str(error), "exit_code": 130}
        raise
    finally:
        step.seconds = round(time.monotonic() - begun, 3)
    step.status, step.error, step.cells, step.kernel = outcome.status, outcome.error, outcome.cells, outcome.kernel
    take_figures(step, course.manifest, outcome.figures)
    append_log(course.folder, "step ended", notebook=notebook.name, status=step.status, seconds=step.seconds)
    emit(course.folder, course.manifest, step)
    if outcome.error:
        where = f" in cell {outcome.error['cell']}" if outcome.error.get("cell") else ""
        message = f"{notebook.name} failed{where}: {outcome.error['type']}: {outcome.error['message']}"
        hint = f"executed notebook: {course.folder / notebook.path.name}; `workbench repair {course.request.run_id}`"
        raise StepFailed(f"{message} ({hint} resumes)", outcome.error["exit_code"])


def _attempt(course: Course, notebook: Notebook, begun: float) -> Any:
    from workbench.execute import Execution, execute_notebook

    request = course.request
    left = min(request.settings.step_seconds - (time.monotonic() - begun), course.seconds_left)
    output, after = course.folder / notebook.path.name, request.notebooks[request.notebooks.index(notebook) + 1 :]
    following = course.folder / after[0].path.name if after else None
    return execute_notebook(Execution(notebook, output, request.parameters, request.run_id, round(left, 3), following))


def _pause(course: Course, notebook: Notebook, attempt: int, error: dict[str, Any]) -> None:
    """Wait before a retry, and bring the local stack back where it went down."""
    seconds = backoff(course.request.settings, attempt)
    course.output.line(f"{notebook.name}: {error['type']}: {error['message']}; trying again in {seconds:.1f} s")
    append_log(course.folder, "retry", notebook=notebook.name, attempt=attempt, seconds=seconds, error=error)
    stop_services(course.request.run_id, course.request.dataset, course.request.profile, course.manifest.started_at)
    try:
        time.sleep(seconds)
    except OutOfTime:
        raise
    except KeyboardInterrupt as stopped:
        raise Interrupted(f"{notebook.name} was interrupted") from stopped
    if course.request.profile == "local":
        from workbench.stack import bring_up, default_home

        bring_up(default_home(), course.output.line)
