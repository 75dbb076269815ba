"""Small notebooks, executed by the runner: what tests of the runner share."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from workbench.execute import Execution, StepOutcome, execute_notebook
from workbench.notebooks import Notebook, read_notebook


def make_notebook(folder: Path, *cells: str, parameters: str = 'dataset: str = "student_sample"') -> Notebook:
    """Write a notebook of these code cells behind a parameters cell, and return it."""
    tagged = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": parameters}
    code = [tagged, *({"cell_type": "code", "metadata": {}, "source": source} for source in cells)]
    document = {
        "cells": [{**cell, "id": f"c{at}", "outputs": [], "execution_count": None} for at, cell in enumerate(code)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = folder / "01_small.ipynb"
    path.write_text(json.dumps(document))
    return read_notebook(path)


def execute(
    folder: Path, *cells: str, seconds: float = 60.0, run_id: str = "r1", then: str = "", name: str = "01_small"
) -> tuple[StepOutcome, dict[str, Any]]:
    """Execute cells as the runner does, as a notebook that `then` follows; return the outcome and the executed copy."""
    (folder / "out").mkdir(exist_ok=True)
    output, following = folder / "out" / f"{name}.ipynb", folder / "out" / f"{then}.ipynb" if then else None
    outcome = execute_notebook(Execution(make_notebook(folder, *cells), output, {}, run_id, seconds, following))
    return outcome, json.loads(output.read_text())


def states(document: dict[str, Any]) -> list[str]:
    """Return what the executed notebook says of each of its cells."""
    return [cell["metadata"]["papermill"]["status"] for cell in document["cells"] if cell["cell_type"] == "code"]


if __name__ == "__main__":  # python notebook_lab.py FOLDER CELL…: a runner of its own, to be killed
    from workbench.errors import Interrupted
    from workbench.leftovers import watched

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    try:
        with watched("r1"):
            ended, _ = execute(Path(sys.argv[1]), *sys.argv[2:])
        print(ended.status, flush=True)
    except Interrupted:
        print("interrupted", flush=True)
        sys.exit(130)
