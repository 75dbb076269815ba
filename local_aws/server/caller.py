"""Whose request a handler is answering, for the thread that answers it."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """The role whose key signed the request: secrets/aws-<role>.json."""

    role: str
    access_key_id: str


CALLER: ContextVar[Caller] = ContextVar("CALLER")
