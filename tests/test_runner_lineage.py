"""Lineage events against the members that the standard requires.

Source: the OpenLineage specification, spec/OpenLineage.json and spec/facets/*.json of the repository
github.com/OpenLineage/OpenLineage (Apache 2.0). The tables below say in our words which members an event and each facet
must have.
"""

import datetime as dt
import json
import re
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
from manifest_lab import make_manifest

from workbench.lineage import describe_event

EVENT_TYPES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}
# place of a facet, its name -> its file, and the members that it must have besides those of every facet
FACETS: dict[str, dict[str, tuple[str, dict[str, type]]]] = {
    "run": {
        "nominalTime": ("NominalTimeRunFacet", {"nominalStartTime": str}),
        "processing_engine": ("ProcessingEngineRunFacet", {"version": str}),
        "parent": ("ParentRunFacet", {"run": dict, "job": dict}),
        "errorMessage": ("ErrorMessageRunFacet", {"message": str, "programmingLanguage": str}),
    },
    "job": {"jobType": ("JobTypeJobFacet", {"processingType": str, "integration": str})},
    "dataset": {"schema": ("SchemaDatasetFacet", {"fields": list})},
    "output": {"outputStatistics": ("OutputStatisticsOutputDatasetFacet", {"rowCount": int})},
}


def check_event(event: dict[str, Any]) -> None:
    """Assert that an event has what the standard requires of a RunEvent, and no facet that the tables do not know."""
    assert event["eventType"] in EVENT_TYPES
    assert dt.datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert all(urlsplit(event[name]).scheme == "https" for name in ("producer", "schemaURL"))
    assert uuid.UUID(event["run"]["runId"])
    check_name(event["job"])
    check_facets("run", event["run"]["facets"])
    check_facets("job", event["job"]["facets"])
    for dataset in [*event["inputs"], *event["outputs"]]:
        check_name(dataset)
        check_facets("dataset", dataset["facets"])
    for dataset in event["outputs"]:
        check_facets("output", dataset.get("outputFacets", {}))
    if parent := event["run"]["facets"].get("parent"):
        assert uuid.UUID(parent["run"]["runId"])
        check_name(parent["job"])
    for dataset in event["outputs"]:
        for column in dataset["facets"].get("schema", {}).get("fields", []):
            assert column["name"] and all(isinstance(value, str) for value in column.values())


def check_name(part: dict[str, Any]) -> None:
    """Assert that a job or dataset is named: both parts texts, neither of them empty."""
    assert all(isinstance(part[name], str) and part[name] for name in ("namespace", "name")), part


def check_facets(place: str, facets: dict[str, Any]) -> None:
    """Assert that each facet names producer and schema, that the schema is its own, and that it has its members."""
    for name, facet in facets.items():
        file, members = FACETS[place][name]
        assert urlsplit(facet["_producer"]).scheme == "https"
        pattern = rf"https://openlineage\.io/spec/facets/\d+-\d+-\d+/{file}\.json#/\$defs/{file}"
        assert re.fullmatch(pattern, facet["_schemaURL"]), facet["_schemaURL"]
        assert all(isinstance(facet[member], kind) and facet[member] != "" for member, kind in members.items()), facet


@pytest.mark.parametrize(
    ("status", "kind"),
    [("running", "START"), ("succeeded", "COMPLETE"), ("failed", "FAIL"), ("interrupted", "ABORT")],
)
def test_events_have_what_the_standard_requires(status: str, kind: str) -> None:
    """Of a run and of its steps, in each state; a step's parent is its run, and both events of a run have one id."""
    manifest = make_manifest(status)
    whole, *steps = (describe_event(manifest, step) for step in (None, *manifest.steps))
    for event in (whole, *steps):
        check_event(json.loads(json.dumps(event)))
        assert event["eventType"] == kind
        assert ("errorMessage" in event["run"]["facets"]) == (kind in ("FAIL", "ABORT"))
    assert all(step["run"]["facets"]["parent"]["run"]["runId"] == whole["run"]["runId"] for step in steps)
    assert len({event["run"]["runId"] for event in (whole, *steps)}) == 3


def test_a_table_carries_its_columns_and_the_rows_that_were_written() -> None:
    """The contract's columns are on the table in S3 and in PostgreSQL; rows only where one table's are known."""
    manifest = make_manifest("succeeded")
    curated, report = describe_event(manifest, manifest.steps[0])["outputs"]
    table, view = describe_event(manifest, manifest.steps[1])["outputs"]
    names = [column["name"] for column in curated["facets"]["schema"]["fields"]]
    assert names == [column["name"] for column in table["facets"]["schema"]["fields"]] and "math_score" in names
    assert curated["outputFacets"]["outputStatistics"]["rowCount"] == 9
    assert not report["facets"] and not view["facets"] and "outputFacets" not in table


def test_the_checks_notice_what_is_missing() -> None:
    """An event without a run's id, with an unknown type or with a facet that names no schema does not pass."""
    whole = json.dumps(describe_event(make_manifest("failed")))
    error = '"errorMessage": {"_producer"'
    name = '"name": "student_sample/x.csv"'
    for old, new in (
        ('"runId"', '"id"'),
        ('"FAIL"', '"DONE"'),
        (error, error.replace("_p", "p")),
        (name, '"name": ""'),
    ):
        assert old in whole
        with pytest.raises((AssertionError, KeyError)):
            check_event(json.loads(whole.replace(old, new)))
