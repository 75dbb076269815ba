"""EventBridge's event patterns: does an event match a rule's pattern?

Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.errors import ServiceError

# What a list of a pattern may hold beside plain values.
_COMPARISONS = frozenset({"prefix", "suffix", "anything-but", "exists", "equals-ignore-case"})


def check_pattern(pattern: Any, where: str = "") -> None:
    """Raise InvalidEventPatternException for what is no pattern, or uses a comparison that is not known here."""
    if not isinstance(pattern, dict) or not pattern:
        raise _invalid(where, "is not an object with at least one name")
    for name, wanted in pattern.items():
        place = f"{where}.{name}".lstrip(".")
        if isinstance(wanted, dict):
            check_pattern(wanted, place)
        elif not isinstance(wanted, list) or not wanted:
            raise _invalid(place, "is neither an object nor a list of values")
        else:
            for entry in wanted:
                _check_entry(entry, place)


def _check_entry(entry: Any, place: str) -> None:
    if isinstance(entry, list):
        raise _invalid(place, "holds a list in its list")
    if isinstance(entry, dict) and (len(entry) != 1 or not _COMPARISONS >= entry.keys()):
        raise _invalid(place, f"compares by {', '.join(entry)}, which is not supported locally")


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Say whether every name of the pattern has one of its values in the event."""
    for name, wanted in pattern.items():
        found = event.get(name)
        if isinstance(wanted, dict):
            if not isinstance(found, dict) or not matches(wanted, found):
                return False
        elif not any(_fits(entry, name in event, found) for entry in wanted):
            return False
    return True


def _fits(entry: Any, there: bool, found: Any) -> bool:
    if isinstance(found, list):  # one of the values is enough
        return any(_fits(entry, True, value) for value in found)
    if not isinstance(entry, dict):
        return there and type(entry) is type(found) and bool(entry == found)
    comparison, value = next(iter(entry.items()))
    if comparison == "exists":
        return there is bool(value)
    if not there:
        return False
    if comparison == "anything-but":
        if isinstance(value, dict):
            return not _fits(value, there, found)
        return found not in (value if isinstance(value, list) else [value])
    if not isinstance(found, str):
        return False
    if comparison == "equals-ignore-case":
        return bool(found.casefold() == str(value).casefold())
    return found.startswith(str(value)) if comparison == "prefix" else found.endswith(str(value))


def _invalid(where: str, problem: str) -> ServiceError:
    return ServiceError("InvalidEventPatternException", f"Event pattern is not valid: {where or 'it'} {problem}.")
