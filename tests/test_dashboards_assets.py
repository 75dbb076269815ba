"""Dashboards as code: what is committed is what the contracts give, stable, complete, and free of secrets."""

import ast
import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.assets import ASSETS, build_assets, dataset_of, describe_dataset, read_assets, write_assets
from dashboards.automatic import choose_width, describe
from dashboards.columns import BY_DATA, build_dataset_columns, label_column, shown_name
from dashboards.description import KINDS, Description, read_description
from dashboards.errors import DescriptionError
from dashboards.layout import COLORS
from dashboards.quality import quality_rows
from helpers.contract import Column, Contract, list_datasets, load_contract
from helpers.run_history import RELATIONS

ROOT = Path(__file__).resolve().parent.parent
DESCRIPTION = ROOT / "datasets" / "student_performance" / "dashboard.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@pytest.fixture(scope="module")
def performance() -> Contract:
    """The contract of the main dataset."""
    return load_contract("student_performance")


def parsed(contract: Contract) -> dict[str, Any]:
    """Return the dataset's assets as documents."""
    return {path: yaml.load(text, Loader=LOADER) for path, text in build_assets(contract).items()}


def test_committed_assets_are_those_of_the_contracts(tmp_path: Path) -> None:
    """Generating all assets again gives the committed files, byte for byte, and no other."""
    write_assets([load_contract(dataset) for dataset in list_datasets()], tmp_path)
    assert read_assets(tmp_path) == read_assets(ASSETS), "run `workbench dashboards --write` and commit"


def test_files_of_a_chart_that_is_no_more_are_removed(tmp_path: Path, performance: Contract) -> None:
    """Writing assets leaves no file of an earlier description, and says what changed."""
    stale = tmp_path / "charts" / "student_performance" / "gone.yaml"
    stale.parent.mkdir(parents=True)
    stale.write_text("uuid: x\n")
    assert "charts/student_performance/gone.yaml" in write_assets([performance], tmp_path)
    assert not stale.exists()
    assert write_assets([performance], tmp_path) == []


def test_uuids_are_each_ones_own_and_outlive_a_new_title(performance: Contract) -> None:
    """No uuid stands for two things; a new title of the contract changes none of them."""
    before, after = parsed(performance), parsed(replace(performance, title="Another title"))
    uuids = [document["uuid"] for document in before.values() if "uuid" in document]
    assert len(set(uuids)) == len(uuids)
    assert uuids == [document["uuid"] for document in after.values() if "uuid" in document]
    others = {document.get("uuid") for document in parsed(load_contract("student_sample")).values()}
    shared = ["databases/warehouse.yaml", *(f"datasets/warehouse/{relation}.yaml" for relation in RELATIONS)]
    assert set(uuids) & others == {before[path]["uuid"] for path in shared}


def test_assets_hold_no_secret_and_no_port() -> None:
    """Neither a password nor where this machine's PostgreSQL listens is part of an asset."""
    for path, text in read_assets().items():
        assert "password" not in text.lower(), path
        assert not re.search(r"127\.0\.0\.1:\d", text), path
    address = yaml.safe_load(read_assets()["databases/warehouse.yaml"])["sqlalchemy_uri"]
    assert address == "postgresql+psycopg2://workbench_reader@127.0.0.1/analytics"


@pytest.mark.parametrize("dataset", list_datasets())
def test_every_chart_stands_on_the_dashboard_once(dataset: str) -> None:
    """Rows are at most twelve columns wide, and the grid shows exactly the dataset's charts."""
    documents = parsed(load_contract(dataset))
    position = documents[f"dashboards/{dataset}.yaml"]["position"]
    placed = [entry["meta"]["uuid"] for entry in position.values() if isinstance(entry, dict) and "uuid" in str(entry)]
    charts = [document["uuid"] for path, document in documents.items() if path.startswith("charts/")]
    assert sorted(placed) == sorted(charts)
    for row in (entry for entry in position.values() if isinstance(entry, dict) and entry.get("type") == "ROW"):
        assert sum(position[child]["meta"]["width"] for child in row["children"]) <= 12


