"""Reading and writing dates by patterns: MySQL's, Joda's and ISO 8601's."""

from __future__ import annotations

import calendar
import datetime
import re
from functools import lru_cache

from local_aws.athena.dialect.runtime.failure import invalid, unsupported

_MONTHS, _DAYS = list(calendar.month_name)[1:], list(calendar.day_name)
# MySQL's letter -> (name, expression); a name twice must agree, "skip" is read and forgotten.
_MYSQL = {
    "Y": ("year", r"(\d{4})"), "m": ("month", r"(\d{1,2})"), "c": ("month", r"(\d{1,2})"), "d": ("day", r"(\d{1,2})"),
    "e": ("day", r"(\d{1,2})"), "H": ("hour", r"(\d{1,2})"), "k": ("hour", r"(\d{1,2})"), "i": ("minute", r"(\d{1,2})"),
    "s": ("second", r"(\d{1,2})"), "S": ("second", r"(\d{1,2})"), "f": ("fraction", r"(\d{1,9})"),
    "h": ("half", r"(\d{1,2})"), "I": ("half", r"(\d{1,2})"), "l": ("half", r"(\d{1,2})"),
    "p": ("noon", r"([AaPp][Mm])"), "b": ("name", r"([A-Za-z]{3})"), "M": ("name", r"([A-Za-z]{3,9})"),
}  # fmt: skip
_MYSQL_LONG = {"T": "%H:%i:%S", "r": "%I:%i:%S %p"}


