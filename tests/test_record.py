"""The record of a run is whole at any moment and says what is needed to find the run again."""

import json
from pathlib import Path

from workbench.record import (
    Manifest,
    StepRecord,
    append_log,
    describe_git,
    describe_process,
    hash_lock,
    point_latest,
    write_manifest,
)

FIELDS = {
    "run_id", "status", "profile", "dataset", "as_of", "parameters", "started_at", "seconds", "process", "git",
    "lock_sha256", "inputs", "steps", "outputs", "cost",
}  # fmt: skip


def manifest() -> Manifest:
    """Return a small record."""
    return Manifest(
        run_id="r1",
        profile="local",
        dataset="student_sample",
        as_of="2024-01-02",
        parameters={"dataset": "student_sample"},
        started_at="2024-01-02T03:04:05Z",
        process=describe_process(),
        git=describe_git(),
        lock_sha256=hash_lock(),
        steps=[StepRecord("01_ingest")],
    )


def test_a_manifest_has_the_documented_fields(tmp_path: Path) -> None:
    """The file holds every field that docs/records.md names, and leaves no temporary file beside it."""
    write_manifest(tmp_path, manifest())
    document = json.loads((tmp_path / "manifest.json").read_text())
    assert FIELDS <= set(document)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_process_and_lock_identify_the_run() -> None:
    """A pid is told from a reused one by start time and boot, the environment by the lock's hash."""
    process = describe_process()
    assert process["pid"] > 0 and process["started"] > 0 and process["boot_id"]
    assert len(hash_lock()) == 64


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    """`latest` is replaced, not removed and made anew."""
    for name in ("r1", "r2"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path / name)
    assert (tmp_path / "latest").resolve().name == "r2"


def test_the_log_is_one_json_document_a_line(tmp_path: Path) -> None:
    """Each event is a line with its time and facts."""
    append_log(tmp_path, "step started", notebook="01_ingest")
    append_log(tmp_path, "step ended", error={"message": "two\nlines"})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["step started", "step ended"]
