"""`workbench runs`: the history of runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.console import Output, count

HELP = "list runs; show, diff, report or prune them"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare what is done with which runs."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", help="the newest runs (the default)")
    listing.add_argument("--dataset", help="of one dataset")
    listing.add_argument("--last", type=int, default=20, metavar="N", help="how many (default: %(default)s)")
    shown = actions.add_parser("show", help="one run: its steps, parameters and errors")
    shown.add_argument("name", metavar="RUN", nargs="?", default="latest")
    diff = actions.add_parser("diff", help="what differs between two runs; the code is 1 where something does")
    diff.add_argument("first", metavar="A", help="an id, its beginning, or a folder")
    diff.add_argument("second", metavar="B")
    diff.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")
    report = actions.add_parser("report", help="write a run's report.html and the index again")
    report.add_argument("name", metavar="RUN", nargs="?", default="latest")
    prune = actions.add_parser("prune", help="remove old runs, but never the last good one of a dataset")
    prune.add_argument("--keep", type=int, required=True, metavar="N", help="how many of each dataset to keep")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Do what is asked."""
    action = {"show": _show, "diff": _diff, "report": _report, "prune": _prune}.get(arguments.action, _list)
    return action(arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> int:
    from workbench.errors import UsageError, suggest
    from workbench.runs import list_runs, runs_folder

    dataset, last = getattr(arguments, "dataset", None), getattr(arguments, "last", 20)
    if last < 1:
        raise UsageError(f"--last {last}: list at least 1")
    known = [run.manifest for run in list_runs(output.line)]
    found = [manifest for manifest in known if dataset in (None, manifest.dataset)]
    if known and dataset and not found:
        raise UsageError(f"no run of a dataset {dataset}{suggest(dataset, {manifest.dataset for manifest in known})}")
    rows = []
    for manifest in found[:last]:
        transform = next((step for step in manifest.steps if step.notebook == "02_transform"), None)
        rows_out = transform.rows_out if transform else None
        rows.append(
            [
                manifest.run_id,
                manifest.as_of,
                manifest.status,
                rows_out,
                round(manifest.seconds, 1),
                manifest.started_at[5:16].replace("T", " "),
            ]
        )
    names = ["run", "as of", "status", "rows", "seconds", "at, UTC"]
    output.table(count(len(found), "run"), names, rows, whole=["run"])
    output.line(f"with plots: {runs_folder() / 'index.html'}")
    return 0


def _show(arguments: argparse.Namespace, output: Output) -> int:
    from workbench.runs import find_run

    found = find_run(arguments.name)
    manifest = found.manifest
    rows = [
        [step.notebook, step.status, step.rows_in, step.rows_out, round(step.seconds, 1), step.reason]
        for step in manifest.steps
    ]
    output.table(
        f"{manifest.run_id}: {manifest.status}", ["step", "status", "rows in", "rows out", "seconds", "why"], rows
    )
    told = ", ".join(f"{name}={value}" for name, value in sorted(manifest.parameters.items()))
    output.line(f"parameters: {told}")
    if manifest.parent:
        output.line(f"{manifest.parent['relation']} run {manifest.parent['run']}")
    if manifest.error:
        output.line(f"error: {manifest.error}")
    output.line(f"record: {found.folder}")
    return 0


def _diff(arguments: argparse.Namespace, output: Output) -> int:
    from workbench.difference import compare_runs
    from workbench.pages.diff_page import write_difference
    from workbench.runs import find_run

    difference = compare_runs(find_run(arguments.first), find_run(arguments.second))
    for section in difference.sections:
        if section.rows:
            output.table(section.title, ["what", "A", "B"], section.rows)
    equal = ", ".join(section.title for section in difference.sections if not section.rows)
    output.line(f"equal: {equal or 'nothing'}")
    output.line("the runs are equal" if difference.equal else "the runs differ")
    if arguments.html:
        output.line(f"as a page: {write_difference(difference, arguments.html.resolve())}")
    return 0 if difference.equal else 1


def _report(arguments: argparse.Namespace, output: Output) -> int:
    from workbench.pages.index_page import write_index
    from workbench.pages.run_page import write_report
    from workbench.runs import find_run

    output.line(f"report: {write_report(find_run(arguments.name))}")
    output.line(f"all runs: {write_index()}")
    return 0


def _prune(arguments: argparse.Namespace, output: Output) -> int:
    from workbench.pages.index_page import write_index
    from workbench.pruning import prune_runs

    removed = prune_runs(arguments.keep)
    write_index()
    output.line(f"removed {count(len(removed), 'run')}" + (f": {', '.join(removed)}" if removed else ""))
    return 0
