"""The dashboard of a dataset that has no description: what its contract alone tells.

Figures of each measure, a distribution per measure, a trend over the date, bars per category, and a table.
"""

import math
from collections.abc import Sequence

from dashboards.columns import BY_DATA, is_measure, label_column, list_categories, name_column
from dashboards.description import Chart, Description, Metric, Row
from helpers.contract import Column, Contract

MEASURES = 4
CATEGORIES = 12
# A range is cut into at most this many bands of a round width.
_BANDS = 40
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_WHOLE = 200  # above this maximum, an average is shown without decimals


def describe(contract: Contract) -> Description:
    """Return the automatic description of a dataset."""
    measures = [column for column in contract.columns if is_measure(contract, column)][:MEASURES]
    categories = [column for column in contract.columns if list_categories(column)][:CATEGORIES]
    date = _find_date(contract)
    bands = {column.name: choose_width(column) for column in measures}
    rows = [
        Row(20, _figures(contract, measures)),
        *_in_rows([_distribution(column) for column in measures], 42),
        *([Row(44, _trends(measures))] if date else []),
        *_in_twos([*(_bars(column, measures) for column in categories), *_table(categories, measures)], 46),
    ]
    return Description(
        title=contract.title,
        description=contract.description,
        date=date,
        bands=bands,
        metrics=(_count(contract), *(_average(column) for column in measures)),
        filters=tuple(name for name in (date, *(column.name for column in categories)) if name),
        rows=tuple(rows),
    )


def choose_width(column: Column) -> float:
    """Return a round width of bands over the contract's bounds; BY_DATA where it names none."""
    if column.minimum is None or column.maximum is None or column.maximum <= column.minimum:
        return BY_DATA
    least = (column.maximum - column.minimum) / _BANDS
    if column.type in ("int", "bigint"):
        least = max(1.0, least)
    scale = 10.0 ** math.floor(math.log10(least))
    widths = [float(f"{factor * scale:g}") for factor in _ROUND if factor != 2.5 or scale >= 10]
    return next(width for width in widths if width >= least)


def _find_date(contract: Contract) -> str:
    dated = [column for column in contract.columns if column.type in ("date", "timestamp")]
    dated.sort(key=lambda column: (column.name not in contract.key, column.type != "date", not column.required))
    return dated[0].name if dated else ""


def _count(contract: Contract) -> Metric:
    return Metric("row_count", "Rows", "COUNT(*)", ",d", contract.granularity)


def _average(column: Column) -> Metric:
    label = f"Average {_lower(column)}" + (f" ({column.unit})" if column.unit else "")
    digits = ",.0f" if (column.maximum or 0) > _WHOLE else ",.1f"
    return Metric(f"average_{column.name}", label, f"AVG({column.name})", digits, column.description)


def _figures(contract: Contract, measures: Sequence[Column]) -> tuple[Chart, ...]:
    count = Chart("figure_rows", "number", "Rows", ("row_count",), note=contract.granularity.rstrip("."))
    averages = [
        Chart(f"figure_{column.name}", "number", label_column(column), (f"average_{column.name}",), note="average")
        for column in measures
    ]
    return (count, *averages)


def _distribution(column: Column) -> Chart:
    title = f"Rows by {_decapitalise(label_column(column))}"
    return Chart(f"distribution_{column.name}", "distribution", title, by=(column.name,))


def _trends(measures: Sequence[Column]) -> tuple[Chart, ...]:
    shown = _of_one_unit(measures)
    if not shown:
        return (Chart("trend_rows", "trend", "Rows by month", ("row_count",)),)
    title = f"Average {_names(shown)} by month"
    return (Chart("trend", "trend", title, tuple(f"average_{column.name}" for column in shown)),)


def _bars(category: Column, measures: Sequence[Column]) -> Chart:
    shown, by = _of_one_unit(measures), _lower(category)
    metrics = tuple(f"average_{column.name}" for column in shown) or ("row_count",)
    title = f"Average {_names(shown)} by {by}" if shown else f"Rows by {by}"
    return Chart(f"bars_{category.name}", "bars", title, metrics, (category.name,), sort="category", known=True)


def _table(categories: Sequence[Column], measures: Sequence[Column]) -> list[Chart]:
    if not categories:
        return []
    by = tuple(column.name for column in categories[:2])
    metrics = ("row_count", *(f"average_{column.name}" for column in measures))
    words = " and ".join(_lower(column) for column in categories[:2])
    return [Chart("table", "table", f"Rows and averages by {words}", metrics, by, known=True)]


def _of_one_unit(measures: Sequence[Column]) -> list[Column]:
    """Return the measures that may share an axis with the first one."""
    return [column for column in measures if column.unit == measures[0].unit]


def _names(columns: Sequence[Column]) -> str:
    words = [_lower(column) for column in columns]
    unit = f" ({columns[0].unit})" if columns[0].unit else ""
    return (", ".join(words[:-1]) + " and " if len(words) > 1 else "") + words[-1] + unit


def _lower(column: Column) -> str:
    return _decapitalise(name_column(column))


def _decapitalise(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _in_rows(charts: Sequence[Chart], height: int) -> list[Row]:
    """Return rows of two or three charts, none of them left alone where there are several."""
    first = 3 if len(charts) % 2 and len(charts) > 1 else 0
    return ([Row(height, tuple(charts[:first]))] if first else []) + _in_twos(charts[first:], height)


def _in_twos(charts: Sequence[Chart], height: int) -> list[Row]:
    return [Row(height, tuple(charts[at : at + 2])) for at in range(0, len(charts), 2)]
