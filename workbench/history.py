"""Publish the records of all runs to PostgreSQL, where dashboards read them (`analytics.workbench_runs`).

python -m workbench.history DATASET    what `workbench watch` has done after each chain
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from workbench.errors import StepFailed
from workbench.runs import list_runs

if TYPE_CHECKING:
    from workbench.console import Output
    from workbench.request import Request

LATEST = 1000  # the runs that are published: reading more would be felt after each run


def publish_runs(tell: Callable[[str], None], profile: str | None = None) -> bool:
    """Publish what the folder of runs holds; say in one line why not: no run fails for the sake of its history.

    A local stack that is down is left as it is.
    """
    if profile == "local" and not _is_up():
        tell("the history of runs was not published: PostgreSQL is down; the next run publishes it")
        return False
    from helpers.load_postgres_history import publish_history

    def read() -> Iterator[dict[str, Any]]:
        for run in islice(list_runs(), LATEST):
            # not asdict, which copies each comparison of each load
            yield {**vars(run.manifest), "steps": [vars(step) for step in run.manifest.steps]}

    try:
        publish_history(read(), profile)
    except Exception as error:  # whatever it is: the run is over, and what it did is not undone
        tell(f"the history of runs was not published: {' '.join(str(error).split()) or type(error).__name__}")
        return False
    return True


def _is_up() -> bool:
    """Say whether the local stack's PostgreSQL, or the one that the environment names, can be asked."""
    from local_aws.endpoints import read_endpoints
    from local_aws.home import default_home
    from local_aws.probes import answers_postgres

    endpoints = read_endpoints(default_home())
    if endpoints is None:
        return False
    return bool(endpoints.postgres.get("url_from_environment")) or answers_postgres(int(endpoints.postgres["port"]))


def lacks_history(published: Mapping[str, Collection[str]]) -> bool:
    """Say whether PostgreSQL lacks a relation or a column of the history; `published`: relation -> its columns."""
    from helpers.run_history import RELATIONS

    return any(set(relation.columns) - set(published.get(name, ())) for name, relation in RELATIONS.items())


def run_and_show(request: Request, output: Output) -> None:
    """Make one run and show it, here and on the dashboards; a run that failed is shown on these, too.

    Raises:
        What `workbench.run.run_request` raises.
    """
    from workbench.run import run_request
    from workbench.summary import show_summary

    try:
        manifest = run_request(request, output)
    except StepFailed:
        _show_on_dashboards(request, output)
        raise
    show_summary(manifest, output)
    if any(step.status == "succeeded" for step in manifest.steps):
        _show_on_dashboards(request, output)


def _show_on_dashboards(request: Request, output: Output) -> None:
    """Publish the record of a local run and have the dashboards show what it did; a line for each."""
    from workbench.dashboards import refresh
    from workbench.stack import default_home

    if request.profile == "local":
        publish_runs(output.line, request.profile)
        output.line(refresh(default_home(), request.dataset))


def main(dataset: str) -> int:
    """Publish the history after a chain, and have the dashboards forget what they showed of it."""
    from workbench.dashboards import forget_history
    from workbench.stack import default_home

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    if publish_runs(tell, "local"):
        forget_history(default_home(), dataset)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
