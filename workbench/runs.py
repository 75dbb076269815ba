"""The records of runs: where they are, how one is found and read, and the truth about those whose runner was killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workbench.errors import UsageError, suggest
from workbench.record import (
    KERNELS_LOG,
    ROOT,
    SCHEMA,
    Manifest,
    StepRecord,
    append_log,
    process_lives,
    utc_now,
    write_manifest,
)
from workbench.redaction import redact_file

_KINDS: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "dict": dict, "list": list}
KILLED = "the runner was killed"


@dataclass(frozen=True)
class Run:
    """One run on disk."""

    folder: Path
    manifest: Manifest


def runs_folder() -> Path:
    """Return the folder of the records: WORKBENCH_RUNS, or runs/ in the checkout."""
    return Path(os.environ.get("WORKBENCH_RUNS") or ROOT / "runs").absolute()  # kernels work in another folder


def list_runs(tell: Callable[[str], None] | None = None, holding: str = "") -> list[Run]:
    """Return all runs, the newest first; `tell` hears of each record that cannot be read.

    Args:
        holding: leave out, untaken apart, the records that do not hold this text.
    """
    found = []
    for folder in _folders():
        try:
            if not holding or holding in (folder / "manifest.json").read_text(encoding="utf-8"):
                found.append(read_run(folder))
        except (OSError, ValueError):  # gone meanwhile, or no text
            continue
        except UsageError as error:
            if tell:
                tell(f"skipped: {error}")
    return sorted(found, key=lambda run: (run.manifest.started_at, run.folder.name), reverse=True)


def _folders() -> Iterator[Path]:
    """Yield the folders that hold a manifest; hidden ones and the link `latest` aside."""
    if not runs_folder().is_dir():
        return
    for path in sorted(runs_folder().iterdir()):
        if not path.name.startswith(".") and not path.is_symlink() and (path / "manifest.json").exists():
            yield path


def read_run(folder: Path) -> Run:
    """Read the manifest of a folder; one of an older schema gets the defaults of what it does not have.

    Raises:
        UsageError: the manifest is broken, or of a newer schema.
    """
    place = folder / "manifest.json"
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
        if document.get("schema", 1) > SCHEMA:
            raise ValueError(f"schema {document['schema']} is newer than this program's {SCHEMA}")
        steps = [StepRecord(**_known(StepRecord, step)) for step in document["steps"]]
        manifest = Manifest(**{**_known(Manifest, document), "steps": steps})
        _check_types(manifest)
        for step in steps:
            _check_types(step)
        for step in manifest.steps:
            step.run = step.run or (manifest.run_id if step.status not in ("pending", "skipped") else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{place} is no record of a run ({error})") from error
    return Run(folder, manifest)


def _check_types(record: Manifest | StepRecord) -> None:
    for member in fields(record):
        kind, value = str(member.type), getattr(record, member.name)
        if not isinstance(value, _KINDS[re.split(r"\W", kind)[0]]) and not (value is None and kind.endswith("None")):
            raise ValueError(f"{member.name} is {value!r}")


def _known(kind: type, document: dict[str, Any]) -> dict[str, Any]:
    """Return the members of `document` that `kind` has, and what every schema must have."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def find_run(name: str) -> Run:
    """Return the run of an id, of the beginning of one, of `latest`, or of a folder.

    Raises:
        UsageError: there is no such run, or several; the nearest ids are given.
    """
    place = Path(name)
    with contextlib.suppress(OSError):  # a name that is too long for a path
        if (place / "manifest.json").exists():
            return read_run(place.resolve())
    if name == "latest" and (runs_folder() / name / "manifest.json").exists():
        return read_run((runs_folder() / name).resolve())
    ids = [folder.name for folder in _folders()]
    matching = [run_id for run_id in ids if run_id == name] or [run_id for run_id in ids if run_id.startswith(name)]
    if len(matching) == 1:
        return read_run(runs_folder() / matching[0])
    if matching:
        raise UsageError(f"run {name} may be any of {', '.join(matching[:5])}: write more of it")
    raise UsageError(f"run {name} is unknown" + (suggest(name, ids) if ids else f"; {runs_folder()} holds no run"))


def settle_runs(stop: Callable[[Manifest], None], tell: Callable[[str], None]) -> list[Run]:
    """Write down the truth about runs whose runner is gone without a last word, after `stop` has ended what they left.

    A run still marked as running, whose process (pid, start time, boot) does not live, was killed: it is interrupted.
    """
    settled = []
    for run in list_runs(holding='"running"'):
        if run.manifest.status != "running" or process_lives(run.manifest.process):
            continue
        stop(run.manifest)
        mark_interrupted(run, KILLED)
        name = run.manifest.run_id
        by_notebooks = "started_by" not in run.manifest.parameters  # else a chain of `workbench watch`
        hint = f"`workbench repair {name}` resumes it" if by_notebooks else "`workbench watch` makes up for it"
        tell(f"run {name} was interrupted ({KILLED}): {hint}")
        settled.append(run)
    return settled


def mark_interrupted(run: Run, reason: str) -> None:
    """Set a run and its step under way to interrupted."""
    manifest = run.manifest
    manifest.status, manifest.error, manifest.ended_at = "interrupted", reason, utc_now()
    for step in manifest.steps:
        if step.status == "running":
            step.status = "interrupted"
            step.error = {"type": "Interrupted", "message": reason, "exit_code": 130}
    write_manifest(run.folder, manifest)
    (run.folder / ".reserve").unlink(missing_ok=True)
    for left in run.folder.glob("*.result.json*"):
        left.unlink(missing_ok=True)
    redact_file(run.folder / KERNELS_LOG)
    append_log(run.folder, "run ended", status=manifest.status, reason=reason)