@pytest.mark.parametrize("dataset", list_datasets())
def test_columns_carry_label_description_and_unit(dataset: str) -> None:
    """Superset shows each column by the contract's words, its unit among them."""
    contract = load_contract(dataset)
    columns = {column["column_name"]: column for column in build_dataset_columns(contract, describe_dataset(contract))}
    for column in contract.table_columns:
        shown = columns[column.name]
        assert shown["verbose_name"] == label_column(column)
        assert column.description in shown["description"]
        assert not column.unit or (f"({column.unit})" in shown["verbose_name"] and column.unit in shown["description"])


@pytest.mark.parametrize("dataset", list_datasets())
def test_titles_say_what_is_shown_with_its_unit(dataset: str) -> None:
    """A title of a chart that draws something measured names the unit in brackets."""
    description = describe_dataset(load_contract(dataset))
    counted = {metric.name for metric in description.metrics if metric.sql == "COUNT(*)"}
    assert len({chart.title for chart in description.charts}) == len(description.charts)
    for chart in description.charts:
        if chart.kind != "table" and not (chart.metrics and set(chart.metrics) <= counted):
            assert re.search(r"\([^)]+\)", chart.title), chart.title


def test_the_main_dashboard_shows_distributions_trend_categories_and_figures(performance: Contract) -> None:
    """Every kind of chart that the dashboard is for is there, with filters over date and groups."""
    description = describe_dataset(performance)
    kinds = [chart.kind for chart in description.charts]
    assert kinds.count("number") == 4 and set(kinds) == set(KINDS)
    assert {"exam_date", "region", "gender"} <= set(description.filters)
    settings = parsed(performance)["dashboards/student_performance.yaml"]["metadata"]
    assert settings["cross_filters_enabled"] is True


@pytest.mark.parametrize("dataset", ["tennessee_star", "student_performance"])
def test_a_contract_alone_gives_a_dashboard(dataset: str) -> None:
    """The automatic dashboard has a distribution per measure, bars per category, a trend where there is a date."""
    contract = load_contract(dataset)
    description = describe(contract)
    kinds = [chart.kind for chart in description.charts]
    by = {chart.by[0] for chart in description.charts if chart.kind == "bars"}
    assert kinds.count("distribution") == len(description.bands) >= 3
    assert by == {column.name for column in contract.columns if column.values}
    assert ("trend" in kinds) == any(column.type == "date" for column in contract.columns)
    assert kinds[-1] == "table" and kinds[0] == "number"


@pytest.mark.parametrize("dataset", list_datasets())
def test_the_data_quality_tab_shows_this_datasets_runs_alone(dataset: str) -> None:
    """Each dashboard has a second tab over runs, steps, gates and quarantine, every chart kept to its dataset."""
    documents = parsed(load_contract(dataset))
    position = documents[f"dashboards/{dataset}.yaml"]["position"]
    first, second = (position[name] for name in position["TABS-top"]["children"])
    assert (first["meta"]["text"], second["meta"]["text"]) == ("Overview", "Data quality")
    shown = {position[chart]["meta"]["uuid"] for row in second["children"] for chart in position[row]["children"]}
    relations = {
        documents[f"datasets/warehouse/{name}.yaml"]["uuid"]: name for name in (*RELATIONS, f"{dataset}__quarantine")
    }
    seen = set()
    for document in documents.values():
        if document.get("uuid") not in shown:
            continue
        relation = relations[document["dataset_uuid"]]
        seen.add(relation)
        kept = [(found["subject"], found.get("comparator")) for found in document["params"]["adhoc_filters"]]
        assert ("dataset", dataset) in kept or relation == f"{dataset}__quarantine"
    assert seen == set(relations.values())


