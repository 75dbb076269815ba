"""What `workbench publish` and `workbench rollback` share: the flags that name a table, and what is said at the end."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workbench.console import Output

if TYPE_CHECKING:
    from helpers.load_postgres_versions import Publication


def add_table_flags(parser: argparse.ArgumentParser, metavar: str, lost: str) -> None:
    """Declare the table, what may be lost (named by `metavar`, described by `lost`), and the profile."""
    parser.add_argument("table", metavar="TABLE", help="a relation of the schema analytics")
    parser.add_argument("--break", dest="named", metavar=metavar, action="append", default=[], help=lost)
    parser.add_argument("--profile", choices=("local", "aws"), help="where the services are (default: local)")


def tell_publication(output: Output, done: str, shown: Publication, more: str = "") -> None:
    """Say what readers see now: `done` (published, back to), the table, its rows and run, and what came with it."""
    output.line(f"{done} {shown.relation}: {shown.rows:,} rows, loaded by {shown.run_id}")
    output.line(f"with it: {', '.join(shown.relations)}{more}")
