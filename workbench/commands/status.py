"""`workbench status`: which servers run, and how to start one that does not."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "say which servers run"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare no flags."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print a line a server; the code is 4 where one does not run."""
    from local_aws.lifecycle import status
    from workbench.stack import default_home

    report = status(default_home())
    if not report.servers:
        output.line(f"no stack is up in {default_home()}: `workbench up` starts it")
        return 4
    # As text: pids and ports are names, which nobody groups by thousands.
    rows = [
        [server.name, server.state, _digits(server.pid), _digits(server.port), server.since, server.note]
        for server in report.servers
    ]
    output.table(f"stack in {default_home()}", ["server", "state", "pid", "port", "since", "note"], rows)
    return 0 if report.healthy else 4


def _digits(number: int | None) -> str | None:
    return None if number is None else str(number)
