"""The data-quality tab of each dashboard: its runs, what each step took, what was checked, what was kept out and why.

It is the same for every dataset. The relations are those of helpers/run_history.py, which all datasets share and each
chart filters, and the dataset's own `<dataset>__quarantine`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dashboards.charts import Params, Place, build_params, filter_by
from dashboards.description import Chart, Description, Metric, Row
from helpers.contract import Column, Contract
from helpers.run_history import GATES, RELATIONS, RUNS, STEPS
from helpers.run_history import QUARANTINE as QUARANTINE_COLUMNS

TITLE = "Data quality"
QUARANTINE = "__quarantine"  # after a dataset's name
SHOWN_RUNS = 20
_TYPES = {"varchar": "string", "timestamp with time zone": "timestamp"}
_UNITS = {"seconds": "s", "glue_seconds": "s", "athena_bytes_scanned": "bytes"}
_LAST = "(ARRAY_AGG({} ORDER BY recency))[1]"
_METRICS: Mapping[str, tuple[Metric, ...]] = {
    RUNS: (
        Metric("runs", "Runs", "COUNT(*)", ",d"),
        Metric(
            "success_rate",
            "Successful runs (% of runs)",
            "CAST(COUNT(*) FILTER (WHERE status = 'succeeded') AS double precision) / NULLIF(COUNT(*), 0)",
            ".0%",
        ),
        Metric("last_kept_out", "Rows kept out (latest run)", _LAST.format("rows_quarantined"), ",d"),
        Metric("rows_read", "Rows read", "MAX(rows_in)", ",d"),
        Metric("rows_kept", "Rows kept", "MAX(rows_out)", ",d"),
        Metric("rows_kept_out", "Rows kept out", "MAX(rows_quarantined)", ",d"),
        Metric("run_seconds", "Seconds", "MAX(seconds)", ",.1f"),
        Metric("stopped_by", "Stopped by", "COALESCE(MAX(error), '')", ",d"),
        Metric("age", "Place from the latest", "MIN(recency)", ",d"),
    ),
    STEPS: (Metric("step_seconds", "Seconds", "SUM(seconds)", ",.0f"),),
    GATES: (
        Metric("checks", "Times checked", "COUNT(*)", ",d"),
        Metric(
            "passed_rate",
            "Passed (% of checks)",
            "CAST(COUNT(*) FILTER (WHERE passed) AS double precision) / NULLIF(COUNT(*), 0)",
            ".0%",
        ),
        Metric("last_detail", "Found the last time", _LAST.format("detail"), ",d"),
    ),
    QUARANTINE: (Metric("kept_out", "Rows kept out", 'SUM("rows")', ",d"),),
}
_ROWS = (
    Row(
        20,
        (
            Chart("quality_runs", "number", "Runs", ("runs",), note="of this dataset, as recorded"),
            Chart("quality_success", "number", "Successful runs (%)", ("success_rate",), note="of all recorded runs"),
            Chart(
                "quality_last", "number", "Rows kept out", ("last_kept_out",), note="in quarantine after the latest run"
            ),
            Chart("quality_passed", "number", "Gates passed (%)", ("passed_rate",), note="of all checks of all runs"),
        ),
    ),
    Row(
        42,
        (
            Chart(
                "quality_rows",
                "bars",
                f"Rows read and kept (rows) by run, the latest {SHOWN_RUNS}",
                ("rows_read", "rows_kept"),
                ("began",),
                sort="category",
            ),
            Chart(
                "quality_kept_out",
                "bars",
                f"Rows kept out (rows) by run, the latest {SHOWN_RUNS}",
                ("rows_kept_out",),
                ("began",),
                sort="category",
            ),
        ),
    ),
    Row(
        46,
        (
            Chart(
                "quality_seconds",
                "bars",
                f"Time (seconds) by run and step, the latest {SHOWN_RUNS}",
                ("step_seconds",),
                ("began",),
                split="notebook",
                sort="category",
                width=6,
            ),
            Chart(
                "quality_gates",
                "table",
                "What was checked before data was let through",
                ("checks", "passed_rate", "last_detail"),
                ("notebook", "gate"),
                width=6,
            ),
        ),
    ),
    Row(
        46,
        (
            Chart("quality_reasons", "table", "Rows kept out (rows) by reason", ("kept_out",), ("reason",)),
            Chart("quality_files", "table", "Rows kept out (rows) by raw file", ("kept_out",), ("file",)),
        ),
    ),
    Row(
        48,
        (
            Chart(
                "quality_table",
                "table",
                f"The latest {SHOWN_RUNS} runs",
                ("run_seconds", "rows_read", "rows_kept", "rows_kept_out", "stopped_by"),
                ("began", "status", "run_id"),
            ),
        ),
    ),
)
_RELATION = {
    "quality_passed": GATES,
    "quality_gates": GATES,
    "quality_seconds": STEPS,
    "quality_reasons": QUARANTINE,
    "quality_files": QUARANTINE,
}
_LATEST = ("quality_rows", "quality_kept_out", "quality_seconds", "quality_table")
# Few runs have wide labels and small figures: labels are left out where they would touch, ticks keep a decimal.
_BY_RUN: Params = {"xAxisLabelInterval": "auto", "y_axis_format": ",.1~f"}
_OVER: Mapping[str, Params] = {
    "quality_rows": {**_BY_RUN, "sort_series_ascending": False},
    "quality_kept_out": _BY_RUN,
    "quality_seconds": {**_BY_RUN, "stack": "Stack", "show_value": False},
    "quality_gates": {"show_cell_bars": False},
    "quality_table": {"timeseries_limit_metric": "age", "order_desc": False, "show_cell_bars": False},
}


@dataclass(frozen=True)
class Panel:
    """A chart of the tab: over which relation, and its type and parameters as Superset has them."""

    chart: Chart
    relation: str
    kind: str
    params: Params


def quality_rows() -> tuple[Row, ...]:
    """Return the tab's charts as they stand on the page."""
    return _ROWS


