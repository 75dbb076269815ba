"""Pages that show runs: one self-contained HTML file a run, an index of all, and the difference between two.

They open offline: no page requests anything from anywhere, and their content policy forbids it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.record import append_log

__all__ = ["draw_pages"]


def draw_pages(folder: Path) -> None:
    """Write a run's report.html and renew the index; what goes wrong here is in the run's log and fails no run."""
    from workbench.pages.index_page import write_index
    from workbench.pages.run_page import write_report
    from workbench.runs import read_run

    drawings: list[Callable[[], Path]] = [lambda: write_report(read_run(folder)), write_index]
    for draw in drawings:
        try:
            draw()
        except Exception as error:  # a page is a view of the record, which is whole without it
            append_log(folder, "page not drawn", error=f"{type(error).__name__}: {error}")
