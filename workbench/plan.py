"""Decide for each notebook whether it runs, and say why; what did not change since it last succeeded is skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.fingerprint import Parts, Services, compare_outputs, describe_parts
from workbench.notebooks import Notebook
from workbench.record import StepRecord, replace_file
from workbench.request import Request
from workbench.runs import Run, list_runs

KEYS = "keys.json"
_NOUNS = {"input": ("object", "objects"), "query": ("query", "queries"), "helper": ("helper", "helpers")}


@dataclass(frozen=True)
class Decision:
    """What happens with one notebook, and why; `earlier` is the run that a skip leaves standing."""

    notebook: str
    runs: bool
    reason: str
    earlier: Run | None = None


def plan(request: Request, services: Services) -> list[Decision]:
    """Decide for all notebooks, in order. Once one runs, those behind it do, too."""
    if request.full:
        return [Decision(notebook.name, True, "asked for (--full)") for notebook in request.notebooks]
    known = [
        run
        for run in list_runs()
        if (run.manifest.dataset, run.manifest.profile) == (request.dataset, request.profile)
        and run.manifest.run_id != request.run_id
    ]
    decisions: list[Decision] = []
    for notebook in request.notebooks:
        before = next((decision for decision in decisions if decision.runs), None)
        if before:
            decisions.append(Decision(notebook.name, True, f"{before.notebook} runs before it"))
        else:
            decisions.append(_decide(notebook, services, known))
    return decisions


def _decide(notebook: Notebook, services: Services, known: list[Run]) -> Decision:
    """Decide for one notebook by its newest execution."""
    for run in known:
        step = next((step for step in run.manifest.steps if step.notebook == notebook.name), None)
        if step is None or step.status == "pending":
            continue
        name = run.manifest.run_id
        if step.status not in ("succeeded", "skipped"):
            return Decision(notebook.name, True, f"its last run {step.status} ({name})")
        key = read_keys(run.folder).get(notebook.name)
        if not key or "outputs" not in key:
            return Decision(notebook.name, True, f"run {name} kept no key of it")
        why = explain(key["parts"], describe_parts(notebook, services)) or compare_outputs(key["outputs"], services)
        if why:
            return Decision(notebook.name, True, why)
        return Decision(notebook.name, False, f"up to date since run {step.run or name}", run)
    return Decision(notebook.name, True, "never run")


def explain(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in words what differs between two descriptions of a notebook's parts; empty where nothing does."""
    order = ["stack", "lock", "code cells", "helper", "job module", "contract", "query", "parameter", "input"]
    changes: list[tuple[str, str]] = []
    for part in [*order, *sorted(set(before) | set(now) - set(order))]:
        if before.get(part) == now.get(part) or part in [change[0] for change in changes]:
            continue
        changes.append((part, _word(part, before.get(part), now.get(part))))
    return ", ".join(text for _, text in changes)


def _word(part: str, before: Any, now: Any) -> str:
    if part == "stack":
        return "it ran on another stack"
    if part == "lock":
        return "requirements.lock changed"
    if not isinstance(before, dict) or not isinstance(now, dict):
        return f"{part} changed"
    new = [name for name in now if name not in before]
    gone = [name for name in before if name not in now]
    changed = [name for name in now if name in before and before[name] != now[name]]
    if part == "parameter":
        return ", ".join(f"parameter {name} changed" for name in [*changed, *new, *gone])
    one, several = _NOUNS.get(part, (part, f"{part}s"))
    words = []
    for names, verb in ((new, "new"), (changed, "changed"), (gone, "gone")):
        if len(names) == 1:
            words.append(
                f"{one} {names[0].rpartition('/')[2]} is new" if verb == "new" else _named(one, names[0], verb)
            )
        elif names:
            words.append(f"{len(names)} {several} changed" if verb == "changed" else f"{len(names)} {verb} {several}")
    return ", ".join(words)


def _named(noun: str, name: str, verb: str) -> str:
    return f"{noun} {name.rpartition('/')[2]} {'changed' if verb == 'changed' else 'is gone'}"


def read_keys(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the keys of a run, by notebook; empty where it kept none."""
    try:
        document = json.loads((folder / KEYS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write_key(folder: Path, notebook: str, parts: Parts, outputs: Mapping[str, str]) -> None:
    """Add the key of a notebook to those of a run."""
    keys = read_keys(folder) | {notebook: {"parts": parts, "outputs": dict(outputs)}}
    # not forced to disk: where a power loss takes it, the step runs again
    replace_file(folder / KEYS, json.dumps(keys, indent=1, sort_keys=True) + "\n", durable=False)


def find_step(run: Run, notebook: str) -> StepRecord:
    """Return what a run recorded of a notebook."""
    return next(step for step in run.manifest.steps if step.notebook == notebook)
