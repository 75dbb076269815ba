"""Draw the charts of the notebooks: the same numbers give the same bytes.

Colours are Okabe and Ito's, which colour-blind readers can tell apart (Color Universal Design, 2008).
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from helpers.chart import Chart, new_axes, say_chart
from helpers.errors import ContractError
from helpers.saved_queries import SavedQuery
from helpers.say_numbers import say_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS, MOST_POINTS = 10, 24
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_GREY, _GRID = "#555555", "#DDDDDD"


def plot_bars(frame: pd.DataFrame, title: str, unit: str = "") -> Chart:
    """Draw horizontal bars: one group a row, labelled by the first column; one bar in it for each other column.

    Args:
        frame: at most ten rows in the order to be drawn; the first column holds the categories, the others numbers.
        title: what the numbers are, as a reader would say it.
        unit: what they are counted in; stands on the axis.
    """
    names, numbers = _split(frame)
    decimals = _choose_decimals(numbers)
    height = 0.8 / len(numbers.columns)
    axes = new_axes(title, _choose_height(max(1.0, len(frame) * max(1.0, len(numbers.columns) * 0.7))))
    places = np.arange(len(frame))
    for at, series in enumerate(numbers.columns):
        offset = (at - (len(numbers.columns) - 1) / 2) * height
        bars = axes.barh(places + offset, numbers[series], height * 0.9, color=PALETTE[at % len(PALETTE)])
        bars.set_label(_words(series))
        labels = [_say(number, decimals) for number in numbers[series]]
        axes.bar_label(bars, labels=labels, padding=3, fontsize=9, color=_GREY)
    axes.set_yticks(places, [_shorten(name) for name in names])
    axes.invert_yaxis()
    axes.set_ylabel(_words(str(frame.columns[0])))
    axes.set_xlabel(_describe_values(numbers, unit))
    axes.margins(x=0.12)
    if not names:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", color=_GREY)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: say_number(number)))
    axes.grid(axis="x", color=_GRID, linewidth=0.8)
    _place_legend(axes, numbers)
    return Chart(axes, _say_all(title, unit, names, numbers))


def plot_lines(frame: pd.DataFrame, title: str, unit: str = "") -> Chart:
    """Draw a line for each column but the first, which holds what goes on: months, grades; else as `plot_bars`."""
    names, numbers = _split(frame)
    axes = new_axes(title, _choose_height(7))
    for at, series in enumerate(numbers.columns):
        axes.plot(names, numbers[series], marker="o", color=PALETTE[at % len(PALETTE)], label=_words(series))
    axes.margins(y=0.2)
    _finish_upright(axes, frame, names, unit)
    return Chart(axes, _say_all(title, unit, names, numbers))


def plot_parts(frame: pd.DataFrame, title: str, unit: str = "") -> Chart:
    """Draw for each row its parts on each other, from zero, so that equal ones stay apart; else as `plot_lines`."""
    names, numbers = _split(frame)
    axes = new_axes(title, _choose_height(7))
    places, bottom = np.arange(len(names)), np.zeros(len(names))
    for at, series in enumerate(numbers.columns):
        heights = numbers[series].fillna(0).to_numpy()
        axes.bar(places, heights, 0.6, bottom=bottom, color=PALETTE[at % len(PALETTE)], label=_words(series))
        bottom = bottom + heights
    axes.set_xlim(-0.5 - max(0, 3 - len(names)), len(names) - 0.5 + max(0, 3 - len(names)))  # few are no wall
    axes.set_xticks(places, names)
    _finish_upright(axes, frame, names, unit)
    return Chart(axes, _say_all(title, unit, names, numbers))


def plot_query(query: SavedQuery, frame: pd.DataFrame) -> Chart:
    """Draw a saved query's answer as its header asks; a long one as far as it fits, which the title then says.

    Raises:
        ContractError: the header asks for no chart, or for a column that the answer has not.
    """
    if missing := [name for name in (query.x, *query.y) if name not in frame.columns]:
        known = ", ".join(map(str, frame.columns))
        raise ContractError(f"query {query.name}: its chart asks for {missing[0] or 'nothing'}; it answers {known}")
    draw, most = (plot_lines, MOST_POINTS) if query.kind == "line" else (plot_bars, MOST_BARS)
    title = query.title if len(frame) <= most else f"{query.title} (first {most} of {len(frame)})"
    return draw(frame[[query.x, *query.y]].head(most), title, query.unit)


def _finish_upright(axes: "Axes", frame: pd.DataFrame, names: list[str], unit: str) -> None:
    """Label a chart whose categories stand side by side below it, and whose numbers go up."""
    numbers = frame.iloc[:, 1:]
    axes.set_xlabel(_words(str(frame.columns[0])))
    axes.set_ylabel(_describe_values(numbers, unit))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: say_number(number)))
    axes.tick_params(axis="x", rotation=0 if sum(map(len, names)) <= 60 else 45)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    _place_legend(axes, numbers)


def _split(frame: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    """Return the categories as text and the other columns as floats; decimals and missing values included."""
    names = ["(none)" if pd.isna(name) else str(name) for name in frame.iloc[:, 0]]
    return names, frame.iloc[:, 1:].astype(object).apply(lambda column: pd.to_numeric(column.astype(str), "coerce"))


def _describe_values(numbers: pd.DataFrame, unit: str) -> str:
    """Return the label of the value axis; a name that Athena made up (_col1) tells a reader nothing."""
    name = str(numbers.columns[0])
    named = len(numbers.columns) == 1 and not name.startswith("_col")
    return " ".join([_words(name), f"({unit})"] if named and unit else [_words(name)] if named else [unit])


def _choose_height(rows: float) -> float:
    """Return the height in inches of a chart that has room for so many rows."""
    return min(7.0, 1.5 + 0.36 * rows)


def _say_all(title: str, unit: str, names: list[str], numbers: pd.DataFrame) -> str:
    """Return the chart in words, its numbers as bars are labelled."""
    decimals = _choose_decimals(numbers)
    series = [(_words(name), [_say(number, decimals) for number in numbers[name]]) for name in numbers.columns]
    return say_chart(title, unit, names, series)


def _place_legend(axes: "Axes", numbers: pd.DataFrame) -> None:
    if len(numbers.columns) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)


def _choose_decimals(numbers: pd.DataFrame) -> int:
    """Return how many decimals the labels of a chart have: none, or two, or more where a number would be 0.00."""
    sizes = numbers.fillna(0).abs()
    if bool((sizes % 1 == 0).all(axis=None)):
        return 0
    hidden = (count for count in range(2, 6) if not bool(((sizes > 0) & (sizes < 0.5 * 10.0**-count)).any(axis=None)))
    return next(hidden, 6)


def _say(number: float, decimals: int) -> str:
    """Return a number with its thousands apart; all labels of a chart have the same number of decimals."""
    return "" if pd.isna(number) else f"{number:,.{decimals}f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shorten(name: str, letters: int = 36) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"
