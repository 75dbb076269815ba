"""`workbench rollback TABLE`: readers of a table see the version before again."""

from __future__ import annotations

import argparse

from workbench.console import Output
from workbench.table_version import add_table_flags, tell_publication

HELP = "let readers of a table see the version before again"
_LOST = "a view that may be lost, because it needs a column that the version before has not (repeatable)"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the table and what may be lost."""
    add_table_flags(parser, "VIEW", _LOST)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Go back, with the dataset's other relations."""
    from helpers.load_postgres_versions import rollback_table

    shown = rollback_table(arguments.profile, arguments.table, frozenset(arguments.named))
    undone = f"; `workbench publish {arguments.table}` undoes this"
    tell_publication(output, arguments.profile, "back to", shown, undone)
    return 0
