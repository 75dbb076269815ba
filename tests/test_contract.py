"""Contracts and saved queries: what they say, and how their mistakes are named."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from helpers.contract import DATASETS, compile_contract, list_datasets, load_contract
from helpers.contract_check import check_contracts
from helpers.errors import ContractError
from helpers.saved_queries import read_query

SMALL = """\
apiVersion: v3.2.0
kind: DataContract
id: shop
version: 1.0.0
schema:
  - name: shop
    properties:
      - name: article
        physicalType: string
        primaryKey: true
        required: true
      - name: price
        logicalType: number
        physicalType: decimal(5,2)
        logicalTypeOptions: {minimum: 0}
      - name: day
        logicalType: date
        physicalType: date
        required: true
        partitioned: true
        customProperties:
          - {property: formats, value: ["%Y-%m-%d"]}
"""


def write_shop(folder: Path, text: str = SMALL) -> Path:
    """Write a contract of a dataset named shop and return the folder of datasets."""
    (folder / "shop").mkdir()
    (folder / "shop" / "contract.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("dataset", list_datasets())
def test_contract_follows_the_standard(dataset: str) -> None:
    """Each contract passes the standard's own models and its JSON schema."""
    path = DATASETS / dataset / "contract.yaml"
    OpenDataContractStandard.from_file(str(path))
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text())
    jsonschema.Draft201909Validator(schema).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("dataset", list_datasets())
def test_compiled_contract_is_plain_json(dataset: str) -> None:
    """What the job gets survives JSON unchanged, and describes every column."""
    compiled = compile_contract(load_contract(dataset))
    assert json.loads(json.dumps(compiled)) == compiled
    assert all(column["comment"] for column in compiled["columns"])


def test_sample_extends_the_large_dataset() -> None:
    """student_sample has the columns and queries of student_performance over a table of its own."""
    sample, large = load_contract("student_sample"), load_contract("student_performance")
    assert sample.columns == large.columns
    average = "SELECT gender, AVG(final_percentage) AS average_percentage FROM {} GROUP BY gender"
    assert sample.queries[0].sql == average.format("student_sample")
    assert large.queries[0].sql == average.format("student_performance")
    assert sample.source_command(Path("x"))[-4:] == ["--rows", "2000", "--seed", "7"]


def test_partition_column_comes_last_in_the_table() -> None:
    """The table has its partition column last, wherever the contract lists it."""
    contract = load_contract("tennessee_star")
    assert contract.columns[1].name == contract.table_columns[-1].name == "grade"


def test_unknown_dataset_is_named_with_the_nearest() -> None:
    """A dataset that does not exist is refused with names that do."""
    with pytest.raises(ContractError, match='"student_sampel" is unknown; did you mean "student_sample"'):
        load_contract("student_sampel")


def test_unknown_column_is_named_with_the_nearest() -> None:
    """A column that a contract lacks is refused with names that it has."""
    with pytest.raises(ContractError, match='no column "math"; did you mean "math_score"'):
        load_contract("student_sample").column("math")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("id: shop", "id: shopp", r'yaml:3: id is "shopp" where the folder is "shop"'),
        ("physicalType: string", "physicalType: text", r'yaml:9: type "text" is unknown'),
        ("logicalType: number", "logicalType: integer", r'yaml:13: logical type "integer" does not go with "decimal'),
        ("{minimum: 0}", "{minimum: none}", r"yaml:15: minimum is a number"),
        ("{minimum: 0}", "{minimum: yes}", r"yaml:15: minimum is a number"),
        ("{minimum: 0}", "{minimum: .nan}", r"yaml:15: minimum is a number"),
        ("name: price", "name: article", r'yaml:12: column "article" stands here twice'),
        ("name: price", "name: Price", r"yaml:12: a column needs a name of lower-case"),
        ("        partitioned: true\n", "", r"yaml:7: 0 columns have `partitioned: true`"),
        ("        primaryKey: true\n", "", r"yaml:7: no column has `primaryKey: true`"),
        ("property: formats", "property: format", r'yaml:22: no custom property "format" .* mean "formats"'),
        ('"%Y-%m-%d"', '"%Y-%j"', r'yaml:22: format "%Y-%j"'),
        ('"%Y-%m-%d"', '"%Y-%m"', r'yaml:22: format "%Y-%m": a date has one %Y, one %m or %b, and one %d'),
        ("{minimum: 0}", "{minimun: 0}", r'yaml:15: no option "minimun" is read here; did you mean "minimum"'),
        ("{minimum: 0}", "{pattern: x}", r"yaml:15: pattern is for columns of type string"),
        ("        required: true\n", "", r'yaml:8: "article" is part of the key'),
        ("kind:", "id: twice\nkind:", r'yaml:4: "id" stands here twice'),
        ("schema:", "schema: [", r"yaml:\d+: not YAML"),
    ],
)
def test_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """A mistake in a contract is refused with file, line and what would be right."""
    assert old in SMALL
    with pytest.raises(ContractError, match=r"shop/contract\." + problem):
        load_contract("shop", write_shop(tmp_path, SMALL.replace(old, new, 1)))


