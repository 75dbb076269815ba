"""`workbench reject`: take one delivery out of its dataset, or back in; the next run goes on without it."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "take a raw object out of its dataset, with a reason; --undo takes it back in"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the object and the reason."""
    parser.add_argument("object", metavar="OBJECT", help="an s3:// URI, a key, or the end of one")
    parser.add_argument("--reason", default="", help="why; it is kept in the job's ledger")
    parser.add_argument("--undo", action="store_true", help="take the object back in")
    parser.add_argument("--profile", choices=["local", "aws"], default="local", help="where the services are")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Write the mark and say what comes next."""
    from helpers.transform_reject import reject_object
    from workbench.errors import UsageError

    if not arguments.reason and not arguments.undo:
        raise UsageError("say why, with --reason: the ledger keeps it")
    key = reject_object(arguments.object, arguments.reason, arguments.profile, arguments.undo)
    done = "is back in its dataset" if arguments.undo else "is out of its dataset"
    output.line(f"{key} {done} with the next run: workbench run --dataset {key.partition('/')[0]}")
    return 0
