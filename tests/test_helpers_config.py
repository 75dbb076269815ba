"""A notebook's parameters become one checked config; figures and errors reach the runner's file."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from helpers.config import ROOT, StepConfig, build_config, find_home
from helpers.errors import ConfigError, QualityGateError, UsageError
from helpers.record import record_result, step_entry


def test_defaults_are_today_and_a_run_of_its_own() -> None:
    """An empty date is today in UTC, an empty run id a new one at each call."""
    first, second = build_config("student_sample"), build_config("student_sample")
    assert first.as_of == dt.datetime.now(dt.UTC).date()
    assert first.run_id != second.run_id
    assert first.profile == "local"


def test_an_unknown_dataset_is_refused_with_the_nearest_name() -> None:
    """A mistyped dataset never reaches a service."""
    with pytest.raises(UsageError, match='did you mean "student_sample'):
        build_config("student_sampl")


def test_an_unknown_profile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile comes from the environment and must be known."""
    monkeypatch.setenv("WORKBENCH_PROFILE", "awss")
    with pytest.raises(UsageError, match='did you mean "aws"'):
        build_config("student_sample")


@pytest.mark.parametrize("text", ["24.11.2026", "2026-02-30", "20261124", "2026-W48-2", "today"])
def test_a_date_is_an_iso_day(text: str) -> None:
    """Anything but YYYY-MM-DD would make another prefix for the same day."""
    with pytest.raises(ConfigError, match="YYYY-MM-DD"):
        build_config("student_sample", as_of=text)


@pytest.mark.parametrize("text", ["../x", "-x", "a b", "a/b", "x" * 81, "--DATASET"])
def test_a_run_id_is_safe_in_keys_and_arguments(text: str) -> None:
    """A run id names objects and is handed to the job, so it is letters, digits and a few signs."""
    with pytest.raises(ConfigError, match="cannot name a run"):
        build_config("student_sample", run_id=text)


def test_places_do_not_depend_on_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The checkout and the state folder are found from the package, or from WORKBENCH_HOME."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_HOME", raising=False)
    assert find_home() == ROOT / ".workbench"
    assert (ROOT / "datasets").is_dir()
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    assert find_home() == tmp_path / "home"


class Result:
    """A step's result with one figure."""

    def figures(self) -> dict[str, Any]:
        return {"rows_in": 3}


@pytest.fixture
def config() -> StepConfig:
    """A config of fixed values."""
    return StepConfig("student_sample", "r1", dt.date(2026, 1, 2), "local")


def test_figures_go_where_the_runner_asked(config: StepConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The figures are a JSON file at WORKBENCH_STEP_RESULT; without it nothing is written."""
    record_result(config, Result())
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("WORKBENCH_STEP_RESULT", str(tmp_path / "result.json"))
    record_result(config, Result())
    written = json.loads((tmp_path / "result.json").read_text())
    assert written == {"dataset": "student_sample", "run_id": "r1", "as_of": "2026-01-02", "rows_in": 3}


def test_a_failing_entry_records_its_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Type, message and exit code of an error are written before it is raised again."""

    @step_entry
    def fail() -> None:
        raise QualityGateError("too many rows refused")

    monkeypatch.setenv("WORKBENCH_STEP_RESULT", str(tmp_path / "result.json"))
    with pytest.raises(QualityGateError, match="too many"):
        fail()
    written = json.loads((tmp_path / "result.json").read_text())
    assert written == {"error": {"type": "QualityGateError", "message": "too many rows refused", "exit_code": 3}}
