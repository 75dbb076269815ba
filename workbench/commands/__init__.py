"""One module a command, named like it: HELP, `add_flags(parser)` and `run(arguments, output) -> exit code`.

Modules here import at their top what takes no time; what a command needs is imported when it runs.
"""

from __future__ import annotations

import argparse
from typing import Protocol

from workbench.console import Output

# in the order in which --help lists them
NAMES = (
    *("run", "plan", "repair", "replay", "runs", "accept", "schedule", "publish", "rollback"),
    *("contract", "reject"),
    *("up", "down", "status", "env", "reset", "lab", "watch", "dashboards"),
)


class Command(Protocol):
    """What a module of this package offers."""

    HELP: str

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's flags."""

    def run(self, arguments: argparse.Namespace, output: Output) -> int:
        """Do the work and return the exit code."""
