"""`workbench accept` in a copy of the checkout: it shows what changed, writes when told so, and refuses emptiness."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from workbench.accept import compare_cells

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the command needs of this checkout; its notebooks are this test's own."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("workbench", "helpers", "local_aws", "infra", "glue", "lambdas", "datasets", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def accept(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a checkout."""
    return subprocess.run(
        [sys.executable, "-m", "workbench", "accept", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=500,
    )


def shown(document: dict[str, Any]) -> list[Any]:
    """Return what the code cells of a notebook show, with the cells that are known to be volatile left out."""
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    return [c["outputs"] for c in code if "nbval-ignore-output" not in c["metadata"].get("tags", [])]


def edit_table(path: Path) -> int:
    """Falsify a figure in the first table that a notebook stores; return the number of its code cell."""
    document = json.loads(path.read_text())
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, start=1):
        if "nbval-ignore-output" in cell["metadata"].get("tags", []):
            continue
        for output in cell["outputs"]:
            if "text/html" in output.get("data", {}):
                output["data"]["text/plain"] = ["a falsified figure: 12345"]
                path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
                return number
    raise AssertionError(f"{path} stores no table")


@pytest.mark.slow
def test_what_changed_is_shown_and_written_only_when_told(checkout: Path) -> None:
    """A falsified stored output is named with both texts; the file stays, until --write makes it the present one."""
    notebook = checkout / "notebooks" / "01_ingest.ipynb"
    original = json.loads(notebook.read_text())
    number = edit_table(notebook)
    falsified = notebook.read_bytes()
    done = accept(checkout)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"01_ingest, code cell {number}:" in done.stdout and "-a falsified figure: 12345" in done.stdout
    assert "1 cell changed: nothing written" in done.stdout and notebook.read_bytes() == falsified
    done = accept(checkout, "--write")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown(json.loads(notebook.read_text())) == shown(original)
    assert [path.name for path in (checkout / "notebooks").glob(".*.tmp")] == []


@pytest.mark.parametrize("what", ["no counts", "no outputs"])
def test_missing_stored_outputs_are_refused(checkout: Path, what: str) -> None:
    """Nothing is executed and nothing written: a comparison with nothing would pass. The notebook is named; code 2."""
    notebook = checkout / "notebooks" / "01_ingest.ipynb"
    document = json.loads(notebook.read_text())
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
            cell["execution_count"] = None if what == "no counts" else cell["execution_count"]
    notebook.write_text(json.dumps(document))
    before = notebook.read_bytes()
    for arguments in ((), ("--write",)):
        done = accept(checkout, *arguments)
        assert done.returncode == 2 and "01_ingest.ipynb" in done.stderr, done.stderr
    assert notebook.read_bytes() == before


def test_cells_are_compared_by_what_they_show() -> None:
    """Another text, and a picture that was not there are changes; a volatile cell's output is none."""

    def document(*texts: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
        cells = [
            {
                "cell_type": "code",
                "metadata": {"tags": list(tags)},
                "outputs": [{"output_type": "stream", "text": text}],
            }
            for text in texts
        ]
        return {"cells": cells}

    assert compare_cells("n", document("a", "b at 0x7f00aa11"), document("a", "b at 0x7f00bb22")) == []
    [change] = compare_cells("n", document("a", "b"), document("a", "c"))
    assert (change.cell, change.lines[-2:]) == (2, ["-b", "+c"])
    assert compare_cells("n", document("b", tags=("nbval-ignore-output",)), document("c")) == []
    picture = document("a")
    picture["cells"][0]["outputs"].append({"output_type": "display_data", "data": {"image/png": "AAAA"}})
    [change] = compare_cells("n", document("a"), picture)
    assert change.lines[-1].startswith("+(a picture that cannot be read, ")


def draw(height: float, title: str = "") -> str:
    """Draw a bar of a height; return the PNG as notebooks keep it."""
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().bar(["a"], [height])
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Title": title})
    return base64.b64encode(written.getvalue()).decode()


def test_pictures_are_compared_by_their_pixels() -> None:
    """A bar of another height is a change, what else stands in the file is none; of a dated one the size counts."""

    def document(picture: str, *tags: str) -> dict[str, Any]:
        output = {"output_type": "display_data", "data": {"image/png": picture, "text/plain": "<Figure>"}}
        return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": [output]}]}

    assert compare_cells("n", document(draw(1)), document(draw(1, "again"))) == []
    [change] = compare_cells("n", document(draw(1)), document(draw(2)))
    assert any(line.startswith("+(a picture, 100 x 100, ") for line in change.lines)
    assert compare_cells("n", document(draw(1), "dated-picture"), document(draw(2), "dated-picture")) == []
