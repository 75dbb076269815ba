"""The errors of the command, beside those of the packages that it drives.

    CommandError
    ├── UsageError       wrong usage or parameters, found before anything starts      exit code 2
    ├── NotebookError    a notebook that cannot be executed as it stands              exit code 2
    ├── StepFailed       a step failed; the code is that of its error's class         exit code 1, 3 or 4
    ├── BusyError        another run of the dataset is under way                      exit code 4
    ├── RepairError      what a run left is not what it was: it cannot be resumed     exit code 1
    └── Interrupted      stopped by Ctrl-C or SIGTERM                                 exit code 130

A message is one line: what happened, where, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CommandError(Exception):
    """End the command with `exit_code` and a one-line message."""

    exit_code = 1


class UsageError(CommandError):
    """The command was used wrongly: nothing was started."""

    exit_code = 2


class NotebookError(CommandError):
    """A notebook is missing, unreadable or has no parameters cell."""

    exit_code = 2


class StepFailed(CommandError):
    """A step of a run failed; `exit_code` is carried over from the error's class."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class BusyError(CommandError):
    """Another run of the dataset is under way; the message names it."""

    exit_code = 4


class RepairError(CommandError):
    """A run cannot be resumed; the message says what changed."""


class Interrupted(CommandError):
    """The run was stopped from outside."""

    exit_code = 130


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean a, b?`, or the known names where none is near, the last ones of many."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return (
        f"; did you mean {', '.join(near)}?"
        if near
        else f"; known: {'…, ' if len(names) > 12 else ''}{', '.join(names[-12:])}"
    )
