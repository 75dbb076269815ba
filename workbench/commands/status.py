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
    rows = [
        [server.name, server.state, server.pid, server.port, server.since, server.note] for server in report.servers
    ]
    output.table(f"stack in {default_home()}", ["server", "state", "pid", "port", "since", "note"], rows)
    return 0 if report.healthy else 4
