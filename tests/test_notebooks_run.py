"""The notebooks really run: by papermill from any folder, on another dataset, and compared by nbval."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.contract import load_contract

ROOT = Path(__file__).resolve().parent.parent
STEMS = ("01_ingest", "02_transform", "03_catalog_query", "04_load_postgres")
NBVAL = ("--nbval", "--nbval-current-env", "--nbval-sanitize-with", "notebooks/sanitize.cfg", "--nbval-cell-timeout")


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh state folder whose stack the first notebook starts."""
    home = tmp_path_factory.mktemp("notebooks") / "home"
    yield home
    environment = os.environ | {"WORKBENCH_HOME": str(home)}
    subprocess.run(
        [sys.executable, "-m", "workbench", "down"], env=environment, timeout=60, stdin=subprocess.DEVNULL, check=True
    )


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python module as a command in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=500,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def compare(home: Path, *names: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run nbval over notebooks as `make test` does."""
    command = ["pytest", "-q", "-p", "no:cacheprovider", *NBVAL, "300", *names]
    return run(command, ROOT, WORKBENCH_HOME=str(home), **variables)


@pytest.mark.slow
def test_nbval_passes_in_a_fresh_home_and_again_and_in_another_time_zone(own_home: Path) -> None:
    """The stored outputs are those of any run on any machine."""
    first = compare(own_home, "notebooks")
    assert first.returncode == 0, first.stdout[-3000:]
    again = compare(own_home, "notebooks", TZ="Pacific/Auckland", LC_ALL="C")
    assert again.returncode == 0, again.stdout[-3000:]


@pytest.mark.slow
def test_nbval_notices_a_change_in_a_helper(own_home: Path, tmp_path: Path) -> None:
    """A helper that counts one row too many makes the comparison fail at the cell that shows it."""
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers")
    for name in ("datasets", "glue"):
        (tmp_path / name).symlink_to(ROOT / name)
    planted = tmp_path / "helpers" / "ingest_profile.py"
    source = planted.read_text()
    assert "rows + misfits" in source
    planted.write_text(source.replace("rows + misfits", "rows + misfits + 1"))
    done = compare(own_home, "notebooks/01_ingest.ipynb", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "profile.file_table" in done.stdout


@pytest.mark.slow
def test_on_another_dataset_no_cell_speaks_of_a_column_that_is_not_there(own_home: Path, tmp_path: Path) -> None:
    """Executed by papermill from another folder on tennessee_star, the notebooks show its columns and no others."""
    others = {column.name for column in load_contract("student_performance").columns}
    foreign = others - {column.name for column in load_contract("tennessee_star").columns}
    for stem in STEMS:
        command = ["papermill", str(ROOT / "notebooks" / f"{stem}.ipynb"), f"{stem}.ipynb", "-p", "dataset"]
        done = run([*command, "tennessee_star", "--no-progress-bar"], tmp_path, WORKBENCH_HOME=str(own_home))
        assert done.returncode == 0, done.stderr[-3000:]
        cells = json.loads((tmp_path / f"{stem}.ipynb").read_text())["cells"]
        shown = json.dumps([[cell["source"], cell.get("outputs", [])] for cell in cells])
        assert not set(re.findall(r"[a-z_]+", shown)) & foreign
    assert "26796" in (tmp_path / "04_load_postgres.ipynb").read_text()


def test_a_notebook_whose_forerunner_has_not_run_says_so(own_home: Path, tmp_path: Path) -> None:
    """Notebook 04 alone in a fresh state folder: one line, which step is missing, in the record with its exit code."""
    source = ROOT / "notebooks" / "04_load_postgres.ipynb"
    record = tmp_path / "result.json"
    variables = {"WORKBENCH_HOME": str(own_home), "WORKBENCH_STEP_RESULT": str(record)}
    command = ["papermill", str(source), "out.ipynb", "--no-progress-bar", "-p", "dataset", "student_performance"]
    done = run(command, tmp_path, **variables)
    assert done.returncode == 1
    error = json.loads(record.read_text())["error"]
    assert (error["type"], error["exit_code"]) == ("StepError", 1)
    assert re.search(r"run 0\d_\w+ for student_performance first", error["message"])
