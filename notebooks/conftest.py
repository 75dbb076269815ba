"""nbval over the notebooks: on a fresh stack, in the order of their numbers, the later ones skipped after a failure.

The stored outputs are those of the sample and nothing else, so what a user put into the checkout's own state folder
must neither be compared nor touched. A WORKBENCH_HOME that was set is used as it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_failed: list[str] = []
_own_home: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    """Give the kernels a state folder of their own, whose stack the first notebook starts."""
    if not os.environ.get("WORKBENCH_HOME"):
        _own_home.append(Path(tempfile.mkdtemp(prefix="workbench-notebooks-")))
        os.environ["WORKBENCH_HOME"] = str(_own_home[0])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop that stack and remove its folder."""
    for home in _own_home:
        command = [sys.executable, "-m", "workbench", "reset", "--yes"]
        if (home / "lock").exists():
            subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        shutil.rmtree(home)
        del os.environ["WORKBENCH_HOME"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by notebook; the cells of one stay in their order."""
    items.sort(key=lambda item: item.path.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the notebooks behind one that failed: what they read was not written."""
    if _failed and item.path.suffix == ".ipynb" and item.path.name != _failed[0]:
        pytest.skip(f"{_failed[0]} failed")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember the first notebook with a failure."""
    name = Path(report.nodeid.partition("::")[0]).name
    if report.failed and not _failed:
        _failed.append(name)
