"""Raw files of every format as they are looked into, without Spark, against the oracle: thousands of small files."""

import importlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import NESTED, Parsed, parse
from test_job_oracle import csv_files, json_files, make_contract, parquet_files

GLUE = Path(__file__).resolve().parent.parent / "glue"
CONTRACT = make_contract("d", ["k"], ";")
EXAMPLES = settings(max_examples=250, deadline=None, derandomize=True)
LISTED = {"etag": "e", "bytes": 1}


@pytest.fixture(scope="module")
def job() -> Iterator[Any]:
    """The job's modules by name, imported as Glue does: from one folder."""
    sys.path.insert(0, str(GLUE))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(GLUE))


def compare(wanted: Parsed, file: Any, rows: list[dict[str, Any]] | None) -> None:
    """Compare a file as it was looked into, and its copy for Spark, with the oracle's records."""
    assert file.problem == wanted.problem
    if wanted.problem:
        return
    assert file.rows == len(wanted.records)
    if rows is None:
        return
    for row, (number, _, _, cells) in zip(rows, wanted.records, strict=True):
        assert row.pop("_row") == number
        problem, nested = row.pop("_problem", None), (row.pop("_nested", None) or "").strip(",").split(",")
        assert problem == (cells if isinstance(cells, str) else None)
        if not isinstance(cells, str):
            assert {name for name, cell in cells.items() if cell is NESTED} == set(filter(None, nested))
            found = {name: value for name, value in row.items() if name not in nested and value is not None}
            assert found == {n: cell for n, cell in cells.items() if cell is not NESTED and cell is not None}


@EXAMPLES
@given(made=json_files())
def test_json_lines_are_those_of_the_oracle(job: Any, made: tuple[str, bytes]) -> None:
    """Every line's cells, problem and number, and the file's problem."""
    name, content = made
    file, copy = job("raw_json").inspect(LISTED | {"key": name}, content, CONTRACT)
    rows = [json.loads(line) for line in copy.splitlines()] if copy is not None else None
    compare(parse(name, content, CONTRACT), file, rows)


@EXAMPLES
@given(made=parquet_files())
def test_parquet_is_that_of_the_oracle(job: Any, made: tuple[str, bytes]) -> None:
    """Every row's cells as texts, and the file's problem."""
    name, content = made
    headers = job("headers")

    def match(names: list[str]) -> Any:
        return headers.match_header(names, CONTRACT), ()

    file, copy = job("raw_parquet").inspect(LISTED | {"key": name}, content, CONTRACT, match)
    rows = pq.read_table(io.BytesIO(copy)).to_pylist() if copy is not None else None
    compare(parse(name, content, CONTRACT), file, rows)


@EXAMPLES
@given(made=csv_files(";"))
def test_csv_records_are_those_of_the_oracle(job: Any, made: tuple[str, bytes]) -> None:
    """The number of records, their lines and bytes, which of them are no text, and the file's problem."""
    name, content = made
    raw_files, raw_records, headers = job("raw_files"), job("raw_records"), job("headers")

    def match(names: list[str]) -> Any:
        return headers.match_header(names, CONTRACT), ()

    wanted = parse(name, content, CONTRACT)
    file, copy = raw_files.inspect(LISTED | {"key": name}, content, CONTRACT["format"], match)
    compare(wanted, file, None)
    if wanted.problem:
        return
    text, _ = raw_files.unpack(name, content)
    found = raw_records.locate(text, {number for number, *_ in wanted.records}, CONTRACT["format"])
    assert found == {number: (line, raw) for number, line, raw, _ in wanted.records}
    marks = sum(copy.count(mark.encode()) for mark in raw_records.MARKS.values()) if copy else 0
    assert marks == sum(cells in raw_records.MARKS for *_, cells in wanted.records if isinstance(cells, str))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    number=st.one_of(st.integers(-(10**20), 10**20), st.decimals(-(10**6), 10**6, places=6)),
    exponent=st.integers(-8, 8),
)
def test_whole_numbers_are_told_exactly(job: Any, number: Any, exponent: int) -> None:
    """A JSON number is whole where its value is, whatever its notation; nothing is rounded."""
    from fractions import Fraction

    written = f"{number:f}" if not isinstance(number, int) else str(number)
    written += f"e{exponent}"
    exact = Fraction(written.partition("e")[0]) * Fraction(10) ** exponent
    found = job("raw_json").write_whole(written)
    assert found == (str(exact.numerator) if exact.denominator == 1 else written)


@pytest.mark.parametrize("number", ["1e9999999999999999999", "-1E-9999999999999999999", "1e400"])
def test_a_number_beyond_all_bounds_is_a_text_of_its_own(job: Any, number: str) -> None:
    """It is valid JSON, and no whole number of ours: its row is rejected, and no other."""
    assert job("raw_json").write_whole(number) == number


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        (pa.array([1, -2], pa.int16()), "string", ["1", "-2"]),
        (pa.array([0.1, 1e20], pa.float32()), "double", ["0.1", "1e+20"]),
        (pa.array([9007199254740993.0, 1e300]), "bigint", ["9.007199254740992e+15", "1e+300"]),
        (pa.array([True, None]), "boolean", ["true", None]),
        (pa.array(["x", "y"]).dictionary_encode(), "string", ["x", "y"]),
        (pa.array([1704067201123], pa.timestamp("ms")), "timestamp", ["2024-01-01 00:00:01.123"]),
        (pa.array([1704067201], pa.timestamp("s", "Europe/Berlin")), "timestamp", ["2024-01-01T00:00:01"]),
    ],
)
def test_parquet_types_become_texts(job: Any, values: Any, kind: str, texts: list[str | None]) -> None:
    """What a type means is kept, or written so that the contract's rules refuse it; never rounded, never shifted."""
    rule = {"name": "c", "type": kind, "formats": ["%Y-%m-%dT%H:%M:%S"] if kind == "timestamp" else []}
    found = job("raw_parquet").render(pa.chunked_array([values]), rule).to_pylist()
    assert found == texts
