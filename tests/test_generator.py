"""The generator of messy files: the same each time, and dirty in the ways that it says."""

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "datasets" / "student_performance" / "source.py"


def make(folder: Path, rows: int = 1000, seed: int = 7) -> dict[str, Any]:
    """Run the source into folder/raw and return its truth."""
    command = [sys.executable, str(SOURCE), "--out", str(folder / "raw"), "--rows", str(rows), "--seed", str(seed)]
    command += ["--truth", str(folder / "truth.json"), "--clean", str(folder / "clean.csv")]
    subprocess.run(command, check=True, capture_output=True)
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return truth


def read_text(path: Path) -> str:
    """Return a raw file's text, unpacked."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def test_same_rows_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    """Two runs write the same files; another seed writes others."""
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        (tmp_path / name).mkdir()
        make(tmp_path / name, seed=seed)
    contents = [[path.read_bytes() for path in sorted((tmp_path / name / "raw").iterdir())] for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize("rows", [200, 1000, 5000])
def test_truth_adds_up(tmp_path: Path, rows: int) -> None:
    """Every data record is kept, a duplicate, superseded or rejected; files and partitions sum up to them."""
    truth = make(tmp_path, rows)
    counts = truth["rows"]
    assert counts["readable"] == rows == sum(file["rows"] for file in truth["files"])
    assert rows == sum(count for name, count in counts.items() if name != "readable")
    assert counts["curated"] == sum(truth["partitions"].values())
    assert Counter(reason for row in truth["rejects"] for reason in row["reasons"]) == truth["quarantined_by_reason"]


def test_records_of_files_are_those_of_pythons_csv(tmp_path: Path) -> None:
    """Each file has as many records as Python's csv module finds, and every reject stands at its record and line."""
    truth = make(tmp_path)
    rejects = {(row["file"], row["record"]): row for row in truth["rejects"]}
    for file in truth["files"]:
        text = read_text(tmp_path / "raw" / file["name"])
        records = [record for record in csv.reader(text.splitlines(keepends=True)) if record][1:]
        assert len(records) == file["rows"]
        lines = text.split("\n")
        for (name, number), row in rejects.items():
            if name == file["name"]:
                first = row["raw"].split("\n")[0]
                assert lines[row["line"] - 1].rstrip("\r") == first
                assert next(csv.reader(row["raw"].splitlines(keepends=True))) == records[number - 1]


def test_clean_rows_are_unique_and_sorted(tmp_path: Path) -> None:
    """The clean rows have one row a key, with percentages that are the mean of the scores."""
    truth = make(tmp_path)
    with (tmp_path / "clean.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = [(row["student_id"], row["exam_date"]) for row in rows]
    assert keys == sorted(set(keys)) and len(keys) == truth["rows"]["curated"]
    whole = [row for row in rows if row["writing_score"]]
    scores = ("math_score", "reading_score", "writing_score")
    assert all(abs(sum(int(row[s]) for s in scores) / 3 - float(row["final_percentage"])) < 0.006 for row in whole)
    assert all(not row["final_percentage"] for row in rows if not row["writing_score"])


def test_every_kind_of_dirt_is_there(tmp_path: Path) -> None:
    """Header variants, a BOM, gzip, an empty file, line ends, quoted line ends and a later column occur."""
    truth = make(tmp_path)
    raw = tmp_path / "raw"
    texts = {path.name: read_text(path) for path in raw.iterdir()}
    headers = {text.split("\n")[0].lstrip("\ufeff").strip() for text in texts.values() if text}
    assert len(headers) == 8
    assert sum(text.startswith("\ufeff") for text in texts.values()) == 2
    assert sum(path.suffix == ".gz" for path in raw.iterdir()) == 2
    assert [name for name, text in texts.items() if not text] == [truth["unreadable_files"][0]["name"]]
    assert sum("attendance" in text.split("\n")[0].lower() for text in texts.values()) == 6
    assert sum("\r\n" in text for text in texts.values()) == 1
    assert sum(file["quoted_newlines"] for file in truth["files"]) > 10
    assert {row["kind"] for row in truth["rejects"]} >= {"short", "long", "no student", "bad date"}


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """Fewer rows than the kinds of defects need are refused as wrong usage."""
    command = [sys.executable, str(SOURCE), "--out", str(tmp_path / "raw"), "--rows", "100"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "take 200 or more" in done.stderr
