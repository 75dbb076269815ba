"""The YAML files of one dataset's dashboard, byte for byte the same from the same contract and description.

    metadata.yaml
    databases/warehouse.yaml
    datasets/warehouse/<dataset>.yaml, <dataset>__quarantine.yaml
    datasets/warehouse/workbench_*.yaml    what runs know about themselves; all dashboards share it
    charts/<dataset>/<chart>.yaml
    dashboards/<dataset>.yaml

The layout is that of Superset's own exports; uuids come from names, so an import changes what is there and never
doubles it. Neither a password nor a port stands here: server/superset_config.py adds them when it connects.
"""

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dashboards.automatic import describe
from dashboards.charts import Place, build_params
from dashboards.columns import build_dataset_columns, build_metrics
from dashboards.description import Chart, Description, find_description, read_description
from dashboards.layout import build_metadata, build_position
from dashboards.quality import QUARANTINE, TITLE, list_relations, quality_panels, quality_place, quality_rows
from helpers.contract import Contract
from helpers.run_history import RELATIONS

ASSETS = Path(__file__).resolve().parent / "assets"
DATABASE = "warehouse"
SCHEMA = "analytics"
FIRST_TAB = "Overview"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:analytics-workbench:dashboards")
_VERSION = "1.0.0"


def stable_uuid(*names: str) -> str:
    """Return the uuid of what these names stand for; it changes only with the names."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


def describe_dataset(contract: Contract) -> Description:
    """Return the dataset's description: its dashboard.yaml, or the automatic one.

    Raises:
        DescriptionError: a mistake in dashboard.yaml, with file and key.
    """
    path = find_description(contract)
    return read_description(path, contract) if path else describe(contract)


def build_assets(contract: Contract) -> dict[str, str]:
    """Return the files of one dataset: path under assets/ -> YAML.

    Raises:
        DescriptionError: a mistake in dashboard.yaml, with file and key.
    """
    description, dataset = describe_dataset(contract), contract.dataset
    place = Place(contract, description)
    files: dict[str, Any] = {
        "metadata.yaml": {"version": _VERSION, "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"},
        f"databases/{DATABASE}.yaml": _database(),
        f"datasets/{DATABASE}/{dataset}.yaml": _dataset(contract, description),
        f"dashboards/{dataset}.yaml": _dashboard(place),
    }
    for relation in list_relations(dataset):
        quality = quality_place(contract, relation)
        files[f"datasets/{DATABASE}/{relation}.yaml"] = _dataset(quality.contract, quality.description)
    for chart in description.charts:
        files[f"charts/{dataset}/{chart.name}.yaml"] = _chart(dataset, chart, dataset, *build_params(chart, place))
    for panel in quality_panels(contract):
        made = _chart(dataset, panel.chart, panel.relation, panel.kind, panel.params)
        files[f"charts/{dataset}/{panel.chart.name}.yaml"] = made
    return {path: _dump(content) for path, content in sorted(files.items())}


def dataset_of(path: str) -> str:
    """Return the dataset that a file under assets/ belongs to; "" where it belongs to all of them."""
    folder, _, rest = path.partition("/")
    if folder == "charts":
        return rest.partition("/")[0]
    name = Path(rest).stem.removesuffix(QUARANTINE) if folder in ("dashboards", "datasets") else ""
    return "" if name in RELATIONS else name


def read_assets(folder: Path = ASSETS) -> dict[str, str]:
    """Return the files under `folder`: path -> YAML."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.yaml"))
    }


def write_assets(contracts: Iterable[Contract], folder: Path = ASSETS) -> list[str]:
    """Write the files of these datasets, and remove those of charts and datasets that are no more.

    Returns: the paths that changed.
    """
    wanted = {path: text for contract in contracts for path, text in build_assets(contract).items()}
    there = read_assets(folder)
    for path in set(there) - set(wanted):
        (folder / path).unlink()
    for path, text in wanted.items():
        if there.get(path) != text:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return sorted(path for path in {*there, *wanted} if there.get(path) != wanted.get(path))


def _database() -> dict[str, Any]:
    return {
        "database_name": "Analytics warehouse",
        "sqlalchemy_uri": "postgresql+psycopg2://workbench_reader@127.0.0.1/analytics",
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {
            "allows_virtual_table_explore": True,
            "metadata_params": {},
            "engine_params": {"connect_args": {"application_name": "superset", "connect_timeout": 10}},
        },
        "uuid": stable_uuid("database", DATABASE),
        "version": _VERSION,
        "is_managed_externally": True,
    }


def _dataset(contract: Contract, description: Description) -> dict[str, Any]:
    return {
        "table_name": contract.table,
        "main_dttm_col": description.date or None,
        "description": f"{contract.description} {contract.granularity}".strip(),
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "catalog": None,
        "schema": SCHEMA,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "uuid": stable_uuid("dataset", contract.dataset),
        "metrics": build_metrics(description),
        "columns": build_dataset_columns(contract, description),
        "version": _VERSION,
        "database_uuid": stable_uuid("database", DATABASE),
        "is_managed_externally": True,
    }


def _chart(dataset: str, chart: Chart, relation: str, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    return {
        "slice_name": chart.title,
        "description": chart.note or None,
        "certified_by": None,
        "certification_details": None,
        "viz_type": kind,
        "params": params,
        "query_context": None,
        "cache_timeout": None,
        "uuid": stable_uuid("chart", dataset, chart.name),
        "version": _VERSION,
        "dataset_uuid": stable_uuid("dataset", relation),
        "is_managed_externally": True,
    }


def _dashboard(place: Place) -> dict[str, Any]:
    dataset, description = place.contract.dataset, place.description
    tabs = {FIRST_TAB: description.rows, TITLE: quality_rows()}
    charts = [chart for rows in tabs.values() for row in rows for chart in row.charts]
    uuids = {chart.name: stable_uuid("chart", dataset, chart.name) for chart in charts}
    title = place.contract.title if _is_shared(place.contract) else description.title
    return {
        "dashboard_title": title,
        "description": description.description,
        "css": "",
        "slug": dataset.replace("_", "-"),
        "certified_by": None,
        "certification_details": None,
        "published": True,
        "uuid": stable_uuid("dashboard", dataset),
        "position": build_position(title, tabs, uuids),
        "metadata": build_metadata(place, stable_uuid("dataset", dataset), len(charts) - len(description.charts)),
        "version": _VERSION,
        "is_managed_externally": True,
    }


def _is_shared(contract: Contract) -> bool:
    """Say whether the description is that of another dataset, whose title would name the wrong one."""
    path = find_description(contract)
    return path is not None and path.parent != contract.path.parent


def _dump(content: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes no anchors: each value stands where it is used."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return str(yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110))
