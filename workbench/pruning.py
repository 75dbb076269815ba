"""Remove old runs; what others build on stays: the last good one of each dataset, and what its record points at."""

from __future__ import annotations

import shutil

from workbench.errors import UsageError
from workbench.record import process_lives
from workbench.runs import Run, list_runs


def prune_runs(keep: int) -> list[str]:
    """Remove all but the newest `keep` runs of each dataset and profile; return the ids of those removed.

    Never removed: the last succeeded run of each, the runs that executed the notebooks that it left as they were, and a
    run that is under way.

    Raises:
        UsageError: `keep` is less than 1.
    """
    if keep < 1:
        raise UsageError(f"--keep {keep}: keep at least 1")
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in list_runs():
        groups.setdefault((run.manifest.dataset, run.manifest.profile), []).append(run)
    needed: set[str] = set()
    for runs in groups.values():
        newest = [run.manifest for run in runs[:keep]]
        good = next((run.manifest for run in runs if run.manifest.status == "succeeded"), None)
        for manifest in [*newest, *([good] if good else [])]:
            needed |= {manifest.run_id, *(step.run for step in manifest.steps if step.run)}
    removed = []
    for run in (run for runs in groups.values() for run in runs):
        under_way = run.manifest.status == "running" and process_lives(run.manifest.process)
        if run.manifest.run_id not in needed and not under_way:
            shutil.rmtree(run.folder)
            removed.append(run.manifest.run_id)
    return sorted(removed)
