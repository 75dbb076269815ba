"""What a notebook's result depends on, and what it wrote: compared, they say whether it must run again, and why.

Kept in runs/<run_id>/keys.json, a notebook an entry: `parts` (name -> hash, or name -> {item -> hash}) and `outputs`
(uri -> ETag, "" where only existence counts).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from workbench.notebooks import ROOT, Notebook
from workbench.record import StepRecord, hash_lock
from workbench.redaction import redact_values
from workbench.request import Request

Parts = dict[str, Any]
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+helpers(?:\.(\w+))?[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)"
    r"|import[ \t]+([^\n]*\bhelpers\.[^\n]*))",
    re.MULTILINE,
)
_NAME = re.compile(r"(?:^|,|\()\s*(\w+)")
_READ_BYTES = 256 * 1024 * 1024  # of more than this, sizes and times of local files stand for their content


@dataclass(frozen=True)
class Services:
    """What planning asks of the services: listings with ETags, the catalog's table, and PostgreSQL's relations."""

    request: Request

    @cached_property
    def session(self) -> Any:
        """The session of the request's profile."""
        from helpers.session import open_session

        return open_session(self.request.profile)

    def objects(self, bucket: str, prefix: str) -> dict[str, str]:
        """Return uri -> ETag of the objects under a prefix."""
        from helpers.objects import list_objects

        return {found.uri: found.etag for found in list_objects(self.session.client("s3"), bucket, prefix)}

    def raw(self) -> dict[str, str]:
        """Return the raw objects of the dataset."""
        return self.objects(self.session.outputs.raw_bucket, f"{self.request.dataset}/")

    def curated(self) -> dict[str, str]:
        """Return the objects of the curated table and of its quarantine."""
        bucket, dataset = self.session.outputs.curated_bucket, self.request.dataset
        return self.objects(bucket, f"data/{dataset}/") | self.objects(bucket, f"data/{dataset}_quarantine/")

    def answers(self) -> dict[str, str]:
        """Return the document that says what was asked last."""
        return self.objects(self.session.outputs.results_bucket, f"_answers/{self.request.dataset}.json")

    def has_table(self) -> bool:
        """Say whether the catalog has the dataset's table."""
        from botocore.exceptions import ClientError

        try:
            database = self.session.outputs.database
            self.session.client("glue").get_table(DatabaseName=database, Name=self.request.dataset)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
            return False
        return True

    def missing_relations(self, names: Iterable[str]) -> list[str]:
        """Return those of the relations `schema/name` that PostgreSQL does not have."""
        wanted = [name.replace("/", ".", 1).split(".", 1) for name in names]
        connection = self.session.connect_postgres()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT table_schema, table_name FROM information_schema.tables")
                there = {tuple(row) for row in cursor.fetchall()}
        finally:
            connection.close()
        return [".".join(name) for name in wanted if tuple(name) not in there]


def describe_parts(notebook: Notebook, services: Services) -> Parts:
    """Return all that the notebook's result depends on, as it is now."""
    from helpers.contract import load_contract

    request, name = services.request, notebook.name
    given = {key for key in notebook.schema if key in request.parameters}
    given -= {"run_id", "full"}  # reading everything anew gives the same table
    given -= {"as_of"} if "as_of" not in request.origins else set()
    parts: Parts = {
        "code cells": hash_text("\0".join(notebook.code)),
        "helper": hash_helpers(notebook),
        "parameter": redact_values({key: request.parameters[key] for key in sorted(given)}),
        "contract": _hash_contract(request.dataset),
        "lock": hash_lock(),
        "stack": _name_stack(request.profile),
        "input": redact_values(_list_inputs(name, services)),
    }
    if name == "02_transform":
        parts["job module"] = {path.name: hash_file(path) for path in sorted((ROOT / "glue").glob("[!_]*.py"))}
    if name in ("03_catalog_query", "04_load_postgres"):
        folder = load_contract(request.dataset).queries_folder
        parts["query"] = {path.name: hash_file(path) for path in sorted(folder.glob("*.sql"))}
    return parts


def describe_outputs(step: StepRecord, services: Services) -> dict[str, str]:
    """Return what a step that has just succeeded wrote, with the ETags by which a change is seen."""
    if step.notebook == "01_ingest":
        return {entry["uri"]: entry["etag"] for entry in step.details.get("inputs", [])}
    if step.notebook == "02_transform":
        reports = {uri: "" for uri in step.outputs if "/_reports/" in uri}
        return services.curated() | reports
    if step.notebook == "03_catalog_query":
        return services.answers() | {f"catalog:{services.request.dataset}": ""}
    return {uri: "" for uri in step.outputs}


