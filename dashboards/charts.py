"""One chart's parameters as Superset 6.1 stores them (`params` of a chart), by its kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.columns import band_name, label_band, list_categories, name_column, shown_name
from dashboards.description import Chart, Description, Metric
from helpers.contract import Column, Contract

PALETTE = "workbench"
SEQUENTIAL = "workbench_blue"
COUNT = "COUNT(*)"
Params = dict[str, Any]
_PAGE, _MARGIN, _LETTER, _GAP = 1248, 96, 6.5, 12  # in pixels, at Superset's font of 12 pixels


@dataclass(frozen=True)
class Place:
    """What a chart's columns and metrics are looked up in."""

    contract: Contract
    description: Description

    def shown(self, name: str) -> str:
        """Return the column that is drawn for the contract's column `name`."""
        return shown_name(self.contract.column(name))

    def label(self, name: str) -> str:
        """Return the label of a column, without its unit."""
        return name_column(self.contract.column(name))

    def metric(self, name: str) -> Metric:
        """Return the metric of that name."""
        return next(metric for metric in self.description.metrics if metric.name == name)

    def has_room(self, chart: Chart, column: Column) -> bool:
        """Say whether the names of a category fit side by side under the bars, on a page of 1280 pixels."""
        return sum(_LETTER * len(value) + _GAP for value in list_categories(column)) <= self.room(chart)

    def room(self, chart: Chart) -> float:
        """Return how many pixels wide the chart's grid is, on a page of 1280 pixels."""
        width = next(row.widths[row.charts.index(chart)] for row in self.description.rows if chart in row.charts)
        return _PAGE * width / 12 - _MARGIN

    def count(self) -> Metric:
        """Return the metric that counts rows, which distributions are drawn in."""
        return next((metric for metric in self.description.metrics if metric.sql == COUNT), _ROWS)


_ROWS = Metric("row_count", "Rows", COUNT, ",d")


def build_params(chart: Chart, place: Place) -> tuple[str, Params]:
    """Return the chart's type in Superset and its parameters."""
    kind, params = _BUILDERS[chart.kind](chart, place)
    filters = [*_over_time(place.description.date), *params.pop("adhoc_filters", [])]
    filters += [filter_by(name, "IS NOT NULL") for name in (*chart.by, chart.split) if name and chart.known]
    return kind, {"viz_type": kind, "adhoc_filters": filters, **params, "extra_form_data": {}}


def _over_time(date: str) -> list[Params]:
    """Return the filter that lets the dashboard's range of dates reach a chart."""
    if not date:
        return []
    return [filter_by(date, "TEMPORAL_RANGE", "No filter")]


def filter_by(column: str, operator: str, comparator: str | int | None = None) -> Params:
    """Return the filter of a chart that keeps rows whose column stands in this relation to the comparator."""
    made = {"clause": "WHERE", "expressionType": "SIMPLE", "subject": column, "operator": operator}
    return made | ({"comparator": comparator} if comparator is not None else {})


def _number(chart: Chart, place: Place) -> tuple[str, Params]:
    metric = place.metric(chart.metrics[0])
    return "big_number_total", {
        "metric": metric.name,
        "y_axis_format": metric.format,
        "header_font_size": 0.4,
        "subtitle": chart.note,
        "subtitle_font_size": 0.15,
    }


def _axes(place: Place, metric: Metric) -> Params:
    return {
        "color_scheme": PALETTE,
        "row_limit": 10_000,
        "order_desc": True,
        "sort_series_type": "name",
        "sort_series_ascending": True,
        "show_legend": False,
        "legendType": "scroll",
        "legendOrientation": "top",
        "rich_tooltip": True,
        "truncate_metric": True,
        "truncateXAxis": True,
        "only_total": True,
        "y_axis_title_position": "Left",
        "y_axis_title": "",
        "y_axis_title_margin": 15,
        "x_axis_title": "",
        "x_axis_title_margin": 15,
        "y_axis_format": metric.format,
        "y_axis_bounds": [None, None],
        "annotation_layers": [],
    }


def _split(chart: Chart, place: Place) -> Params:
    return {"groupby": [place.shown(chart.split)], "show_legend": True} if chart.split else {"groupby": []}


def _distribution(chart: Chart, place: Place) -> tuple[str, Params]:
    """Draw bars over bands made in SQL: Superset's own histogram stops at a limit of rows and does not say so."""
    column, count = place.contract.column(chart.by[0]), place.count()
    band = band_name(column)
    return "echarts_timeseries_bar", {
        **_axes(place, count),
        **_split(chart, place),
        "adhoc_filters": [filter_by(band, "IS NOT NULL")],
        "x_axis": band,
        "xAxisForceCategorical": True,
        "x_axis_sort": band,
        "x_axis_sort_asc": True,
        "x_axis_title": label_band(column, place.description.bands[column.name]),
        "x_axis_title_margin": 30,
        "metrics": [count.name],
        "stack": "Stack" if chart.split else None,
        "orientation": "vertical",
        "show_value": False,
    }


