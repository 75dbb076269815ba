"""A chart as a notebook shows it: a picture, and what it says in words for who cannot see it.

Matplotlib crops a figure by the measures of its parts, which takes half as long as to draw them. Here it is drawn with
room around, and cropped to the dots that are not white.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Dots = npt.NDArray[np.uint32]
_NONE = "none"
_WIDTH, _DPI, _MARGIN = 7.0, 100, 10  # inches, dots an inch, dots
_ROOM = (4.0, 3.0, 11.0, 0.5)  # inches: left of the figure, below it, from its left edge to the right, and above it
_WHITE = 0xFFFFFFFF  # a dot, as its four bytes


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
        assert isinstance(figure, Figure)
        left, below, right, above = _ROOM
        dots, picture = io.BytesIO(), io.BytesIO()
        room = Bbox([[-left, -below], [right, figure.get_figheight() + above]])
        figure.savefig(dots, format="rgba", bbox_inches=room, dpi=figure.dpi)
        columns = int((left + right) * figure.dpi)
        whole = np.frombuffer(dots.getbuffer(), np.uint32)
        cropped = None if len(whole) % columns else _crop(whole.reshape(-1, columns))
        if cropped is None:  # it has no room: what is drawn is measured first
            figure.savefig(picture, format="png", bbox_inches="tight", dpi=figure.dpi)
        else:
            imsave(picture, cropped.view(np.uint8).reshape(*cropped.shape, 4), format="png", dpi=figure.dpi)
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


def _crop(dots: Dots) -> Dots | None:
    """Return what is not white with a margin; None where it reaches so near an edge that some may lie beyond."""
    ink = dots != _WHITE
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = (int(at) for at in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    if min(top, left, dots.shape[0] - bottom, dots.shape[1] - right) < _MARGIN:
        return None
    return np.ascontiguousarray(dots[top - _MARGIN : bottom + _MARGIN, left - _MARGIN : right + _MARGIN])


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
