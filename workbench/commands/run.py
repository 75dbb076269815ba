"""`workbench run`: the four notebooks as one recorded run."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "run the four notebooks as one recorded run"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare dataset, profile and parameters."""
    parser.add_argument("--dataset", default="student_performance", help="a folder of datasets/ (default: %(default)s)")
    parser.add_argument("--profile", default="local", help="local or aws (default: %(default)s)")
    parser.add_argument("-p", dest="pairs", action="append", default=[], metavar="name=value", help="a parameter")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the four notebooks and show what came of it."""
    from workbench.run import RunConfig, run_pipeline
    from workbench.summary import show_summary

    manifest = run_pipeline(RunConfig(arguments.dataset, arguments.profile, arguments.pairs), output)
    show_summary(manifest, output)
    return 0
