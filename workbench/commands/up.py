"""`workbench up`: start the embedded stack."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "start the embedded stack (harmless when it is up)"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare no flags."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Start what does not run, and say where it is."""
    from local_aws import home as state
    from workbench.stack import bring_up, default_home

    endpoints = bring_up(default_home(), output.line)
    hours = state.read_json(endpoints.home / state.SERVERS).get("idle_hours", 0)
    output.line(f"stack is up: S3 {endpoints.s3}, AWS {endpoints.aws}; it stops itself after {hours:g} idle hours")
    return 0
