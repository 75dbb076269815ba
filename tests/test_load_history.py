"""What runs know about themselves, as relations."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.load_postgres_history import list_rows, publish_history
from helpers.run_history import GATES, RELATIONS, RUNS, STEPS
from helpers.session import open_session
from workbench.history import publish_runs

STEP = {
    "notebook": "04_load_postgres",
    "status": "succeeded",
    "reason": "",
    "seconds": 1.5,
    "rows_in": 3,
    "rows_out": 2,
}
CHECKS = [{"relation": "r", "column": "c", "figure": "sum", "Athena": "1", "PostgreSQL": "1", "agree": True}]


def make_manifest(run_id: str, **facts: Any) -> dict[str, Any]:
    """Return a record of one step."""
    step = {**STEP, "rows_quarantined": 1, "attempts": 1, "error": None, "details": {"verification": CHECKS}}
    return {
        "run_id": run_id,
        "profile": "local",
        "dataset": "student_sample",
        "status": "succeeded",
        "as_of": "2024-07-01",
        "started_at": "2024-07-01T10:00:00Z",
        "ended_at": None,
        "seconds": 2.25,
        "git": {"sha": "abc", "dirty": False},
        "cost": {"athena_bytes_scanned": 7, "glue_seconds": 1.0},
        "steps": [{**step, **facts}],
        "error": None,
    }


def shown(rows: list[list[Any]], relation: str, *columns: str) -> list[list[Any]]:
    """Return some columns of a relation's rows."""
    names = list(RELATIONS[relation].columns)
    return [[row[names.index(column)] for column in columns] for row in rows]


def test_a_gate_that_refused_and_figures_that_agree_are_gates() -> None:
    """A step's exit code 3 is a gate that refused; the load's comparison is one that passed."""
    error = {"type": "QualityGateError", "message": 'too many "bad" rows', "exit_code": 3}
    rows = list_rows([make_manifest("b"), make_manifest("a", status="failed", error=error, details={})])
    assert shown(rows[GATES], GATES, "run_id", "notebook", "gate", "passed", "detail") == [
        ["a", "04_load_postgres", "Quality gate", False, 'too many "bad" rows'],
        ["b", "04_load_postgres", "Athena and PostgreSQL agree", True, "1 figures compared, 0 differ"],
    ]
    assert [row[0] for row in rows[RUNS]] == ["a", "b"]


def test_the_counts_of_job_and_athena_are_gates() -> None:
    """What was kept out, and whether Athena counts what the job wrote; a step that was left checked nothing."""
    job = {**STEP, "notebook": "02_transform", "rows_in": 1000, "rows_out": 970, "rows_quarantined": 20}
    query = {**STEP, "notebook": "03_catalog_query", "rows_in": 969}
    manifest = {**make_manifest("a"), "steps": [job, query, {**STEP, "status": "skipped", "details": {}}]}
    rows = list_rows([manifest])
    assert shown(rows[GATES], GATES, "gate", "passed", "detail") == [
        ["Few enough rows are kept out", True, "20 of 1,000 rows kept out (2.00%)"],
        ["Athena counts what the job wrote", False, "969 rows in Athena, 970 by the job's account"],
    ]
    assert shown(rows[RUNS], RUNS, "rows_in", "rows_out", "rows_quarantined") == [[1000, 970, 20]]
    left = {**manifest, "steps": [{**step, "status": "skipped"} for step in manifest["steps"]]}
    assert list_rows([left])[GATES] == []


def test_few_rows_that_are_kept_out_are_not_none() -> None:
    """One of a million is less than the smallest share that is written."""
    job = {**STEP, "notebook": "02_transform", "rows_in": 1_000_000, "rows_out": 999_999, "rows_quarantined": 1}
    [gate] = list_rows([{**make_manifest("a"), "steps": [job]}])[GATES]
    assert "1 of 1,000,000 rows kept out (less than 0.01%)" in gate


def test_the_latest_run_of_each_dataset_is_the_first() -> None:
    """Charts find the latest runs of a dataset by their place; when they began is a text that sorts."""
    manifests = [
        make_manifest(name) | {"started_at": f"2024-07-0{day}T10:00:00Z"} for name, day in (("a", 3), ("b", 1))
    ]
    rows = list_rows([*manifests, {**make_manifest("c"), "dataset": "tennessee_star"}])
    assert shown(rows[RUNS], RUNS, "run_id", "recency", "began") == [
        ["a", 1, "2024-07-03 10:00:00"],
        ["b", 2, "2024-07-01 10:00:00"],
        ["c", 1, "2024-07-01 10:00:00"],
    ]
    assert shown(rows[STEPS], STEPS, "dataset", "recency") == [["student_sample", 1], ["student_sample", 2],
                                                               ["tennessee_star", 1]]  # fmt: skip


def test_history_is_published_like_any_relation(stack: Path) -> None:
    """Runs, steps and gates are there for the reader; the same records change nothing, more records show."""
    first = [make_manifest("one")]
    assert publish_history(first) == {"workbench_runs": 1, "workbench_steps": 1, "workbench_gates": 1}
    publish_history([*first, make_manifest("two", error={"type": "E", "message": 'a "b"\nc', "exit_code": 1})])
    with open_session("local").connect_postgres(role="reader") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT r.run_id, s.error FROM analytics.workbench_runs r JOIN analytics.workbench_steps s USING (run_id)"
        )
        assert sorted(cursor.fetchall()) == [("one", None), ("two", 'a "b"\nc')]
    connection.close()


def test_records_on_disk_are_published(stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the folder of runs holds is what PostgreSQL shows; a folder without runs gives relations without rows."""
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path))
    said: list[str] = []
    assert publish_runs(said.append)
    folder = tmp_path / "20240701T100000-student_sample-1"
    folder.mkdir()
    facts = {"parameters": {}, "process": {}, "lock_sha256": "", "schema": 2}
    (folder / "manifest.json").write_text(json.dumps(make_manifest(folder.name) | facts))
    assert publish_runs(said.append) and said == []
    with open_session("local").connect_postgres(role="reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT run_id FROM analytics.workbench_runs")
        assert cursor.fetchall() == [(folder.name,)]
    connection.close()


def test_a_server_that_is_down_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is not failed by its history: where PostgreSQL cannot be reached, one line says so."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    said: list[str] = []
    assert not publish_runs(said.append, "local")
    assert len(said) == 1 and "\n" not in said[0] and said[0].startswith("the history of runs was not published: ")
