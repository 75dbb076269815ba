"""What `workbench publish` and `workbench rollback` share: the flags that name a table, and what is done at the end."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from workbench.console import Output

if TYPE_CHECKING:
    from helpers.load_postgres_versions import Publication


def add_table_flags(parser: argparse.ArgumentParser, metavar: str, lost: str) -> None:
    """Declare the table, what may be lost (named by `metavar`, described by `lost`), and the profile."""
    parser.add_argument("table", metavar="TABLE", help="a relation of the schema analytics")
    parser.add_argument("--break", dest="named", metavar=metavar, action="append", default=[], help=lost)
    parser.add_argument("--profile", choices=("local", "aws"), help="where the services are (default: local)")


def tell_publication(output: Output, profile: str | None, done: str, shown: Publication, more: str = "") -> None:
    """Say what readers see now, and have running dashboards of the local stack show it.

    Args:
        done: what was done: `published`, `back to`.
        more: what comes after the names of the relations that were switched with the table.
    """
    output.line(f"{done} {shown.relation}: {shown.rows:,} rows, loaded by {shown.run_id}")
    output.line(f"with it: {', '.join(shown.relations)}{more}")
    if (profile or os.environ.get("WORKBENCH_PROFILE") or "local") == "local":
        from workbench.dashboards import refresh
        from workbench.stack import default_home

        output.line(refresh(default_home(), shown.dataset))