def test_ordering_by_an_unknown_column_is_refused(tmp_path: Path) -> None:
    """The ordering may only name columns of the contract."""
    text = SMALL + "customProperties:\n  - {property: ordering, value: [pryce desc]}\n"
    with pytest.raises(ContractError, match=r'yaml:24: no column "pryce" to order by; did you mean "price"'):
        load_contract("shop", write_shop(tmp_path, text))


PLAIN = """\
customProperties:
  - {property: nullSpellings, value: [NA, 999, -1, 1.5, 1900-01-01, "007"]}
"""


def test_plain_numbers_are_their_own_texts(tmp_path: Path) -> None:
    """A spelling that YAML takes for a number or day is kept where its text is the one that is written."""
    text = SMALL.replace(
        "        required: true\n", "        required: true\n        enum: [{value: 1}, {value: 2.5}]\n", 1
    )
    contract = load_contract("shop", write_shop(tmp_path, text + PLAIN))
    assert contract.null_spellings == ("", "NA", "999", "-1", "1.5", "1900-01-01", "007")
    assert contract.column("article").values == {"1": "1", "2.5": "2.5"}


@pytest.mark.parametrize("written", ["null", "~", "no", "true", "007", "1.50", "1_000", "0x1F", "1:30", "0000-00-00"])
@pytest.mark.parametrize(
    "entry",
    [
        "enum: [{value: %s}]",
        "customProperties: [{property: sourceNames, value: [A, %s]}]",
        "enum: [{value: a}]\n        customProperties: [{property: spellings, value: {a: [A, %s]}}]",
        "quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [A, %s]}}]",
        "nullSpellings",
    ],
)
def test_a_value_that_yaml_makes_another_text_is_refused(tmp_path: Path, written: str, entry: str) -> None:
    """What would be kept as None, False, 7 or 1.5 is refused with its line, wherever texts are listed."""
    column, line = "        physicalType: string\n", 10
    text = SMALL.replace(column, f"{column}        {entry.replace('%s', written)}\n", 1)
    line += entry.count("\n")
    if entry == "nullSpellings":
        line, text = 24, SMALL + f"customProperties:\n  - {{property: nullSpellings, value: [NA, {written}]}}\n"
    found = check_contracts("shop", write_shop(tmp_path, text))["shop"]
    assert f'shop/contract.yaml:{line}: "{written}"' in found[-1] and "put it in quotes" in found[-1]
    with pytest.raises(ContractError, match="put it in quotes"):
        load_contract("shop", tmp_path)


@pytest.mark.parametrize("name", ["nullSpellings", "sourceNames"])
def test_one_text_in_place_of_a_list_is_refused(tmp_path: Path, name: str) -> None:
    """A text without brackets would be taken letter by letter."""
    text = SMALL + "customProperties:\n  - {property: nullSpellings, value: NA}\n"
    if name == "sourceNames":
        text = SMALL.replace('formats, value: ["%Y-%m-%d"]', "sourceNames, value: NA")
    with pytest.raises(ContractError, match=r'yaml:2[24]: a list of texts is needed here, such as \["NA"\]'):
        load_contract("shop", write_shop(tmp_path, text))


def test_a_mistake_that_is_inherited_is_named_where_it_stands(tmp_path: Path) -> None:
    """A contract that extends another has customProperties of its own, whose lines are not the other's."""
    write_shop(tmp_path, SMALL + "customProperties:\n  - {property: nullSpellings, value: [NA, 1.50]}\n")
    (tmp_path / "stall").mkdir()
    (tmp_path / "stall" / "contract.yaml").write_text(
        "apiVersion: v3.2.0\nkind: DataContract\nid: stall\nversion: 1.0.0\n"
        "customProperties:\n  - {property: extends, value: shop}\n"
    )
    with pytest.raises(ContractError, match=r'shop/contract\.yaml:24: "1\.50" would be read as "1\.5"'):
        load_contract("stall", tmp_path)


