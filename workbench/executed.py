"""The executed copy of a notebook: written whole or not at all, without secrets, and true about how its cells ended."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from workbench.record import replace_file
from workbench.redaction import redact_json, redact_values

SCHEME = "workbench-run:"  # what papermill's output paths begin with, so that it writes through the handler below


class AtomicHandler:
    """papermill's way to write: to a temporary name, then renamed, since a full disk else leaves half a file."""

    @classmethod
    def write(cls, content: str, path: str) -> None:
        """Write a notebook, with its secrets redacted."""
        place = path.removeprefix(SCHEME)
        replace_file(Path(place), redact_json(content.replace(path, place)), durable=False)

    @classmethod
    def pretty_path(cls, path: str) -> str:
        """Return the path as people know it."""
        return path.removeprefix(SCHEME)

    @classmethod
    def read(cls, path: str) -> str:
        """Return the notebook's text."""
        return Path(path.removeprefix(SCHEME)).read_text(encoding="utf-8")

    @classmethod
    def listdir(cls, path: str) -> list[str]:
        """Return the names in a folder."""
        return sorted(entry.name for entry in Path(path.removeprefix(SCHEME)).iterdir())


def read_notebook_file(path: Path) -> dict[str, Any] | None:
    """Return the notebook of a file; None where there is none that can be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("cells"), list) else None


def read_cell_seconds(path: Path) -> list[float]:
    """Return how long each code cell ran, in order, by the kernel's own messages; only of cells that ended."""
    document = read_notebook_file(path) or {"cells": []}
    seconds = (_cell_seconds(cell) for cell in document["cells"] if cell.get("cell_type") == "code")
    return [found for found in seconds if found is not None]


def _cell_seconds(cell: dict[str, Any]) -> float | None:
    times = cell.get("metadata", {}).get("execution", {})
    try:
        begun = dt.datetime.fromisoformat(times["iopub.execute_input"])
        ended = dt.datetime.fromisoformat(times["shell.execute_reply"])
    except (KeyError, TypeError, ValueError):
        return None
    return round((ended - begun).total_seconds(), 3)


def mend(path: Path, error: dict[str, Any] | None) -> None:
    """Make the cells' recorded states true after `error`; a full disk leaves the file as it is, readable.

    papermill calls every cell completed when the kernel died or time was over. A cell is completed where the kernel
    replied to it; the first that was begun and got no reply failed, and those after it are pending.
    """
    document = read_notebook_file(path) if error is not None else None
    if document is None or error is None:
        return
    failed = False
    for cell in document["cells"]:
        told = cell.get("metadata", {}).get("papermill")
        if cell.get("cell_type") != "code" or not isinstance(told, dict):
            continue
        replied = _cell_seconds(cell) is not None
        raised = any(output.get("output_type") == "error" for output in cell.get("outputs", []))
        if replied and not raised:
            told |= {"status": "completed", "exception": False}
        elif not failed:
            failed = True
            told |= {"status": "failed", "exception": True}
        else:
            told |= {"status": "pending", "exception": None}
    document.setdefault("metadata", {}).setdefault("papermill", {})["exception"] = True
    document["metadata"]["workbench_error"] = {name: error.get(name) for name in ("type", "message")}
    try:
        replace_file(path, json.dumps(redact_values(document), indent=1, ensure_ascii=False) + "\n")
    except OSError:
        return
