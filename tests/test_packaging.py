"""The pins: one set, in pyproject.toml, the lock and the conda environment."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
USERS_OWN = (
    "jupyterlab",
    "papermill",
    "awswrangler",
    "pyspark",
    "pandas",
    "sqlalchemy",
    "psycopg2-binary",
    "nbval",
    "pytest",
)


def direct_pins() -> list[str]:
    """Return the direct dependencies as written in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dev"]]


def test_environment_yml_has_the_pins_of_pyproject() -> None:
    """environment.yml is what tools/conda_environment.py makes of pyproject.toml."""
    made = runpy.run_path(str(ROOT / "tools" / "conda_environment.py"))["render"]()
    assert (ROOT / "environment.yml").read_text() == made


@pytest.mark.parametrize("pin", direct_pins())
def test_every_direct_dependency_is_pinned_exactly_and_locked(pin: str) -> None:
    """A direct dependency names one version, and the lock holds that version with hashes."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)(\[[a-z0-9,]+\])?==([^;\s]+)(;.*)?", pin)
    assert match, pin
    name, version = match[1].lower(), match[3]
    lock = (ROOT / "requirements.lock").read_text()
    assert re.search(rf"^{re.escape(name)}=={re.escape(version)}\b.*\\\n    --hash=sha256:", lock, re.MULTILINE), pin


def test_the_lock_names_no_index() -> None:
    """The lock carries hashes and no address of an index or a folder of packages."""
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^\s*--(index|extra-index|find-links)", lock, re.MULTILINE)


def test_the_users_packages_are_there() -> None:
    """The packages that the user fixed are direct dependencies."""
    names = {re.match(r"[A-Za-z0-9._-]+", pin)[0].lower() for pin in direct_pins()}  # type: ignore[index]
    assert set(USERS_OWN) <= names


@pytest.mark.parametrize("pin", direct_pins())
def test_every_direct_dependency_has_its_reason(pin: str) -> None:
    """docs/adr/0002-dependencies.md has a line for each direct dependency."""
    name = re.match(r"[A-Za-z0-9._-]+", pin)[0]  # type: ignore[index]
    reasons = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text()
    assert re.search(rf"^\| {re.escape(name)} \|", reasons, re.MULTILINE), name
