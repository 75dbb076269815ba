"""The Glue job: raw objects in, one table and its quarantine out. Glue 5.1 runs this very file.

    --DATASET --RUN_TOKEN --RAW_BUCKET --CURATED_BUCKET --DATABASE (and Glue's own --JOB_NAME); --FULL true: all anew
    --extra-py-files: the other modules of this folder

It lists the dataset's raw objects, compares them with the ledger, and stops if nothing is new. Otherwise it reads and
cleans what is new, builds the partitions anew that this concerns, checks that no row was lost, judges the table by the
contract's rules, publishes, registers the partitions in the catalog, and writes a report. docs/data.md has the layout
on S3; docs/adr/0012-job-and-publication.md, 0017-increments.md and 0027-quality-rules.md have the reasons.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import building
import cells
import evaluation
import gates
import headers
import increments
import layout
import publication
import raw_files
import raw_json
import raw_objects
import raw_parquet
import raw_records
import reading
import refusals
import registration
import rejects
import sharding
import transform
from awsglue.utils import getResolvedOptions
from botocore.config import Config
from increments import ACTIVE, Plan
from publication import Place, crash_point

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ARGUMENTS = ["JOB_NAME", "DATASET", "RUN_TOKEN", "RAW_BUCKET", "CURATED_BUCKET", "DATABASE"]
READING_TRIES = 3
REPORTED = ("rows", "quarantined_by_reason", "unreadable_files", "unknown_columns", "columns", "history")


class RawChangedError(Exception):
    """Raw objects kept changing while they were read; nothing was published."""


@dataclass(frozen=True)
class Run:
    """One run: what it reads, where it writes, by which contract and code."""

    source: raw_objects.Source
    place: Place
    contract_sha256: str
    code_sha256: str
    full: bool
    registrar: registration.Registrar
    started: float

    @property
    def contract(self) -> dict[str, Any]:
        """The compiled contract."""
        contract: dict[str, Any] = self.source.contract
        return contract


def open_run(arguments: list[str]) -> Run:
    """Read the arguments and the contract."""
    optional = ["FULL"] if "--FULL" in arguments else []
    options: dict[str, str] = getResolvedOptions(arguments, ARGUMENTS + optional)
    s3 = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 6}))
    bucket, dataset = options["CURATED_BUCKET"], options["DATASET"]
    contract: dict[str, Any] = publication.read_json(s3, bucket, f"_contracts/{dataset}.json")
    registrar = registration.Registrar(options["DATABASE"], contract)
    place = Place(s3, bucket, dataset, options["RUN_TOKEN"], registrar)
    source = raw_objects.Source(s3, options["RAW_BUCKET"], contract, place.bucket, f"{place.temporary}copies/")
    full = options.get("FULL", "") == "true"
    return Run(source, place, hash_contract(contract), hash_code(), full, registrar, time.monotonic())


def hash_contract(contract: Mapping[str, Any]) -> str:
    """Return the hash of a compiled contract."""
    return hashlib.sha256(json.dumps(contract, sort_keys=True).encode()).hexdigest()


def hash_code() -> str:
    """Return the hash of the job's own modules: other code may make other rows of the same objects."""
    modules = [transform, cells, increments, building, reading, headers, raw_files, raw_records]
    modules += [raw_json, raw_objects, raw_parquet, rejects, publication, gates, layout, sharding, evaluation]
    files = [__file__, *(module.__file__ for module in modules)]
    return hashlib.sha256(b"".join(Path(str(file)).read_bytes() for file in files)).hexdigest()


