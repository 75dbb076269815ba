"""Execute the notebooks on the reference data and compare what they show with the outputs that are stored.

The reference is what their parameters cells say, on a stack of their own with nothing in it, so that accepting is the
same on every machine. What is volatile (paths, ports, times) is made equal by notebooks/sanitize.cfg, as nbval does.
"""

from __future__ import annotations

import base64
import configparser
import difflib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import NotebookError, StepFailed
from workbench.executed import read_notebook_file
from workbench.interruption import stoppable
from workbench.notebooks import FOLDER, Notebook, read_notebooks
from workbench.record import replace_file
from workbench.redaction import redact, redact_values

_IGNORED = "nbval-ignore-output"
_SECONDS = 3600.0
_DATED = "dated-picture"  # of a cell whose picture shows times: only its size is compared


@dataclass(frozen=True)
class Change:
    """One cell whose output is another than the stored one, with a unified diff of both as text."""

    notebook: str
    cell: int
    lines: list[str]


def check_stored(notebook: Notebook) -> None:
    """Raise NotebookError where stored outputs are missing: a comparison with nothing would always pass."""
    document = read_notebook_file(notebook.path) or {"cells": []}
    code = [cell for cell in document["cells"] if cell.get("cell_type") == "code"]
    counts = [cell.get("execution_count") for cell in code]
    if None in counts or counts != list(range(1, len(code) + 1)):
        raise NotebookError(
            f"notebook {notebook.path} has cells without stored outputs (execution counts are not 1 to {len(code)}): "
            "restore it, or say --vacuous to accept what it shows now"
        )
    if not any(cell.get("outputs") for cell in code):
        raise NotebookError(f"notebook {notebook.path} stores no output at all: restore it, or say --vacuous")


def accept_notebooks(write: bool, vacuous: bool = False) -> list[Change]:
    """Execute all notebooks in a fresh stack; return what changed, and write it into the notebooks where told so.

    Raises:
        NotebookError: stored outputs are missing, and `vacuous` is False.
        StepFailed: a notebook failed; nothing is written.
    """
    notebooks = read_notebooks()
    if not vacuous:
        for notebook in notebooks:
            check_stored(notebook)
    with stoppable(_SECONDS), tempfile.TemporaryDirectory(prefix="wb-accept-") as space:
        executed = _execute(notebooks, Path(space))
    changes: list[Change] = []
    for notebook in notebooks:
        stored = read_notebook_file(notebook.path)
        assert stored is not None  # read_notebooks has read it
        found = compare_cells(notebook.name, stored, executed[notebook.name])
        changes += found
        if write and (found or vacuous):
            replace_file(notebook.path, _take_over(stored, executed[notebook.name]))
    return changes


def _execute(notebooks: list[Notebook], space: Path) -> dict[str, dict[str, Any]]:
    """Run papermill, as a reader would, on a stack of its own; return the executed notebooks by name."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WORKBENCH_"))}
    environment |= {"WORKBENCH_HOME": str(space / "home")}
    executed = {}
    try:
        for notebook in notebooks:
            target = space / notebook.path.name
            command = [sys.executable, "-m", "papermill", str(notebook.path), str(target), "--no-progress-bar"]
            done = subprocess.run(
                command, cwd=FOLDER, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
            document = read_notebook_file(target)
            if done.returncode or document is None:
                lines = redact(done.stderr).strip().splitlines() or ["no message"]
                raise StepFailed(f"{notebook.name} failed on the reference data: {lines[-1]}; nothing was written")
            executed[notebook.name] = document
    finally:
        subprocess.run(
            [sys.executable, "-m", "workbench", "down"], env=environment, stdin=subprocess.DEVNULL, check=False
        )
    return executed


def compare_cells(name: str, stored: dict[str, Any], executed: dict[str, Any]) -> list[Change]:
    """Return the cells whose outputs differ, the volatile ones aside."""
    rules = read_rules()
    fresh = _code_cells(executed)
    changes = []
    for number, (cell, other) in enumerate(zip(_code_cells(stored), fresh, strict=True), start=1):
        if _IGNORED in cell.get("metadata", {}).get("tags", []):
            continue
        before, after = (_shown(each, rules) for each in (cell, other))
        if before != after:
            lines = difflib.unified_diff(before, after, "stored", "now", lineterm="", n=1)
            changes.append(Change(name, number, list(lines)))
    return changes


def read_rules(place: Path | None = None) -> list[tuple[re.Pattern[str], str]]:
    """Return the replacements of notebooks/sanitize.cfg, in order."""
    parser = configparser.RawConfigParser()
    parser.read(place or FOLDER / "sanitize.cfg", encoding="utf-8")
    sections = [dict(parser.items(name)) for name in parser.sections()]
    return [(re.compile(rule["regex"]), rule["replace"]) for rule in sections if {"regex", "replace"} <= rule.keys()]


def _code_cells(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the code cells; the one that papermill injects for parameters is not among them."""
    cells = [cell for cell in document["cells"] if cell.get("cell_type") == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.get("metadata", {}).get("tags", [])]


def _shown(cell: dict[str, Any], rules: list[tuple[re.Pattern[str], str]]) -> list[str]:
    """Return what a cell shows as lines of text; of a picture, its size and a hash of its pixels."""
    lines: list[str] = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if output.get("output_type") == "error":
            lines += [f"{output.get('ename')}: {output.get('evalue')}"]
        elif "image/png" in data:
            lines.append(_describe_picture(data["image/png"], _DATED in cell.get("metadata", {}).get("tags", [])))
        value = output.get("text") or data.get("text/plain") or ""
        text = "".join(value) if isinstance(value, list) else str(value)
        for pattern, replacement in rules:
            text = pattern.sub(replacement, text)
        lines += text.splitlines()
    return lines


def _describe_picture(encoded: str | list[str], dated: bool) -> str:
    """Name a picture by what can be seen: which program wrote the file is none of that."""
    from matplotlib.image import imread  # takes a third of a second

    content = base64.b64decode("".join(encoded))
    try:
        pixels = imread(io.BytesIO(content))
    except (OSError, SyntaxError, ValueError):
        return f"(a picture that cannot be read, {hashlib.sha256(content).hexdigest()[:8]})"
    height, width = pixels.shape[:2]
    seen = "" if dated else f", {hashlib.sha256(pixels.tobytes()).hexdigest()[:8]}"
    return f"(a picture, {width} x {height}{seen})"


def _take_over(stored: dict[str, Any], executed: dict[str, Any]) -> str:
    """Return the stored notebook with the executed one's outputs: its cells, metadata and order stay its own."""
    for number, (cell, other) in enumerate(zip(_code_cells(stored), _code_cells(executed), strict=True), start=1):
        cell["execution_count"] = number
        cell["outputs"] = [
            {**output, "execution_count": number} if "execution_count" in output else output
            for output in other.get("outputs", [])
        ]
    return json.dumps(redact_values(stored), indent=1, ensure_ascii=False) + "\n"
