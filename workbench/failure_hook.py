"""Tell somebody that a run failed: a command, or a webhook, as the settings' `on_failure` says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from workbench.record import Manifest, append_log
from workbench.redaction import redact

_SECONDS = 30.0


def tell_failure(folder: Path, manifest: Manifest, hook: dict[str, str] | None) -> None:
    """Run the command (WORKBENCH_RUN_ID, WORKBENCH_RUN_STATUS, … in its environment) or POST the facts as JSON.

    What goes wrong here is in the run's log, and never changes how the run ended.
    """
    if not hook:
        return
    facts = {
        "run_id": manifest.run_id,
        "status": manifest.status,
        "dataset": manifest.dataset,
        "as_of": manifest.as_of,
        "error": redact(manifest.error or ""),
        "folder": str(folder),
    }
    try:
        if "command" in hook:
            told = {f"WORKBENCH_RUN_{name.removeprefix('run_').upper()}": value for name, value in facts.items()}
            done = subprocess.run(
                hook["command"],
                shell=True,
                env={**os.environ, **told},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
            append_log(folder, "on_failure", code=done.returncode, said=(done.stdout + done.stderr)[-500:])
        else:
            append_log(folder, "on_failure", code=_post(hook["webhook"], facts))
    except Exception as error:  # also what http.client raises of a server that speaks no HTTP
        append_log(folder, "on_failure", error=f"{type(error).__name__}: {error}")


def _post(url: str, facts: dict[str, str]) -> int:
    import urllib.request

    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("on_failure: webhook must be an http:// or https:// address")
    request = urllib.request.Request(
        url, json.dumps(facts).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        return int(answer.status)