def main(arguments: list[str], opened: Run | None = None) -> None:
    """Run the job; a rehearsal says itself what it has `opened`."""
    run = opened or open_run(arguments)
    whole = publication.recover(run.place)
    ledger = publication.read_ledger(run.place)
    intact = whole and bool(ledger["sequence"]) and publication.is_intact(run.place, ledger)
    plan = make_plan(run, ledger, intact)
    if plan is None:
        count = len(ledger["objects"])
        print(f"nothing new: {count} raw objects, contract and code are those of run {ledger['token']}")
        write_report(run, ledger, "unchanged")
        return
    concerned = [plan.listed[key]["bytes"] for key in plan.to_read] + [e["bytes"] for e in ledger.get("partitions", ())]
    expressions = evaluation.name_expressions(run.contract_sha256, run.code_sha256)
    spark = evaluation.start_spark(sum(concerned))
    beside = ThreadPoolExecutor(1)
    checked = beside.submit(check_rules, spark, run, expressions)

    def begin() -> None:
        checked.result()
        beside.submit(run.registrar.connect, run.place)  # needed at the end; now this process waits for Spark

    for _ in range(READING_TRIES):
        print(plan.why)
        found = try_reading(spark, run, plan, begin)
        if found:
            break
        print("raw objects changed while they were read; reading them again")
        plan = make_plan(run, ledger, intact) or plan
    else:
        raise RawChangedError(f"raw objects of {run.place.dataset} kept changing while they were read; run it again")
    checked.result()  # also where there was nothing to read
    objects = describe_objects(run, plan, found, ledger)
    if refusal := gates.find_rejection(run.contract, objects.values()):
        raise refusals.refuse(run.place, refusal)
    written = publish_reading(building.Site(spark, run.place, found.contract), run, plan, (found, objects, ledger))
    swept = beside.submit(publication.sweep, run.place)
    write_report(run, written, "published")
    swept.result()


def check_rules(spark: "SparkSession", run: Run, expressions: str) -> None:
    """Have Spark analyse the contract's rules, unless this JVM has done so for the same ones."""
    if not evaluation.is_rehearsed(spark, expressions):
        gates.check_rules(spark, run.contract)


def try_reading(spark: "SparkSession", run: Run, plan: Plan, begin: Callable[[], object]) -> "reading.Reading | None":
    """Read what the plan needs; None where raw objects changed meanwhile, whatever that did to the reading.

    Args:
        begin: called before the first row is read; what it raises ends the run.
    """
    added = {name for entry in plan.kept.values() for name in entry["added_columns"]}
    listed = {key: plan.listed[key] for key in sorted(plan.to_read)}
    try:
        found = reading.read_objects(spark, run.source, list(listed.values()), added, begin)
    except Exception:
        if raw_objects.is_unchanged(run.source, listed):
            raise
        return None
    return found if raw_objects.is_unchanged(run.source, listed) else None


def make_plan(run: Run, ledger: dict[str, Any], intact: bool) -> Plan | None:
    """Compare raw with the ledger; None where the ledger's table is what this run would make."""
    current = intact and (ledger["contract_sha256"], ledger["code_sha256"]) == (run.contract_sha256, run.code_sha256)
    past = [*ledger.get("gone", ()), *ledger.get("objects", ())]
    listed = raw_objects.list_raw(run.source, {entry["key"]: entry for entry in past})
    links = {entry["key"]: entry.get("supersedes", ()) for entry in [*past, *listed.values()]}
    rejected = raw_objects.list_rejected(run.source)
    for key, state in increments.decide_states(links, listed, rejected).items():
        listed[key] |= {"state": state} | ({"why": rejected[key]} if state == increments.REJECTED else {})
    if run.full or not current:
        why = "asked for" if run.full else "contract, code or table are not those of the ledger"
        return increments.plan_full(f"all is read anew: {why}", listed, ledger)
    if increments.is_settled(listed, ledger):
        return None
    return increments.plan_increment(listed, ledger, transform.is_aligned(run.contract))


