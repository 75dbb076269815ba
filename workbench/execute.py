"""Execute one notebook through papermill and say truthfully how it ended.

The notebook's last cell (helpers.record.record_result) writes what the step did to the file named by
WORKBENCH_STEP_RESULT; a failing helper entry writes its error there, with the exit code of its class.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import Interrupted
from workbench.executed import SCHEME, AtomicHandler, mend, read_cell_seconds
from workbench.interruption import OutOfTime, deaf, stoppable
from workbench.leftovers import RUN_MARK, end_kernels
from workbench.notebooks import ROOT, Notebook
from workbench.record import KERNELS_LOG
from workbench.redaction import redact_file

RESULT_VARIABLE = "WORKBENCH_STEP_RESULT"
BLAS_VARIABLES = ("OPENBLAS_MAIN_FREE", "GOTOBLAS_MAIN_FREE")  # numpy/core/__init__.py
_UNUSED = ("pyarrow.fs", "fqdn", "isoduration", "rfc3986_validator", "rfc3987_syntax", "uri_template", "webcolors")
KERNEL_DEATH = "the kernel died, which is often for want of memory; its last words are in kernels.log"


@dataclass(frozen=True)
class Execution:
    """One execution of a notebook: where its executed copy goes, how many seconds it may take, and what follows it."""

    notebook: Notebook
    output: Path
    parameters: dict[str, Any]
    run_id: str
    seconds: float
    following: Path | None = None

    @property
    def changes(self) -> dict[str, str]:
        """What the environment of the following notebook's kernel has instead."""
        return {RESULT_VARIABLE: str(self.result_of(self.following))} if self.following else {}

    @staticmethod
    def result_of(output: Path) -> Path:
        """Return where the notebook of an executed copy is told to leave its figures."""
        return output.with_suffix(".result.json")

    @staticmethod
    def inputs_of(output: Path) -> Path:
        """Return where a step tells what it reads while it works (helpers.record)."""
        return output.with_suffix(".result.json.inputs")


@dataclass(frozen=True)
class StepOutcome:
    """How a notebook ended: `status` succeeded or failed, the step's own figures, and the error if there is one."""

    status: str
    figures: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    cells: list[float] = field(default_factory=list)
    kernel: str = "cold"


def execute_notebook(execution: Execution) -> StepOutcome:
    """Execute the notebook with those of the parameters that it knows; no kernel is left behind, however it ends.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or SIGHUP.
    """
    notebook, output = execution.notebook, execution.output
    result, inputs = execution.result_of(output), execution.inputs_of(output)
    result.unlink(missing_ok=True)
    inputs.unlink(missing_ok=True)
    kernels: list[str] = []
    error: dict[str, Any] | None = {"type": "Interrupted", "message": "stopped from outside", "exit_code": 130}
    try:
        with stoppable(execution.seconds) as insist, _told(execution, result):
            error = _run_papermill(execution, kernels)
            insist()
    except OutOfTime:
        message = f"took longer than {execution.seconds:g} s; raise step_seconds or run_seconds in workbench.yaml"
        error = {"cell": None, "type": "TimeLimit", "message": message, "exit_code": 1}
    except KeyboardInterrupt as stopped:
        raise Interrupted(f"{notebook.name} was interrupted") from stopped
    finally:
        with deaf():
            end_kernels(execution.run_id)
            inputs.unlink(missing_ok=True)
            mend(output, error)
            redact_file(output.parent / KERNELS_LOG)
    recorded = _read_result(result)
    kernel, cells = (kernels or ["cold"])[-1], read_cell_seconds(output)
    if error is None:
        return StepOutcome("succeeded", recorded, None, cells, kernel)
    own = (recorded.get("error") or {}) if error["type"] not in ("TimeLimit", "DiskFull") else {}
    return StepOutcome("failed", recorded, {**error, **own}, cells, kernel)


