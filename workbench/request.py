"""What a run is asked to do: checked here, so that nothing that a user can mistype is left to find once it started."""

from __future__ import annotations

import datetime as dt
import glob
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.errors import UsageError, suggest
from workbench.notebooks import ROOT, Notebook, read_notebooks
from workbench.parameters import collect, merge_schemas
from workbench.runs import runs_folder
from workbench.settings import Settings, read_settings

PROFILES = ("local", "aws")
DATASET = "student_performance"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class RunConfig:
    """What to run, as a user says it: dataset, profile, and `name=value` pairs for the notebooks' parameters.

    Attributes:
        full: run every notebook, whether it is up to date or not, and have the job read everything anew.
        wait: wait for a run of the same dataset that is under way.
        file: a YAML file of parameters.
    """

    dataset: str | None = None
    profile: str = "local"
    pairs: list[str] = field(default_factory=list)
    full: bool = False
    wait: bool = False
    file: Path | None = None


@dataclass(frozen=True)
class Request:
    """A checked configuration.

    Attributes:
        parameters: what the notebooks are given; `run_id`, `dataset` and `as_of` are always among them.
        origins: name -> where a parameter that was given came from; `as_of` is in it only where it was given.
        parent: the run that this one repairs or replays, with the word for it.
        resume: notebook -> the run that did it, for the steps that a repair leaves as they are.
    """

    dataset: str
    profile: str
    run_id: str
    as_of: str
    parameters: dict[str, Any]
    origins: dict[str, str]
    notebooks: list[Notebook]
    settings: Settings
    full: bool = False
    wait: bool = False
    parent: dict[str, str] | None = None
    resume: Mapping[str, str] = field(default_factory=dict)

    def at(self, as_of: str) -> Request:
        """Return the request for another logical date, under a run id of its own."""
        run_id = new_run_id(self.dataset)
        parameters = {**self.parameters, "as_of": as_of, "run_id": run_id}
        origins = {**self.origins, "as_of": "--backfill"}
        return replace(self, run_id=run_id, as_of=as_of, parameters=parameters, origins=origins)


def new_run_id(dataset: str) -> str:
    """Return a name for a run: its start in UTC, its dataset, and four random letters."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{dataset}-{secrets.token_hex(2)}"


def check_request(config: RunConfig, environment: Mapping[str, str] = os.environ) -> Request:
    """Check dataset, profile, parameters and settings before anything starts.

    Raises:
        UsageError: an unknown name, with the nearest ones, or a value that does not fit.
        NotebookError: a notebook that cannot be executed as it stands.
    """
    notebooks = read_notebooks()
    schema = merge_schemas((notebook.name, notebook.schema) for notebook in notebooks)
    given = collect(schema, environment, config.file, config.pairs)
    values, origins = dict(given.values), dict(given.origins)
    if config.dataset is not None and origins.get("dataset") != "-p":
        values["dataset"], origins["dataset"] = config.dataset, "--dataset"
    dataset = str(values.get("dataset", DATASET))
    check_dataset(dataset)
    check_choice("profile", config.profile, PROFILES)
    if not values.get("as_of"):
        origins.pop("as_of", None)  # empty means: not given
    as_of = check_date("as_of", str(values.get("as_of") or dt.datetime.now(dt.UTC).date()))
    if values.get("files"):
        values["files"] = name_from_here(str(values["files"]))
    run_id = check_run_id(str(values.get("run_id") or new_run_id(dataset)))
    values |= {"dataset": dataset, "as_of": as_of, "run_id": run_id}
    full = config.full or bool(values.get("full"))
    values |= {"full": True} if full else {}  # notebook 02 hands it to the job
    settings = read_settings()
    return Request(dataset, config.profile, run_id, as_of, values, origins, notebooks, settings, full, config.wait)


def name_from_here(files: str) -> str:
    """Return a relative path or glob that leads to files from the working directory as an absolute one.

    Notebooks are executed in the checkout, where it would name others, or none.
    """
    here = Path.cwd()
    if here == ROOT or "://" in files or Path(files).expanduser().is_absolute():
        return files
    absolute = os.path.join(glob.escape(str(here)), files)
    return absolute if glob.glob(absolute.replace("{as_of}", "*"), recursive=True) else files


def check_dataset(dataset: str) -> None:
    """Raise UsageError where there is no such dataset, with the nearest names."""
    from helpers.contract import list_datasets

    check_choice("dataset", dataset, list_datasets())


def check_choice(what: str, value: str, known: list[str] | tuple[str, ...]) -> None:
    """Raise UsageError where `value` is none of `known`, with the nearest names."""
    if value not in known:
        raise UsageError(f"{what} {value} is unknown{suggest(value, known)}")


def check_date(what: str, text: str) -> str:
    """Return `text` if it is a date as YYYY-MM-DD, and nothing else that fromisoformat would take."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise UsageError(f"{what} {text} is no date: write it as YYYY-MM-DD")


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it can name a folder, a job's token and a report, and no run has it."""
    if not _RUN_ID.fullmatch(run_id) or (runs_folder() / run_id).exists() or run_id in ("latest", "index.html"):
        raise UsageError(
            f"run_id {run_id} is taken or holds other characters than letters, digits, - _ . (at most 80, a letter or "
            "digit first)"
        )
    return run_id


def read_range(text: str) -> list[str]:
    """Return the dates of FROM..TO, both included, oldest first.

    Raises:
        UsageError: no range of dates, or more than 366.
    """
    first, dots, last = text.partition("..")
    if not dots:
        raise UsageError(f"--backfill {text}: expected FROM..TO, such as 2024-01-01..2024-01-31")
    start = dt.date.fromisoformat(check_date("--backfill", first))
    end = dt.date.fromisoformat(check_date("--backfill", last))
    days = (end - start).days + 1
    if not 1 <= days <= 366:
        raise UsageError(f"--backfill {text}: FROM must not be after TO, and a range has at most 366 days")
    return [(start + dt.timedelta(days=day)).isoformat() for day in range(days)]
