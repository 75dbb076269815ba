"""Parameters are strictly typed, and whatever does not fit is refused before a kernel starts."""

from pathlib import Path

import pytest
from notebook_lab import make_notebook

from workbench.errors import NotebookError, UsageError
from workbench.notebooks import find_notebook, read_notebook, read_notebooks
from workbench.parameters import Given, collect, is_secret, merge_schemas, read_schema
from workbench.request import RunConfig, check_request, read_range

CELL = """
rows: int = 5  # rows to read, 1..10
share: float = 0.5  # 0..1
mode: Literal["fast", "slow"] = "fast"
note: str | None = None
strict: bool = True
plain = "x"
"""


def given(*pairs: str, environment: dict[str, str] | None = None, file: Path | None = None) -> Given:
    """Return what the pairs give of the schema above."""
    return collect(read_schema(CELL, "test"), environment or {}, file, pairs)


def test_the_cell_is_the_schema() -> None:
    """Annotations, defaults, comments and ranges are read; without an annotation the default's type counts."""
    schema = read_schema(CELL, "test")
    assert [(p.name, p.kind, p.default) for p in schema.values()][:2] == [("rows", "int", 5), ("share", "float", 0.5)]
    assert (schema["rows"].minimum, schema["rows"].maximum) == (1, 10)
    assert schema["mode"].choices == ("fast", "slow") and schema["note"].optional and schema["plain"].kind == "str"


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("rows=ten", "expected a whole number from 1 to 10"),
        ("rows=11", "out of range"),
        ("rows=1_0", "expected a whole number"),
        ("share=nan", "expected a number"),
        ("mode=fats", "did you mean fast"),
        ("strict=yes", "expected true or false"),
        ("row=1", "did you mean rows"),
        ("rows", "expected name=value"),
        ("db_password=x", "a secret is no parameter"),
    ],
)
def test_what_does_not_fit_is_refused(pair: str, says: str) -> None:
    """The message says what is expected, or the nearest name, or the way to do it right."""
    with pytest.raises(UsageError, match=says):
        given(pair)


def test_the_later_place_wins(tmp_path: Path) -> None:
    """-p goes over the file, the file over the environment, and each value's place is remembered."""
    file = tmp_path / "parameters.yaml"
    file.write_text("rows: 2\nshare: 1\n")
    environment = {"WORKBENCH_PARAM_ROWS": "1", "WORKBENCH_PARAM_PLAIN": "e", "OTHER": "x"}
    found = given("rows=3", environment=environment, file=file)
    assert found.values == {"rows": 3, "plain": "e", "share": 1.0}
    assert found.origins["rows"] == "-p" and found.origins["plain"] == "WORKBENCH_PARAM_PLAIN"


@pytest.mark.parametrize(
    "content", ["rows: '2'", "rows: true", "- rows", "strict: 1", "rows: null", "rows: 2\n x: : y"]
)
def test_a_file_is_as_strict(tmp_path: Path, content: str) -> None:
    """YAML's types are taken at their word: a quoted number is no number, 1 is no truth."""
    file = tmp_path / "parameters.yaml"
    file.write_text(content)
    with pytest.raises(UsageError, match=r"parameters\.yaml"):
        given(file=file)


@pytest.mark.parametrize(
    "cell", ["rows: int = 'x'", "a = b", "import os", "rows: list = []", "x: int = (", "api_key = ''"]
)
def test_a_cell_that_is_no_schema_is_named(tmp_path: Path, cell: str) -> None:
    """A default of another type, code, and a secret's name are refused with the notebook's name."""
    with pytest.raises(NotebookError, match=r"01_small\.ipynb"):
        make_notebook(tmp_path, parameters=cell)


def test_broken_notebooks_are_named(tmp_path: Path) -> None:
    """No JSON, no kernel, no parameters cell, a missing number: each says which file and what to do."""
    path = tmp_path / "01_ingest.ipynb"
    for content, says in (
        ("{", "cannot be read"),
        ('{"cells": [], "metadata": {}}', "names no kernel"),
        ('{"cells": [], "metadata": {"kernelspec": {"name": "julia-1.9"}}}', "julia-1.9, which is not installed"),
        ('{"cells": [], "metadata": {"kernelspec": {"name": "python3"}}}', "0 cells tagged"),
    ):
        path.write_text(content)
        with pytest.raises(NotebookError, match=says):
            read_notebook(path)
    with pytest.raises(NotebookError, match=r"02_transform\.ipynb is missing"):
        read_notebooks(tmp_path)


def test_notebooks_agree_on_a_parameters_type() -> None:
    """One name with two types is refused."""
    one, other = read_schema("a: int = 1", "x"), read_schema("a: str = ''", "y")
    with pytest.raises(NotebookError, match="a is str, but int in another"):
        merge_schemas([("x", one), ("y", other)])


def test_a_notebook_is_found_by_its_number() -> None:
    """02, 2 and the stem name the same notebook; another name gets the nearest."""
    assert {find_notebook(name).name for name in ("02", "2", "02_transform", "transform")} == {"02_transform"}
    with pytest.raises(UsageError, match="unknown"):
        find_notebook("07")


def test_secrets_names() -> None:
    """Names of secrets are told from names that only look alike."""
    assert all(map(is_secret, ("password", "db_password", "aws_secret_access_key", "api_key", "auth_token")))
    assert not any(map(is_secret, ("run_id", "author", "primary_key", "monkey", "as_of")))


def test_a_backfill_is_a_range_of_dates() -> None:
    """Both ends are in it; a reversed or an endless one is refused."""
    assert read_range("2024-02-28..2024-03-01") == ["2024-02-28", "2024-02-29", "2024-03-01"]
    for wrong in ("2024-03-01..2024-02-28", "2024-01-01", "2020-01-01..2024-01-01", "x..y"):
        with pytest.raises(UsageError, match="--backfill"):
            read_range(wrong)


def test_a_date_that_was_not_given_is_no_parameter() -> None:
    """`as_of` is today's date, but counts as given only where somebody gave it."""
    assert "as_of" not in check_request(RunConfig("student_sample")).origins
    assert check_request(RunConfig("student_sample", pairs=["as_of=2024-01-02"])).as_of == "2024-01-02"
