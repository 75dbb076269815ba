"""Chains that were lost: an upload's job run ended well, and whoever watched was gone before the load."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.leftovers import end_kernels
from workbench.record import Manifest, process_lives
from workbench.runs import list_runs, mark_interrupted

Json = dict[str, Any]
LOST_CHAIN = "lost chain"
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

    Owed is the chain of an upload's job run (its token begins with `triggered`) that no record tells of, or whose
    record was cut short (its process died, or Ctrl-C stopped it), unless a later run of the dataset succeeded. A chain
    that failed is not tried again: its failure is in its record. A run under way is returned, too, to be followed.
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


def _is_paid(run: Mapping[str, Any], dataset: str, records: Iterable[Manifest]) -> bool:
    """Say whether a record shows that the run's chain ended, or that a later run made it unneeded."""
    return any(_pays(record, run) for record in records if record.dataset == dataset and record.profile == "local")


def _pays(record: Manifest, run: Mapping[str, Any]) -> bool:
    is_chain = "started_by" in record.parameters
    named = {record.parameters.get("job_run_id"), *(step.details.get("job_run_id") for step in record.steps)}
    if run["Id"] in named:
        if record.parameters.get("trigger_only"):
            return True
        if record.status == "running":
            return process_lives(record.process)
        return not is_chain or record.status != "interrupted"
    if record.status != "succeeded" or run["JobRunState"] != "SUCCEEDED":
        return False
    began = dt.datetime.fromisoformat(record.started_at.replace("Z", "+00:00"))
    return began.timestamp() >= float(run["CompletedOn"])
