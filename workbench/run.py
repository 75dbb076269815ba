"""Run the four notebooks in order as one recorded run."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.console import Output
from workbench.errors import Interrupted, StepFailed, UsageError, suggest
from workbench.notebooks import ROOT, Notebook, parse_parameters, read_notebooks
from workbench.record import (
    Manifest,
    StepRecord,
    append_log,
    describe_git,
    describe_process,
    hash_lock,
    point_latest,
    utc_now,
    write_manifest,
)

PROFILES = ("local", "aws")


@dataclass(frozen=True)
class RunConfig:
    """What to run: dataset, profile, and `name=value` pairs for the notebooks' parameters."""

    dataset: str = "student_performance"
    profile: str = "local"
    pairs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RunPlan:
    """A checked configuration: nothing that a user can mistype is left to find."""

    dataset: str
    profile: str
    run_id: str
    as_of: str
    parameters: dict[str, Any]
    notebooks: list[Notebook]


def runs_folder() -> Path:
    """Return the folder of the records: WORKBENCH_RUNS, or runs/ in the checkout."""
    return Path(os.environ.get("WORKBENCH_RUNS") or ROOT / "runs")


def plan_run(config: RunConfig) -> RunPlan:
    """Check dataset, profile and parameters before anything starts.

    Raises:
        UsageError: an unknown name, with the nearest ones, or a value that does not fit.
    """
    from helpers.contract import list_datasets

    notebooks = read_notebooks()
    parameters = parse_parameters(config.pairs, notebooks)
    dataset = str(parameters.get("dataset", config.dataset))
    if dataset not in (known := list_datasets()):
        raise UsageError(f"dataset {dataset} is unknown{suggest(dataset, known)}")
    if config.profile not in PROFILES:
        raise UsageError(f"profile {config.profile} is unknown{suggest(config.profile, PROFILES)}")
    as_of = str(parameters.get("as_of") or dt.datetime.now(dt.UTC).date().isoformat())
    try:
        dt.date.fromisoformat(as_of)
    except ValueError:
        raise UsageError(f"as_of {as_of} is no date: write it as YYYY-MM-DD") from None
    run_id = str(
        parameters.get("run_id") or f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{dataset}-{secrets.token_hex(2)}"
    )
    if not all(letter.isalnum() or letter in "-_." for letter in run_id) or (runs_folder() / run_id).exists():
        raise UsageError(f"run_id {run_id} is taken or holds other characters than letters, digits, - _ .")
    parameters |= {"dataset": dataset, "as_of": as_of, "run_id": run_id}
    return RunPlan(dataset, config.profile, run_id, as_of, parameters, notebooks)


def run_pipeline(config: RunConfig, output: Output) -> Manifest:
    """Run all four notebooks and return the record, which is also in runs/<run_id>/manifest.json.

    Raises:
        UsageError: before anything starts.
        StepFailed: a notebook failed; its executed copy and the record are kept.
        Interrupted: Ctrl-C or SIGTERM.
    """
    started = time.monotonic()
    plan = plan_run(config)
    os.environ["WORKBENCH_PROFILE"] = plan.profile
    if plan.profile == "local":
        from workbench.stack import bring_up, default_home

        bring_up(default_home(), output.line)
    folder = runs_folder() / plan.run_id
    folder.mkdir(parents=True)
    manifest = _open_record(plan)
    write_manifest(folder, manifest)
    point_latest(folder)
    append_log(folder, "run started", run_id=plan.run_id, parameters=plan.parameters)
    output.line(f"run {plan.run_id}: dataset {plan.dataset}, profile {plan.profile}, as of {plan.as_of}")
    try:
        for notebook, step in zip(plan.notebooks, manifest.steps, strict=True):
            _run_step(plan, notebook, step, manifest, output)
            manifest.seconds = round(time.monotonic() - started, 3)
            write_manifest(folder, manifest)
        manifest.status = "succeeded"
    except (Interrupted, StepFailed) as error:
        manifest.status = "interrupted" if isinstance(error, Interrupted) else "failed"
        raise
    finally:
        if manifest.status == "running":
            manifest.status = "failed"
        manifest.seconds = round(time.monotonic() - started, 3)
        write_manifest(folder, manifest)
        append_log(folder, "run ended", status=manifest.status, seconds=manifest.seconds)
    return manifest


def _open_record(plan: RunPlan) -> Manifest:
    return Manifest(
        run_id=plan.run_id,
        profile=plan.profile,
        dataset=plan.dataset,
        as_of=plan.as_of,
        parameters=plan.parameters,
        started_at=utc_now(),
        process=describe_process(),
        git=describe_git(),
        lock_sha256=hash_lock(),
        steps=[StepRecord(notebook.name) for notebook in plan.notebooks],
    )


def _run_step(plan: RunPlan, notebook: Notebook, step: StepRecord, manifest: Manifest, output: Output) -> None:
    """Execute one notebook and fill its record."""
    from workbench.execute import execute_notebook

    folder = runs_folder() / plan.run_id
    step.status, step.reason = "running", "asked for"
    write_manifest(folder, manifest)
    append_log(folder, "step started", notebook=notebook.name)
    begun = time.monotonic()
    try:
        with output.step(notebook.name):
            outcome = execute_notebook(notebook, folder / notebook.path.name, plan.parameters)
    except Interrupted:
        step.status = "interrupted"
        raise
    finally:
        step.seconds = round(time.monotonic() - begun, 3)
    step.status, step.error = outcome.status, outcome.error
    _take_figures(step, manifest, outcome.figures)
    append_log(folder, "step ended", notebook=notebook.name, status=step.status, seconds=step.seconds, error=step.error)
    if outcome.error:
        where = f" in cell {outcome.error['cell']}" if outcome.error.get("cell") else ""
        message = f"{notebook.name} failed{where}: {outcome.error['type']}: {outcome.error['message']}"
        raise StepFailed(f"{message} (executed notebook: {folder / notebook.path.name})", outcome.error["exit_code"])


def _take_figures(step: StepRecord, manifest: Manifest, figures: dict[str, Any]) -> None:
    """Copy what the notebook recorded into the step and the run."""
    step.rows_in = figures.get("rows_in")
    step.rows_out = figures.get("rows_out")
    step.rows_quarantined = figures.get("rows_quarantined")
    step.outputs = list(figures.get("outputs", []))
    manifest.inputs += figures.get("inputs", [])
    manifest.outputs += step.outputs
    for name, amount in (figures.get("cost") or {}).items():
        manifest.cost[name] = manifest.cost.get(name, 0) + amount
    manifest.answer = figures.get("answer") or manifest.answer
