"""Publish what runs know about themselves: their history as relations of PostgreSQL, for a dashboard of data quality.

The relations of helpers/run_history.py come from the runs' records (docs/records.md) as dictionaries, are loaded and
switched like any dataset's relations, and so are never seen half. What was kept out of a dataset, by file and reason,
is `<dataset>__quarantine` (step 04).
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
from helpers.run_history import GATES, RELATIONS, RUNS, STEPS
from helpers.say_numbers import say_share
from helpers.session import open_session

DATASET = "workbench"
Row = list[Any]


@step_entry
def publish_history(manifests: Iterable[Mapping[str, Any]], profile: str | None = None) -> dict[str, int]:
    """Publish the records of runs (the content of each manifest.json) in place of those that are published.

    Where `manifests` is a generator, it is read when no other process publishes any more.

    Returns: relation -> rows. The same records again change nothing.

    Raises:
        ServiceError: PostgreSQL cannot be reached, or a reader keeps a relation locked.
    """
    session = open_session(profile)
    bodies: dict[str, bytes] = {}

    def open_source(place: S3Object) -> Source:
        body = bodies[place.key]
        return Source(place, lambda start: (io.BytesIO(body[start:]), place.etag))

    with load_connection(session, DATASET) as connection:
        rows = list_rows(manifests)  # read while nobody else publishes: an older state never follows a newer one
        bodies |= {name: _write_csv(list(RELATIONS[name].columns), found) for name, found in rows.items()}
        extracts = [_describe(name, body, len(rows[name])) for name, body in bodies.items()]
        job = LoadJob(DATASET, "history", session.connect_postgres, open_source, session.reader, quiet=True)
        load, _ = load_extracts(connection, job, extracts)
    return load.rows


def list_rows(manifests: Iterable[Mapping[str, Any]]) -> dict[str, list[Row]]:
    """Return the rows of each relation, by run; of two records of one run the last counts."""
    by_run = {str(manifest["run_id"]): manifest for manifest in manifests}
    recency = _rank_by_age(by_run)
    rows: dict[str, list[Row]] = {name: [] for name in RELATIONS}
    for run_id, manifest in sorted(by_run.items()):
        of_run = {
            "run_id": run_id,
            "dataset": manifest.get("dataset"),
            "run_started_at": manifest.get("started_at"),
            "recency": recency[run_id],
            "began": str(manifest.get("started_at") or "").replace("T", " ").removesuffix("Z"),
        }
        steps = manifest.get("steps") or []
        rows[RUNS].append(_in_order(RUNS, {**_run_facts(manifest, steps), **of_run}))
        for position, step in enumerate(steps, start=1):
            error = step.get("error") or {}
            facts = {"position": position, **step, **of_run}
            facts |= {
                "error_type": error.get("type"),
                "error": error.get("message"),
                "exit_code": error.get("exit_code"),
            }
            rows[STEPS].append(_in_order(STEPS, facts))
        for notebook, gate, passed, detail in _list_gates(steps):
            facts = {"notebook": notebook, "gate": gate, "passed": passed, "detail": detail, **of_run}
            rows[GATES].append(_in_order(GATES, facts))
    return rows


def _in_order(relation: str, facts: Mapping[str, Any]) -> Row:
    return [facts.get(name) for name in RELATIONS[relation].columns]


def _rank_by_age(by_run: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return each run's place among those of its dataset, 1 for the latest."""
    seen: dict[Any, int] = {}
    ranks = {}
    for run_id, manifest in sorted(by_run.items(), key=lambda run: (str(run[1].get("started_at")), run[0]))[::-1]:
        dataset = manifest.get("dataset")
        ranks[run_id] = seen[dataset] = seen.get(dataset, 0) + 1
    return ranks


def _run_facts(manifest: Mapping[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    git, cost = manifest.get("git") or {}, manifest.get("cost") or {}
    job = _find_step(steps, "02_transform")
    return {
        **manifest,
        "rows_in": job.get("rows_in"),
        "rows_out": job.get("rows_out"),
        "rows_quarantined": job.get("rows_quarantined"),
        "athena_bytes_scanned": int(cost.get("athena_bytes_scanned") or 0),
        "glue_seconds": cost.get("glue_seconds"),
        "git_sha": git.get("sha"),
    }


def _find_step(steps: list[dict[str, Any]], notebook: str) -> dict[str, Any]:
    return next((step for step in steps if step.get("notebook") == notebook), {})


def _list_gates(steps: list[dict[str, Any]]) -> list[Row]:
    """Return what this run checked: step, gate, whether the data was let through, and what was found.

    A step that was left as an earlier run did it checked nothing.
    """
    job, gates = _find_step(steps, "02_transform"), []
    for step in steps:
        if step.get("status") not in ("succeeded", "failed"):
            continue
        notebook, details, error = step["notebook"], step.get("details") or {}, step.get("error") or {}
        if step is job and not error and step.get("rows_in") is not None:
            kept_out, read = step.get("rows_quarantined") or 0, step["rows_in"]
            said = f"{kept_out:,} of {read:,} rows kept out ({say_share(kept_out, read, 2)})"
            gates.append([notebook, "Few enough rows are kept out", True, said])
        if notebook == "03_catalog_query" and None not in (found := (step.get("rows_in"), job.get("rows_out"))):
            said = f"{found[0]:,} rows in Athena, {found[1]:,} by the job's account"
            gates.append([notebook, "Athena counts what the job wrote", found[0] == found[1], said])
        if checks := details.get("verification"):
            wrong = [check for check in checks if not check["agree"]]
            said = f"{len(checks)} figures compared, {len(wrong)} differ"
            gates.append([notebook, "Athena and PostgreSQL agree", not wrong, said])
        if error.get("exit_code") == 3:
            gates.append([notebook, "Quality gate", False, error.get("message")])
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
    relation = RELATIONS[name]
    rules = LoadRules(key=relation.key, required=frozenset(relation.key), comment=relation.description)
    kinds = {column: kind for column, (kind, _) in relation.columns.items()}
    comments = {column: text for column, (_, text) in relation.columns.items()}
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    place = S3Object("runs", name, etag, len(body), 0.0)
    return Extract(name, place, make_columns(kinds, comments, rules.required), (str(rows),), rules=rules)