def describe_objects(
    run: Run, plan: Plan, found: reading.Reading, ledger: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the ledger's entry of every raw object; one that does not count is looked into for its rows alone."""
    described = found.describe()
    past = {(entry["key"], entry["etag"]): dict(entry) for entry in ledger.get("objects", ())}
    entries = {}
    for key, listed in plan.listed.items():
        entry = described.get(key) if key in plan.added else past.get((key, listed["etag"]))
        if entry is None:
            entry = reading.look_into(run.source, listed).describe()[key]
        state = {name: listed[name] for name in ("state", "supersedes", "why") if name in listed}
        entries[key] = {name: value for name, value in entry.items() if name != "why"} | state
    return entries


def publish_reading(
    site: building.Site,
    run: Run,
    plan: Plan,
    known: tuple[reading.Reading, Mapping[str, dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Build under _tmp/ what changes, check that no row was lost, judge the table, publish, and return the ledger.

    Args:
        known: what was read, the entries of all raw objects, and the ledger before.

    Raises:
        LostRowsError: readable rows are not the sum of what became of them.
    """
    found, objects, before = known
    with ThreadPoolExecutor(2) as beside:  # nothing looks at the batch, and a small one waits more than it works
        building_batches = beside.submit(building.build_batches, site, plan, found, before)
        whole = building.build_curated(site, plan, found, before)
        built = sharding.split_partitions(site, whole, () if plan.full else before.get("partitions", ()))
        crash_point("written")
        hashing = beside.submit(building.hash_copies, site.place, built.copies, transform.table_schema(site.contract))
        partitions, lost = building.merge_partitions(plan, built, before)
        rows = increments.count_rows(objects.values(), plan.gone, sum(entry["rows"] for entry in partitions), lost)
        increments.check_sum(rows)
        quality = refusals.judge_built(gates.Candidate(site, plan, whole, before), found, objects, rows)
        quarantine, batches = building_batches.result()
    ledger = {
        "sequence": int(before["sequence"]) + 1,
        "rows": rows,
        "lost": lost,
        "gone": list(plan.gone),
        "read": sorted(plan.to_read),
        "partitions": partitions,
        "quarantine": batches,
        "quality": quality,
    }
    ledger |= describe_run(run, objects, site.contract)
    ledger["history"] = gates.add_to_history(before, ledger, publication.say_now())
    written: dict[str, Any] = publication.publish(run.place, hashing.result() + quarantine, ledger)
    return written


def describe_run(run: Run, objects: Mapping[str, dict[str, Any]], contract: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the ledger says of the run's contract and code, and of the raw objects."""
    active = [entry for entry in objects.values() if entry["state"] == ACTIVE]
    return {
        "schema": 2,
        "dataset": run.place.dataset,
        "token": run.place.token,
        "contract_sha256": run.contract_sha256,
        "code_sha256": run.code_sha256,
        "objects": list(objects.values()),
        "quarantined_by_reason": increments.sum_reasons(active),
        "unreadable_files": [{"key": e["key"], "reason": e["problem"]} for e in active if e["problem"]],
        "unknown_columns": sorted({name for entry in active for name in entry["unknown_columns"]}),
        "columns": [{"name": c["name"], "type": c["type"]} for c in transform.table_columns(contract)],
    }


def write_report(run: Run, ledger: dict[str, Any], status: str) -> None:
    """Register the published partitions, and write the report of this run.

    It has the totals of the whole dataset, and what this run did (`status`).
    """
    registered = run.registrar(run.place, ledger)
    if registered.problem:
        print(f"the catalog is not up to date, and the next run tries again: {registered.problem}")
    content = {
        "schema": 1,
        "dataset": run.place.dataset,
        "token": run.place.token,
        "status": status,
        "finished_at": publication.say_now(),
        "seconds": round(time.monotonic() - run.started, 3),
        "objects": [{name: o[name] for name in ("key", "etag", "bytes", "rows", "state")} for o in ledger["objects"]],
        "read": ledger["read"] if status == "published" else [],
        "partitions": [{name: p[name] for name in ("key", "rows", "bytes")} for p in ledger["partitions"]],
        "quarantine": [entry["key"] for entry in ledger["quarantine"]],
        "rules": ledger["quality"]["rules"],
        "refused": refusals.read_refused(run.place),
        "catalog": asdict(registered),
    }
    content |= {name: ledger[name] for name in REPORTED}
    key = f"_reports/{run.place.dataset}/{run.place.token}.json"
    publication.write_json(run.place.s3, run.place.bucket, key, content)
    print(f"{status}: {ledger['rows']}; report: s3://{run.place.bucket}/{key}")


if __name__ == "__main__":
    main(sys.argv)