def quality_panels(contract: Contract) -> list[Panel]:
    """Return the tab's charts for the contract's dataset."""
    panels, dataset = [], contract.dataset
    for chart in (chart for row in _ROWS for chart in row.charts):
        suffix = _RELATION.get(chart.name, RUNS)
        relation = dataset + suffix if suffix == QUARANTINE else suffix
        kind, params = build_params(chart, quality_place(contract, relation))
        filters = list(params["adhoc_filters"])
        if suffix != QUARANTINE:
            filters.append(filter_by("dataset", "==", dataset))
        if chart.name in _LATEST:
            filters.append(filter_by("recency", "<=", SHOWN_RUNS))
        panels.append(Panel(chart, relation, kind, {**params, **_OVER.get(chart.name, {}), "adhoc_filters": filters}))
    return panels


def list_relations(dataset: str) -> tuple[str, ...]:
    """Return the relations that the tab of a dataset reads."""
    return (*RELATIONS, dataset + QUARANTINE)


def loaded_by(relation: str) -> str:
    """Return the command that loads a relation."""
    dataset = relation.removesuffix(QUARANTINE)
    return "workbench run" if relation in RELATIONS else f"workbench run --dataset {dataset}"


def quality_place(contract: Contract, relation: str) -> Place:
    """Return what a chart over one of the dataset's relations is drawn from: columns, metrics, rows of charts."""
    if relation in RELATIONS:
        found = RELATIONS[relation]
        columns, key, title, metrics = found.columns, found.key, found.description, _METRICS[relation]
    else:
        columns, key, metrics = QUARANTINE_COLUMNS, (), _METRICS[QUARANTINE]
        title = f"Rows kept out of {contract.dataset} by run, raw file and reason; a row of two reasons counts in both."
    made = tuple(
        Column(name, _TYPES.get(kind, kind), description=text, unit=_UNITS.get(name, ""))
        for name, (kind, text) in columns.items()
    )
    named = replace(contract, dataset=relation, title=title, description=title, granularity="")
    described = replace(named, columns=made, key=key, partition=made[-1].name)
    return Place(described, Description(title, title, "", {}, metrics, (), _ROWS))
