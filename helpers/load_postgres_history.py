"""Publish what runs know about themselves: their history as relations of PostgreSQL, for a dashboard of data quality.

    analytics.workbench_runs     one row a run
    analytics.workbench_steps    one row a run and notebook
    analytics.workbench_gates    one row a run, notebook and gate: what was checked before data was let through

They come from the runs' records (docs/records.md) as dictionaries, are loaded and switched like any dataset's
relations, and so are never seen half. What was kept out of a dataset, by file and reason, is `<dataset>__quarantine`
(step 04).
"""

import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Any

from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_copy import Source
from helpers.load_postgres_extract import Extract
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_sweep import load_connection
from helpers.load_postgres_types import make_columns
from helpers.objects import S3Object
from helpers.record import step_entry
from helpers.session import open_session

DATASET = "workbench"
_RUNS = {
    "run_id": ("varchar", "Names the run's folder."),
    "dataset": ("varchar", "What was run."),
    "profile": ("varchar", "Where: local or aws."),
    "status": ("varchar", "succeeded, failed, interrupted, or running where its end is not known."),
    "as_of": ("date", "The logical date."),
    "started_at": ("timestamp with time zone", "When it began."),
    "ended_at": ("timestamp with time zone", "When it ended."),
    "seconds": ("double", "How long it took."),
    "rows_in": ("bigint", "Rows that the first step read."),
    "rows_out": ("bigint", "Rows that PostgreSQL got."),
    "rows_quarantined": ("bigint", "Rows kept out of the curated table."),
    "error": ("varchar", "What stopped it."),
    "athena_bytes_scanned": ("bigint", "What its queries read."),
    "glue_seconds": ("double", "How long its job ran."),
    "git_sha": ("varchar", "The commit of the checkout."),
}
_STEPS = {
    "run_id": ("varchar", "The run."),
    "position": ("int", "The notebook's place in the run, from 1."),
    "notebook": ("varchar", "The step."),
    "status": ("varchar", "succeeded, failed, interrupted, pending, skipped."),
    "reason": ("varchar", "Why it ran, or did not."),
    "seconds": ("double", "How long it took."),
    "rows_in": ("bigint", "Rows that it read."),
    "rows_out": ("bigint", "Rows that it handed on."),
    "rows_quarantined": ("bigint", "Rows that it kept out."),
    "attempts": ("int", "How often it was executed."),
    "error_type": ("varchar", "The kind of its error."),
    "error": ("varchar", "Its error, in one line."),
    "exit_code": ("int", "What the command returned for it."),
}
_GATES = {
    "run_id": ("varchar", "The run."),
    "notebook": ("varchar", "The step."),
    "gate": ("varchar", "What was checked."),
    "passed": ("boolean", "Whether the data was let through."),
    "detail": ("varchar", "What was found."),
}
_TABLES: dict[str, tuple[dict[str, tuple[str, str]], tuple[str, ...], str]] = {
    "workbench_runs": (_RUNS, ("run_id",), "Runs of the pipeline, from their records."),
    "workbench_steps": (_STEPS, ("run_id", "notebook"), "The steps of each run."),
    "workbench_gates": (_GATES, ("run_id", "notebook", "gate"), "What was checked before data was let through."),
}
Row = list[Any]


@step_entry
def publish_history(manifests: Iterable[Mapping[str, Any]], profile: str | None = None) -> dict[str, int]:
    """Publish the records of runs (the content of each manifest.json) in place of those that are published.

    Returns: relation -> rows. The same records again change nothing.

    Raises:
        ServiceError: PostgreSQL cannot be reached, or a reader keeps a relation locked.
    """
    session = open_session(profile)
    rows = list_rows(manifests)
    bodies = {name: _write_csv(list(_TABLES[name][0]), found) for name, found in rows.items()}
    extracts = [_describe(name, body, len(rows[name])) for name, body in bodies.items()]

    def open_source(place: S3Object) -> Source:
        body = bodies[place.key]
        return Source(place, lambda start: (io.BytesIO(body[start:]), place.etag))

    with load_connection(session, DATASET) as connection:
        job = LoadJob(DATASET, "history", session.connect_postgres, open_source, session.reader)
        load, _ = load_extracts(connection, job, extracts)
    return load.rows


def list_rows(manifests: Iterable[Mapping[str, Any]]) -> dict[str, list[Row]]:
    """Return the rows of each relation, by run; of two records of one run the last counts."""
    by_run = {str(manifest["run_id"]): manifest for manifest in manifests}
    rows: dict[str, list[Row]] = {name: [] for name in _TABLES}
    for run_id, manifest in sorted(by_run.items()):
        steps = manifest.get("steps") or []
        rows["workbench_runs"].append(_run_row(manifest, steps))
        for position, step in enumerate(steps, start=1):
            error = step.get("error") or {}
            facts = {"run_id": run_id, "position": position, **step}
            facts |= {
                "error_type": error.get("type"),
                "error": error.get("message"),
                "exit_code": error.get("exit_code"),
            }
            rows["workbench_steps"].append([facts.get(name) for name in _STEPS])
            rows["workbench_gates"] += [[run_id, step["notebook"], *gate] for gate in _list_gates(step)]
    return rows


def _run_row(manifest: Mapping[str, Any], steps: list[dict[str, Any]]) -> Row:
    git, cost = manifest.get("git") or {}, manifest.get("cost") or {}
    quarantined = [step["rows_quarantined"] for step in steps if step.get("rows_quarantined")]
    facts = {
        **manifest,
        "rows_in": steps[0].get("rows_in") if steps else None,
        "rows_out": steps[-1].get("rows_out") if steps else None,
        "rows_quarantined": max(quarantined, default=0),
        "athena_bytes_scanned": int(cost.get("athena_bytes_scanned") or 0),
        "glue_seconds": cost.get("glue_seconds"),
        "git_sha": git.get("sha"),
    }
    return [facts.get(name) for name in _RUNS]


def _list_gates(step: Mapping[str, Any]) -> list[Row]:
    """Return the gates of a step: name, whether it let the data through, and what it found."""
    details = step.get("details") or {}
    gates = [[g.get("name"), bool(g.get("passed")), g.get("detail")] for g in details.get("gates") or []]
    if checks := details.get("verification"):
        wrong = [check for check in checks if not check["agree"]]
        said = f"{len(checks)} figures compared, {len(wrong)} differ"
        gates.append(["Athena and PostgreSQL agree", not wrong, said])
    error = step.get("error") or {}
    if error.get("exit_code") == 3:
        gates.append(["quality gate", False, error.get("message")])
    return gates


def _write_csv(header: list[str], rows: list[Row]) -> bytes:
    """Write rows as Athena would: every value quoted, nothing for NULL."""
    lines = [",".join('"' + name + '"' for name in header)]
    lines += [",".join(_quote(value) for value in row) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def _quote(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace("\0", "").replace('"', '""') + '"'


def _describe(name: str, body: bytes, rows: int) -> Extract:
    columns, key, comment = _TABLES[name]
    rules = LoadRules(key=key, required=frozenset(key), comment=comment)
    kinds = {column: kind for column, (kind, _) in columns.items()}
    comments = {column: text for column, (_, text) in columns.items()}
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    place = S3Object("runs", name, etag, len(body), 0.0)
    return Extract(name, place, make_columns(kinds, comments, rules.required), (str(rows),), rules=rules)
