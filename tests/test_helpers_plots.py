"""Charts: the same bytes from the same numbers, units on the axis, every kind of answer drawn."""

import io
from collections.abc import Callable
from decimal import Decimal

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.transforms import Bbox

from helpers.chart import Chart
from helpers.errors import ContractError
from helpers.plots import PALETTE, plot_bars, plot_lines, plot_parts, plot_query
from helpers.saved_queries import SavedQuery

SCORES = pd.DataFrame({"group": ["a", "b", None], "math": [Decimal("61.50"), 70.25, None], "reading": [1, 2, 3]})


@pytest.mark.parametrize("draw", [plot_bars, plot_lines, plot_parts])
def test_a_chart_is_the_same_bytes_each_time(draw: Callable[..., Chart]) -> None:
    """Two drawings of the same numbers do not differ in a byte, and a chart is small."""
    first, second = (draw(SCORES, "Scores", "points").to_png() for _ in range(2))
    assert first == second
    assert len(first) < 150 * 1024


@pytest.mark.parametrize("draw", [plot_bars, plot_lines, plot_parts])
@pytest.mark.parametrize("rows", [0, 3, 10])
def test_a_picture_holds_all_that_is_drawn_and_a_margin(draw: Callable[..., Chart], rows: int) -> None:
    """What a much larger sheet would show of the figure is the picture, with a tenth of an inch of white around."""
    names = [f"a name of some length, {at}" for at in range(rows)]
    frame = pd.DataFrame({"name": names, "first": [at * 1e6 + 0.25 for at in range(rows)], "second": range(rows)})
    sheet = _draw_on_sheet(draw(frame, "Long names", "points"))
    picture = _read(draw(frame, "Long names", "points").to_png())
    rows_with, columns_with = np.nonzero((sheet != 255).any(axis=2))
    top, left = rows_with.min() - 10, columns_with.min() - 10
    expected = sheet[top : rows_with.max() + 11, left : columns_with.max() + 11]
    assert picture.shape == expected.shape
    others = (picture != expected).any(axis=2)  # a line that lies between two rows of dots may fall on either
    assert others.mean() < 0.01


def test_a_picture_of_what_has_no_room_is_what_matplotlib_itself_crops() -> None:
    """A name that is longer than any sheet stands whole in the picture; so does a chart on another ground."""
    frame = pd.DataFrame({"name": ["a", "b"], "first": [1, 2], "second " + "x" * 200: [2, 1]})
    for ground in ("white", "lightgrey"):
        chart = plot_lines(frame if ground == "white" else frame.iloc[:, :2], "Long names", "points")
        figure, cropped = chart.axes.figure, io.BytesIO()
        assert isinstance(figure, Figure)
        figure.set_facecolor(ground)
        figure.savefig(cropped, format="png", bbox_inches="tight")
        assert chart.to_png() == cropped.getvalue()
        assert _read(chart.to_png()).shape[1] > (1500 if ground == "white" else 400)


@pytest.mark.parametrize("dpi", [100, 150, 72.5])
def test_a_picture_has_the_dots_an_inch_of_its_figure(dpi: float) -> None:
    """Also where the figure's are changed, or Matplotlib's own settings say another number for files."""
    sizes = []
    for saved in ("figure", 200):
        with plt.rc_context({"savefig.dpi": saved}):
            chart = plot_bars(SCORES[["group", "math"]], "Scores", "points")
            chart.axes.figure.set_dpi(dpi)
            sizes.append(_read(chart.to_png()).shape)
    assert sizes[0] == sizes[1] and 5.5 < sizes[0][1] / dpi < 8


def _draw_on_sheet(chart: Chart) -> npt.NDArray[np.uint8]:
    """Return the figure on a sheet that reaches five inches beyond it at each side."""
    figure, dots = chart.axes.figure, io.BytesIO()
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    figure.savefig(dots, format="png", bbox_inches=Bbox([[-5, -5], [width + 5, height + 5]]))
    return _read(dots.getvalue())


def _read(picture: bytes) -> npt.NDArray[np.uint8]:
    """Return the dots of a picture: rows, columns, and four bytes each."""
    return (imread(io.BytesIO(picture), format="png") * 255).round().astype(np.uint8)


