"""Event patterns and schedule expressions."""

import datetime as dt
from typing import Any

import pytest

from local_aws.errors import ServiceError
from local_aws.events.cron import parse_expression
from local_aws.events.patterns import check_pattern, matches

EVENT = {"source": "aws.s3", "detail": {"bucket": {"name": "raw"}, "size": 5, "tags": ["a", "b"], "none": None}}
NOON = dt.datetime(2026, 2, 27, 12, 0, tzinfo=dt.UTC)  # a Friday


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.s3", "aws.glue"]}, True),
        ({"source": ["aws.glue"]}, False),
        ({"detail": {"bucket": {"name": ["raw"]}}}, True),
        ({"detail": {"bucket": {"name": ["raw"]}, "size": [6]}}, False),
        ({"detail": {"size": ["5"]}}, False),
        ({"detail": {"tags": ["b"]}}, True),
        ({"detail": {"none": [None]}}, True),
        ({"detail": {"missing": [{"exists": False}]}}, True),
        ({"detail": {"missing": ["x"]}}, False),
        ({"source": [{"prefix": "aws."}]}, True),
        ({"source": [{"suffix": ".glue"}]}, False),
        ({"source": [{"anything-but": ["aws.glue"]}]}, True),
        ({"source": [{"anything-but": {"prefix": "aws."}}]}, False),
        ({"source": [{"equals-ignore-case": "AWS.S3"}]}, True),
        ({"source": {"deeper": ["x"]}}, False),
    ],
)
def test_patterns_match_as_eventbridge_has_it(pattern: Any, expected: bool) -> None:
    """Every name must have one of its values; types differ; lists match by any of their values."""
    check_pattern(pattern)
    assert matches(pattern, EVENT) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 3 * * ? *)", "2026-02-28T03:00"),
        ("cron(30 12 * * ? *)", "2026-02-27T12:30"),
        ("cron(0/15 * * * ? *)", "2026-02-27T12:15"),
        ("cron(0 8 ? * MON-FRI *)", "2026-03-02T08:00"),
        ("cron(0 8 ? * 1 *)", "2026-03-01T08:00"),
        ("cron(0 0 L * ? *)", "2026-02-28T00:00"),
        ("cron(0 0 29 FEB ? *)", "2028-02-29T00:00"),
        ("cron(5,10 1-2 1 JAN,JUL ? 2027)", "2027-01-01T01:05"),
        ("rate(5 minutes)", "2026-02-27T12:05"),
        ("rate(1 day)", "2026-02-28T12:00"),
        ("at(2026-03-01T07:30:00)", "2026-03-01T07:30"),
    ],
)
def test_the_next_time_is_that_of_the_calendar(expression: str, expected: str) -> None:
    """Lists, ranges, steps, names, the last day of a month and leap days are found."""
    found = parse_expression(expression).next_after(NOON, NOON)
    assert found and found.isoformat(timespec="minutes") == f"{expected}+00:00"


def test_what_is_over_never_comes() -> None:
    """A moment or a year in the past is due no more."""
    assert parse_expression("at(2026-01-01T00:00:00)").next_after(NOON, NOON) is None
    assert parse_expression("cron(0 0 1 1 ? 2020)").next_after(NOON, NOON) is None


@pytest.mark.parametrize(
    "expression",
    ["cron(60 * * * ? *)", "cron(0 0 32 * ? *)", "cron(a * * * ? *)", "cron(0/0 * * * ? *)", "rate(0 days)", "at(x)"],
)
def test_what_cannot_be_read_is_refused(expression: str) -> None:
    """A value out of range, a word, a step of nothing are named in the error."""
    with pytest.raises(ServiceError, match="Invalid Schedule Expression"):
        parse_expression(expression)
