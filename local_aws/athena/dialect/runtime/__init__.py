"""What a DuckDB connection needs so that translated statements run: settings, macros, Python functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from local_aws.athena.dialect.runtime import (
    calendars,
    documents,
    doubles,
    json_casts,
    lists,
    macros,
    regexes,
    texts,
    urls,
)

SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET default_null_order = 'nulls_last'",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    # This optimizer lets a TRY_CAST over CSV fail on the first bad cell (DuckDB 2.0).
    "SET disabled_optimizers = 'type_pushdown'",
)
ROOMS = (calendars, documents, doubles, json_casts, regexes, texts, urls)
# Functions that may refuse a value as not supported: TRY must not make NULL of that.
REFUSING = tuple(name for room in ROOMS for name in room.REFUSING)


def prepare(connection: Any) -> None:
    """Make a fresh DuckDB connection ready for translated statements."""
    for setting in SETTINGS:
        connection.execute(setting)
    for room in ROOMS:
        for name, function, parameters, result in room.FUNCTIONS:
            _register(connection, name, function, parameters, result)
    for signature, body in _macros():
        connection.execute(f"CREATE OR REPLACE MACRO {signature} AS {body}")


@cache
def _macros() -> list[tuple[str, str]]:
    """Put the macros in an order in which each comes after those that it uses."""
    waiting = {**macros.MACROS, **lists.MACROS}
    ordered: list[tuple[str, str]] = []
    while waiting:
        names = {signature.partition("(")[0] for signature in waiting}
        ready = [signature for signature, body in waiting.items() if not names & set(re.findall(r"trino_\w+", body))]
        ordered += [(signature, waiting.pop(signature)) for signature in ready]
    return ordered


def _register(connection: Any, name: str, function: Callable[..., Any], parameters: list[str], result: str) -> None:
    # NULL in gives NULL out, as in Trino; DuckDB's own rule of that name forbids NULL out for anything else.
    call = _NULL_IN_NULL_OUT[len(parameters)](function)
    connection.create_function(name, call, parameters, result, null_handling="special", side_effects=False)


def _one(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a: None if a is None else function(a)


def _two(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: None if a is None or b is None else function(a, b)


def _three(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, c: None if a is None or b is None or c is None else function(a, b, c)


def _four(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, c, d: None if a is None or b is None or c is None or d is None else function(a, b, c, d)


# DuckDB counts a function's parameters, so that each number has a wrapper of its own.
_NULL_IN_NULL_OUT = {1: _one, 2: _two, 3: _three, 4: _four}