def _trend(chart: Chart, place: Place) -> tuple[str, Params]:
    return "echarts_timeseries_line", {
        **_axes(place, place.metric(chart.metrics[0])),
        **_split(chart, place),
        "x_axis": place.description.date,
        "time_grain_sqla": "P1M",
        "x_axis_sort_asc": True,
        "metrics": list(chart.metrics),
        "show_legend": bool(chart.split) or len(chart.metrics) > 1,
        "seriesType": "line",
        "markerEnabled": True,
        "markerSize": 5,
        "truncateYAxis": True,
        "x_axis_time_format": "%b %Y",
        "tooltipTimeFormat": "%b %Y",
        "comparison_type": "values",
        "zoomable": False,
    }


def _bars(chart: Chart, place: Place) -> tuple[str, Params]:
    column, metric = place.contract.column(chart.by[0]), place.metric(chart.metrics[0])
    several = bool(chart.split) or len(chart.metrics) > 1
    by_value = chart.sort == "value" or (not chart.sort and not list_categories(column))
    shown = shown_name(column)
    return "echarts_timeseries_bar", {
        **_axes(place, metric),
        **_split(chart, place),
        "x_axis": shown,
        "xAxisLabelInterval": "0",
        "xAxisForceCategorical": True,
        "x_axis_sort": metric.name if by_value and not several else shown,
        "x_axis_sort_asc": not by_value or several,
        "metrics": list(chart.metrics),
        "show_legend": several,
        "orientation": "vertical" if place.has_room(chart, column) else "horizontal",
        "show_value": _count_bars(chart, place) * (30 if ".0f" in metric.format else 40) <= place.room(chart),
        "only_total": False,
        "y_axis_bounds": [0, None],
        "truncateYAxis": False,
    }


def _count_bars(chart: Chart, place: Place) -> int:
    """Return how many bars a chart may have side by side, as far as the contract tells."""
    values = len(list_categories(place.contract.column(chart.by[0]))) or 12
    series = len(list_categories(place.contract.column(chart.split))) if chart.split else 1
    return values * series * len(chart.metrics)


def _boxes(chart: Chart, place: Place) -> tuple[str, Params]:
    """Draw the spread of averages: a box of rows would stop at the limit of rows and not say so."""
    metric = place.metric(chart.metrics[0])
    return "box_plot", {
        "columns": [place.shown(chart.over)],
        "temporal_columns_lookup": {},
        "groupby": [place.shown(chart.by[0])],
        "metrics": [metric.name],
        "whiskerOptions": "Min/max (no outliers)",
        "color_scheme": PALETTE,
        "x_axis_title": "",
        "x_axis_title_margin": 15,
        "y_axis_title": "",
        "y_axis_title_margin": 15,
        "y_axis_title_position": "Left",
        "x_ticks_layout": "flat",
        "number_format": metric.format,
        "date_format": "smart_date",
        "row_limit": 10_000,
    }


def _heat(chart: Chart, place: Place) -> tuple[str, Params]:
    """Draw columns by name and rows by value: this chart sorts names as a dictionary does, whatever their order is."""
    metric = place.metric(chart.metrics[0])
    return "heatmap_v2", {
        "x_axis": place.shown(chart.by[0]),
        "groupby": place.shown(chart.split),
        "metric": metric.name,
        "row_limit": 10_000,
        "sort_x_axis": "alpha_asc",
        "sort_y_axis": "value_asc",
        "normalize_across": "heatmap",
        "legend_type": "continuous",
        "linear_color_scheme": SEQUENTIAL,
        "xscale_interval": 1,
        "yscale_interval": 1,
        "left_margin": 15,
        "bottom_margin": 15,
        "value_bounds": [None, None],
        "y_axis_format": metric.format,
        "x_axis_time_format": "smart_date",
        "show_legend": False,
        "show_percentage": False,
        "show_values": True,
    }


def _table(chart: Chart, place: Place) -> tuple[str, Params]:
    return "table", {
        "query_mode": "aggregate",
        "groupby": [place.shown(name) for name in chart.by],
        "metrics": list(chart.metrics),
        "all_columns": [],
        "percent_metrics": [],
        "order_by_cols": [],
        "order_desc": True,
        "timeseries_limit_metric": chart.metrics[0],
        "row_limit": 1000,
        "page_length": 0,
        "table_timestamp_format": "smart_date",
        "show_cell_bars": True,
        "color_pn": False,
        "allow_render_html": False,
        "conditional_formatting": [],
    }


_BUILDERS: Mapping[str, Callable[[Chart, Place], tuple[str, Params]]] = {
    "number": _number,
    "distribution": _distribution,
    "trend": _trend,
    "bars": _bars,
    "boxes": _boxes,
    "heat": _heat,
    "table": _table,
}
