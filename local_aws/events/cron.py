"""EventBridge Scheduler's expressions: cron(...), rate(...) and at(...), and when they are due next.

Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from local_aws.errors import ServiceError

_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()
_RANGES = {"minutes": (0, 59), "hours": (0, 23), "day of month": (1, 31), "month": (1, 12), "day of week": (1, 7)}
_YEARS = (1970, 2199)
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Schedule:
    """A parsed expression: either `fields` of cron, or `seconds` of a rate, or one moment."""

    fields: tuple[frozenset[int] | None, ...] = ()
    seconds: int = 0
    moment: dt.datetime | None = None

    def next_after(self, after: dt.datetime, start: dt.datetime) -> dt.datetime | None:
        """Return the first time after `after` (aware, in the schedule's zone); a rate counts from `start`."""
        if self.moment is not None:
            moment = self.moment.replace(tzinfo=after.tzinfo)
            return moment if moment > after else None
        if self.seconds:
            passed = max(0, int((after - start).total_seconds() // self.seconds) + 1)
            return start + dt.timedelta(seconds=passed * self.seconds)
        return self._next_cron(after)

    def _next_cron(self, after: dt.datetime) -> dt.datetime | None:
        minutes, hours, *_ = self.fields
        assert minutes is not None and hours is not None
        day = after.date()
        for _ in range(366 * 8):  # a leap day comes every eight years at the latest
            if self._has_day(day):
                for hour in sorted(hours):
                    for minute in sorted(minutes):
                        found = dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=after.tzinfo)
                        if found > after:
                            return found
            day += dt.timedelta(days=1)
        return None

    def _has_day(self, day: dt.date) -> bool:
        _, _, days, months, weekdays, years = self.fields
        assert months is not None and years is not None
        weekday = day.isoweekday() % 7 + 1  # Sunday is 1
        return (
            day.month in months
            and day.year in years
            and (days is None or day.day in days or (-1 in days and day.day == _length(day)))
            and (weekdays is None or weekday in weekdays)
        )


def parse_expression(text: str) -> Schedule:
    """Read an expression. Raises ValidationException for what Scheduler would refuse, or is not known here."""
    kind, _, rest = text.partition("(")
    inner = rest.removesuffix(")")
    if not rest.endswith(")"):
        raise _invalid(text, "it is none of cron(…), rate(…), at(…)")
    if kind == "rate":
        found = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", inner)
        if not found:
            raise _invalid(text, "a rate is a number and minutes, hours or days")
        return Schedule(seconds=int(found[1]) * _UNITS[found[2]])
    if kind == "at":
        try:
            return Schedule(moment=dt.datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S"))
        except ValueError:
            raise _invalid(text, "a moment is yyyy-mm-ddThh:mm:ss") from None
    fields = inner.split(" ")
    if kind != "cron" or len(fields) != 6:
        raise _invalid(text, "cron has six fields: minutes hours day-of-month month day-of-week year")
    if (fields[2] == "?") == (fields[4] == "?"):
        raise _invalid(text, "one of day-of-month and day-of-week is ?, and only one")
    limits = [*_RANGES.values(), _YEARS]
    return Schedule(fields=tuple(_read(text, field, *limit) for field, limit in zip(fields, limits, strict=True)))


def _read(text: str, field: str, low: int, high: int) -> frozenset[int] | None:
    """Return the values of one field; None for ?."""
    if field == "?":
        return None
    if field == "L" and (low, high) == (1, 31):
        return frozenset({-1})
    values: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        begin = low if span == "*" else _number(text, first, low, high)
        end = _number(text, last, low, high) if dash else high if slash or span == "*" else begin
        if (slash and not step.isdigit()) or step == "0" or end < begin:
            raise _invalid(text, f"{part} cannot be read")
        values |= set(range(begin, end + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, word: str, low: int, high: int) -> int:
    names = _MONTHS if high == 12 else _DAYS if high == 7 else []
    value = names.index(word.upper()) + 1 if word.upper() in names else int(word) if word.isdigit() else -1
    if not low <= value <= high:
        raise _invalid(text, f"{word or 'nothing'} is not within {low} to {high} (W and # are not known)")
    return value


def _length(day: dt.date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _invalid(text: str, problem: str) -> ServiceError:
    return ServiceError("ValidationException", f"Invalid Schedule Expression {text}: {problem}.")
