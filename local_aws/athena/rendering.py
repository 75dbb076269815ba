"""How Athena spells values in its result files, as DuckDB expressions, so that results are written without Python.

A value of a nested type is spelled inside it as alone: `[1, null]`, `{key=value}`; numbers as Java does (1.0E10).
"""

from local_aws.athena.column_types import quoted
from local_aws.athena.dialect.types import TrinoType

# Java's Double.toString and Float.toString: the shortest digits, plain from 1E-3 to below 1E7, else d.dddE±x.
# DuckDB gives the same digits as plain text or with an exponent such as 1.5e-05.
MACROS = (
    """CREATE OR REPLACE MACRO athena_scientific(sign, digits, exponent) AS
       sign || left(digits, 1) || '.' || (CASE WHEN len(digits) > 1 THEN substr(digits, 2) ELSE '0' END)
       || 'E' || exponent""",
    """CREATE OR REPLACE MACRO athena_float_text(plain, sign) AS CASE
       WHEN contains(plain, 'e') THEN athena_scientific(
           sign, rtrim(replace(split_part(plain, 'e', 1), '.', ''), '0'), CAST(split_part(plain, 'e', 2) AS INTEGER))
       WHEN plain[1:2] = '0.' THEN athena_scientific(
           sign, ltrim(substr(plain, 3), '0'), len(ltrim(substr(plain, 3), '0')) - len(plain) + 1)
       ELSE athena_scientific(
           sign, rtrim(replace(regexp_replace(plain, '\\.0$', ''), '.', ''), '0'), len(split_part(plain, '.', 1)) - 1)
       END""",
    """CREATE OR REPLACE MACRO athena_float(x) AS CASE
       WHEN isnan(x) THEN 'NaN'
       WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
       WHEN x = 0 OR (abs(x) >= 1e-3 AND abs(x) < 1e7) THEN CAST(x AS VARCHAR)
       ELSE athena_float_text(CAST(abs(x) AS VARCHAR), CASE WHEN x < 0 THEN '-' ELSE '' END) END""",
    """CREATE OR REPLACE MACRO athena_hex(x) AS
       lower(rtrim(regexp_replace(hex(x), '(..)', '\\1 ', 'g'), ' '))""",
    """CREATE OR REPLACE MACRO athena_days(micros) AS
       (CASE WHEN micros < 0 THEN '-' ELSE '' END) || (abs(micros) // 86400000000) || ' '
       || lpad(CAST(abs(micros) // 3600000000 % 24 AS VARCHAR), 2, '0') || ':'
       || lpad(CAST(abs(micros) // 60000000 % 60 AS VARCHAR), 2, '0') || ':'
       || lpad(CAST(abs(micros) // 1000000 % 60 AS VARCHAR), 2, '0') || '.'
       || lpad(CAST(abs(micros) // 1000 % 1000 AS VARCHAR), 3, '0')""",
    """CREATE OR REPLACE MACRO athena_months(months) AS
       (CASE WHEN months < 0 THEN '-' ELSE '' END) || (abs(months) // 12) || '-' || (abs(months) % 12)""",
)


def rendered(expression: str, type_: TrinoType, depth: int = 0) -> str:
    """Return a DuckDB expression for the text of a value; NULL stays NULL."""
    name = type_.name
    if name in ("varchar", "json"):
        return expression
    if name in ("real", "double"):
        return f"athena_float({expression})"
    if name == "varbinary":
        return f"athena_hex({expression})"
    if name in ("timestamp", "time"):
        return _fraction(expression, type_)
    if name == "timestamp with time zone":
        zone = type_.zone or "UTC"
        return f"{_fraction(f'timezone({_text(zone)}, {expression})', type_)} || {_text(' ' + zone)}"
    if name == "interval day to second":
        return f"athena_days(CAST(epoch_us({expression}) AS BIGINT))"
    if name == "interval year to month":
        return f"athena_months(datepart('year', {expression}) * 12 + datepart('month', {expression}))"
    if name == "array":
        return _joined(expression, "[", type_.elements[0], "]", depth)
    if name == "map":
        return _map(expression, type_, depth)
    if name == "row":
        return _row(expression, type_, depth)
    return f"CAST({expression} AS VARCHAR)"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fraction(expression: str, type_: TrinoType) -> str:
    digits = type_.precision
    fast = {0: "", 3: ".%g", 6: ".%f"}
    if type_.name != "time" and digits in fast:
        return f"strftime({expression}, '%Y-%m-%d %H:%M:%S{fast[digits]}')"
    # strftime knows no times of day and no other precisions; a cast to text gives six digits or none.
    whole = f"split_part(CAST({expression} AS VARCHAR), '.', 1)"
    if digits == 0:
        return whole
    return f"{whole} || '.' || rpad(left(split_part(CAST({expression} AS VARCHAR), '.', 2), {digits}), {digits}, '0')"


def _or_null(expression: str, type_: TrinoType, depth: int) -> str:
    return f"coalesce({rendered(expression, type_, depth)}, 'null')"


def _joined(expression: str, start: str, element: TrinoType, end: str, depth: int) -> str:
    name = f"item{depth}"
    texts = f"list_transform({expression}, lambda {name}: {_or_null(name, element, depth + 1)})"
    return f"'{start}' || array_to_string({texts}, ', ') || '{end}'"


def _map(expression: str, type_: TrinoType, depth: int) -> str:
    name = f"entry{depth}"
    key = rendered(f"{name}.key", type_.elements[0], depth + 1)
    value = _or_null(f"{name}.value", type_.elements[1], depth + 1)
    texts = f"list_transform(map_entries({expression}), lambda {name}: {key} || '=' || {value})"
    return f"'{{' || array_to_string({texts}, ', ') || '}}'"


def _row(expression: str, type_: TrinoType, depth: int) -> str:
    parts = []
    for number, (name, element) in enumerate(zip(type_.names, type_.elements, strict=True)):
        value = _or_null(f"struct_extract_at({expression}, {number + 1})", element, depth + 1)
        label = _text((name or f"field{number}") + "=")
        parts.append(f"{label} || {value}")
    text = " || ', ' || ".join(parts)
    return f"CASE WHEN {expression} IS NULL THEN NULL ELSE '{{' || {text} || '}}' END"


def row_texts(names: list[str], types: list[TrinoType]) -> str:
    """Return the select list that renders the columns `names` of a relation."""
    return ", ".join(rendered(quoted(name), type_) for name, type_ in zip(names, types, strict=True))
