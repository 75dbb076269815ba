"""Patterns that are literals: MySQL's date formats in DuckDB's letters, regular expressions that DuckDB reads alike."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.env import Env, Typed, refuse
from local_aws.athena.dialect.invocation import from_table
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.runtime.regexes import plain
from local_aws.athena.errors import QueryError

# Letter after the % -> DuckDB's. Trino refuses D U u V w X, and takes an unknown letter for itself.
LETTERS = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
    "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
    "T": "%H:%M:%S", "v": "%V", "W": "%A", "x": "%G", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip


def mysql_format(pattern: str, place: Place) -> str:
    """Translate a format of date_format."""
    written, at = "", 0
    while at < len(pattern):
        if pattern[at] != "%":
            written += pattern[at]
            at += 1
            continue
        letter = pattern[at + 1 : at + 2]
        if letter in ("D", "U", "u", "V", "w", "X"):
            raise QueryError("INVALID_FUNCTION_ARGUMENT", f"{place}: %{letter} not supported in date format string")
        if letter not in LETTERS:
            refuse(place, f"%{letter} in a date format")
        written += LETTERS[letter]
        at += 2
    return written


def regexp_like(env: Env, node: n.Call) -> Typed:
    """Translate REGEXP_LIKE; plain patterns on lines of ASCII text are left to DuckDB, which is much faster."""
    result = from_table(env, node)
    text, pattern = (env.translate(arg) for arg in node.args)
    if not isinstance(pattern.constant, str) or not plain(pattern.constant) or text.volatile:
        return result
    single = f"strlen({text.sql}) = length({text.sql}) AND NOT regexp_matches({text.sql}, '[\\r\\n]')"
    native = f"regexp_matches({text.sql}, {pattern.sql})"
    return Typed(f"CASE WHEN {single} THEN {native} ELSE {result.sql} END", t.BOOLEAN)


FORMS = {"regexp_like": regexp_like}