def test_a_chart_says_its_numbers_in_words() -> None:
    """Who cannot see the picture reads title, unit and numbers as they are labelled; no figure is left open."""
    alone = plot_bars(SCORES[["group", "math"]], "Scores", "points")
    assert repr(alone) == "Scores (points): a 61.50, b 70.25, (none) none"
    several = "Scores: a math 61.50, reading 1.00; b math 70.25, reading 2.00; (none) math none, reading 3.00"
    assert repr(plot_lines(SCORES, "Scores")) == several
    assert repr(plot_parts(SCORES.head(0), "Scores")) == "Scores: nothing to show"
    assert plt.get_fignums() == []


def test_a_bar_is_as_long_as_its_number_says() -> None:
    """Categories come in the order of the rows, decimals are numbers, a missing one has no bar."""
    axes = plot_bars(SCORES[["group", "math"]], "Scores", "points").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b", "(none)"]
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert widths[:2] == [61.5, 70.25]
    assert axes.get_xlabel() == "math (points)"
    assert axes.get_legend() is None


def test_numbers_on_a_chart_are_written_out() -> None:
    """Millions have no exponent on any axis, and a small number is not labelled 0.00; labels keep equal decimals."""
    large = pd.DataFrame({"day": ["a", "b"], "rows": [1_000_000, 12_345_678]})
    for axis in (
        plot_bars(large, "Rows").axes.xaxis,
        plot_lines(large, "Rows").axes.yaxis,
        plot_parts(large, "Rows").axes.yaxis,
    ):
        written = [axis.get_major_formatter()(number) for number in (0.0, 1_000_000.0, 12_345_678.0, 2.5)]
        assert written == ["0", "1,000,000", "12,345,678", "2.5"]
    small = pd.DataFrame({"column": ["a", "b", "c"], "missing": [71.25, 0.004, 0.0]})
    assert [text.get_text() for text in plot_bars(small, "Missing").axes.texts] == ["71.250", "0.004", "0.000"]


def test_several_columns_are_series_with_a_legend_and_apart_in_colour() -> None:
    """Each column is a colour of the palette, named in the legend; the axis carries the unit alone."""
    axes = plot_lines(SCORES, "Scores", "points").axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["math", "reading"]
    assert [line.get_color() for line in axes.lines] == list(PALETTE[:2])
    assert axes.get_ylabel() == "points"


def test_parts_stand_on_each_other_from_zero() -> None:
    """Equal parts hide nothing of each other, a missing one is none, and one row alone is no wall."""
    shares = pd.DataFrame({"run": ["a", "b"], "removed": [1.0, 2.0], "superseded": [1.0, None], "kept out": [2.0, 3.0]})
    axes = plot_parts(shares, "Rows", "percent").axes
    bars = [[(round(bar.get_y(), 6), round(bar.get_height(), 6)) for bar in drawn] for drawn in axes.containers]
    assert bars == [[(0, 1), (0, 2)], [(1, 1), (2, 0)], [(2, 2), (2, 3)]]
    assert axes.get_ylim()[0] == 0 and axes.get_ylabel() == "percent"
    alone = plot_parts(shares.head(1), "Rows").axes
    assert alone.containers[0][0].get_width() < 0.2 * (alone.get_xlim()[1] - alone.get_xlim()[0])


def test_a_name_that_athena_made_up_is_not_shown() -> None:
    """`_col1` says nothing to a reader; the unit does."""
    axes = plot_bars(pd.DataFrame({"gender": ["x"], "_col1": [1.0]}), "Average", "percent").axes
    assert axes.get_xlabel() == "percent"


def test_nothing_to_show_is_said() -> None:
    """An answer without rows is drawn as that, not as an error."""
    axes = plot_bars(pd.DataFrame({"reason": [], "rows": []}), "Reasons").axes
    assert "nothing to show" in [text.get_text() for text in axes.texts]


def test_a_saved_query_is_drawn_as_its_header_asks() -> None:
    """Kind, columns, title and unit come from the header; an answer that is cut says so in its title."""
    query = SavedQuery("q", "Scores", "?", "SELECT 1", kind="bar", x="group", y=("reading",), unit="points")
    long = pd.DataFrame({"math": range(30), "group": [f"g{at}" for at in range(30)], "reading": range(30)})
    axes = plot_query(query, long).axes
    assert axes.get_title(loc="left") == "Scores (first 10 of 30)"
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == ["g0", "g1"]


def test_a_chart_of_a_column_that_is_not_there_is_refused() -> None:
    """A header that names a column which the answer has not is a mistake in the query."""
    query = SavedQuery("q", "Scores", "?", "SELECT 1", kind="bar", x="group", y=("marks",))
    with pytest.raises(ContractError, match="query q: its chart asks for marks; it answers group, math, reading"):
        plot_query(query, SCORES)
