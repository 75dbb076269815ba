"""Failures inside Python functions that DuckDB calls: the same marks as the macros use."""

from __future__ import annotations

from typing import NoReturn


class Failure(Exception):
    """A value that Trino refuses, or that is not supported here."""


def invalid(message: str, kind: str = "INVALID_FUNCTION_ARGUMENT") -> NoReturn:
    """Fail with an error name and a message."""
    raise Failure(f"@@{kind}: {message}@@")


def unsupported(message: str) -> NoReturn:
    """Fail where Trino has an answer that is not known here."""
    raise Failure(f"@@NOT_SUPPORTED: {message} is not supported locally@@")
