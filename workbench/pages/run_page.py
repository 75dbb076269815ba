"""The report of one run: its flow with rows in, out and quarantined, timings, gates, costs, answers and notebooks."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
from pathlib import Path
from typing import Any

from workbench.console import count
from workbench.pages import charts
from workbench.pages.layout import Html, badge, figures, frame, seconds, section, show, size, table, text
from workbench.pages.notebook_page import render_notebook
from workbench.record import Manifest, StepRecord, replace_file
from workbench.redaction import redact
from workbench.runs import Run, runs_folder

_SHOWN_ROWS = 12


def write_report(run: Run) -> Path:
    """Write the run's report.html and return its path."""
    place = run.folder / "report.html"
    replace_file(place, redact(describe_run(run)), durable=False)
    return place


def describe_run(run: Run) -> str:
    """Return the page of a run."""
    manifest = run.manifest
    started = manifest.started_at.replace("T", " ").rstrip("Z")
    lead = f"run {manifest.run_id} · as of {manifest.as_of} · profile {manifest.profile} · started {started} UTC"
    body = "".join(
        (
            _problem(manifest),
            _figures(manifest),
            section("From files to tables", _flow(manifest)),
            section("Steps", _steps(manifest) + charts.timeline(*_timeline(manifest))),
            section("Quality", _quality(manifest)),
            section("Answers", _answers(run)),
            section("Notebooks", _notebooks(run)),
            section("What was run", _environment(manifest)),
            section("Files of this run", _files(run)),
        )
    )
    aside = f'{badge(manifest.status)}<p><a href="../index.html">all runs</a></p>'
    return frame(_title(manifest.dataset), lead, body, aside)


def _title(dataset: str) -> str:
    try:
        from helpers.contract import load_contract

        return load_contract(dataset).title
    except Exception:  # a dataset that is no more still has its report
        return dataset


def _problem(manifest: Manifest) -> str:
    if not manifest.error:
        return ""
    status = text(manifest.status.capitalize())
    return f"<section><div class=problem><b>{status}.</b> {text(manifest.error)}</div></section>"


def _step(manifest: Manifest, name: str) -> StepRecord:
    return next((step for step in manifest.steps if step.notebook == name), StepRecord(name))


def _figures(manifest: Manifest) -> str:
    transform = _step(manifest, "02_transform")
    share = None
    if transform.rows_in:
        share = f"{(transform.rows_quarantined or 0) / transform.rows_in:.2%}"
    return figures(
        [
            ("rows read", transform.rows_in),
            ("rows in the curated table", transform.rows_out),
            ("of the rows in quarantine", share),
            ("whole run", seconds(manifest.seconds)),
            ("scanned by Athena", size(manifest.cost.get("athena_bytes_scanned"))),
        ]
    )


def _flow(manifest: Manifest) -> str:
    ingest, transform = _step(manifest, "01_ingest"), _step(manifest, "02_transform")
    query, load = _step(manifest, "03_catalog_query"), _step(manifest, "04_load_postgres")
    raw = [entry for entry in manifest.inputs if "/ingest_date=" in entry["uri"]]
    files = f"{count(len(raw), 'object')}, {size(sum(entry['bytes'] for entry in raw))}" if raw else ""
    stops = [
        ("S3 raw", ingest.rows_out, f"rows in {files}" if files else "rows"),
        (
            "S3 curated",
            transform.rows_out,
            f"rows; {show(transform.rows_quarantined)} in quarantine" if transform.rows_out else "rows",
        ),
        (
            "Athena",
            query.rows_out,
            f"rows in {count(len(manifest.answers), 'answer')}" if manifest.answers else "rows in answers",
        ),
        (
            "PostgreSQL",
            load.rows_out,
            f"rows in {count(len(load.outputs), 'relation')}" if load.outputs else "rows in relations",
        ),
    ]
    steps = [("crawl, ask", query), ("load", load)]
    parts = [_arrow("ingest", ingest), _stop(*stops[0]), _arrow("Glue job", transform), _stop(*stops[1])]
    for (label, step), stop in zip(steps, stops[2:], strict=True):
        parts += [_arrow(label, step), _stop(*stop)]
    return f"<div class=flow>{_stop('files', ingest.rows_in, 'rows delivered')}{''.join(parts)}</div>"


def _stop(label: str, rows: int | None, words: str) -> str:
    return f"<div class=stop><small>{text(label)}</small><b>{text(show(rows))}</b><small>{text(words)}</small></div>"


def _arrow(label: str, step: StepRecord) -> str:
    took = "as before" if step.status == "skipped" else seconds(step.seconds) if step.seconds else step.status
    return f"<div class=step>{text(label)}<i>→</i>{text(took)}</div>"


def _steps(manifest: Manifest) -> str:
    rows = [
        [
            step.notebook,
            Html(badge(step.status)),
            step.reason,
            step.rows_in,
            step.rows_out,
            step.rows_quarantined,
            step.attempts or None,
            step.kernel or None,
            seconds(step.seconds or None),
        ]
        for step in manifest.steps
    ]
    names = ["step", "status", "why", "rows in", "rows out", "quarantined", "attempts", "kernel", "time"]
    errors = ""
    for step in manifest.steps:
        if step.error and step.error["message"] not in (manifest.error or ""):
            said = text(f"{step.error['type']}: {step.error['message']}")
            errors += f"<p class=problem>{text(step.notebook)}: <code>{said}</code></p>"
    return table(names, rows) + errors + "<p></p>"


def _timeline(manifest: Manifest) -> tuple[list[tuple[str, float, float, str]], float]:
    begun = _time(manifest.started_at)
    rows = [
        (step.notebook, max(0.0, (_time(step.started_at) - begun).total_seconds()), step.seconds, step.status)
        for step in manifest.steps
        if step.started_at and step.status not in ("skipped", "pending")
    ]
    return rows, max([manifest.seconds, *(start + length for _, start, length, _ in rows)], default=0.0)


