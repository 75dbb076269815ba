"""What is different between two runs: parameters, code, environment, schema, rows, quality, and results cell by cell.

Ids, times, ports and paths are no difference. Runs are compared by their records and by what they kept, so that they
may come from two machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.pages.run_page import read_kept
from workbench.plan import read_keys
from workbench.record import Manifest
from workbench.runs import Run

MOST_CELLS = 50
_VOLATILE = ("run_id",)
_TOKEN = re.compile(r"ingest_date=\d{4}-\d{2}-\d{2}/|run_token=[^/]+/")


@dataclass
class Section:
    """One part of the comparison: rows of (what, in A, in B); no row means equal. `note` says what was compared."""

    title: str
    rows: list[tuple[str, Any, Any]] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Difference:
    """The whole comparison of two runs."""

    first: Run
    second: Run
    sections: list[Section]

    @property
    def equal(self) -> bool:
        """Say whether nothing that was compared is different."""
        return not any(section.rows for section in self.sections)


def compare_runs(first: Run, second: Run) -> Difference:
    """Compare two runs: of one that did not get as far as the other, what both did."""
    a, b = first.manifest, second.manifest
    both = _done(a) & _done(b)
    kept = a.status == b.status == "succeeded"  # a run keeps its results at its end
    sections = [
        Section("Steps", list(_maps(_states(a), _states(b))), "what each run did; the rest is compared where both did"),
        _parameters(a, b),
        Section("Inputs", list(_maps(_inputs(a), _inputs(b))), "raw objects by name, with their ETags"),
        _code(first, second, both),
        Section("Environment", list(_maps(_environment(a), _environment(b)))),
        Section("Rows", list(_maps(_rows(a, both), _rows(b, both))), "of each step"),
    ]
    if "02_transform" in both:
        sections.append(Section("Quality", list(_maps(_quality(a), _quality(b))), "rows in quarantine by reason"))
    if kept:
        schema = Section("Schema", list(_maps(_schema(a), _schema(b))), "of the curated table and of each answer")
        sections += [schema, _table(a, b), *_answers(first, second)]
    return Difference(first, second, sections)


def _done(manifest: Manifest) -> set[str]:
    return {step.notebook for step in manifest.steps if step.status in ("succeeded", "skipped")}


def _states(manifest: Manifest) -> dict[str, str]:
    """Return how each step ended; one that was left as it was is as good as one that ran."""
    return {step.notebook: "succeeded" if step.status == "skipped" else step.status for step in manifest.steps}


def _maps(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    """Yield what differs between two mappings, by name."""
    for name in [*a, *(name for name in b if name not in a)]:
        if a.get(name) != b.get(name):
            yield name, a.get(name), b.get(name)


def _parameters(a: Manifest, b: Manifest) -> Section:
    def told(manifest: Manifest) -> dict[str, Any]:
        left_out = {*_VOLATILE, *(("as_of",) if "as_of" not in manifest.given else ())}
        return {name: value for name, value in manifest.parameters.items() if name not in left_out}

    return Section("Parameters", list(_maps(told(a), told(b))), "a date that was not given is no parameter")


def _inputs(manifest: Manifest) -> dict[str, str]:
    """Return raw objects by name without their hash and date: the file that changed keeps its name."""
    found: dict[str, str] = {}
    for entry in manifest.inputs:
        if "/ingest_date=" in entry["uri"]:
            name = entry["uri"].rpartition("/")[2]
            name = name[13:] if re.match(r"[0-9a-f]{12}-", name) else name
            found[name] = ", ".join(filter(None, [found.get(name), entry["etag"]]))
    return found


def _code(first: Run, second: Run, both: set[str]) -> Section:
    """Compare code by the hashes in the runs' keys, and by commit where a run kept none."""
    a, b = _hashes(first, both), _hashes(second, both)
    if both and (not a or not b):
        a, b = {"commit": str(first.manifest.git)}, {"commit": str(second.manifest.git)}
    return Section("Code", list(_maps(a, b)), "cells, helpers, the job's modules, contract and queries")


