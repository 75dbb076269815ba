"""Chains that are owed: an upload's job run ended well, and what it wrote was not loaded.

Whoever watched was gone before the load, or the chain failed; a later chain that found nothing new made up for nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.leftovers import end_kernels
from workbench.record import Manifest, process_lives
from workbench.runs import list_runs, mark_interrupted

Json = dict[str, Any]
LOST_CHAIN = "lost chain"
LOAD = "04_load_postgres"
JOB_RUN_ERROR = "JobRunError"  # the step's error where the job run itself failed: nothing was written
UNDER_WAY = ("STARTING", "RUNNING", "STOPPING")


def close_killed_chains() -> list[str]:
    """Write down that chains were interrupted whose watcher was killed; end what they left. Return their runs' ids."""
    closed = []
    for run in list_runs():
        manifest = run.manifest
        if manifest.status != "running" or "started_by" not in manifest.parameters or process_lives(manifest.process):
            continue
        end_kernels(manifest.run_id)
        mark_interrupted(run, "the watching process was killed")
        closed.append(manifest.run_id)
    return closed


def find_lost_chains(job_runs: Iterable[Mapping[str, Any]], triggered: str) -> list[Json]:
    """Return the job runs whose chains are still owed: for each dataset at most its latest one that succeeded.

    Owed is the chain of an upload's job run (its token begins with `triggered`) that no record tells of, whose record
    was cut short (its process died, or Ctrl-C stopped it) or failed, or that found nothing new after one of these,
    unless a later run of the dataset loaded. A run under way is returned, too, to be followed.
    """
    records = [run.manifest for run in list_runs()]
    latest: dict[str, Json] = {}
    for run in job_runs:
        arguments = run.get("Arguments", {})
        if not str(arguments.get("--RUN_TOKEN", "")).startswith(triggered):
            continue
        dataset = str(arguments.get("--DATASET", ""))
        if (
            run["JobRunState"] in (*UNDER_WAY, "SUCCEEDED")
            and run["StartedOn"] >= latest.get(dataset, run)["StartedOn"]
        ):
            latest[dataset] = dict(run)
    return [run for dataset, run in sorted(latest.items()) if not _is_paid(run, dataset, records)]


def owes_load(dataset: str, records: Iterable[Manifest] | None = None) -> bool:
    """Say whether a chain of the dataset was cut short or failed after its job run, and nothing was loaded since."""
    known = [run.manifest for run in list_runs()] if records is None else records
    mine = [record for record in known if record.dataset == dataset and record.profile == "local"]
    for record in sorted(mine, key=lambda record: record.started_at, reverse=True):
        if _loaded(record):
            return False
        if _is_cut_short(record):
            return True
    return False


def _is_paid(run: Mapping[str, Any], dataset: str, records: Iterable[Manifest]) -> bool:
    """Say whether a record shows that the run's chain ended, or that a later run made it unneeded."""
    mine = [record for record in records if record.dataset == dataset and record.profile == "local"]
    return any(_pays(record, run, mine) for record in mine)


def _pays(record: Manifest, run: Mapping[str, Any], records: Iterable[Manifest]) -> bool:
    named = {record.parameters.get("job_run_id"), *(step.details.get("job_run_id") for step in record.steps)}
    if run["Id"] in named:
        if record.parameters.get("trigger_only"):
            return True
        if record.status == "running":
            return process_lives(record.process)
        if not _is_chain(record) or _loaded(record):
            return True
        return record.status == "succeeded" and not owes_load(record.dataset, records)
    if not _loaded(record) or run["JobRunState"] != "SUCCEEDED":
        return False
    began = dt.datetime.fromisoformat(record.started_at.replace("Z", "+00:00"))
    return began.timestamp() >= float(run["CompletedOn"])


def _is_chain(record: Manifest) -> bool:
    return "started_by" in record.parameters


def _loaded(record: Manifest) -> bool:
    """Say whether PostgreSQL holds since then what the job had written: a chain may have left the load out."""
    loads = [step.status for step in record.steps if step.notebook == LOAD]
    return record.status == "succeeded" and (not _is_chain(record) or loads == ["succeeded"])


def _is_cut_short(record: Manifest) -> bool:
    """Say whether it is a chain that did not come to the load's end although its job run ended well."""
    if not _is_chain(record) or record.parameters.get("trigger_only"):
        return False
    if record.status == "running":
        return not process_lives(record.process)
    job_failed = any((step.error or {}).get("type") == JOB_RUN_ERROR for step in record.steps)
    return record.status in ("failed", "interrupted") and not job_failed
