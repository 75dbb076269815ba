"""Which failures may pass by themselves: those are tried again, wrong data and wrong code never are."""

from __future__ import annotations

import random
import re
from typing import Any

from workbench.settings import Settings

_TRANSIENT = re.compile(
    r"throttl|slow ?down|too ?many ?requests|request ?limit ?exceeded|rate exceeded|provisionedthroughputexceeded"
    r"|connection (was )?(reset|closed|aborted|refused)|server closed the connection|remote end closed|broken pipe"
    r"|timed? ?out|does not answer|could not connect|endpoint url|service ?unavailable|failed in the service itself"
    r"|internal ?(server|service) ?error|bad gateway|gateway timeout|\b50[0234]\b|starting up|shutting down"
    r"|concurrentrunsexceeded|deadlock detected|serialization failure",
    re.IGNORECASE,
)
_LASTING = re.compile(
    r"no space left|credentials|refused \(|access ?denied|permission|signature|password|not supported", re.IGNORECASE
)
# a service that answers 400 for it; botocore has tried again by then, so that its helper calls the step failed
_THROTTLED = re.compile(
    r"\w+: (Throttl\w+|TooManyRequests\w*|RequestLimitExceeded|RequestThrottled\w*|ConcurrentRunsExceeded\w*): "
)
_TYPES = frozenset(
    "ServiceError ClientError OperationalError ConnectionError ConnectionResetError ConnectionRefusedError".split()
)


def is_transient(error: dict[str, Any]) -> bool:
    """Say whether a step's error may pass by itself: a service that throttles, resets, or answers 5xx.

    Only errors of services qualify; a gate's refusal, a failed assertion or a full disk does not, whatever its text.
    """
    message = str(error.get("message", ""))
    if error.get("type") == "StepError":
        return bool(_THROTTLED.match(message))
    if error.get("type") not in _TYPES or error.get("exit_code") in (2, 3, 130):
        return False
    return bool(_TRANSIENT.search(message)) and not _LASTING.search(message)


def backoff(settings: Settings, attempt: int) -> float:
    """Return the seconds to wait after the failed `attempt` (1, 2, …): doubling, and up to half more by chance."""
    return float(settings.backoff_seconds * 2 ** (attempt - 1) * random.uniform(1.0, 1.5))
