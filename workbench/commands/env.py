"""`workbench env`: what aws, psql and other clients need."""

from __future__ import annotations

import argparse
import shlex

from workbench.console import Output

HELP = "print what aws, psql and other clients need"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare no flags."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print shell exports of the notebooks' key and of the reader of PostgreSQL."""
    from workbench.stack import default_home, environment

    for name, value in environment(default_home()).items():
        output.line(f"export {name}={shlex.quote(value)}")
    return 0
