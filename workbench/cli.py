"""The command `workbench`: flags to a config, to the same functions that notebooks and tests call.

Exit codes: 0 done, 1 a step failed, 2 wrong usage or parameters, 3 a quality gate refused the data,
4 a service or resource cannot be reached, started or had, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import cast

from workbench.commands import NAMES, Command
from workbench.console import Output
from workbench.errors import CommandError, UsageError, suggest

_FOLDERS = ("WORKBENCH_HOME", "WORKBENCH_RUNS", "WORKBENCH_SETTINGS")


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest command when one is mistyped."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            raise UsageError(f"{value} is unknown{suggest(str(value), [str(name) for name in action.choices])}")


def load_command(name: str) -> Command:
    """Return the module of a command."""
    return cast(Command, importlib.import_module(f"workbench.commands.{name}"))


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="workbench", description="Raw files to dashboards: S3, Glue, Athena, PostgreSQL, by notebooks."
    )
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name in NAMES:
        module = load_command(name)
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        command.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        module.add_flags(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; errors are one line on standard error."""
    given = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in given
    for name in _FOLDERS:
        if os.environ.get(name):  # relative to where the command is typed; kernels and schedules start elsewhere
            os.environ[name] = os.path.abspath(os.environ[name])
    try:
        parser = build_parser()
        arguments = parser.parse_args(given)
        if arguments.command is None:
            parser.print_help()
            return 2
        return load_command(arguments.command).run(arguments, Output())
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
    if isinstance(error, OSError) and (error.filename or error.errno in (errno.ENOSPC, errno.EDQUOT)):
        return f"{error.filename or 'a file'}: {error.strerror}; free space or mend permissions, then run again", 4
    if type(error).__module__.startswith("botocore."):
        return f"AWS: {error}; check credentials, region and network of the profile, then run again", 4
    return f"{type(error).__name__}: {error} (unexpected: run again with --verbose for the traceback)", 1


def _report(message: str, code: int, verbose: bool) -> int:
    if verbose and code != 130:
        traceback.print_exc()
    print(f"workbench: {' '.join(message.split())}", file=sys.stderr)
    return code
