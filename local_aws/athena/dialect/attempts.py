"""TRY and TRY_CAST: NULL in place of an error, and only of such an error as Trino means.

DuckDB's TRY swallows every error. What is not supported must not become NULL, and TRY_CAST forgives the cast alone: so
what must stay loud is computed before, outside of TRY, and handed in as a lambda's argument.
"""

from __future__ import annotations

import re

from local_aws.athena.dialect.env import Typed, refuse
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.dialect.runtime import REFUSING

_LOUD = re.compile(rf"\b({'|'.join(REFUSING)})\(")
# A column, a lambda's variable, a string or a number: what cannot fail.
_SAFE = re.compile(r"""v?r\d+\$(\.("[^"]+"|c\d+))?|[a-z]\$|CAST\('(?:[^']|'')*' AS VARCHAR\)|\(-?\d+\)::\w+|NULL""")
_BOUND = re.compile(r"\bvr\d+\$|\b[a-z]\$")


def attempt(sql: str, place: Place) -> str:
    """Write NULL for an error of an expression, except for refusals within it."""
    loud: list[str] = []
    while found := _LOUD.search(sql):
        end = _closing(sql, found.end())
        call = sql[found.start() : end]
        if _BOUND.search(call):
            refuse(place, f"TRY of {found[1].removeprefix('trino_')} of a lambda's variable")
        sql = sql.replace(call, f"h${len(loud)}")
        loud.append(call)
    result = f"TRY({sql})"
    for number, call in reversed(list(enumerate(loud))):
        result = f"list_transform([{call}], lambda h${number}: {result})[1]"
    return result


def forgiving_cast(operand: Typed, place: Place) -> tuple[Typed, str, str]:
    """Give the operand of a TRY_CAST as it stands within TRY, and what to write before and after."""
    if _SAFE.fullmatch(operand.sql):
        return operand, "TRY(", ")"
    inner = Typed("h$", operand.type, zoned="h$" if operand.zoned else None)
    return inner, f"list_transform([{operand.zoned or operand.sql}], lambda h$: TRY(", "))[1]"


def _closing(sql: str, at: int) -> int:
    """Find the end of a call whose arguments begin at `at`, past texts and inner parentheses."""
    depth = 1
    while depth:
        character = sql[at]
        if character in "'\"":
            at = sql.index(character, at + 1)
        depth += {"(": 1, ")": -1}.get(character, 0)
        at += 1
    return at
