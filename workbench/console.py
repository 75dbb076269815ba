"""What the command prints: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import decimal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class Output:
    """Print lines, tables and running steps to `stream` (default: standard output).

    Without a terminal every line is plain text of its own, so that logs and pipes stay readable.
    """

    def __init__(self, stream: Any = None) -> None:
        self.stream = stream or sys.stdout
        self.terminal = bool(getattr(self.stream, "isatty", lambda: False)())

    def console(self) -> Console:
        """Return a rich console; imported late, since most commands print one line."""
        from rich.console import Console

        return Console(file=self.stream, highlight=False, width=None if self.terminal else 100)

    def line(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], whole: Sequence[str] = ()
    ) -> None:
        """Print a table; numbers are right-aligned and grouped; columns of `whole` are never broken into lines."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)  # a title of the table's own wraps at its width
        for number, name in enumerate(columns):
            numeric = any(isinstance(row[number], int | float | decimal.Decimal) for row in rows)
            drawn.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=name in whole)
        for row in rows:
            drawn.add_row(*[Text(format_cell(value)) for value in row])  # as a text alone, [a] would be markup
        console = self.console()
        console.print(Text(title, style="bold"))
        console.print(drawn)

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Show that `label` is under way; say how long it took when it is done."""
        started = time.monotonic()
        if self.terminal:
            from rich.markup import escape

            with self.console().status(escape(f"{label} …")):
                yield
        else:
            self.line(f"{label} …")
            yield
        self.line(f"{label}: {time.monotonic() - started:.1f} s")


def count(number: int, word: str) -> str:
    """Return `1 run`, `2 runs`: a number with its word; `word` is the singular."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def format_cell(value: object) -> str:
    """Return `value` as a table shows it: grouped integers, at most four decimals, `-` for nothing.

    A decimal keeps the places of its type.
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, decimal.Decimal):
        return f"{value:,}"  # with the places that its type has
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return str(value)
