"""`workbench replay`: run a succeeded run again."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "run a succeeded run again under a new id, with its recorded parameters"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the run."""
    parser.add_argument("name", metavar="RUN", help="a run's id, the beginning of one, or latest")
    parser.add_argument("--wait", action="store_true", help="wait for a run of the same dataset that is under way")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run all notebooks again and show what came of it."""
    from workbench.history import run_and_show
    from workbench.repair import request_replay

    run_and_show(request_replay(arguments.name, arguments.wait), output)
    return 0
