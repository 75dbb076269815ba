"""nbval over the notebooks: in the order of their numbers, the later ones skipped after a failure."""

from pathlib import Path

import pytest

_failed: list[str] = []


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
