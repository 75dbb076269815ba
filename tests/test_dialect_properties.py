"""Random values against Python's own decimal, text and calendar functions as oracles."""

import datetime
import decimal
import re
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from dialect_lab import NoTables, prepared_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local_aws.athena.dialect import translate
from local_aws.athena.dialect.coercion import arithmetic_decimal
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.dialect.types import decimal as decimal_type

connection = prepared_connection


CHECK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WIDE = decimal.Context(prec=200, rounding=decimal.ROUND_HALF_UP)
TEXTS = st.text(alphabet="abX,é😀 ", max_size=8)


def value(connection: Any, expression: str) -> Any:
    """Evaluate one expression."""
    return connection.execute(translate(f"SELECT {expression}", NoTables(), "db").sql).fetchone()[0]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def decimals(draw: st.DrawFn) -> tuple[TrinoType, decimal.Decimal]:
    """Draw a decimal's type and a value that fills it."""
    precision = draw(st.integers(1, 30))
    scale = draw(st.integers(0, precision))
    digits = draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    return decimal_type(precision, scale), decimal.Decimal(digits).scaleb(-scale, WIDE)


def exact(operator: str, left: decimal.Decimal, right: decimal.Decimal, kind: TrinoType) -> decimal.Decimal:
    """Compute a result at the scale of its type, half up, with fractions of whole numbers."""
    a, b = Fraction(left), Fraction(right)
    if operator == "%":
        quotient = abs(a) // abs(b) * (-1 if (a < 0) != (b < 0) else 1)
        result = a - quotient * b
    else:
        result = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else Fraction(0)}[operator]
    scaled = abs(result) * 10**kind.scale
    whole = scaled.numerator // scaled.denominator + (2 * (scaled % 1) >= 1)
    return decimal.Decimal(-whole if result < 0 else whole).scaleb(-kind.scale, WIDE)


@CHECK
@given(decimals(), decimals(), st.sampled_from("+-*/%"))
def test_decimal_arithmetic_is_exact(connection: Any, first: Any, second: Any, operator: str) -> None:
    """A decimal operation gives the exact value at Trino's scale, or an error where it does not fit."""
    (left_type, left), (right_type, right) = first, second
    kind = arithmetic_decimal(operator, left_type, right_type)
    if kind is None or (operator in "/%" and right == 0):
        return
    expected = exact(operator, left, right, kind)
    sql = f"cast('{left:f}' AS {left_type}) {operator} cast('{right:f}' AS {right_type})"
    if abs(expected) >= decimal.Decimal(10) ** (kind.precision - kind.scale):
        with pytest.raises(duckdb.Error):
            value(connection, sql)
    else:
        assert value(connection, sql) == expected


@CHECK
@given(st.lists(st.decimals(-999, 999, places=2), min_size=1, max_size=6))
def test_the_average_of_decimals_keeps_their_scale(connection: Any, numbers: list[decimal.Decimal]) -> None:
    """AVG of decimals is rounded half up at their own scale."""
    rows = ", ".join(f"cast('{number:f}' AS decimal(5,2))" for number in numbers)
    expected = exact("/", sum(numbers, decimal.Decimal(0)), decimal.Decimal(len(numbers)), decimal_type(5, 2))
    assert value(connection, f"avg(x) FROM (VALUES {rows}) t(x)") == expected


@CHECK
@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1).filter(bool))
def test_whole_numbers_divide_towards_zero(connection: Any, left: int, right: int) -> None:
    """Quotient and rest of whole numbers are Java's."""
    quotient = abs(left) // abs(right) * (-1 if (left < 0) != (right < 0) else 1)
    assert value(connection, f"cast({left} AS bigint) / {right}") == quotient
    assert value(connection, f"cast({left} AS bigint) % {right}") == left - quotient * right


@CHECK
@given(TEXTS, st.integers(-10, 10), st.integers(-2, 10))
def test_substrings_count_code_points(connection: Any, text: str, start: int, length: int) -> None:
    """SUBSTR counts from 1, from the end below 0, and gives nothing at 0."""
    at = start - 1 if start > 0 else len(text) + start
    expected = "" if start == 0 or at < 0 or length <= 0 else text[at : at + length]
    assert value(connection, f"substr({quoted(text)}, {start}, {length})") == expected


