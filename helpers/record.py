"""Hand a step's figures, or its error, to whoever runs the notebook.

The runner names a file in WORKBENCH_STEP_RESULT. A notebook's last cell writes its figures there; a failing entry
writes the error's type, message and exit code, since an executed notebook keeps only the error's text. Without the
variable, as in JupyterLab, nothing is written.
"""

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from helpers.config import StepConfig
from helpers.errors import WorkbenchError
from helpers.failures import name_failure

_VARIABLE = "WORKBENCH_STEP_RESULT"
_P = ParamSpec("_P")
_R = TypeVar("_R")


class StepResult(Protocol):
    """What every step returns."""

    def figures(self) -> dict[str, Any]:
        """Return what the run's record keeps: rows_in, rows_out, rows_quarantined, inputs, outputs, cost, answer."""


def record_result(cfg: StepConfig, result: StepResult) -> None:
    """Write the step's figures where the runner asked for them; show nothing."""
    _write({"dataset": cfg.dataset, "run_id": cfg.run_id, "as_of": cfg.as_of.isoformat(), **result.figures()})


def announce_inputs(inputs: Sequence[Mapping[str, Any]]) -> None:
    """Tell the runner what the step reads, before its figures say so: it can look at the same meanwhile."""
    _write([dict(each) for each in inputs], ".inputs")


def step_entry(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make `function` an entry of a step: its failures have one line, an exit code, and reach the record.

    A failure of a service or of the disk that a library raised in its own words is raised as the WorkbenchError
    that names it (helpers.failures).
    """

    @functools.wraps(function)
    def entry(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except WorkbenchError as error:
            _write_error(error)
            raise
        except Exception as error:
            if (named := name_failure(error)) is None:
                raise
            _write_error(named)
            raise named from error

    return entry


def _write_error(error: WorkbenchError) -> None:
    facts = {"type": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    _write({"error": facts})


def _write(document: object, suffix: str = "") -> None:
    if not (name := os.environ.get(_VARIABLE)):
        return
    path = Path(name + suffix)
    whole = path.with_name(path.name + ".part")
    whole.write_text(json.dumps(document, default=str), encoding="utf-8")
    os.replace(whole, path)
