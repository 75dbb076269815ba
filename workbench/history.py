"""Publish the records of all runs to PostgreSQL, where dashboards read them (`analytics.workbench_runs`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from workbench.runs import list_runs


def publish_runs(tell: Callable[[str], None], profile: str | None = None) -> bool:
    """Publish what the folder of runs holds; say in one line why not: no run fails for the sake of its history."""
    from helpers.errors import WorkbenchError
    from helpers.load_postgres_history import publish_history

    try:
        publish_history([asdict(run.manifest) for run in list_runs()], profile)
    except WorkbenchError as error:
        tell(f"the history of runs was not published: {error}")
        return False
    return True
