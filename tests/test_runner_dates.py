"""The stored outputs of the notebooks are those of any day and any time zone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "date"), [("Pacific/Auckland", "2031-02-03"), ("Etc/GMT+12", "2027-12-31")])
def test_nbval_passes_on_another_date_in_another_time_zone(tmp_path: Path, zone: str, date: str) -> None:
    """In a fresh state folder, on any logical date after the data, every cell shows what is stored."""
    folder = tmp_path / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.glob("*.ipynb"):
        document = json.loads(path.read_text())
        [cell] = [cell for cell in document["cells"] if "parameters" in cell["metadata"].get("tags", [])]
        source = "".join(cell["source"])
        assert 'as_of: str = ""' in source
        cell["source"] = source.replace('as_of: str = ""', f'as_of: str = "{date}"')
        path.write_text(json.dumps(document))
    own = {"WORKBENCH_HOME": str(tmp_path / "home"), "TZ": zone, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    command += ["--nbval-sanitize-with", str(folder / "sanitize.cfg"), "--nbval-cell-timeout", "300", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout[-3000:]
        assert list((tmp_path / "home" / "lake").glob(f"*-raw-*/*/ingest_date={date}/*"))
    finally:
        subprocess.run([sys.executable, "-m", "workbench", "reset", "--yes"], env={**os.environ, **own}, check=True)
