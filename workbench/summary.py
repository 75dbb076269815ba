"""What `workbench run` shows at its end: the steps, the first answer, and where to look next."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.console import Output
from workbench.record import Manifest
from workbench.runs import runs_folder


def show_summary(manifest: Manifest, output: Output) -> None:
    """Print the run's table of steps, its first answer and the places to look at."""
    rows = [
        [step.notebook, step.status, step.rows_in, step.rows_out, step.rows_quarantined, round(step.seconds, 1)]
        for step in manifest.steps
    ]
    title = f"{manifest.dataset}: {manifest.status} in {manifest.seconds:.1f} s"
    output.table(title, ["step", "status", "rows in", "rows out", "quarantined", "seconds"], rows)
    if manifest.answer:
        output.table(manifest.answer["title"], manifest.answer["columns"], manifest.answer["rows"][:10])
    folder = shown(runs_folder() / manifest.run_id)
    output.line(f"record and executed notebooks: {folder}/manifest.json, {folder}/*.ipynb")
    tables = [uri for uri in manifest.outputs if uri.startswith("postgresql:")]
    if tables:
        output.line(f"tables in PostgreSQL: {', '.join(uri.rpartition('/')[2] for uri in tables)}")
    output.line('next: `eval "$(.venv/bin/workbench env)" && psql`, or `make lab` to open the notebooks')
    if manifest.profile == "local":
        output.line("the stack stays up: `.venv/bin/workbench status` shows it, `.venv/bin/workbench down` stops it")


def shown(path: Path) -> str:
    """Return `path` relative to the working directory where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