def test_a_contract_is_read_again_when_what_it_is_read_from_changed(tmp_path: Path) -> None:
    """Unchanged it is read once; its own file, that of the one it extends, and its queries are seen as they are now."""
    write_shop(tmp_path)
    stall = tmp_path / "stall" / "contract.yaml"
    stall.parent.mkdir()
    head = "apiVersion: v3.2.0\nkind: DataContract\nid: stall\nversion: {}\n"
    stall.write_text(head.format("1.0.0") + "customProperties:\n  - {property: extends, value: shop}\n")
    first = load_contract("stall", tmp_path)
    assert first.columns is load_contract("stall", tmp_path).columns and first.queries == ()
    stall.write_text(stall.read_text().replace("1.0.0", "1.0.1"))
    assert load_contract("stall", tmp_path).version == "1.0.1"
    (tmp_path / "shop" / "contract.yaml").write_text(SMALL.replace("article", "product"))
    assert load_contract("stall", tmp_path).columns[0].name == "product"
    for folder, asked in ((tmp_path / "shop", "Theirs?"), (tmp_path / "stall", "Ours?"), (tmp_path / "stall", "Now?")):
        (folder / "queries").mkdir(exist_ok=True)
        (folder / "queries" / "01_all.sql").write_text(f"-- title: All\n-- question: {asked}\nSELECT 1")
        assert [query.question for query in load_contract("stall", tmp_path).queries] == [asked]
    (tmp_path / "stall" / "queries" / "02_all.sql").touch()
    with pytest.raises(ContractError, match='would be one relation "all"'):
        load_contract("stall", tmp_path)


@pytest.mark.parametrize(
    "mistake", ["{property: quarantineLimit, value: yes}", "{property: quarantineLimit, value: 2}"]
)
def test_a_share_is_a_number(tmp_path: Path, mistake: str) -> None:
    """`yes` is no limit: it would let all rows be rejected."""
    with pytest.raises(ContractError, match=r"yaml:24: quarantineLimit is a share"):
        load_contract("shop", write_shop(tmp_path, SMALL + f"customProperties:\n  - {mistake}\n"))


def test_dataset_without_source_says_so(tmp_path: Path) -> None:
    """A dataset whose files come from elsewhere has no command to make them."""
    with pytest.raises(ContractError, match="no source; name the files"):
        load_contract("shop", write_shop(tmp_path)).source_command(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop_quarantine", "the rejected rows of another dataset lie there"),
        ("shop__sales", "two underscores part a dataset from its answers"),
        ("workbench_runs", "such names are kept for the history of runs"),
    ],
)
def test_a_dataset_cannot_have_the_name_of_what_others_write(tmp_path: Path, name: str, said: str) -> None:
    """Rejected rows, answers and the history have names of their own, whose objects and relations would be lost."""
    write_shop(tmp_path, SMALL.replace("id: shop", f"id: {name}"))
    (tmp_path / "shop").rename(tmp_path / name)
    [found] = check_contracts(name, tmp_path)[name]
    assert f"{name}/contract.yaml:3: " in found and said in found


@pytest.mark.parametrize("dataset", list_datasets())
def test_saved_queries_are_complete(dataset: str) -> None:
    """Each saved query has a title, a question, and a chart whose columns it selects."""
    queries = load_contract(dataset).queries
    assert len(queries) >= 3
    for query in queries:
        assert query.title and query.question and "{table}" not in query.sql
        assert all(name in query.sql for name in (query.x, *query.y))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1", "1: no `-- title:` line"),
        ("-- title: a\n-- note: b\nSELECT 1", "2: not a header"),
        ("-- title: a\n-- question: b\n-- chart: pie x=a y=b\nSELECT 1", "chart: write `bar"),
    ],
)
def test_query_header_is_checked(tmp_path: Path, text: str, problem: str) -> None:
    """A saved query whose header cannot be understood is refused with file and line."""
    path = tmp_path / "01_a.sql"
    path.write_text(text)
    with pytest.raises(ContractError, match=problem):
        read_query(path, "shop")


def test_importing_contracts_is_light() -> None:
    """Importing helpers.contract brings neither YAML nor the standard's models."""
    code = "import sys, helpers.contract; print({'yaml', 'pydantic', 'pandas', 'boto3'} & set(sys.modules))"
    root = DATASETS.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