def test_filters_and_clicks_stay_on_their_tab(performance: Contract) -> None:
    """Filters of the data and clicks on its charts change the first tab; charts of the second filter each other."""
    document = parsed(performance)["dashboards/student_performance.yaml"]
    settings, position = document["metadata"], document["position"]
    first, second = position["TABS-top"]["children"]
    scopes = [found["scope"] for found in settings["native_filter_configuration"]]
    scopes.append(settings["global_chart_configuration"]["scope"])
    assert {tuple(scope["rootPath"]) for scope in scopes} == {(first,)}
    numbers = {
        str(entry["meta"]["chartId"])
        for entry in position.values()
        if isinstance(entry, dict) and entry["type"] == "CHART" and second in entry["parents"]
    }
    crossing = settings["chart_configuration"]
    assert set(crossing) == numbers
    assert all(found["crossFilters"]["scope"]["rootPath"] == [second] for found in crossing.values())


def test_a_contract_with_nothing_but_a_key_gives_a_dashboard(performance: Contract) -> None:
    """Where there is no measure, no category and no date, the rows are counted."""
    bare = replace(performance, columns=(Column("student_id", "string"),), key=("student_id",))
    assert [chart.name for chart in describe(bare).charts] == ["figure_rows"]


def test_the_sample_shares_the_description_under_its_own_name() -> None:
    """A dataset whose contract extends another's has that one's charts and a title of its own."""
    sample = parsed(load_contract("student_sample"))
    assert sample["dashboards/student_sample.yaml"]["dashboard_title"] == "Student performance, a sample"
    assert sample["dashboards/student_sample.yaml"]["slug"] == "student-sample"
    charts = [path for path in sample if path.startswith("charts/")]
    tab = sum(len(row.charts) for row in quality_rows())
    assert len(charts) == len(describe_dataset(load_contract("student_performance")).charts) + tab
    assert {dataset_of(path) for path in charts} == {"student_sample"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title: Student performance\n", "", r"student_performance/dashboard.yaml: title: is missing"),
        ("kind: heat", "kind: hat", r'rows\[4\].charts\[0\].kind: no kind "hat"; did you mean "heat"'),
        ("metrics: examinations", "metrics: exams", r'rows\[0\].charts\[0\].metrics: no metric "exams"'),
        ("by: ethnicity", "by: etnicity", r'rows\[4\].charts\[0\].by: no column "etnicity"; did you mean "ethnicity"'),
        ("filters: [exam_date", "filters: [exam_day", r'filters: no column "exam_day"'),
        ("bands: {final_percentage: 5,", "bands: {final_percentage: 0,", r"bands.final_percentage: 0 is no width"),
        ("bands: {final_percentage: 5,", "bands: {", r'bands: "final_percentage" is missing'),
        ("date: exam_date\n", "", r"date: is missing, which trend is drawn over"),
        ("sort: value", "sort: up", r'sort: no order "up"'),
        ("over: school_id", "ower: school_id", r"ower: is not read here"),
        ("name: kpi_pass", "name: kpi_average", r'rows: two charts are named "kpi_average"'),
        ("rows:\n", "rows: {\n", r"dashboard.yaml:\d+: not YAML"),
    ],
)
def test_a_mistake_in_a_description_is_named(
    old: str, new: str, says: str, tmp_path: Path, performance: Contract
) -> None:
    """A description that cannot be meant is refused in one line, with file and key, and code 2."""
    text = DESCRIPTION.read_text()
    assert text.count(old) >= 1
    path = tmp_path / "datasets" / "student_performance" / "dashboard.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DescriptionError, match=says) as caught:
        read_description(path, performance)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_a_description_is_read_whole(performance: Contract) -> None:
    """What stands in the file is what comes out."""
    description: Description = read_description(DESCRIPTION, performance)
    assert description.date == "exam_date" and description.bands["final_percentage"] == 5
    heat = next(chart for chart in description.charts if chart.kind == "heat")
    assert (heat.by, heat.split, heat.metrics) == (("ethnicity",), "parental_education", ("average_percentage",))


