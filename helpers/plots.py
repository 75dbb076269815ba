"""Draw the charts of the notebooks: each returns its Axes, and draws the same bytes from the same numbers.

Colours are Okabe and Ito's, which colour-blind readers can tell apart (Color Universal Design, 2008).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_WIDTH, _DPI = 7.0, 100
_GREY = "#555555"


def plot_bars(frame: pd.DataFrame, title: str, unit: str = "", group: str | None = None) -> "Axes":
    """Draw horizontal bars: one a row, labelled by the first column and as long as the last one says.

    Args:
        frame: at most ten rows; the first column holds the categories, the last one numbers.
        title: what the numbers are, as a reader would say it.
        unit: what they are counted in; stands on the axis.
        group: a column between the two whose values become coloured bars side by side.
    """
    label, value = str(frame.columns[0]), str(frame.columns[-1])
    table = _pivot(frame, label, value, group)
    height = 0.8 / len(table.columns)
    axes = _new_axes(title, rows=len(table) * max(1, len(table.columns) * 0.6))
    places = np.arange(len(table))
    for at, series in enumerate(table.columns):
        offset = (at - (len(table.columns) - 1) / 2) * height
        bars = axes.barh(places + offset, table[series], height * 0.92, color=PALETTE[at % len(PALETTE)], label=series)
        axes.bar_label(bars, labels=[_say(number) for number in table[series]], padding=3, fontsize=9, color=_GREY)
    axes.set_yticks(places, [_shorten(str(name)) for name in table.index])
    axes.invert_yaxis()
    axes.set_xlabel(f"{_words(value)}{f' ({unit})' if unit else ''}")
    axes.set_ylabel(_words(label))
    axes.margins(x=0.12)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: _say(number)))
    if group:
        _place_legend(axes, _words(group))
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    return axes


def plot_lines(frame: pd.DataFrame, title: str, unit: str = "", group: str | None = None) -> "Axes":
    """Draw a line over the first column, which is ordered (a month, a grade); otherwise as `plot_bars`."""
    label, value = str(frame.columns[0]), str(frame.columns[-1])
    table = _pivot(frame, label, value, group)
    axes = _new_axes(title, rows=7)
    for at, series in enumerate(table.columns):
        colour = PALETTE[at % len(PALETTE)]
        axes.plot([str(name) for name in table.index], table[series], marker="o", color=colour, label=series)
    axes.set_xlabel(_words(label))
    axes.set_ylabel(f"{_words(value)}{f' ({unit})' if unit else ''}")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: _say(number)))
    axes.tick_params(axis="x", rotation=0 if len(table) <= 8 else 45)
    if group:
        _place_legend(axes, _words(group))
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    return axes


def _pivot(frame: pd.DataFrame, label: str, value: str, group: str | None) -> pd.DataFrame:
    """Return one row a category and one column a series, both in the order in which they first come."""
    numbers = frame.assign(**{value: frame[value].astype(float)})
    numbers[label] = numbers[label].map(lambda name: "(none)" if pd.isna(name) else str(name))
    if not group:
        return numbers.set_index(label)[[value]]
    numbers[group] = numbers[group].map(lambda name: "(none)" if pd.isna(name) else str(name))
    table = numbers.pivot_table(index=label, columns=group, values=value, sort=False)
    return table[sorted(table.columns)]


def _new_axes(title: str, rows: float) -> "Axes":
    figure, axes = plt.subplots(figsize=(_WIDTH, min(7.0, 1.5 + 0.36 * rows)), dpi=_DPI, layout="constrained")
    axes.set_title(title, loc="left", fontsize=12)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    figure.set_facecolor("white")
    return axes


def _place_legend(axes: "Axes", title: str) -> None:
    axes.legend(title=title, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)


def _say(number: float) -> str:
    """Return a number as short as a reader needs it: thousands apart, at most two decimals."""
    if pd.isna(number):
        return ""
    return f"{number:,.0f}" if number == round(number) else f"{number:,.2f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shorten(name: str, letters: int = 28) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def choose_columns(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the columns `names` in that order, at most ten rows, as the plots take them."""
    return frame[list(names)].head(10)