def _time(value: str) -> dt.datetime:
    return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))


def _quality(manifest: Manifest) -> str:
    transform = _step(manifest, "02_transform")
    if transform.rows_in is None:
        return ""
    share = (transform.rows_quarantined or 0) / transform.rows_in if transform.rows_in else 0.0
    limit = _limit(manifest.dataset)
    gates = [
        [
            "rows in quarantine",
            f"at most {limit:.0%}" if limit is not None else "–",
            f"{share:.2%}",
            _verdict(limit is None or share <= limit),
        ],
    ]
    query, load = _step(manifest, "03_catalog_query"), _step(manifest, "04_load_postgres")
    if query.rows_in is not None:
        same = query.rows_in == transform.rows_out
        gates.append(
            ["Athena counts what the job reported", show(transform.rows_out), show(query.rows_in), _verdict(same)]
        )
    if load.rows_in is not None:
        gates.append(
            [
                "PostgreSQL holds what Athena counted",
                show(load.rows_in),
                show(load.rows_out),
                _verdict(load.rows_in == load.rows_out),
            ]
        )
    reasons = sorted((transform.details.get("quarantined_by_reason") or {}).items(), key=lambda item: -item[1])
    chart = charts.bars([(str(name), float(count)) for name, count in reasons[:12]])
    more = f"<h3>Rows in quarantine by reason (a row may have several)</h3>{chart}" if chart else ""
    return table(["gate", "expected", "found", ""], gates) + more


def _verdict(passed: bool) -> Html:
    return Html('<span class="same">passed</span>' if passed else '<span class="badge failed">failed</span>')


def _limit(dataset: str) -> float | None:
    try:
        from helpers.contract import load_contract

        return load_contract(dataset).quarantine_limit
    except Exception:  # as in _title
        return None


def _answers(run: Run) -> str:
    parts = []
    for answer in run.manifest.answers:
        names, rows = read_kept(run.folder / answer["file"], _SHOWN_ROWS)
        if not names:
            continue
        more = (
            f'<p class="soft">{answer["rows"]:,} rows, the first {_SHOWN_ROWS} shown</p>'
            if answer["rows"] > len(rows)
            else ""
        )
        parts.append(f"<div><h3>{text(answer['title'])}</h3>{_chart(names, rows)}{table(names, rows)}{more}</div>")
    return f"<div class=columns>{''.join(parts)}</div>" if parts else ""


def _chart(names: list[str], rows: list[list[Any]]) -> str:
    """Return bars of the first numeric column by the first one, where there are few enough rows."""
    if len(names) < 2 or not 1 < len(rows) <= _SHOWN_ROWS or not isinstance(rows[0][1], int | float | decimal.Decimal):
        return ""
    return charts.bars([(show(row[0]), row[1] or 0) for row in rows], width=520)


def read_kept(path: Path, limit: int) -> tuple[list[str], list[list[Any]]]:
    """Return names and the first rows of a kept answer; nothing where the file is gone."""
    if not path.exists():
        return [], []
    import duckdb

    name = str(path).replace("'", "''")
    found = duckdb.execute(f"SELECT * FROM read_parquet('{name}') LIMIT {int(limit)}")
    names = [column[0] for column in found.description or []]
    return names, [list(row) for row in found.fetchall()]


def _notebooks(run: Run) -> str:
    parts = []
    for step in run.manifest.steps:
        place = run.folder / f"{step.notebook}.ipynb"
        link = f"{step.notebook}.ipynb"
        if not place.exists() and step.run:
            place, link = runs_folder() / step.run / place.name, f"../{step.run}/{place.name}"
        shown = render_notebook(place)
        if shown:
            cells = f" · {count(len(step.cells), 'cell')}, the longest {max(step.cells):.1f} s" if step.cells else ""
            parts.append(
                f'<details><summary>{text(step.notebook)}<span class="soft">{text(cells)}</span></summary>'
                f'<p><a href="{text(link)}">the executed notebook, with its code</a></p>{shown}</details>'
            )
    return "".join(parts)


def _environment(manifest: Manifest) -> str:
    git, found = manifest.git, manifest.environment
    commit = f"{git.get('sha') or 'no checkout'}{' with changes (dirty.diff)' if git.get('dirty') else ''}"
    rows: list[list[object]] = [
        [f"parameter {name}", Html(f"<code>{text(show(value))}</code>"), manifest.given.get(name, "by default")]
        for name, value in sorted(manifest.parameters.items())
    ]
    rows += [
        ["commit", Html(f"<code>{text(commit)}</code>"), ""],
        ["requirements.lock", Html(f"<code>{text(manifest.lock_sha256[:16])}</code>"), "SHA-256, its beginning"],
        [
            "environment",
            f"Python {found.get('python', '–')}, {found.get('packages', '–')} packages",
            show(found.get("system")),
        ],
        ["Glue", seconds(manifest.cost.get("glue_seconds")), "within the job"],
    ]
    if manifest.parent:
        rows.insert(0, [manifest.parent["relation"], manifest.parent["run"], "run"])
    return table(["what", "value", ""], rows)


def _files(run: Run) -> str:
    names = sorted(path.name for path in run.folder.iterdir() if path.is_file() and not path.name.startswith("."))
    links = " · ".join(f'<a href="{text(name)}">{text(name)}</a>' for name in itertools.chain(names))
    outputs = "".join(f"<li><code>{text(uri)}</code></li>" for uri in run.manifest.outputs)
    return f"<p>{links}</p>" + (f"<h3>Written</h3><ul>{outputs}</ul>" if outputs else "")