@lru_cache(maxsize=256)
def _mysql(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    for letter, long in _MYSQL_LONG.items():
        pattern = pattern.replace(f"%{letter}", long)
    written, names = "", []
    for directive, literal in re.findall(r"%(.)|([^%]+|%$)", pattern, re.DOTALL):
        if literal or directive == "%":
            written += re.escape(literal or "%")
        elif directive in _MYSQL:
            name, expression = _MYSQL[directive]
            names.append(name)
            written += expression
        elif directive in "DUuVwX":
            invalid(f"%{directive} not supported in date format string")
        else:
            unsupported(f"%{directive} in the pattern of date_parse")
    return re.compile(written), names


def date_parse(text: str, pattern: str) -> datetime.datetime:
    """Read a timestamp by MySQL's letters."""
    expression, names = _mysql(pattern)
    return _moment(expression.fullmatch(text), names, text)


def _moment(found: re.Match[str] | None, names: list[str], text: str) -> datetime.datetime:
    if found is None:
        invalid(f'Invalid format: "{text}"')
    values = {"year": 1970, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}
    micros, half, noon = 0, None, None
    for name, written in zip(names, found.groups(), strict=True):
        if name == "fraction":
            micros = int(written[:3].ljust(3, "0")) * 1000
        elif name == "half":
            half = int(written)
        elif name == "noon":
            noon = written.lower()
        elif name == "name":
            values["month"] = _month(written, text)
        else:
            values[name] = int(written)
    if half is not None:
        if not 1 <= half <= 12:
            invalid(f'Cannot parse "{text}": Value {half} for clockhourOfHalfday must be in the range [1,12]')
        values["hour"] = half % 12 + (12 if noon == "pm" else 0)
    try:
        return datetime.datetime(**values, microsecond=micros)  # type: ignore[arg-type]
    except ValueError as error:
        invalid(f'Cannot parse "{text}": {error}')


def _month(written: str, text: str) -> int:
    matching = [i for i, name in enumerate(_MONTHS, start=1) if written.lower() in (name.lower(), name[:3].lower())]
    if not matching:
        invalid(f'Invalid format: "{text}"')
    return matching[0]


def _scan(pattern: str) -> list[tuple[str, str, str]]:
    """Split a Joda pattern into quoted texts, runs of a letter, and other characters; one of each three is set."""
    found, at = [], 0
    while at < len(pattern):
        character = pattern[at]
        if character == "'":
            end = at + 1
            while end < len(pattern) and (pattern[end] != "'" or pattern[end + 1 : end + 2] == "'"):
                end += 2 if pattern[end] == "'" else 1
            body = pattern[at + 1 : end].replace("''", "'")
            found.append((body or "'", "", ""))
            at = end + 1
        elif character.isascii() and character.isalpha():
            end = at
            while end < len(pattern) and pattern[end] == character:
                end += 1
            found.append(("", pattern[at:end], ""))
            at = end
        else:
            found.append(("", "", character))
            at += 1
    return found


def _joda_value(run: str, moment: datetime.datetime) -> str:
    letter, width = run[0], len(run)
    numbers = {"d": moment.day, "H": moment.hour, "h": moment.hour % 12 or 12, "m": moment.minute, "s": moment.second,
               "D": moment.timetuple().tm_yday, "e": moment.isoweekday(), "w": moment.isocalendar().week}  # fmt: skip
    if letter in "yYx":
        year = moment.isocalendar().year if letter == "x" else moment.year
        return f"{year % 100:02d}" if width == 2 else f"{year:0{width}d}"
    if letter == "M":
        name = _MONTHS[moment.month - 1]
        return name if width > 3 else name[:3] if width == 3 else f"{moment.month:0{width}d}"
    if letter == "E":
        name = _DAYS[moment.weekday()]
        return name if width > 3 else name[:3]
    if letter == "a":
        return "AM" if moment.hour < 12 else "PM"
    if letter == "S":
        return f"{moment.microsecond // 1000:03d}"[:width].ljust(width, "0")
    if letter not in numbers:
        unsupported(f"{run} in the pattern of format_datetime")
    return f"{numbers[letter]:0{width}d}"


def format_datetime(moment: datetime.datetime, pattern: str) -> str:
    """Write a timestamp by Joda's letters."""
    return "".join(_joda_value(run, moment) if run else quoted or other for quoted, run, other in _scan(pattern))


_JODA = {"y": "year", "Y": "year", "M": "month", "d": "day", "H": "hour", "h": "half", "m": "minute", "s": "second"}


@lru_cache(maxsize=256)
def _joda(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    written, names = "", []
    for quoted, run, other in _scan(pattern):
        if not run:
            written += re.escape(quoted or other)
            continue
        letter, width = run[0], len(run)
        names.append({"S": "fraction", "a": "noon"}.get(letter, _JODA.get(letter, "")))
        if letter == "M" and width >= 3:
            names[-1] = "name"
            written += r"([A-Za-z]{3,9})"
        elif letter in "yY" and width == 4:
            written += r"(\d{4})"
        elif letter == "S":
            written += rf"(\d{{1,{width}}})"
        elif letter == "a":
            written += r"([AaPp][Mm])"
        elif letter in _JODA and letter not in "yY" and width <= 2:
            written += r"(\d{1,2})"
        else:
            unsupported(f"{run} in the pattern of parse_datetime")
    return re.compile(written), names


def parse_datetime(text: str, pattern: str) -> datetime.datetime:
    """Read a timestamp by Joda's letters."""
    expression, names = _joda(pattern)
    return _moment(expression.fullmatch(text), names, text)


_ISO = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?"
)


def _iso(text: str) -> tuple[datetime.datetime, int]:
    found = _ISO.fullmatch(text)
    if found is None:
        invalid(f'Invalid format: "{text}"')
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime.datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
                                   int(second or 0), int((fraction or "")[:3].ljust(3, "0")) * 1000)  # fmt: skip
    except ValueError as error:
        invalid(f'Cannot parse "{text}": {error}')
    offset = 0
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = (int(digits[:2]) * 60 + int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    return moment, offset


def iso_instant(text: str) -> datetime.datetime:
    """Read an ISO 8601 timestamp; a missing zone is UTC."""
    moment, offset = _iso(text)
    return (moment - datetime.timedelta(minutes=offset)).replace(tzinfo=datetime.UTC)


def iso_date(text: str) -> datetime.date:
    """Read an ISO 8601 date."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", text)
    if found:
        try:
            return datetime.date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
        except ValueError as error:
            invalid(f'Cannot parse "{text}": {error}')
    invalid(f'Invalid format: "{text}"')


_UNITS = {"ns": 1e-3, "us": 1, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9, "d": 8.64e10}


def parse_duration(text: str) -> datetime.timedelta:
    """Read a number with a unit, such as 3.81 d."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text)
    if not found or found[2] not in _UNITS:
        invalid(f"duration is not a valid data duration string: {text}")
    return datetime.timedelta(milliseconds=round(float(found[1]) * _UNITS[found[2]] / 1000))


def iso_check(text: str) -> str:
    """Pass a text on unless it is an ISO 8601 form that is not read here."""
    if re.match(r"[+-]?\d{4,}-?(W\d|\d{3}(\D|$))", text):
        unsupported(f"the ISO 8601 week or ordinal date {text}")
    return text


def iso_utc_check(text: str) -> str:
    """Pass a text on unless its zone is another than UTC."""
    found = _ISO.fullmatch(text)
    if found and found[8] and found[8] not in ("Z", "+00", "+00:00", "+0000", "-00:00"):
        unsupported("a zone other than UTC in from_iso8601_timestamp (put AT TIME ZONE behind it)")
    return iso_check(text)


def check_patterns(function: str, pattern: str) -> None:
    """Read a literal pattern beforehand, so that what is not supported in it shows at once."""
    if function == "date_parse":
        _mysql(pattern)
    elif function == "parse_datetime":
        _joda(pattern)
    else:
        format_datetime(datetime.datetime(2000, 1, 1), pattern)


_TEXT = "VARCHAR"
REFUSING = ("trino_date_parse_any", "trino_format_datetime_any", "trino_parse_datetime_any", "trino_iso_check",
            "trino_iso_utc_check")  # fmt: skip
FUNCTIONS = [
    ("trino_date_parse", date_parse, [_TEXT] * 2, "TIMESTAMP"),
    ("trino_format_datetime", format_datetime, ["TIMESTAMP", _TEXT], _TEXT),
    ("trino_parse_datetime", parse_datetime, [_TEXT] * 2, "TIMESTAMP"),
    ("trino_iso_instant", iso_instant, [_TEXT], "TIMESTAMPTZ"),
    ("trino_iso_check", iso_check, [_TEXT], _TEXT),
    ("trino_iso_utc_check", iso_utc_check, [_TEXT], _TEXT),
    ("trino_date_parse_any", date_parse, [_TEXT] * 2, "TIMESTAMP"),
    ("trino_format_datetime_any", format_datetime, ["TIMESTAMP", _TEXT], _TEXT),
    ("trino_parse_datetime_any", parse_datetime, [_TEXT] * 2, "TIMESTAMP"),
    ("trino_iso_date", iso_date, [_TEXT], "DATE"),
    ("trino_parse_duration", parse_duration, [_TEXT], "INTERVAL"),
]
