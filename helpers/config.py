"""What a step is asked to do: the parameters of a notebook, checked once and frozen."""

import datetime as dt
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from helpers.contract import list_datasets
from helpers.errors import ConfigError, UsageError, nearest

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("local", "aws")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class StepConfig:
    """The parameters of one step.

    Attributes:
        dataset: a folder of datasets/ that holds a contract.
        run_id: names what this run writes: its job run, its report.
        as_of: the logical date: the `ingest_date` of what 01 uploads, and `:as_of` in saved queries.
        profile: where the services are, `local` or `aws`.
        files: what 01 ingests instead of the dataset's own source: a path, a glob, a folder or an s3:// URI.
        full: whether 02 has the job read everything anew, though nothing changed.
    """

    dataset: str
    run_id: str
    as_of: dt.date
    profile: str
    files: str = ""
    full: bool = False


def build_config(dataset: str, run_id: str = "", as_of: str = "", files: str = "", full: bool = False) -> StepConfig:
    """Check a notebook's parameters and return them as one config.

    An empty `run_id` becomes a new one, an empty `as_of` today (UTC). The profile comes from WORKBENCH_PROFILE.

    Raises:
        UsageError: an unknown dataset or profile, with the nearest names.
        ConfigError: a `run_id` or an `as_of` that cannot be used.
    """
    known = list_datasets()
    if dataset not in known:
        raise UsageError(f'dataset "{dataset}" is unknown; {nearest(dataset, known)}')
    profile = os.environ.get("WORKBENCH_PROFILE") or "local"
    if profile not in PROFILES:
        raise UsageError(f'WORKBENCH_PROFILE "{profile}" is unknown; {nearest(profile, PROFILES)}')
    run_id = run_id or f"by-hand-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    if not _RUN_ID.fullmatch(run_id):
        raise ConfigError(
            f'run_id "{run_id}" cannot name a run: use up to 80 letters, digits, dots, dashes and underscores, '
            "with a letter or digit first"
        )
    return StepConfig(dataset=dataset, run_id=run_id, as_of=_read_date(as_of), profile=profile, files=files, full=full)


def _read_date(text: str) -> dt.date:
    if not text:
        return dt.datetime.now(dt.UTC).date()
    # fromisoformat alone also takes 20261124 and 2026-W48-2, which would make other prefixes for the same day
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            pass
    raise ConfigError(f'as_of "{text}" is no date: write it as YYYY-MM-DD, or leave it empty for today')


def find_home() -> Path:
    """Return the state folder: WORKBENCH_HOME, or .workbench in the checkout, whatever the working directory."""
    return Path(os.environ.get("WORKBENCH_HOME") or ROOT / ".workbench").resolve()
