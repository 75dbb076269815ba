"""A chart as a notebook shows it: a picture, and what it says in words for who cannot see it.

Matplotlib's inline display lays a figure out twice to crop it. Here the crop is measured, and the figure drawn once.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NONE = "none"
_WIDTH, _DPI, _MARGIN = 7.0, 100, 0.1  # inches, dots an inch, inches


@dataclass(frozen=True, repr=False)
class Chart:
    """A drawn chart, shown where it is the value of a cell.

    Attributes:
        axes: Matplotlib's, to change what is shown before it is; `axes.figure.savefig` writes it to a file.
        words: title, unit and numbers.
    """

    axes: "Axes"
    words: str

    def to_png(self) -> bytes:
        """Return the picture, cropped to what is drawn: the same bytes for the same numbers."""
        figure = self.axes.figure
        canvas = figure.canvas
        assert isinstance(figure, Figure) and isinstance(canvas, FigureCanvasAgg)
        renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        crop = figure.get_tightbbox(renderer).padded(_MARGIN)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", bbox_inches=crop)
        return picture.getvalue()

    _repr_png_ = to_png

    def __repr__(self) -> str:
        return self.words


def new_axes(title: str, height: float) -> "Axes":
    """Return axes of the house's look, `height` inches high, on a figure that nothing else holds or shows."""
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes: Axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=12, y=1.0)  # else it is measured for what could lie above the axes
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    return axes


def say_chart(title: str, unit: str, names: Sequence[str], series: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return what a chart shows in one line: its title and unit, then each name with its numbers."""
    head = f"{title} ({unit})" if unit else title
    if not names:
        return f"{head}: nothing to show"
    alone = len(series) == 1
    parts = []
    for at, name in enumerate(names):
        told = [(word, numbers[at] or _NONE) for word, numbers in series]
        parts.append(f"{name} {', '.join(number if alone else f'{word} {number}' for word, number in told)}")
    return f"{head}: {(', ' if alone else '; ').join(parts)}"
