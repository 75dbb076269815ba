"""`workbench reset`: an empty local stack."""

from __future__ import annotations

import argparse
import sys

from workbench.console import Output
from workbench.errors import UsageError

HELP = "empty the embedded stack"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare --yes."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Delete objects, catalog, executions and PostgreSQL, after asking."""
    from local_aws.lifecycle import reset
    from workbench.stack import default_home

    home = default_home()
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise UsageError(f"reset deletes everything in {home}: say --yes")
        if input(f"Delete all objects, tables and records in {home}? [y/N] ").strip().lower() not in ("y", "yes"):
            output.line("nothing was deleted")
            return 0
    reset(home)
    output.line(f"{home} is empty; `workbench up` makes a new stack")
    return 0
