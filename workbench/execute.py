"""Execute one notebook through papermill and say truthfully how it ended.

The notebook's last cell (helpers.config.record_result) writes what the step did to the file named by
WORKBENCH_STEP_RESULT; a failing helper entry writes its error there, with the exit code of its class.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from workbench.errors import Interrupted
from workbench.notebooks import ROOT, Notebook

RESULT_VARIABLE = "WORKBENCH_STEP_RESULT"


@dataclass(frozen=True)
class StepOutcome:
    """How a notebook ended: `status` succeeded or failed, the step's own figures, and the error if there is one."""

    status: str
    figures: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None


def execute_notebook(notebook: Notebook, output: Path, parameters: dict[str, Any]) -> StepOutcome:
    """Execute `notebook` with those of `parameters` that it knows; keep the executed copy at `output`.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; no kernel is left behind.
    """
    result = output.with_suffix(".result.json")
    result.unlink(missing_ok=True)
    os.environ[RESULT_VARIABLE] = str(result)
    known = {name: value for name, value in parameters.items() if name in notebook.parameters}
    try:
        with _terminable():
            error = _run_papermill(notebook, output, known)
    except KeyboardInterrupt as stopped:
        raise Interrupted(f"{notebook.name} was interrupted; run again to go on") from stopped
    finally:
        del os.environ[RESULT_VARIABLE]
        _end_kernels()
    recorded = _read_result(result)
    if error is None:
        return StepOutcome("succeeded", recorded)
    own = recorded.get("error") or {}
    return StepOutcome("failed", recorded, {**error, **own})


def _run_papermill(notebook: Notebook, output: Path, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """Return None when all cells ran, else the facts of the error."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # an optional format checker: 2 s to import
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from workbench.kernels import log_kernels

    try:
        papermill.execute_notebook(
            str(notebook.path),
            str(output),
            parameters=parameters,
            cwd=str(ROOT),
            progress_bar=False,
            kernel_manager_class=log_kernels(output.parent / "kernels.log"),
        )
    except PapermillExecutionError as error:
        return {"cell": error.exec_count, "type": error.ename, "message": error.evalue, "exit_code": 1}
    except (DeadKernelError, CellTimeoutError) as error:
        return {"cell": None, "type": type(error).__name__, "message": str(error).splitlines()[0], "exit_code": 1}
    return None


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt while a notebook runs, so that it ends like Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _end_kernels() -> None:
    """Kill kernels that this process still has: papermill leaves one behind when it is interrupted."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        try:
            if "ipykernel_launcher" in process.cmdline():
                process.kill()
                process.wait(5)
        except psutil.Error:
            continue


def _read_result(path: Path) -> dict[str, Any]:
    """Return what the notebook recorded, and remove the file: it lives on in the manifest."""
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    path.unlink(missing_ok=True)
    return recorded if isinstance(recorded, dict) else {}
