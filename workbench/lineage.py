"""A run's events in the format of OpenLineage 2-0-2 (openlineage.io/spec): to lineage.jsonl, and over HTTP if asked.

OPENLINEAGE_URL names a server; OPENLINEAGE_ENDPOINT (default api/v1/lineage), OPENLINEAGE_API_KEY and
OPENLINEAGE_NAMESPACE are read as the standard's own clients read them. A server that does not answer fails no run.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.record import Manifest, StepRecord, append_log
from workbench.redaction import redact_document

PRODUCER = "https://github.com/analytics-workbench/analytics-workbench"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_STATES = {"succeeded": "COMPLETE", "skipped": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT", "running": "START"}
_SECONDS = 3.0


def emit(folder: Path, manifest: Manifest, step: StepRecord | None = None) -> None:
    """Write the event of a run's, or of one step's, present status; send it where OPENLINEAGE_URL says so."""
    text = json.dumps(redact_document(describe_event(manifest, step)))
    try:
        with (folder / "lineage.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
        if os.environ.get("OPENLINEAGE_URL"):
            _send(text)
    except Exception as error:  # also what http.client raises of a server that speaks no HTTP
        append_log(folder, "lineage not sent", error=f"{type(error).__name__}: {error}")


def describe_event(manifest: Manifest, step: StepRecord | None = None) -> dict[str, Any]:
    """Return the event as the standard writes it."""
    status = step.status if step else manifest.status
    run_id = _uuid(manifest.run_id, step.notebook if step else "")
    return {
        "eventType": _STATES[status],
        "eventTime": dt.datetime.now(dt.UTC).isoformat(),
        "producer": PRODUCER,
        "schemaURL": SPEC,
        "run": {"runId": run_id, "facets": _run_facets(manifest, step)},
        "job": {"namespace": namespace(), "name": _job_name(manifest, step), "facets": _job_facets(step)},
        "inputs": [_dataset(entry["uri"]) for entry in (step.details.get("inputs", []) if step else manifest.inputs)],
        "outputs": _outputs(manifest, step),
    }


def namespace() -> str:
    """Return the namespace of the jobs."""
    return os.environ.get("OPENLINEAGE_NAMESPACE") or "workbench"


def _job_name(manifest: Manifest, step: StepRecord | None) -> str:
    return f"{manifest.dataset}.{step.notebook}" if step else manifest.dataset


def _run_facets(manifest: Manifest, step: StepRecord | None) -> dict[str, Any]:
    facets: dict[str, Any] = {
        "nominalTime": _facet("1-0-1/NominalTimeRunFacet", nominalStartTime=f"{manifest.as_of}T00:00:00Z"),
        "processing_engine": _facet(
            "1-1-1/ProcessingEngineRunFacet",
            name="workbench",
            version=str(manifest.environment.get("python", "")),
        ),
    }
    if step is not None:
        parent = {"run": {"runId": _uuid(manifest.run_id, "")}}
        job = {"namespace": namespace(), "name": manifest.dataset}
        facets["parent"] = _facet("1-0-1/ParentRunFacet", **parent, job=job)
    error = step.error["message"] if step and step.error else (manifest.error if step is None else None)
    if error:
        facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", message=error, programmingLanguage="python")
    return facets


def _job_facets(step: StepRecord | None) -> dict[str, Any]:
    kind = "NOTEBOOK" if step else "PIPELINE"
    facet = _facet("2-0-3/JobTypeJobFacet", processingType="BATCH", integration="WORKBENCH", jobType=kind)
    return {"jobType": facet}


def _outputs(manifest: Manifest, step: StepRecord | None) -> list[dict[str, Any]]:
    """Return the datasets written: the table of a dataset carries its columns and, from the job, how many rows."""
    found = []
    for uri in step.outputs if step else manifest.outputs:
        dataset = _dataset(uri)
        rows = step.rows_out if step and step.notebook == "02_transform" else None  # 04 counts all relations together
        table = uri.rstrip("/").endswith((f"data/{manifest.dataset}", f"analytics/{manifest.dataset}"))
        if table and (fields := _fields(manifest.dataset)):
            dataset["facets"]["schema"] = _facet("1-1-1/SchemaDatasetFacet", fields=fields)
        if table and rows is not None:
            facet = _facet("1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=rows)
            dataset["outputFacets"] = {"outputStatistics": facet}
        found.append(dataset)
    return found


def _fields(dataset: str) -> list[dict[str, str]]:
    """Return the columns of a dataset's table as its contract has them; none of a dataset that is no more."""
    from helpers.contract import load_contract
    from helpers.errors import WorkbenchError

    try:
        columns = load_contract(dataset).table_columns
    except WorkbenchError:
        return []
    return [{"name": each.name, "type": each.type, "description": each.description} for each in columns]


def _dataset(uri: str) -> dict[str, Any]:
    """Name a dataset as the standard's naming conventions do: s3://bucket with a key, postgres with a relation."""
    if uri.startswith("postgresql:"):
        name = uri.partition(":")[2].replace("/", ".")
        return {"namespace": "postgres://workbench", "name": name, "facets": {}}
    place = urlsplit(uri)
    return {"namespace": f"{place.scheme}://{place.netloc}", "name": place.path.strip("/"), "facets": {}}


def _facet(schema: str, **members: Any) -> dict[str, Any]:
    name = schema.rpartition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{schema}.json#/$defs/{name}", **members}


def _uuid(run_id: str, step: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"workbench/{run_id}/{step}"))


def _send(text: str) -> None:
    import urllib.request

    base = os.environ["OPENLINEAGE_URL"].rstrip("/")
    if urlsplit(base).scheme not in ("http", "https"):
        raise ValueError(f"OPENLINEAGE_URL {base} is no http:// address")
    place = f"{base}/{os.environ.get('OPENLINEAGE_ENDPOINT', 'api/v1/lineage').lstrip('/')}"
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("OPENLINEAGE_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(place, data=text.encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=_SECONDS):
        pass
