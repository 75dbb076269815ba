"""A run's record, for tests of what is made of it."""

from workbench.record import Manifest, StepRecord


def make_manifest(status: str) -> Manifest:
    """Return a record of a run of two steps, all in this state."""
    error = {"type": "StepError", "message": "why", "exit_code": 1} if status in ("failed", "interrupted") else None
    tables = ["s3://curated/data/student_sample/", "s3://curated/_reports/student_sample/r1.json"]
    loaded = ["postgresql:analytics/student_sample", "postgresql:analytics/student_sample__by_gender"]
    inputs = {"inputs": [{"uri": "s3://raw/student_sample/x.csv", "etag": "1", "bytes": 1}]}
    return Manifest(
        run_id="r1",
        profile="local",
        dataset="student_sample",
        as_of="2024-01-02",
        parameters={},
        started_at="2024-01-02T00:00:00Z",
        process={},
        git={},
        lock_sha256="0" * 64,
        environment={"python": "3.11.7"},
        steps=[
            StepRecord("02_transform", status, rows_out=9, outputs=tables, error=error, details=inputs),
            StepRecord("04_load_postgres", status, rows_out=12, outputs=loaded, error=error),
        ],
        status=status,
        error="why" if error else None,
        inputs=inputs["inputs"],
        outputs=[*tables, *loaded],
    )
