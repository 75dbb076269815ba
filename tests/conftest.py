"""What every test shares: a scrubbed environment and folders of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalog_lab import CatalogLab, catalog_lab
from job_lab import JobLab, job_lab

OUTSIDE = ("AWS_", "WORKBENCH_", "SPARK_", "JAVA_", "PG", "PYSPARK_")


@pytest.fixture(autouse=True, scope="session")
def scrubbed_environment() -> None:
    """Take from the environment what could steer a test from outside."""
    for name in [name for name in os.environ if name.startswith(OUTSIDE)]:
        del os.environ[name]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A state folder (WORKBENCH_HOME) of this test's own."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o711)
    yield folder


@pytest.fixture(scope="session")
def stack(scrubbed_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One embedded stack for all tests that only use it; its state folder is the value, also in WORKBENCH_HOME."""
    home = tmp_path_factory.mktemp("stack") / "home"
    os.environ["WORKBENCH_HOME"] = str(home)
    os.environ["WORKBENCH_RUNS"] = str(home.parent / "runs")
    subprocess.run([sys.executable, "-m", "workbench", "up"], check=True, timeout=180, stdin=subprocess.DEVNULL)
    yield home
    empty = [sys.executable, "-m", "workbench", "reset", "--yes"]
    subprocess.run(empty, check=True, timeout=60, stdin=subprocess.DEVNULL)
    for name in ("WORKBENCH_HOME", "WORKBENCH_RUNS"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def job_lake(scrubbed_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobLab]:
    """One lake and one warm Spark for all modules that run the job on it, each of which empties it first."""
    with job_lab(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="session")
def catalog_lake(scrubbed_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogLab]:
    """The same with a catalog, a crawler and Athena."""
    with catalog_lab(tmp_path_factory.mktemp("catalog")) as made:
        yield made
