"""The command `workbench`: flags to a config, to the same functions that notebooks and tests call.

Exit codes: 0 done, 1 a step failed, 2 wrong usage or parameters, 3 a quality gate refused the data,
4 a service or resource cannot be reached, started or had, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence

from workbench.console import Output
from workbench.errors import CommandError, UsageError, suggest

Handler = Callable[[argparse.Namespace, Output], int]


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest command when one is mistyped."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            raise UsageError(f"{value} is unknown{suggest(str(value), [str(name) for name in action.choices])}")


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="workbench", description="Raw files to dashboards: S3, Glue, Athena, PostgreSQL, by notebooks."
    )
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, (handler, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        command.set_defaults(handler=handler)
        if name == "run":
            _add_run_flags(command)
        elif name == "reset":
            command.add_argument("--yes", action="store_true", help="do not ask")
        elif name == "lab":
            command.add_argument("arguments", nargs="*", help="passed on to `jupyter lab` (after --)")
    return parser


def _add_run_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dataset", default="student_performance", help="a folder of datasets/ (default: %(default)s)"
    )
    command.add_argument("--profile", default="local", help="local or aws (default: %(default)s)")
    command.add_argument("-p", dest="pairs", action="append", default=[], metavar="name=value", help="a parameter")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the four notebooks."""
    from workbench.run import RunConfig, run_pipeline
    from workbench.summary import show_summary

    manifest = run_pipeline(RunConfig(arguments.dataset, arguments.profile, arguments.pairs), output)
    show_summary(manifest, output)
    return 0


def up(arguments: argparse.Namespace, output: Output) -> int:
    """Start the embedded stack."""
    from workbench.stack import bring_up, default_home

    endpoints = bring_up(default_home(), output.line)
    output.line(f"stack is up: S3 {endpoints.s3}, AWS {endpoints.aws}; it stops itself after 8 idle hours")
    return 0


def down(arguments: argparse.Namespace, output: Output) -> int:
    """Stop the embedded stack."""
    from local_aws.lifecycle import stop
    from workbench.stack import default_home

    stop(default_home())
    output.line("stack is down; `workbench up` starts it with everything it held")
    return 0


def status(arguments: argparse.Namespace, output: Output) -> int:
    """Say which servers run, where, and how to start one that does not."""
    from local_aws.lifecycle import status as stack_status
    from workbench.stack import default_home

    report = stack_status(default_home())
    rows = [
        [server.name, server.state, server.pid, server.port, server.since, server.note] for server in report.servers
    ]
    output.table(f"stack in {default_home()}", ["server", "state", "pid", "port", "since", "note"], rows)
    return 0 if report.healthy else 4


def env(arguments: argparse.Namespace, output: Output) -> int:
    """Print what aws, psql and other clients need, as shell exports."""
    from workbench.stack import default_home, environment

    for name, value in environment(default_home()).items():
        output.line(f"export {name}={shlex.quote(value)}")
    return 0


def reset(arguments: argparse.Namespace, output: Output) -> int:
    """Empty the local stack: objects, catalog, executions and PostgreSQL."""
    from local_aws.lifecycle import reset as empty_stack
    from workbench.stack import default_home

    home = default_home()
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise UsageError(f"reset deletes everything in {home}: say --yes")
        if input(f"Delete all objects, tables and records in {home}? [y/N] ").strip().lower() not in ("y", "yes"):
            output.line("nothing was deleted")
            return 0
    empty_stack(home)
    output.line(f"{home} is empty; `workbench up` makes a new stack")
    return 0


def lab(arguments: argparse.Namespace, output: Output) -> int:
    """Open the notebooks in JupyterLab, on loopback with a token."""
    from workbench.notebooks import ROOT

    up(arguments, output)
    command = [sys.executable, "-m", "jupyter", "lab", "--ServerApp.ip=127.0.0.1", *arguments.arguments]
    os.chdir(ROOT / "notebooks")
    os.execv(sys.executable, command)


COMMANDS: dict[str, tuple[Handler, str]] = {
    "run": (run, "run the four notebooks as one recorded run"),
    "up": (up, "start the embedded stack (harmless when it is up)"),
    "down": (down, "stop the embedded stack; what it holds stays"),
    "status": (status, "say which servers run"),
    "env": (env, "print what aws, psql and other clients need"),
    "reset": (reset, "empty the embedded stack"),
    "lab": (lab, "open the notebooks in JupyterLab"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one line on standard error."""
    arguments_given = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in arguments_given
    try:
        parser = build_parser()
        arguments = parser.parse_args(arguments_given)
        if arguments.command is None:
            parser.print_help()
            return 2
        handler: Handler = arguments.handler
        return handler(arguments, Output())
    except KeyboardInterrupt:
        return _report("interrupted; run again to go on", 130, verbose)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _report(*classify(error), verbose)


def classify(error: Exception) -> tuple[str, int]:
    """Return the one-line message and the exit code of an error, by its type."""
    from local_aws.errors import LocalAwsError

    if isinstance(error, CommandError):
        return str(error), error.exit_code
    if isinstance(error, LocalAwsError):
        return str(error), 4
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):  # the helpers' and the template reader's errors carry their own
        return str(error), code
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; free space or mend permissions, then run again", 4
    return f"{type(error).__name__}: {error} (unexpected: run again with --verbose for the traceback)", 1


def _report(message: str, code: int, verbose: bool) -> int:
    if verbose and code != 130:
        traceback.print_exc()
    print(f"workbench: {' '.join(message.split())}", file=sys.stderr)
    return code
