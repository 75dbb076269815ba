"""papermill's engine that executes notebooks for the runner, by papermill's own seam: nbclient, with fewer saves.

papermill saves at the begin and the end of each cell, prose included, and validates the whole notebook each time:
a third of a second a notebook, for copies that nobody reads, while the next cell waits.
"""

from __future__ import annotations

import time
from typing import Any

from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

NAME = "workbench"
_SAVE_SECONDS = 2.0


class SparingExecution(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """Keep an executed copy that lags behind by two seconds at most while cells end, and not at all where one stops."""

    _saved = 0.0
    _due = False

    def save(self, **kwargs: Any) -> None:
        """Save, unless that was done within the last two seconds, or papermill itself is about to."""
        if self._due or time.monotonic() - self._saved >= _SAVE_SECONDS:
            super().save(**kwargs)
            self._saved = time.monotonic()

    def notebook_complete(self, whole: bool = False, **kwargs: Any) -> None:
        """Write the final states; papermill writes them where the engine returns (`whole`), and not where it raises."""
        self._saved, self._due = time.monotonic(), not whole
        super().notebook_complete(**kwargs)


class SparingEngine(NBClientEngine):  # type: ignore[misc]
    """nbclient under the execution above."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, output_path: str | None = None, **settings: Any) -> Any:
        """Execute a notebook document and return it; what papermill's engines take is taken."""
        names = ("progress_bar", "log_output", "autosave_cell_every")
        own = {name: settings.pop(name) for name in names if name in settings}
        execution = SparingExecution(nb, output_path=output_path, **own)
        execution.notebook_start()
        whole = False
        try:
            cls.execute_managed_notebook(execution, kernel_name, log_output=own.get("log_output", False), **settings)
            whole = True
        finally:
            execution.cleanup_pbar()
            execution.notebook_complete(whole=whole)
        return execution.nb


def register() -> None:
    """Make the engine known to papermill in this process."""
    papermill_engines.register(NAME, SparingEngine)
