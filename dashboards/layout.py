"""Where charts stand on a dashboard, its filters and its colours, as Superset 6.1 stores them."""

from collections.abc import Mapping
from typing import Any

from dashboards.charts import PALETTE, Place
from dashboards.columns import UNKNOWN, ZERO_WIDTH, list_categories
from dashboards.description import Row

# Okabe and Ito's palette (jfly.uni-koeln.de/color), told apart with any kind of colour vision; black and yellow left
# out, since yellow is not seen on white. server/superset_config.py offers the same to Superset.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F")
GREY = "#BDBDBD"
# An open page looks for new figures this often; what did not change comes from the cache.
REFRESH_SECONDS = 30
TABS = "TABS-top"


def build_position(title: str, tabs: Mapping[str, tuple[Row, ...]], uuids: Mapping[str, str]) -> dict[str, Any]:
    """Return the page: tabs, title -> rows of charts, which are told by their uuids."""
    names = [_tab_id(number) for number in range(len(tabs))]
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": [TABS]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": title}},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        TABS: {"type": "TABS", "id": TABS, "children": names, "parents": ["ROOT_ID"], "meta": {}},
    }
    for name, (text, rows) in zip(names, tabs.items(), strict=True):
        children = [f"ROW-{name}-{number}" for number in range(1, len(rows) + 1)]
        meta = {"text": text, "defaultText": "Tab title", "placeholder": "Tab title"}
        parents = ["ROOT_ID", TABS]
        position[name] = {"type": "TAB", "id": name, "children": children, "parents": parents, "meta": meta}
        for row_name, row in zip(children, rows, strict=True):
            position |= _row(row_name, [*parents, name], row, uuids)
    charts = [entry for entry in position.values() if isinstance(entry, dict) and entry["type"] == "CHART"]
    for number, entry in enumerate(charts, start=1):
        entry["meta"]["chartId"] = number  # a placeholder: the import puts the chart's own id in its place
    return position


def _row(name: str, parents: list[str], row: Row, uuids: Mapping[str, str]) -> dict[str, Any]:
    children = [f"CHART-{chart.name}" for chart in row.charts]
    meta = {"background": "BACKGROUND_TRANSPARENT"}
    entries: dict[str, Any] = {
        name: {"type": "ROW", "id": name, "children": children, "parents": parents, "meta": meta}
    }
    for chart, width in zip(row.charts, row.widths, strict=True):
        entries[f"CHART-{chart.name}"] = {
            "type": "CHART",
            "id": f"CHART-{chart.name}",
            "children": [],
            "parents": [*parents, name],
            "meta": {"height": row.height, "width": width, "sliceName": chart.title, "uuid": uuids[chart.name]},
        }
    return entries


def _tab_id(number: int) -> str:
    return f"TAB-{number + 1}"


def build_metadata(place: Place, dataset_uuid: str, elsewhere: int) -> dict[str, Any]:
    """Return the dashboard's settings: filters, cross filters, colours, how often an open page looks again.

    Filters and clicks change the first tab alone; the last `elsewhere` charts, of the second one, filter each other.
    """
    date = place.description.date
    filters = [
        _time_filter(place.label(name)) if name == date else _select_filter(place, name, dataset_uuid)
        for name in place.description.filters
    ]
    first = len(place.description.charts) + 1
    return {
        "color_scheme": PALETTE,
        "refresh_frequency": REFRESH_SECONDS,
        "expanded_slices": {},
        "timed_refresh_immune_slices": [],
        "cross_filters_enabled": True,
        "filter_bar_orientation": "HORIZONTAL",
        "label_colors": _label_colors(place),
        "shared_label_colors": [],
        "chart_configuration": {str(number): _crossing(number) for number in range(first, first + elsewhere)},
        "global_chart_configuration": {"scope": _on_tab(0), "chartsInScope": []},
        "native_filter_configuration": filters,
        "default_filters": "{}",
    }


def _on_tab(number: int) -> dict[str, Any]:
    return {"rootPath": [_tab_id(number)], "excluded": []}


def _crossing(number: int) -> dict[str, Any]:
    """Have a click on a chart of the second tab filter the others there."""
    scope = {**_on_tab(1), "excluded": [number]}
    return {"id": number, "crossFilters": {"scope": scope, "chartsInScope": []}}


def _label_colors(place: Place) -> dict[str, str]:
    """Give each series that several charts may draw one colour on all of them."""
    colors: dict[str, str] = {}
    for chart in place.description.charts:
        if len(chart.metrics) > 1 and chart.kind != "table":
            labels = [place.metric(name).label for name in chart.metrics]
        elif chart.split and chart.kind != "heat":
            column = place.contract.column(chart.split)
            values = list_categories(column)
            ordered = place.shown(chart.split) != chart.split
            labels = [ZERO_WIDTH * at * ordered + value for at, value in enumerate(values)]
            colors[ZERO_WIDTH * len(values) * ordered + UNKNOWN] = GREY
        else:
            continue
        for at, label in enumerate(labels):
            colors.setdefault(label, COLORS[at % len(COLORS)])
    return colors


def _time_filter(label: str) -> dict[str, Any]:
    return _native_filter("time", label, "filter_time", {}, {})


def _select_filter(place: Place, name: str, dataset_uuid: str) -> dict[str, Any]:
    settings = {
        "multiSelect": True,
        "enableEmptyFilter": False,
        "defaultToFirstItem": False,
        "inverseSelection": False,
        "searchAllOptions": False,
        "sortAscending": True,
    }
    target = {"column": {"name": place.shown(name)}, "datasetUuid": dataset_uuid}
    return _native_filter(name, place.label(name), "filter_select", target, settings)


def _native_filter(key: str, label: str, kind: str, target: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"NATIVE_FILTER-{key}",
        "type": "NATIVE_FILTER",
        "name": label,
        "filterType": kind,
        "description": "",
        "targets": [target],
        "controlValues": settings,
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        "cascadeParentIds": [],
        "scope": _on_tab(0),
    }