@pytest.mark.parametrize(
    ("kind", "least", "most", "width"),
    [
        ("int", 0, 100, 5), ("int", 0, 999, 25), ("int", 0, 60, 2), ("int", 0, 7, 1), ("int", 0, 2_000_000, 50_000),
        ("double", 0, 1, 0.05), ("double", -3, 5, 0.2), ("double", None, 5, BY_DATA), ("int", 4, 4, BY_DATA),
    ],
)  # fmt: skip
def test_bands_are_round_and_at_most_forty(kind: str, least: Any, most: Any, width: float) -> None:
    """A measure's bounds are cut into bands of a round width; without bounds PostgreSQL chooses."""
    assert choose_width(Column("x", kind, minimum=least, maximum=most)) == width


def test_ordered_categories_keep_the_contracts_order(performance: Contract) -> None:
    """A calculated column stands for a category whose order is not the alphabet's, or that may be empty."""
    assert shown_name(performance.column("parental_education")) == "parental_education_ordered"
    assert shown_name(performance.column("gender")) == "gender"
    assert shown_name(performance.column("student_id")) == "student_id"


def test_colors_are_told_apart_with_any_colour_vision() -> None:
    """The first five colours differ clearly for protanopia, deuteranopia and tritanopia (Machado et al. 2009)."""
    for matrix in SIMULATIONS.values():
        seen = [to_lab([sum(m * c for m, c in zip(row, linear(color), strict=True)) for row in matrix]) for color in
                COLORS[:5]]  # fmt: skip
        for one, other in itertools.combinations(seen, 2):
            assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 11


def test_superset_offers_the_same_palette() -> None:
    """The palette that assets name is the one that Superset's configuration holds."""
    config = (ROOT / "dashboards" / "server" / "superset_config.py").read_text()
    assert list(COLORS) in [ast.literal_eval(found) for found in re.findall(r'"colors": (\[[^\]]+\])', config)]


@pytest.mark.parametrize("path", sorted((ROOT / "dashboards" / "server").glob("*.py")), ids=lambda path: path.name)
def test_what_runs_in_supersets_virtualenv_imports_nothing_of_ours(path: Path) -> None:
    """Superset's virtualenv holds none of our packages."""
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    ours = {"dashboards", "helpers", "glue", "lambdas", "workbench", "local_aws", "infra"}
    assert not {name.split(".")[0] for name in names} & ours


def test_the_generator_imports_three_modules_of_ours() -> None:
    """Of ours, dashboards/ imports the contract, the helpers' errors and the history's columns, and nothing else."""
    for path in (ROOT / "dashboards").glob("*.py"):
        for found in re.findall(r"^\s*(?:from|import) (helpers[\w.]*)", path.read_text(), re.MULTILINE):
            assert found in ("helpers.contract", "helpers.errors", "helpers.run_history"), path


@pytest.mark.parametrize("name", ["requirements", "requirements-test"])
def test_locks_are_hashed_and_name_no_index(name: str) -> None:
    """Each package of Superset's virtualenv is pinned with hashes, whatever index it comes from."""
    text = (ROOT / "dashboards" / f"{name}.lock").read_text()
    assert "--index-url" not in text and "http" not in text
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9.-]+==\S+", block) and "--hash=sha256:" in block, block[:80]
    for pin in re.findall(r"^([a-z0-9-]+==\S+)$", (ROOT / "dashboards" / f"{name}.in").read_text(), re.MULTILINE):
        assert f"\n{pin} " in f"\n{text}"


# Machado, Oliveira, Fernandes: A Physiologically-based Model for Simulation of Color Vision Deficiency (2009).
SIMULATIONS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}


def linear(color: str) -> list[float]:
    """Return the linear light of a colour such as #0072B2."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def to_lab(rgb: list[float]) -> tuple[float, float, float]:
    """Return CIELAB (D65) of linear light."""
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(m * max(0.0, c) for m, c in zip(row, rgb, strict=True)) for row in rows]
    x, y, z = (
        (part / white) ** (1 / 3) if part / white > 0.008856 else 7.787 * part / white + 16 / 116
        for part, white in zip(xyz, (0.9505, 1.0, 1.089), strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
