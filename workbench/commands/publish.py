"""`workbench publish TABLE`: publish the version of a table that a load kept ready."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "publish the version of a table that a load kept ready"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the table and what may be lost."""
    parser.add_argument("table", metavar="TABLE", help="a relation of the schema analytics")
    parser.add_argument(
        "--break",
        dest="named",
        metavar="NAME",
        action="append",
        default=[],
        help="a relation whose columns may be changed or removed, or a view on it that may be lost (repeatable)",
    )
    parser.add_argument("--profile", choices=("local", "aws"), help="where the services are (default: local)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Publish it, with the dataset's other relations."""
    from helpers.load_postgres_versions import publish_table

    shown = publish_table(arguments.profile, arguments.table, frozenset(arguments.named))
    output.line(f"published {shown.relation}: {shown.rows:,} rows, loaded by {shown.run_id}")
    output.line(f"with it: {', '.join(shown.relations)}")
    return 0