@CHECK
@given(TEXTS, TEXTS.filter(bool), st.integers(1, 4))
def test_splitting_agrees_with_python(connection: Any, text: str, delimiter: str, number: int) -> None:
    """SPLIT, SPLIT_PART and REPLACE treat their texts literally."""
    parts = text.split(delimiter)
    assert value(connection, f"split({quoted(text)}, {quoted(delimiter)})") == parts
    assert value(connection, f"split({quoted(text)}, {quoted(delimiter)}, {number})") == text.split(
        delimiter, number - 1
    )
    assert value(connection, f"split_part({quoted(text)}, {quoted(delimiter)}, {number})") == (
        parts[number - 1] if number <= len(parts) else None
    )
    assert value(connection, f"replace({quoted(text)}, {quoted(delimiter)}, '-')") == text.replace(delimiter, "-")


@CHECK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_as_text_reads_back(connection: Any, number: float) -> None:
    """CAST of a double to varchar is scientific, as short as can be, and gives the same double again."""
    written = value(connection, f"cast(cast({quoted(repr(number))} AS double) AS varchar)")
    assert re.fullmatch(r"-?\d\.\d+E-?\d+", written)
    assert float(written) == number
    assert len(written) <= 24


@CHECK
@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), st.integers(-600, 600))
def test_months_end_on_the_last_day(connection: Any, day: datetime.date, months: int) -> None:
    """DATE_ADD of months stays within the month that it reaches; DATE_DIFF in days is Python's."""
    total = day.year * 12 + day.month - 1 + months
    first = datetime.date(total // 12, total % 12 + 1, 1)
    following = datetime.date((total + 1) // 12, (total + 1) % 12 + 1, 1)
    last = (following - datetime.timedelta(days=1)).day
    expected = first.replace(day=min(day.day, last))
    assert value(connection, f"date_add('month', {months}, date '{day}')") == expected
    assert value(connection, f"date_diff('day', date '{day}', date '{expected}')") == (expected - day).days


@CHECK
@given(st.lists(st.none() | st.integers(0, 3), max_size=6), st.lists(st.none() | st.integers(0, 3), max_size=6))
def test_sets_of_array_elements_keep_their_order(connection: Any, left: list[Any], right: list[Any]) -> None:
    """ARRAY_DISTINCT, ARRAY_UNION and ARRAY_EXCEPT keep the first of each element, NULL among them."""
    a, b = (
        "cast(ARRAY[" + ", ".join("NULL" if x is None else str(x) for x in side) + "] AS array(integer))"
        for side in (left, right)
    )
    assert value(connection, f"array_distinct({a})") == list(dict.fromkeys(left))
    assert value(connection, f"array_union({a}, {b})") == list(dict.fromkeys(left + right))
    assert value(connection, f"array_except({a}, {b})") == [x for x in dict.fromkeys(left) if x not in right]


@CHECK
@given(
    st.text(alphabet="ab1.", max_size=8),
    st.sampled_from(
        [r"\d", "a+", "ab|1", "[ab]{2,3}", "^(a|b1)*$", "x?", "(a|b)1?", "[^a]", "a*", r"\.", "b??", "^a|1$"]
    ),
)
def test_regular_expressions_agree_with_an_own_search(connection: Any, text: str, pattern: str) -> None:
    """Counting, extracting and replacing go on one character behind an empty match."""
    found, at = [], 0
    while at <= len(text) and (match := re.compile(pattern, re.ASCII).search(text, at)):
        found.append(match[0])
        at = match.end() + (not match[0])
    assert value(connection, f"regexp_extract_all({quoted(text)}, {quoted(pattern)})") == found
    assert value(connection, f"regexp_like({quoted(text)}, {quoted(pattern)})") == bool(
        found or re.search(pattern, text)
    )
    assert value(connection, f"regexp_count({quoted(text)}, {quoted(pattern)})") == len(found)
    assert value(connection, f"regexp_extract({quoted(text)}, {quoted(pattern)})") == (found[0] if found else None)
