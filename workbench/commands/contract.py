"""`workbench contract check`: every mistake of a contract with file and line, before anything starts."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "check contracts and saved queries; each mistake with file and line"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare what is done and the dataset."""
    parser.add_argument("action", choices=["check"], help="check: name every mistake")
    parser.add_argument("dataset", nargs="?", default="", help="a folder of datasets/ (default: all)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the mistakes; the code is 2 where there is one."""
    from helpers.contract_check import check_contracts

    found = check_contracts(arguments.dataset)
    for dataset, mistakes in found.items():
        for mistake in mistakes:
            output.line(mistake)
        if not mistakes:
            output.line(f"{dataset}: the contract is in order")
    return 2 if any(found.values()) else 0
