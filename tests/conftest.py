"""What every test shares: a scrubbed environment and folders of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
