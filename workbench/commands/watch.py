"""`workbench watch`: files that land start the chain, and so does the schedule."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "let files that land, and the schedule, start job, crawler, queries and load"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare --trigger-only."""
    parser.add_argument("--trigger-only", action="store_true", help="stop after the job: no crawler, no load")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Watch until Ctrl-C."""
    from workbench.stack import default_home
    from workbench.watch import WatchConfig, watch

    return watch(WatchConfig(default_home(), arguments.trigger_only), output)
