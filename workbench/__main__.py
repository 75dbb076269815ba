"""Run the command, as `workbench` or as `python -m workbench`."""

import atexit
import contextlib
import gc
import os
import sys

from workbench.cli import main


def command() -> int:
    """Run the command and return its exit code; the process then leaves at once.

    Taking apart an interpreter that has loaded pandas, DuckDB and papermill takes as long as a small step.
    """
    gc.set_threshold(20_000, 20, 20)  # imports alone make 700 objects, Python's threshold, some hundred times
    ending: list[int] = []
    atexit.register(_leave, ending)  # before all others, so that it is called after them
    ending.append(main())
    return ending[0]


def _leave(ending: list[int]) -> None:
    if ending:
        with contextlib.suppress(OSError):  # a reader that is gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(ending[0])


if __name__ == "__main__":
    sys.exit(command())