@contextlib.contextmanager
def _told(execution: Execution, result: Path) -> Iterator[None]:
    """Have the environment say what a kernel must know: where its result goes, whose it is, and which checkout's.

    The helpers are this checkout's, whose hashes the run keeps, also where the installed ones are another's.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    told = {RESULT_VARIABLE: str(result), RUN_MARK: execution.run_id, "PYTHONPATH": path}
    earlier = {name: os.environ.get(name) for name in told}
    os.environ |= told
    try:
        yield
    finally:
        for name, value in earlier.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _run_papermill(execution: Execution, kernels: list[str]) -> dict[str, Any] | None:
    """Return None when all cells ran, else the facts of the error."""
    log = execution.output.parent / KERNELS_LOG
    _begin_kernel(execution.notebook.kernel, log)
    _import_papermill()
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from workbench.engine import NAME
    from workbench.kernels import log_kernels

    _prepare_papermill()
    _import_ahead()
    known = {name: value for name, value in execution.parameters.items() if name in execution.notebook.schema}
    try:
        papermill.execute_notebook(
            _literally(str(execution.notebook.path)),
            _literally(f"{SCHEME}{execution.output}"),
            parameters=known,
            cwd=str(ROOT),
            progress_bar=False,
            engine_name=NAME,
            shutdown_kernel="immediate",
            kernel_manager_class=log_kernels(log, kernels, execution.changes),
        )
    except PapermillExecutionError as error:
        return {"cell": error.exec_count, "type": error.ename, "message": error.evalue, "exit_code": 1}
    except DeadKernelError:
        return {"cell": None, "type": "KernelDied", "message": KERNEL_DEATH, "exit_code": 1}
    except CellTimeoutError as error:
        return {"cell": None, "type": "TimeLimit", "message": str(error).splitlines()[0], "exit_code": 1}
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"no space left for {error.filename or execution.output}; free some space and run again"
        return {"cell": None, "type": "DiskFull", "message": message, "exit_code": 4}
    except Exception as error:  # a kernel that does not start, a broken reply: the run must still end in a record
        return {"cell": None, "type": type(error).__name__, "message": str(error)[:500] or "no message", "exit_code": 1}
    return None


def _begin_kernel(name: str, log: Path) -> None:
    """Have the notebook's kernel set itself up, as far as it can be begun before papermill asks for it."""
    from workbench.kernels import prepare_kernel
    from workbench.warm_kernels import start_server

    start_server(wait=True)
    _settle_environment()
    prepare_kernel(name, ROOT, log)


def _import_papermill() -> None:
    """Import papermill without what no run uses: HDFS, and jsonschema's checkers of formats that no notebook has."""
    if "papermill" in sys.modules:
        return
    left = [name for name in _UNUSED if name not in sys.modules]
    sys.modules |= dict.fromkeys(left)  # type: ignore[arg-type]
    try:
        import papermill  # noqa: F401
    finally:
        for name in left:
            del sys.modules[name]  # others may use it


def _prepare_papermill() -> None:
    """Have papermill write and execute in our way, and leave it to the run to say, once, that a kernel died."""
    from papermill.iorw import papermill_io

    from workbench import engine

    papermill_io.register(SCHEME, AtomicHandler)
    engine.register()
    for name in ("asyncio", "papermill"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _settle_environment() -> None:
    """Have the environment stay as it is while a kernel works: each kernel gets a copy.

    While numpy is imported it sets what is not set of BLAS_VARIABLES, and takes it out again: a copy that is made
    meanwhile in another thread would miss a name that it has just listed.
    """
    os.environ |= {name: "1" for name in BLAS_VARIABLES if name not in os.environ}


def _import_ahead() -> None:
    """Import, while kernels work, what the end of a run needs, which else would come behind the last of them."""
    if "duckdb" not in sys.modules:
        names = ["duckdb", "mistune", "workbench.pages.run_page", "workbench.pages.index_page"]
        names += [
            "helpers.contract_reading",
            "helpers.load_postgres_history",
            "workbench.summary",
            "workbench.dashboards",
        ]
        threading.Thread(target=lambda: [importlib.import_module(name) for name in names], daemon=True).start()


def _literally(path: str) -> str:
    """Return a path so that papermill, which fills in {parameters}, leaves it as it is."""
    return path.replace("{", "{{").replace("}", "}}")


def _read_result(path: Path) -> dict[str, Any]:
    """Return what the notebook recorded, and remove the file: it lives on in the manifest."""
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    path.unlink(missing_ok=True)
    return recorded if isinstance(recorded, dict) else {}
