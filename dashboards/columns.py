"""A dataset's columns and metrics as Superset has them, from the contract.

A category whose order matters (the order of the contract's enum), or that may be empty, is shown by a calculated
column: its values carry one zero-width space for each value that comes before, so that every chart of Superset, each
of which sorts by the text alone, draws them in the contract's order (docs/adr/0020-superset.md).
"""

from typing import Any

from dashboards.description import Description, Metric
from helpers.contract import Column, Contract

UNKNOWN = "unknown"
BY_DATA = 0.0  # a width of bands that PostgreSQL chooses: round, 15 to 40 bands over what there is
ZERO_WIDTH = chr(8203)
_TYPES = {
    "string": "TEXT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "double": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITHOUT TIME ZONE",
}
_NUMERIC = ("int", "bigint", "double", "decimal")


def name_column(column: Column) -> str:
    """Return the column's label without its unit: `Final percentage`."""
    words = ["ID" if word == "id" else word for word in column.name.split("_")]
    return words[0][:1].upper() + " ".join(words)[1:]


def label_column(column: Column) -> str:
    """Return the column's label with its unit, if it has one: `Final percentage (percent)`."""
    return f"{name_column(column)} ({column.unit})" if column.unit else name_column(column)


def list_categories(column: Column) -> tuple[str, ...]:
    """Return the values that the contract allows, in its order; empty where it allows any."""
    if column.type == "boolean":
        return ("false", "true")
    return tuple(dict.fromkeys((column.values or {}).values()))


def is_measure(contract: Contract, column: Column) -> bool:
    """Say whether the column's average means something: a number that identifies nothing."""
    numeric = column.type.startswith(_NUMERIC)
    return numeric and column.name not in contract.key and not column.name.endswith("_id") and not column.values


def shown_name(column: Column) -> str:
    """Return the name of the column that charts and filters use for this one."""
    return f"{column.name}_ordered" if _needs_order(column) else column.name


def band_name(column: Column) -> str:
    """Return the name of the calculated column that holds a measure's band."""
    return f"{column.name}_band"


def label_band(column: Column, width: float) -> str:
    """Return what stands at the axis of a distribution."""
    bands = f"bands of {width:g}" if width else "bands of equal width"
    return f"{name_column(column)} ({column.unit + ', ' if column.unit else ''}{bands})"


def build_dataset_columns(contract: Contract, description: Description) -> list[dict[str, Any]]:
    """Return the columns of the relation, then the calculated ones."""
    columns = [_describe(contract, column) for column in contract.table_columns]
    for column in contract.table_columns:
        if _needs_order(column):
            columns.append(
                _calculated(shown_name(column), name_column(column), "TEXT", _order(column))
                | {"description": f"{column.description} In the order of the contract; empty is {UNKNOWN}."}
            )
    for name, width in description.bands.items():
        column = contract.column(name)
        expression = _band(column, width) if width else _band_by_data(column, contract.table)
        columns.append(
            _calculated(band_name(column), label_band(column, width), "NUMERIC", expression)
            | {"description": f"{column.description} In bands that are named by their lower ends."}
        )
    return columns


def build_metrics(description: Description) -> list[dict[str, Any]]:
    """Return the metrics of a description."""
    return [_describe_metric(metric) for metric in description.metrics]


def _needs_order(column: Column) -> bool:
    values = list_categories(column)
    return bool(values) and (list(values) != sorted(values) or not column.required or column.type == "boolean")


def _order(column: Column) -> str:
    values = list_categories(column)
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    text = f"CAST({column.name} AS text)" if column.type != "string" else column.name
    place = f"array_position(ARRAY[{listed}], {text})"
    last = f"repeat(chr(8203), {len(values)}) || COALESCE({text}, '{UNKNOWN}')"
    return f"COALESCE(repeat(chr(8203), {place} - 1) || {text}, {last})"


def _band(column: Column, width: float) -> str:
    """Return SQL for the lower end of a value's band; the contract's maximum belongs to the last one."""
    divisor = f"{width:g}.0" if float(width).is_integer() else f"{width:g}"
    band = f"FLOOR({column.name} / {divisor})"
    if column.type == "double":
        band = f"CAST({band} AS numeric)"  # else 3 * 0.1 would be named 0.30000000000000004
    lower = f"{band} * {width:g}"
    if column.maximum is None:
        return lower
    last = (-(-column.maximum // width) - 1) * width
    return f"CASE WHEN {column.name} >= {column.maximum:g} THEN {last:g} ELSE {lower} END"


def _band_by_data(column: Column, table: str) -> str:
    """Return SQL for the lower end of a value's band where the contract has no bounds: 1, 2 or 5 times a power of ten.

    The width is a subquery that PostgreSQL evaluates once, over all rows whatever the filters are.
    """
    least = "1" if column.type in ("int", "bigint") else "0.000001"
    spread = f"GREATEST(CAST(MAX({column.name}) - MIN({column.name}) AS numeric) / 30, {least})"
    scale = "power(10.0, floor(log(spread)))"
    steps = " ".join(f"WHEN spread <= {step} * {scale} THEN {step}" for step in (1, 2, 5))
    factor = f"CASE {steps} ELSE 10 END"
    width = f"(SELECT {factor} * {scale} FROM (SELECT {spread} AS spread FROM analytics.{table}) AS range)"
    return f"trim_scale(FLOOR(CAST({column.name} AS numeric) / {width}) * {width})"


def _describe(contract: Contract, column: Column) -> dict[str, Any]:
    dated = column.type in ("date", "timestamp")
    return {
        "column_name": column.name,
        "verbose_name": label_column(column),
        "is_dttm": dated,
        "is_active": True,
        "type": _type(column.type),
        "groupby": not is_measure(contract, column),
        "filterable": True,
        "expression": None,
        "description": column.description + (f" Unit: {column.unit}." if column.unit else ""),
        "python_date_format": None,
        "extra": None,
    }


def _calculated(name: str, label: str, kind: str, expression: str) -> dict[str, Any]:
    return {
        "column_name": name,
        "verbose_name": label,
        "is_dttm": False,
        "is_active": True,
        "type": kind,
        "groupby": True,
        "filterable": True,
        "expression": expression,
        "description": None,
        "python_date_format": None,
        "extra": None,
    }


def _type(kind: str) -> str:
    if kind.startswith("decimal"):
        precision, scale = kind.removeprefix("decimal(").rstrip(")").split(",")
        return f"NUMERIC({precision}, {scale})"
    return _TYPES[kind]


def _describe_metric(metric: Metric) -> dict[str, Any]:
    return {
        "metric_name": metric.name,
        "verbose_name": metric.label,
        "metric_type": None,
        "expression": metric.sql,
        "description": metric.description or None,
        "d3format": metric.format,
        "currency": None,
        "extra": None,
        "warning_text": None,
    }
