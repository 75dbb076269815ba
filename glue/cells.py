"""Write Spark SQL that reads one cell: its text without white space, the value that it means, or that it means none.

No row passes through Python, and every expression is evaluated for every row: so each does no more than it must.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

Contract = Mapping[str, Any]

WIDTHS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2, "%b": 3}
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_TIMES = {"%H", "%M", "%S"}
# Formats that a cast understands, with the places that must hold what stands between the parts: the one that tells it
# from the others first. Between two of them the third, if any, has but one place.
_ISO = {"%Y-%m-%d": (5, 8), "%Y-%m-%dT%H:%M:%S": (11, 5, 17), "%Y-%m-%d %H:%M:%S": (11, 5, 17)}

_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_ESCAPED = r"""[\x01-\x1f\x7f"#%'*/:=?\\{\[\]^]"""
# A decimal with such an exponent is computed digit by digit: some millions of them took minutes.
_TINY = "[eE]-[0-9]{5}"


def strip_first(column: Mapping[str, Any], contract: Contract) -> str:
    """Return the expression of a text as its value is read from it, with no more work than that takes."""
    name = f"`{column['name']}`"
    if not is_stripped_late(column, contract):
        return strip(name)
    return f"trim({name})" if column["values"] else name


def is_stripped_late(column: Mapping[str, Any], contract: Contract) -> bool:
    """Tell whether white space is only looked for where a text gives no value: a cast to a number passes over it."""
    texts = ("string", "date", "timestamp", "boolean", "double")
    return not _is_looked_up_first(column, contract) and (bool(column["values"]) or column["type"] not in texts)


def strip(name: str) -> str:
    """Return the expression of a text without white space around it."""
    return f"IF({_has_ends(name)}, {_trim(name)}, {name})"


def _trim(name: str) -> str:
    return rf"trim(BOTH ' \t\r\n' FROM {name})"


def _has_ends(name: str) -> str:
    """Return the condition that a text may have white space around it.

    Most have none, and Spark's trim with a list of signs looks at every character: so the ends are looked at first.
    """
    ends = [rf"endswith({name}, '{sign}')" for sign in (" ", r"\t", r"\r", r"\n")]
    return f"({name} < '!' OR {' OR '.join(ends)})"  # what begins with a blank or a control character is less


def is_free(column: Mapping[str, Any]) -> bool:
    """Tell whether any text is a value of the column."""
    return bool(column["type"] == "string" and not column["values"])


def typed_value(column: Mapping[str, Any], contract: Contract) -> str:
    """Return the expression of a column's value; NULL where its text spells a null, or is no value.

    Most texts are values, so that is tried first, and what spells a null is only looked up where it failed.
    """
    value = _parse_text(column, is_stripped_late(column, contract))
    if _is_looked_up_first(column, contract):
        return f"IF({spells_null('`' + column['name'] + '`', contract['null_spellings'])}, NULL, {value})"
    return value


def _is_looked_up_first(column: Mapping[str, Any], contract: Contract) -> bool:
    """Tell whether a null of the column is spelt in a way that could be a value, such as 999."""
    nulls = contract["null_spellings"]
    digits = any(sign.isdigit() for text in nulls for sign in text)
    return is_free(column) or digits or bool(set(nulls) & set(column["values"]))


def spells_null(text: str, nulls: Sequence[str]) -> str:
    """Return the condition that a text spells a null; one that is longer than each of these is not looked up."""
    longest = max((len(spelling.encode()) for spelling in nulls), default=0)
    return f"(octet_length({text}) <= {longest} AND {text} IN ({list_texts(nulls)}))" if nulls else "false"


def means_null(text: str, nulls: Sequence[str], late: bool) -> str:
    """Return the condition that a text is missing or spells a null; `late`: it may have white space around it."""
    if late and nulls:
        return f"coalesce({_trim(text)} IN ({list_texts(nulls)}), true)"
    return f"({text} IS NULL OR {spells_null(text, nulls)})"


def _parse_text(column: Mapping[str, Any], late: bool = False) -> str:
    """Return the expression of what a text means as a value of the column; NULL where it means none.

    Args:
        late: whether it may still have white space around it.
    """
    name, kind = f"`{column['name']}`", column["type"]
    if kind == "string" and column["values"]:
        cases = " ".join(f"WHEN {quote(text)} THEN {quote(value)}" for text, value in column["values"].items())
        return f"CASE lower({name}) {cases}{_retry(name, column['values']) if late else ''} END"
    if kind == "string":
        return name
    if kind in ("date", "timestamp"):
        return _first_value([_parse_date(name, form, kind) for form in column["formats"]])
    if kind == "boolean":
        words = {"true": "true", "yes": "true", "false": "false", "no": "false"}
        cases = " ".join(f"WHEN '{word}' THEN {value}" for word, value in words.items())
        return f"CASE lower({name}) {cases} END"
    if kind == "double":  # Java alone would take 1d, and words such as Infinity
        number = r"^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$"
        value = f"try_cast({name} AS double)"  # of 1e999 it is Infinity, which is no value either
        return f"IF({name} RLIKE {quote(number)} AND abs({value}) < double('Infinity'), {value}, NULL)"
    value = f"try_cast({name} AS {kind})"
    if kind.startswith("decimal"):
        tiny = f"octet_length({name}) > 7 AND instr(substring({name}, 3), '-') > 0 AND {name} RLIKE {quote(_TINY)}"
        return f"IF({tiny}, NULL, {value})"
    return value


def _retry(name: str, values: Mapping[str, str]) -> str:
    """Return the end of an enumeration's cases for texts that are none of them: without white space they may be.

    It is rarely evaluated, so it is short: what Spark generates is compiled for every run.
    """
    known = ", ".join(f"{quote(text)}, {quote(value)}" for text, value in values.items())
    return f" ELSE IF({_has_ends(name)}, try_element_at(map({known}), lower({_trim(name)})), NULL)"


def _first_value(expressions: list[str]) -> str:
    return f"coalesce({', '.join(expressions)})" if len(expressions) > 1 else expressions[0]


def _parse_date(name: str, form: str, kind: str) -> str:
    """Return the expression of the date or timestamp (`kind`) that a text means in a format; NULL where it means none.

    The text is brought into the order of ISO 8601 and cast. Spark's own formatter is slower by far, takes some texts
    that it should not (2024-1-5T) and raises on others that an older Spark read differently. The cast is the fastest,
    but lenient: about widths, about what follows the last part (blanks, T, a zone), about signs and the year 0000. The
    guards leave it none of that, and are as few as that takes: the length and what stands between the parts tell their
    widths, and the last part must end with a digit.

    Args:
        name: the text's column, quoted.
        form: in strptime's letters, those of WIDTHS.
    """
    pieces = re.findall(r"%.|[^%]+", form)
    parts, guards, size = _cut(name, pieces)
    timed = kind == "timestamp" or bool(_TIMES & set(pieces))
    if form in _ISO:
        ordered, last = name, f"substring({name}, {size}, 1)"
        conditions = [guards[place] for place in _ISO[form]]
    else:
        order = ["%Y", "'-'", "%m", "'-'", "%d", *(["'T'", "%H", "':'", "%M", "':'", "%S"] if timed else [])]
        ordered = f"concat({', '.join(parts.get(piece, piece) for piece in order)})"
        last = f"substring({parts[order[-1]]}, 2, 1)"
        conditions = list(guards.values())
    conditions = [f"octet_length({name}) = {size}", *conditions, f"instr('0123456789', {last}) > 0"]
    conditions.append(f"{name} > '0001'" if form.startswith("%Y") else f"{parts['%Y']} > '0000'")
    made = f"try_cast({ordered} AS {'timestamp_ntz' if timed else 'date'})"
    if timed and kind == "date":
        made = f"CAST({made} AS date)"
    return f"CASE WHEN {' AND '.join(conditions)} THEN {made} END"


def _cut(name: str, pieces: list[str]) -> tuple[dict[str, str], dict[int, str], int]:
    """Cut a text: the expression of each part, the conditions on what stands between them by place, and the length."""
    parts, guards, start = {"%H": "'00'", "%M": "'00'", "%S": "'00'"}, {}, 1
    for piece in pieces:
        width = WIDTHS.get(piece, len(piece))
        cut = f"substring({name}, {start}, {width})"
        if piece not in WIDTHS:
            guards[start] = f"{cut} = {quote(piece)}"
        elif piece == "%b":
            place = f"instr('{_MONTHS}', {cut})"
            guards[start] = f"{place} % 3 = 1"
            parts["%m"] = f"CAST(({place} + 2) div 3 AS STRING)"
        else:
            parts[piece] = cut
        start += width
    return parts, guards, start - 1


def beyond_bound(value: str, sign: str, bound: float, kind: str) -> str:
    """Return the condition that a value lies below (`<`) or above (`>`) a bound, which is never NULL for a value.

    Whole numbers and decimals are compared with the next number that their type holds on the allowed side, so that
    nothing is rounded; doubles with the bound itself.
    """
    if kind == "double":
        return f"{value} {sign} CAST('{float(bound)!r}' AS double)"
    digits = [int(part) for part in re.findall("[0-9]+", kind)]
    scale = digits[1] if digits else 0
    least, most = (1 - 10 ** digits[0], 10 ** digits[0] - 1) if digits else (-(2**63), 2**63 - 1)
    exact = Decimal(str(bound))
    if not Decimal(f"{least}e-{scale}") <= exact <= Decimal(f"{most}e-{scale}"):  # beyond all that the type holds
        return str((exact > 0) == (sign == "<")).lower()
    with localcontext() as context:
        context.prec = 80
        exact = exact.quantize(Decimal(1).scaleb(-scale), ROUND_CEILING if sign == "<" else ROUND_FLOOR)
    return f"{value} {sign} CAST('{exact:f}' AS {kind if digits else 'bigint'})"


def cannot_name_partition(name: str) -> str:
    """Return the condition that a text cannot be the name of a partition's folder.

    Spark writes what may not stand in a path as %XX, file systems take 255 bytes for a name, and one name means NULL.
    """
    text, most = f"`{name}`", 255 - len(f"{name}=")
    escaped = f"regexp_replace({text}, {quote(_ESCAPED)}, '%00')"
    long = f"octet_length({text}) > {most // 3} AND octet_length({escaped}) > {most}"
    return f"(octet_length({text}) > 25 AND ({text} = '{_NO_PARTITION}' OR ({long})))"


def list_texts(texts: Sequence[str]) -> str:
    """Write texts as Spark SQL literals with commas between them."""
    return ", ".join(quote(text) for text in texts)


def quote(text: str) -> str:
    """Write a text as a Spark SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
