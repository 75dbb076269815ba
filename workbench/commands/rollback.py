"""`workbench rollback TABLE`: readers of a table see the version before again."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "let readers of a table see the version before again"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the table and what may be lost."""
    parser.add_argument("table", metavar="TABLE", help="a relation of the schema analytics")
    parser.add_argument(
        "--break",
        dest="named",
        metavar="VIEW",
        action="append",
        default=[],
        help="a view that may be lost, because it needs a column that the version before has not (repeatable)",
    )
    parser.add_argument("--profile", choices=("local", "aws"), help="where the services are (default: local)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Go back, with the dataset's other relations."""
    from helpers.load_postgres_versions import rollback_table

    shown = rollback_table(arguments.profile, arguments.table, frozenset(arguments.named))
    output.line(f"back to {shown.relation}: {shown.rows:,} rows, loaded by {shown.run_id}")
    output.line(f"with it: {', '.join(shown.relations)}; `workbench publish {arguments.table}` undoes this")
    return 0
