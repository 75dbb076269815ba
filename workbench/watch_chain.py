"""What follows a job run: report, crawler, saved queries, load, dashboards. `python -m workbench.watch_chain …`

A process of its own, started by `workbench watch`, with the helper entries that notebooks 02 to 04 use. It tells how
far it is in lines of JSON on standard output: {"step", "status"}, with `figures` or `error` where the step ended.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

STEPS = ("02_transform", "03_catalog_query", "04_load_postgres", "dashboards")
UNCHANGED = "the job found nothing new"


def tell(step: str, status: str, **facts: Any) -> None:
    """Write one line for the watcher."""
    print(json.dumps({"step": step, "status": status, **facts}, default=str), flush=True)


def run_step(step: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """Run one step and tell of it; None where it failed."""
    from helpers.errors import WorkbenchError

    started = time.monotonic()
    tell(step, "running")
    try:
        figures = work()
    except WorkbenchError as error:
        facts = {"type": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
        tell(step, "failed", error=facts, seconds=round(time.monotonic() - started, 3))
        return None
    tell(step, "succeeded", figures=figures, seconds=round(time.monotonic() - started, 3))
    return figures


def run_chain(options: argparse.Namespace) -> int:
    """Run the steps after the job run; return 0, or 1 where one failed."""
    from helpers.catalog_query import crawl_table, run_saved_queries
    from helpers.config import build_config, find_home
    from helpers.load_postgres import load_tables
    from helpers.transform import read_job_run
    from workbench.dashboards import refresh
    from workbench.locks import hold_dataset

    dataset, run_id = options.dataset, options.run_id
    cfg = build_config(dataset, run_id)
    report: dict[str, Any] = {}

    def read() -> dict[str, Any]:
        result = read_job_run(cfg, options.job_run)
        report.update(result.report)
        return result.figures()

    def query() -> dict[str, Any]:
        crawl_table(cfg)
        return run_saved_queries(cfg).figures()

    if run_step(STEPS[0], read) is None:
        return 1
    rest: dict[str, Callable[[], dict[str, Any]]] = {
        "03_catalog_query": query,
        "04_load_postgres": lambda: load_tables(cfg).figures(),
        "dashboards": lambda: {"said": refresh(find_home(), dataset)},
    }
    if reason := _find_reason_to_stop(options, report):
        for step in rest:
            tell(step, "skipped", reason=reason)
        return 0
    # the lock of workbench.run: a run of the same dataset is waited for, and waits for this
    lock = find_home() / "cache" / "runs" / f"local-{dataset}"
    with hold_dataset(lock, run_id, wait=True, tell=lambda line: print(line, file=sys.stderr)):
        return 0 if all(run_step(step, work) is not None for step, work in rest.items()) else 1


def _find_reason_to_stop(options: argparse.Namespace, report: dict[str, Any]) -> str:
    """Return why nothing follows the job run; "" where something does."""
    if options.trigger_only:
        return "--trigger-only"
    return UNCHANGED if report.get("status") == "unchanged" and not options.even_unchanged else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Read the arguments and run the chain."""
    parser = argparse.ArgumentParser(prog="python -m workbench.watch_chain", description="What follows a job run.")
    for name in ("dataset", "run-id", "job-run"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--trigger-only", action="store_true")
    parser.add_argument("--even-unchanged", action="store_true", help="load what an earlier job run wrote, too")
    return run_chain(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
