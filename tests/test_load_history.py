"""What runs know about themselves, as relations."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.load_postgres_history import list_rows, publish_history
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


def test_a_gate_that_refused_and_figures_that_agree_are_gates() -> None:
    """A step's exit code 3 is a gate that refused; the load's comparison is one that passed."""
    error = {"type": "QualityGateError", "message": 'too many "bad" rows', "exit_code": 3}
    rows = list_rows([make_manifest("b"), make_manifest("a", status="failed", error=error, details={})])
    assert rows["workbench_gates"] == [
        ["a", "04_load_postgres", "quality gate", False, 'too many "bad" rows'],
        ["b", "04_load_postgres", "Athena and PostgreSQL agree", True, "1 figures compared, 0 differ"],
    ]
    assert [row[0] for row in rows["workbench_runs"]] == ["a", "b"]


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
