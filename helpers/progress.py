"""Show how far a long call is: a bar on a terminal, one display that renews itself in a notebook, else one line.

A notebook keeps only the last state of its display. That state tells seconds, so a cell that shows progress carries
the tag `nbval-ignore-output`.
"""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

_REFRESH_SECONDS = 0.5


class ProgressLine:
    """Follow one long call, as a context manager.

    Args:
        task: what is being done, such as `uploading`.
        total: how many units (bytes, say) make it whole; None where nobody knows.
    """

    def __init__(self, task: str, total: int | None = None) -> None:
        self.task = task
        self.total = total
        self.done = 0
        self.state = ""
        self._shown = 0.0
        self._started = time.monotonic()
        self._display: Any = None
        self._bar: Progress | None = None

    def __enter__(self) -> "ProgressLine":
        if _in_kernel():
            from IPython.display import display

            self._display = display(_Line(self._text(), self._share()), display_id=True)  # type: ignore[no-untyped-call]
        elif sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}")
            self._bar = Progress(*columns, TimeElapsedColumn(), transient=True)
            self._bar.add_task(self.task, total=self.total, state="")
            self._bar.start()
        return self

    def advance(self, amount: int) -> None:
        """Add `amount` to what is done; may be called from several threads."""
        self.done += amount
        self._refresh()

    def say(self, state: str) -> None:
        """Show `state` beside the task, such as the state of a job run."""
        self.state = state
        self._refresh()

    def seconds(self) -> float:
        """Return the seconds since the call began."""
        return time.monotonic() - self._started

    def _text(self) -> str:
        share = f" {self.done / self.total:.0%}" if self.total else ""
        return f"{self.task}{share}{': ' + self.state if self.state else ''} ({self.seconds():.1f} s)"

    def _share(self) -> float | None:
        return self.done / self.total if self.total else None

    def _refresh(self, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._shown < _REFRESH_SECONDS:
            return
        self._shown = now
        if self._display is not None:
            self._display.update(_Line(self._text(), self._share()))
        elif self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.done, state=self.state)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._refresh(at_once=True)
        if self._bar is not None:
            self._bar.stop()
        elif self._display is None and kind is None:
            print(self._text(), file=sys.stderr)


class _Line:
    """One line that a notebook shows as text, or as a bar with text where it can."""

    def __init__(self, text: str, share: float | None) -> None:
        self.text = text
        self.share = share

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        bar = "" if self.share is None else f'<progress value="{self.share:.3f}" max="1"></progress> '
        return f"<div>{bar}{self.text}</div>"


def _in_kernel() -> bool:
    """Tell whether this process is a notebook's kernel, without importing IPython where nobody has."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
