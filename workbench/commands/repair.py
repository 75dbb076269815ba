"""`workbench repair`: resume a run where it stopped."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "resume a failed or interrupted run at the notebook that did not succeed"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the run."""
    parser.add_argument("name", metavar="RUN", help="a run's id, the beginning of one, or latest")
    parser.add_argument("--wait", action="store_true", help="wait for a run of the same dataset that is under way")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Resume the run with its recorded parameters and show what came of it."""
    from workbench.history import run_and_show
    from workbench.repair import request_repair

    run_and_show(request_repair(arguments.name, arguments.wait), output)
    return 0
