"""`workbench publish TABLE`: publish the version of a table that a load kept ready."""

from __future__ import annotations

import argparse

from workbench.console import Output
from workbench.table_version import add_table_flags, tell_publication

HELP = "publish the version of a table that a load kept ready"
_LOST = "a relation whose columns may be changed or removed, or a view on it that may be lost (repeatable)"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the table and what may be lost."""
    add_table_flags(parser, "NAME", _LOST)


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Publish it, with the dataset's other relations."""
    from helpers.load_postgres_versions import publish_table

    shown = publish_table(arguments.profile, arguments.table, frozenset(arguments.named))
    tell_publication(output, arguments.profile, "published", shown)
    return 0
