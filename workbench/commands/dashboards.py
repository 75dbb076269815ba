"""`workbench dashboards`: Superset on loopback, with a dashboard for each published dataset."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "serve the dashboards (Superset on loopback)"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare what else can be done, and the port."""
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--stop", action="store_true", help="stop Superset; what it holds stays")
    other.add_argument("--status", action="store_true", help="say whether it runs, and where")
    other.add_argument("--write", action="store_true", help="renew dashboards/assets from contracts and descriptions")
    parser.add_argument("--port", type=int, help="listen on this port (default: that of last time, or a free one)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Start Superset, or do what the flag says."""
    if arguments.status:
        return _show_status(output)
    if arguments.write:
        return _write(output)
    from workbench.dashboards import start, stop
    from workbench.stack import default_home

    home = default_home()
    if arguments.stop:
        output.line("Superset is down" if stop(home) else "Superset was not running")
        return 0
    started = start(home, output.line, arguments.port)
    if started.new_password:
        output.line(f"log in as admin with the password {started.new_password} (shown this once)")
    else:
        output.line("log in as admin")
    output.line(f"the password is kept in {home / 'secrets' / 'superset-admin'}")
    for dataset, address in started.dashboards.items():
        output.line(f"{dataset}: {address}")
    output.line(f"Superset: {started.url} (this machine only; `workbench dashboards --stop` stops it)")
    return 0


def _show_status(output: Output) -> int:
    from workbench.dashboards import status
    from workbench.stack import default_home

    found = status(default_home())
    row = [
        found.state,
        str(found.pid or "-"),
        str(found.port or "-"),
        found.memory_mb,
        found.since,
        found.url,
        found.note,
    ]
    output.table("Superset", ["state", "pid", "port", "MB", "since", "address", "note"], [row])
    return 0 if found.healthy else 4


def _write(output: Output) -> int:
    from dashboards.assets import write_assets
    from helpers.contract import list_datasets, load_contract

    changed = write_assets([load_contract(dataset) for dataset in list_datasets()])
    for path in changed:
        output.line(f"dashboards/assets/{path}")
    output.line(f"{len(changed)} files changed; `workbench dashboards` imports them")
    return 0
