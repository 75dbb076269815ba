"""The errors of the helpers, and the exit code that each carries.

    WorkbenchError              exit code 1: the root; never raised itself
    ├── UsageError              2  an unknown dataset, profile or parameter, or a wrong value
    │   ├── ConfigError         2  a parameter whose value cannot be used
    │   └── ContractError       2  a contract or saved query with a mistake in it
    ├── InputError              1  an input file that is missing, unreadable or empty
    ├── StepError               1  a step failed, or the step before it has not run
    │   └── LoadError           1  PostgreSQL refused the data; nothing was published
    ├── QualityGateError        3  a quality gate refused the data; nothing was published
    └── ServiceError            4  a service or resource that cannot be reached, started or had

The exit code is a fact of the type, never read out of the text. A message is one line: what happened, where,
and what to do next.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class WorkbenchError(Exception):
    """Anything that stops a step for a reason that can be named in one line."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class UsageError(WorkbenchError):
    """What was asked for does not exist or cannot be meant."""

    exit_code = 2


class ConfigError(UsageError):
    """A parameter's value cannot be used."""


class ContractError(UsageError):
    """A contract or a saved query of a dataset has a mistake; the message names file and line."""


class InputError(WorkbenchError):
    """An input file is missing, unreadable or empty; the message names it."""


class StepError(WorkbenchError):
    """A step failed, or what it needs was not written by the step before it."""


class LoadError(StepError):
    """PostgreSQL refused the data; nothing was published."""


class QualityGateError(WorkbenchError):
    """A quality gate refused the data; nothing was published."""

    exit_code = 3


class ServiceError(WorkbenchError):
    """The service named by `service` cannot be reached, started or had; the message says how to get it back."""

    exit_code = 4

    def __init__(self, service: str, message: str) -> None:
        super().__init__(f"{service}: {message}")
        self.service = service


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which of the `known` names lie nearest to `word`, or all of them where none is near.

    Returns: the end of a sentence, such as `did you mean "student_sample"?`
    """
    names = sorted(known)
    close = get_close_matches(word, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(f'"{name}"' for name in close) + "?"
    return "known: " + ", ".join(names) if names else "none is known"
