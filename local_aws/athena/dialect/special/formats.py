"""FORMAT and NORMALIZE."""

from __future__ import annotations

import re

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.conversion import coerce, convert
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse, text
from local_aws.athena.dialect.special.arguments import arguments, constant_text
from local_aws.athena.dialect.types import INTEGERS

_DIRECTIVE = re.compile(r"%(?:%|n|([-0,+]*)(\d+)?(?:\.(\d+))?([sdf]))")


def format_(env: Env, node: n.Call) -> Typed:
    """Translate FORMAT for the directives %s, %d, %f with width, precision and the flags - 0 , +."""
    values = arguments(env, node, 1)
    pattern = constant_text(values[0], node, "a format")
    rest, pieces, at, used = values[1:], [], 0, 0
    for found in re.finditer(r"%", pattern):
        if found.start() < at:
            continue
        directive = _DIRECTIVE.match(pattern, found.start())
        if directive is None:
            refuse(node.place, f"the format {pattern[found.start() : found.start() + 4]}")
        pieces.append(text(pattern[at : found.start()]))
        at = directive.end()
        if directive[4] is None:
            pieces.append("'%'" if directive[0] == "%%" else "chr(10)")
            continue
        if used >= len(rest):
            mismatch(node.place, "format has more directives than values")
        pieces.append(_formatted(directive, rest[used], node))
        used += 1
    pieces.append(text(pattern[at:]))
    return Typed(f"concat({', '.join(pieces)})", t.VARCHAR)


def _formatted(directive: re.Match[str], value: Typed, node: n.Call) -> str:
    flags, width, digits, letter = directive[1], directive[2] or "0", directive[3], directive[4]
    kind = value.type
    if letter == "s":
        if digits is not None or set(flags) - {"-"} or kind.name not in ("varchar", "boolean", "date", *INTEGERS):
            refuse(node.place, f"{directive[0]} of {kind}")
        written = convert(value, t.VARCHAR, node.place)
    elif letter == "d":
        if kind.name not in INTEGERS or digits is not None:
            mismatch(node.place, f"Invalid format string: {directive[0]} of {kind}")
        written = f"CAST({value.sql} AS VARCHAR)"
    else:
        if kind.name not in ("double", "real", "decimal"):
            mismatch(node.place, f"Invalid format string: {directive[0]} of {kind}")
        number = value if kind.name == "decimal" else Typed(coerce(value, t.DOUBLE, node.place), t.DOUBLE)
        written = f"trino_fixed(CAST({number.sql} AS VARCHAR), {digits or 6})"
    # Java writes null for a missing value, cut to the precision and filled to the width.
    null = "null"[: int(digits)] if digits is not None else "null"
    null = null.ljust(int(width)) if "-" in flags else null.rjust(int(width))
    return f"coalesce(trino_format_piece({written}, {text(flags)}, {width}, {text(letter)}), {text(null)})"


def normalize(env: Env, node: n.Call) -> Typed:
    """Translate NORMALIZE with its form."""
    (value,) = arguments(env, node, 1, 1)
    if value.type.name != "varchar":
        mismatch(node.place, f"Unexpected parameters ({value.type}) for function normalize")
    return Typed(f"trino_normalize({value.sql}, '{node.option or 'NFC'}')", t.VARCHAR)


FORMS = {"format": format_, "normalize": normalize}
