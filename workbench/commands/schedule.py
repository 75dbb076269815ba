"""`workbench schedule`: a run at set times."""

from __future__ import annotations

import argparse

from workbench.console import Output

HELP = "print, install or remove a systemd timer or a crontab line for a run"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare when what is run."""
    parser.add_argument("--dataset", default="student_performance", help="a folder of datasets/ (default: %(default)s)")
    parser.add_argument("--at", default="06:00", metavar="TIME", help="HH:MM, or 'mon HH:MM' (default: %(default)s)")
    parser.add_argument("--profile", default="local", help="local or aws (default: %(default)s)")
    parser.add_argument("-p", dest="pairs", action="append", default=[], metavar="name=value", help="a parameter")
    parser.add_argument("--cron", action="store_true", help="a crontab line, also where there is systemd")
    parser.add_argument("--install", action="store_true", help="install it")
    parser.add_argument("--remove", action="store_true", help="remove the dataset's")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print what would be installed, or install or remove it."""
    from workbench.request import RunConfig, check_request
    from workbench.schedule import Schedule, describe_crontab_line, describe_units, has_systemd, install, remove

    check_request(RunConfig(arguments.dataset, arguments.profile, arguments.pairs))
    more = [part for pair in arguments.pairs for part in ("-p", pair)]
    schedule = Schedule(arguments.at, arguments.dataset, ["--profile", arguments.profile, *more])
    systemd = not arguments.cron and has_systemd()
    if arguments.install or arguments.remove:
        output.line(install(schedule, systemd) if arguments.install else remove(schedule, systemd))
        return 0
    if systemd:
        for name, content in describe_units(schedule).items():
            output.line(f"# ~/.config/systemd/user/{name}\n{content}")
    else:
        output.line(describe_crontab_line(schedule))
    output.line("--install puts it there; what happens when a run fails stands in workbench.yaml: on_failure")
    return 0
