"""Settings of the runner: retries, time limits and what to do when a run fails, from a YAML file.

The file is workbench.yaml in the checkout, or the one that WORKBENCH_SETTINGS names; without it the defaults hold
(docs/runner.md). Parameters of notebooks are not in it: they are given with --parameters.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workbench.errors import UsageError, suggest

ROOT = Path(__file__).resolve().parent.parent
_NUMBERS = {"retries": int, "backoff_seconds": float, "step_seconds": float, "run_seconds": float}
_HOOKS = ("command", "webhook")


@dataclass(frozen=True)
class Settings:
    """How a run behaves.

    Attributes:
        retries: how often a step that failed for a transient reason is executed again.
        backoff_seconds: how long the first retry waits; each further one waits twice as long, and up to half more.
        step_seconds, run_seconds: time limits of one step (all its attempts) and of the run.
        on_failure: {"command": shell command} or {"webhook": URL}; told when a run fails or is interrupted.
    """

    retries: int = 2
    backoff_seconds: float = 1.0
    step_seconds: float = 3600.0
    run_seconds: float = 4 * 3600.0
    on_failure: dict[str, str] | None = None


def read_settings(path: Path | None = None) -> Settings:
    """Return the settings of `path` (default: WORKBENCH_SETTINGS, else workbench.yaml in the checkout).

    Raises:
        UsageError: the file cannot be read, or a name or value in it is wrong.
    """
    named = path or (Path(os.environ["WORKBENCH_SETTINGS"]) if os.environ.get("WORKBENCH_SETTINGS") else None)
    place = named or ROOT / "workbench.yaml"
    if named is None and not place.exists():
        return Settings()
    import yaml

    try:
        document = yaml.safe_load(place.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{place} cannot be read as YAML: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{place} must hold name: value, a line a setting")
    known = [field.name for field in fields(Settings)]
    for name in document:
        if name not in known:
            raise UsageError(f"{place}: {name} is no setting{suggest(str(name), known)}")
    return Settings(**{name: _check(place, name, value) for name, value in document.items()})


def _check(place: Path, name: str, value: Any) -> Any:
    if name == "on_failure":
        right = (
            isinstance(value, dict)
            and len(value) == 1
            and all(key in _HOOKS and isinstance(told, str) for key, told in value.items())
        )
        if not right:
            raise UsageError(f"{place}: on_failure must be `command: …` or `webhook: …`")
        return value
    kind = _NUMBERS[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value < 0
        or not math.isfinite(value)
        or kind(value) != value
    ):
        raise UsageError(f"{place}: {name}={value}: expected a number of 0 or more")
    if name.endswith("_seconds") and name != "backoff_seconds" and value == 0:
        raise UsageError(f"{place}: {name}=0 leaves no time at all: leave it out for the default")
    return kind(value)
