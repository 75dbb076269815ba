"""Resume a run that failed, or run one again: with what its record says, never with what is asked for today."""

from __future__ import annotations

import os
from dataclasses import replace

from workbench.errors import RepairError, UsageError
from workbench.fingerprint import Services, compare_outputs
from workbench.notebooks import read_notebooks
from workbench.plan import Decision, read_keys
from workbench.record import process_lives
from workbench.request import Request, RunConfig, check_dataset, check_request, new_run_id
from workbench.runs import Run, find_run


def request_repair(name: str, wait: bool = False) -> Request:
    """Return the request that resumes a run at the notebook that did not succeed.

    Raises:
        UsageError: there is no such run, or it needs no repair.
    """
    run = find_run(name)
    _refuse_chain(run)
    manifest = run.manifest
    if manifest.status == "succeeded":
        raise UsageError(f"run {manifest.run_id} succeeded: `workbench replay {manifest.run_id}` runs it again")
    if manifest.status == "running" and process_lives(manifest.process):
        raise UsageError(f"run {manifest.run_id} is under way (pid {manifest.process.get('pid')})")
    done: dict[str, str] = {}
    for step in manifest.steps:
        if step.status not in ("succeeded", "skipped"):
            break
        done[step.notebook] = str(run.folder)
    request = _request_again(run, "repairs", wait)
    return replace(request, resume=done) if done else request


def request_replay(name: str, wait: bool = False) -> Request:
    """Return the request that runs a succeeded run again, whole, under a new id.

    Raises:
        UsageError: there is no such run, or it did not succeed.
    """
    run = find_run(name)
    _refuse_chain(run)
    if run.manifest.status != "succeeded":
        raise UsageError(
            f"run {run.manifest.run_id} {run.manifest.status}: `workbench repair {run.manifest.run_id}` resumes it"
        )
    return _request_again(run, "replays", wait)


def _refuse_chain(run: Run) -> None:
    """Raise UsageError for a chain that `workbench watch` ran: it has no notebooks and no keys to go on from."""
    if "started_by" in run.manifest.parameters:
        raise UsageError(
            f"run {run.manifest.run_id} was a chain of `workbench watch`: "
            f"`workbench run --dataset {run.manifest.dataset}` takes up what it left"
        )


def _request_again(run: Run, word: str, wait: bool) -> Request:
    """Return a request with a run's recorded parameters under a new id; all notebooks run."""
    manifest = run.manifest
    check_dataset(manifest.dataset)
    schema = {name for notebook in read_notebooks() for name in notebook.schema}
    unknown = sorted(set(manifest.parameters) - schema)
    if unknown:
        raise UsageError(f"run {manifest.run_id} had the parameter {unknown[0]}, which no notebook has any more")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_PARAM_")}
    base = check_request(RunConfig(manifest.dataset, manifest.profile, full=True, wait=wait), kept)
    run_id = new_run_id(manifest.dataset)
    return replace(
        base,
        run_id=run_id,
        as_of=manifest.as_of,
        parameters={**manifest.parameters, "run_id": run_id},
        origins={name: word for name in manifest.given if name != "run_id"} if manifest.given else {},
        parent={"run": manifest.run_id, "relation": word},
    )


def resume(request: Request) -> list[Decision]:
    """Decide for a repair: what succeeded stays, the rest runs.

    Raises:
        RepairError: what a succeeded step wrote is not what it was; the message says what changed.
    """
    services = Services(request)
    decisions: list[Decision] = []
    for notebook in request.notebooks:
        place = request.resume.get(notebook.name)
        if place is None:
            word = "did not succeed" if len(decisions) == len(request.resume) else "was not reached"
            decisions.append(Decision(notebook.name, True, f"it {word} in the run that this one repairs"))
            continue
        run = find_run(place)
        outputs = read_keys(run.folder).get(notebook.name, {}).get("outputs")
        change = "its record does not say what it wrote" if outputs is None else compare_outputs(outputs, services)
        if change:
            raise RepairError(
                f"{notebook.name} of {run.manifest.run_id} cannot be built on: {change}; `workbench run` starts anew"
            )
        decisions.append(Decision(notebook.name, False, f"succeeded in run {run.manifest.run_id}", run))
    return decisions
