"""`workbench plan`: what a run would do, and why."""

from __future__ import annotations

import argparse

from workbench.commands.run import add_request_flags
from workbench.console import Output

HELP = "say for each notebook whether a run would execute it, and why"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a run that say what is run."""
    add_request_flags(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print a line a notebook."""
    from workbench.fingerprint import Services
    from workbench.plan import plan
    from workbench.request import RunConfig, check_request
    from workbench.run import prepare

    config = RunConfig(arguments.dataset, arguments.profile, arguments.pairs, file=arguments.parameters)
    request = check_request(config)
    prepare(request, output)
    decisions = plan(request, Services(request))
    rows = [[decision.notebook, "run" if decision.runs else "skip", decision.reason] for decision in decisions]
    output.table(f"{request.dataset}: what `workbench run` would do", ["step", "plan", "why"], rows)
    return 0