def _hashes(run: Run, notebooks: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for notebook, key in sorted(read_keys(run.folder).items()):
        for part, value in (key.get("parts", {}) if notebook in notebooks else {}).items():
            if part == "code cells":
                found[f"{notebook}: code cells"] = value
            elif part in ("helper", "job module", "query"):
                found |= {f"{part} {name}": digest for name, digest in value.items()}
            elif part == "contract":
                found[part] = value
    return found


def _environment(manifest: Manifest) -> dict[str, Any]:
    names = ("python", "system", "packages_sha256")
    return {"requirements.lock": manifest.lock_sha256, "profile": manifest.profile} | {
        name: manifest.environment.get(name) for name in names
    }


def _schema(manifest: Manifest) -> dict[str, str]:
    found = {f"answer {a['query']}.{c['name']}": c["type"] for a in manifest.answers for c in a["columns"]}
    for name in (manifest.table or {}).get("columns") or {}:
        found[f"{manifest.dataset}.{name}"] = "column"
    return found


def _rows(manifest: Manifest, notebooks: set[str]) -> dict[str, Any]:
    names = ("rows_in", "rows_out", "rows_quarantined")
    return {
        f"{step.notebook}: {name.removeprefix('rows_')}": getattr(step, name)
        for step in manifest.steps
        if step.notebook in notebooks
        for name in names
    }


def _quality(manifest: Manifest) -> dict[str, Any]:
    step = next((step for step in manifest.steps if step.notebook == "02_transform"), None)
    return dict(step.details.get("quarantined_by_reason") or {}) if step else {}


def _table(a: Manifest, b: Manifest) -> Section:
    """Compare the curated table by checksum and, where that differs, name the columns."""
    before, after = a.table or {}, b.table or {}
    found = Section("Curated table", note="by checksums, whole and by column")
    if before.get("checksum") != after.get("checksum") or before.get("rows") != after.get("rows"):
        found.rows.append(("content (checksum)", before.get("checksum"), after.get("checksum")))
        columns = _maps(before.get("columns") or {}, after.get("columns") or {})
        found.rows += [(f"column {name}", one, other) for name, one, other in columns]
    elif before.get("checksum") is None and before.get("etag") != after.get("etag"):
        found.rows.append(("ETag (too large for checksums)", before.get("etag"), after.get("etag")))
    return found


def _answers(first: Run, second: Run) -> list[Section]:
    before = {answer["query"]: answer for answer in first.manifest.answers}
    after = {answer["query"]: answer for answer in second.manifest.answers}
    found = []
    for name in sorted(before.keys() | after.keys()):
        section = Section(f"Answer {name}", note="cell by cell")
        if name not in before or name not in after:
            section.rows.append(("kept", name in before, name in after))
        elif before[name]["checksum"] != after[name]["checksum"]:
            one, other = first.folder / before[name]["file"], second.folder / after[name]["file"]
            section.rows += _cells(one, other) or [
                ("content (checksum)", before[name]["checksum"], after[name]["checksum"])
            ]
        found.append(section)
    return found


def _cells(one: Path, other: Path) -> list[tuple[str, Any, Any]]:
    """Return the cells that differ; rows are paired by their texts, which name them, else by their place."""
    names, rows = read_kept(one, 10_000)
    others, more = read_kept(other, 10_000)
    if names != others:
        return [("columns", ", ".join(names), ", ".join(others))]
    before, after = _keyed(names, rows), _keyed(names, more)
    found: list[tuple[str, Any, Any]] = []
    for key in [*before, *(key for key in after if key not in before)]:
        label = " · ".join(str(part) for part in key if part is not None)
        if key not in before or key not in after:
            found.append((f"row {label}", _there(before.get(key)), _there(after.get(key))))
            continue
        for name, a, b in zip(names, before[key], after[key], strict=True):
            if a != b:
                found.append((f"{label}: {name}", a, b))
    left = len(found) - MOST_CELLS
    return [*found[:MOST_CELLS], *([(f"and {left} more", "", "")] if left > 0 else [])]


def _keyed(names: list[str], rows: list[list[Any]]) -> dict[tuple[Any, ...], list[Any]]:
    texts = [at for at in range(len(names)) if any(isinstance(row[at], str) for row in rows)]
    keyed: dict[tuple[Any, ...], list[Any]] = {}
    for number, row in enumerate(sorted(rows, key=lambda row: [str(value) for value in row]) if texts else rows):
        key = tuple(row[at] for at in texts) or (f"row {number + 1}",)
        while key in keyed:  # several rows with the same texts: told apart by how many came before
            key = (*key, "again")
        keyed[key] = row
    return keyed


def _there(row: list[Any] | None) -> str:
    return "–" if row is None else ", ".join(str(value) for value in row)