def compare_outputs(outputs: Mapping[str, str], services: Services) -> str:
    """Return the first of a step's outputs that is gone or another now, in words; an empty text where none is."""
    objects = {uri: etag for uri, etag in outputs.items() if uri.startswith("s3://")}
    listed: dict[str, str] = {}
    for bucket, prefix in sorted({_prefix(uri) for uri in objects}):
        listed |= services.objects(bucket, prefix)
    for uri, etag in objects.items():
        if uri not in listed:
            return f"{uri} is gone"
        if etag and listed[uri] != etag:
            return f"{uri} is another"
    if any(uri.startswith("catalog:") for uri in outputs) and not services.has_table():
        return f"the catalog has no table {services.request.dataset}"
    relations = [uri.partition(":")[2] for uri in outputs if uri.startswith("postgresql:")]
    missing = services.missing_relations(relations) if relations else []
    return f"PostgreSQL has no {missing[0]}" if missing else ""


def _prefix(uri: str) -> tuple[str, str]:
    """Return bucket and the prefix to list for one object: its dataset's folder, so that few listings do for all."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    parts = key.split("/")
    return bucket, key if len(parts) < 2 else "/".join(parts[: 2 if parts[0] in ("data", "_reports") else 1]) + "/"


def hash_helpers(notebook: Notebook) -> dict[str, str]:
    """Return the helper modules that a notebook's cells import, and those that these import, with their hashes."""
    found: dict[str, str] = {}
    waiting = sorted({name for source in notebook.code for name in _imported(source)})
    while waiting:
        name = waiting.pop()
        path = ROOT / "helpers" / f"{name}.py"
        if f"{name}.py" in found or not path.exists():
            continue
        source = path.read_text(encoding="utf-8")
        found[path.name] = hash_text(source)
        waiting += _imported(source)
    return dict(sorted(found.items()))


@lru_cache(maxsize=1024)  # a helper is imported by several notebooks, and looked at for the plan and for each step
def _imported(source: str) -> tuple[str, ...]:
    """Return the modules of helpers that a source imports, wherever in it; one that a text only speaks of does no harm.

    Parsing them all would take as long as starting a kernel.
    """
    names: list[str] = []
    for module, taken, listed in _IMPORT.findall(source):
        if module:
            names.append(module)
        names += _NAME.findall(taken) if taken and not module else []
        names += [name.split(".")[1] for name in re.findall(r"helpers\.\w+", listed)]
    return tuple(dict.fromkeys(names))


def _list_inputs(name: str, services: Services) -> dict[str, str]:
    if name == "01_ingest":
        return _list_sources(services)
    if name == "02_transform":
        return services.raw()
    if name == "03_catalog_query":
        return services.curated()
    return services.answers()


def _list_sources(services: Services) -> dict[str, str]:
    """Return what 01 would ingest: files with their content's hash, S3 objects with ETags, or the source's script."""
    from helpers.config import build_config
    from helpers.contract import load_contract
    from helpers.errors import InputError
    from helpers.ingest_sources import find_files
    from helpers.objects import split_uri

    request = services.request
    contract = load_contract(request.dataset)
    pattern = str(request.parameters.get("files") or contract.files or "").replace("{as_of}", request.as_of)
    if not pattern and contract.source_script is not None:
        arguments = "\0".join(contract.source_arguments)
        return {contract.source_script.name: hash_text(hash_file(contract.source_script) + arguments)}
    if pattern.startswith("s3://"):
        bucket, key = split_uri(pattern)
        return services.objects(
            bucket, key[: min([key.find(letter) for letter in "*?[" if letter in key], default=len(key))]
        )
    try:
        files = find_files(build_config(request.dataset, request.run_id, request.as_of, pattern))
        large = sum(file.path.stat().st_size for file in files) > _READ_BYTES
        return {str(file.path): _stamp(file.path) if large else hash_file(file.path) for file in files}
    except (InputError, OSError) as error:
        return {"problem": str(error)}  # the notebook will say it


def _hash_contract(dataset: str) -> str:
    from helpers.contract import compile_contract, load_contract

    contract = load_contract(dataset)
    told = [compile_contract(contract), contract.title, contract.description, contract.files, contract.granularity]
    return hash_text(json.dumps(told, sort_keys=True, default=str))


def _name_stack(profile: str) -> str:
    """Return a name for where the outputs are: what was written to another state folder is not here."""
    import os

    from local_aws.home import default_home

    place = str(default_home()) if profile == "local" else os.environ.get("WORKBENCH_STACK", "")
    return hash_text(f"{profile}\0{place}\0{os.environ.get('WORKBENCH_DATABASE_URL', '')}")


def hash_text(text: str) -> str:
    """Return the first 16 letters of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_file(path: Path) -> str:
    """Return the first 16 letters of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _stamp(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size}:{state.st_mtime_ns}"
