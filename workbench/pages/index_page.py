"""The index of all runs: how many rows, how long, how clean, over time and by dataset."""

from __future__ import annotations

from pathlib import Path

from workbench.console import count
from workbench.pages import charts
from workbench.pages.layout import Html, badge, figures, frame, seconds, section, table, text
from workbench.record import Manifest, replace_file
from workbench.redaction import redact
from workbench.runs import Run, list_runs, runs_folder

_PLOTTED = 40
_LISTED = 300


def write_index() -> Path:
    """Write index.html beside the runs and return its path."""
    place = runs_folder() / "index.html"
    replace_file(place, redact(describe_runs(list_runs())), durable=False)
    return place


def describe_runs(runs: list[Run]) -> str:
    """Return the page of these runs, the newest first."""
    names = sorted({run.manifest.dataset for run in runs})
    done = [run for run in runs if run.manifest.status == "succeeded"]
    lead = f"{count(len(runs), 'run')} of {count(len(names), 'dataset')}" if runs else "no run yet"
    last = runs[0].manifest if runs else None
    head = figures(
        [
            ("runs", len(runs)),
            ("succeeded", f"{len(done) / len(runs):.0%}" if runs else None),
            ("the last one", last.status if last else None),
            ("its end, UTC", (last.ended_at or last.started_at)[5:16].replace("T", " ") if last else None),
        ]
    )
    plots = "".join(section(name, _plots([r.manifest for r in runs if r.manifest.dataset == name])) for name in names)
    return frame("Runs", lead, head + plots + section("History", _history(runs[:_LISTED])))


def _plots(manifests: list[Manifest]) -> str:
    """Return rows, seconds and quality of a dataset's runs that executed something, oldest left."""
    ran = [m for m in manifests if any(step.status not in ("skipped", "pending") for step in m.steps)]
    shown = list(reversed(ran[:_PLOTTED]))
    plots = [
        charts.columns([(_day(m), _rows(m), m.status) for m in shown], "Rows in the curated table"),
        charts.columns([(_day(m), m.seconds, m.status) for m in shown], "Seconds of the run", " s"),
        charts.columns([(_day(m), _share(m), m.status) for m in shown], "Rows in quarantine", " %"),
    ]
    return f"<div class='columns plots'>{''.join(f'<div>{plot}</div>' for plot in plots if plot)}</div>"


def _day(manifest: Manifest) -> str:
    return manifest.started_at[5:16].replace("T", " ")


def _rows(manifest: Manifest) -> float | None:
    return next((step.rows_out for step in manifest.steps if step.notebook == "02_transform"), None)


def _share(manifest: Manifest) -> float | None:
    step = next((step for step in manifest.steps if step.notebook == "02_transform"), None)
    if step is None or not step.rows_in:
        return None
    return 100.0 * (step.rows_quarantined or 0) / step.rows_in


def _history(runs: list[Run]) -> str:
    rows = []
    for run in runs:
        manifest = run.manifest
        where = f"{run.folder.name}/report.html"
        name = f'<a href="{text(where)}">{text(manifest.run_id)}</a>'
        linked = name if (run.folder / "report.html").exists() else text(manifest.run_id)
        ran = sum(step.status not in ("skipped", "pending") for step in manifest.steps)
        share = _share(manifest)
        rows.append(
            [
                Html(linked),
                manifest.dataset,
                Html(f"<span class=whole>{text(manifest.as_of)}</span>"),
                Html(badge(manifest.status)),
                Html(f"{ran}&nbsp;of&nbsp;{len(manifest.steps)}"),
                _rows(manifest),
                None if share is None else Html(f"{share:.2f}&nbsp;%"),
                seconds(manifest.seconds),
            ]
        )
    return table(["run", "dataset", "as of", "status", "steps run", "rows", "quarantined", "time"], rows)
