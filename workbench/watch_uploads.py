"""Whose files are these? A workbench run puts its id into the metadata of what it uploads, and goes on by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.endpoints import Endpoints
from local_aws.events.clients import make_client
from workbench.record import process_lives
from workbench.runs import runs_folder

LOOKED_AT = 50


def find_live_run(endpoints: Endpoints, keys: Sequence[str]) -> str | None:
    """Return the run that is under way and uploaded all of these objects, or None; the last 50 are looked at."""
    if not keys:
        return None
    s3 = make_client(endpoints, "s3", "notebook")
    try:
        owners = {_owner(s3, endpoints.outputs["RawBucket"], key) for key in keys[-LOOKED_AT:]}
    except (BotoCoreError, ClientError):
        return None
    finally:
        s3.close()
    owner = owners.pop() if len(owners) == 1 else None
    return owner if owner and _lives(owner) else None


def _owner(s3: Any, bucket: str, key: str) -> str:
    return str(s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("run-id", ""))


def _lives(run_id: str) -> bool:
    """Say whether a run is under way: its record says so, and its process is alive."""
    if "/" in run_id or run_id.startswith("."):
        return False
    try:
        manifest = json.loads((runs_folder() / run_id / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return manifest.get("status") == "running" and process_lives(manifest.get("process") or {})
