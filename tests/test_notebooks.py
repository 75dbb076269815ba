"""The house style of notebooks, as rules; and that what they say fits every dataset."""

import ast
import base64
import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from helpers.contract import list_datasets, load_contract

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
STEMS = ("01_ingest", "02_transform", "03_catalog_query", "04_load_postgres")
COMMON_WORDS = {"file", "name", "number", "school", "table"}  # columns may be called so; the words are English too
Cell = dict[str, Any]


def read_cells(stem: str) -> list[Cell]:
    """Return the cells of a notebook, each `source` as one text."""
    document = json.loads((FOLDER / f"{stem}.ipynb").read_text(encoding="utf-8"))
    cells: list[Cell] = document["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def read_code(stem: str) -> list[Cell]:
    """Return the code cells."""
    return [cell for cell in read_cells(stem) if cell["cell_type"] == "code"]


def code_lines(cell: Cell) -> int:
    """Count the lines of a code cell that are not empty."""
    return len([line for line in cell["source"].splitlines() if line.strip()])


def tags(cell: Cell) -> list[str]:
    """Return the tags of a cell."""
    found: list[str] = cell["metadata"].get("tags", [])
    return found


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_has_a_lessons_length(stem: str) -> None:
    """A notebook has 20-40 cells, 8-16 of them code, the median at most 4 lines and none longer than 12."""
    lines = [code_lines(cell) for cell in read_code(stem)]
    assert 20 <= len(read_cells(stem)) <= 40
    assert 8 <= len(lines) <= 16
    assert statistics.median(lines) <= 4
    assert max(lines) <= 12


@pytest.mark.parametrize("stem", STEMS)
def test_prose_and_code_alternate(stem: str) -> None:
    """At most two code cells stand in a row, and there are 8-20 words of prose for each line of code."""
    kinds = "".join("c" if cell["cell_type"] == "code" else "m" for cell in read_cells(stem))
    prose = " ".join(cell["source"] for cell in read_cells(stem) if cell["cell_type"] == "markdown")
    words = len(re.findall(r"[A-Za-z']+", re.sub(r"\|.*\|", "", prose)))
    assert "ccc" not in kinds
    assert 8 <= words / sum(map(code_lines, read_code(stem))) <= 20


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_opens_and_closes_as_the_others(stem: str) -> None:
    """The title asks, a table says what is read and written; the end says what we know, and where to go on."""
    cells = read_cells(stem)
    first, last = cells[0]["source"], "\n".join(cell["source"] for cell in cells[-3:])
    assert re.match(r"# .+\?\n", first)
    assert re.search(r"\| reads \| writes \| next \|", first)
    assert "## What we now know" in last
    assert "## Exercises" in last
    assert len(re.findall(r"^\d\. ", last, re.MULTILINE)) in (2, 3)
    assert re.search(r"\]\(0\d_\w+\.ipynb\)", cells[-1]["source"])


@pytest.mark.parametrize("stem", STEMS)
def test_the_parameters_cell_holds_literals(stem: str) -> None:
    """One cell is tagged `parameters` and holds annotated literals, among them dataset, run_id and as_of."""
    (cell,) = [cell for cell in read_code(stem) if "parameters" in tags(cell)]
    found = {}
    for node in ast.parse(cell["source"]).body:
        assert isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
        found[node.target.id] = ast.literal_eval(node.value)
    own = {"01_ingest": {"files": ""}, "02_transform": {"full": False}}
    expected = {"dataset": "student_sample", "run_id": "", "as_of": "", **own.get(stem, {})}
    assert found == expected


@pytest.mark.parametrize("stem", STEMS)
def test_cells_hold_nothing_that_belongs_into_a_helper(stem: str) -> None:
    """No definitions, error handling, clients, long SQL, paths, environment or filters stand in a cell."""
    forbidden = ast.FunctionDef | ast.ClassDef | ast.Try | ast.With | ast.For | ast.While | ast.Lambda
    for cell in read_code(stem):
        source = cell["source"]
        assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, forbidden)], source
        assert not re.search(
            r"boto3|!pip|%pip|sys\.path|os\.environ|filterwarnings|import \*|[\"']/|profile ==", source
        )
        assert not re.search(r"^\s*#", source, re.MULTILINE), f"a comment is prose, or dead code: {source}"


@pytest.mark.parametrize("stem", STEMS)
def test_a_claim_is_asserted_and_the_figures_are_recorded(stem: str) -> None:
    """A notebook asserts at least one invariant, and one of its last two code cells records its figures."""
    code = read_code(stem)
    assert any("assert " in cell["source"] for cell in code)
    assert "record_result(cfg, " in code[-1]["source"]


@pytest.mark.parametrize("stem", STEMS)
def test_outputs_come_from_one_run(stem: str) -> None:
    """Execution counts are 1..n, every output is stored, and none is an error, a warning or a widget."""
    code = read_code(stem)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output.get("text")
        last = ast.parse(cell["source"]).body[-1]
        if isinstance(last, ast.Expr) and "record_result" not in cell["source"].splitlines()[-1]:
            assert cell["outputs"], f"no stored output: {cell['source']}"


@pytest.mark.parametrize("stem", STEMS)
def test_outputs_are_small(stem: str) -> None:
    """A table has at most ten rows, a cell at most one plot of at most 150 KB."""
    for cell in read_code(stem):
        plots = [output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", {})]
        assert len(plots) <= 1
        assert all(len(base64.b64decode(plot)) <= 150 * 1024 for plot in plots)
        for output in cell["outputs"]:
            assert "".join(output.get("data", {}).get("text/html", "")).count("<tr") <= 11


@pytest.mark.parametrize("stem", STEMS)
def test_volatile_cells_are_few_and_show_no_results(stem: str) -> None:
    """At most two cells are left out of the comparison, and what they show is progress."""
    volatile = [cell for cell in read_code(stem) if "nbval-ignore-output" in tags(cell)]
    assert len(volatile) <= 2
    for cell in volatile:
        assert code_lines(cell) == 1
        assert all(re.search(r"\(\d+\.\d s\)", "".join(o["data"]["text/plain"])) for o in cell["outputs"])


@pytest.mark.parametrize("stem", STEMS)
def test_no_cell_speaks_of_a_datasets_columns(stem: str) -> None:
    """What is special to a dataset comes from its contract and results: no cell names a column or a dataset."""
    columns = {column.name for name in list_datasets() for column in load_contract(name).columns} - COMMON_WORDS
    for cell in read_cells(stem):
        source = cell["source"] if "parameters" not in tags(cell) else ""
        words = set(re.findall(r"[a-z_0-9]+", source.lower()))
        assert not words & columns, words & columns
        assert not words & set(list_datasets())
