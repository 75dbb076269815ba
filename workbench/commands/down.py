"""`workbench down`: stop the embedded stack."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "stop the embedded stack; what it holds stays"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare no flags."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Stop every server."""
    from local_aws.lifecycle import stop
    from workbench.stack import default_home
    from workbench.warm_kernels import stop_server

    stop(default_home())
    stop_server()
    output.line("stack is down; `workbench up` starts it with everything it held")
    return 0
