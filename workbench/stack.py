"""The embedded stack as the command brings it up: servers started, resources provisioned, code and contracts in place.

What was provisioned is remembered by a fingerprint of everything that it was made from and by the control plane's
process, since part of that one's records live in memory. While both are unchanged, `up` only looks and returns.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from local_aws import home as state
from local_aws.endpoints import Endpoints
from local_aws.events.clients import make_client
from local_aws.home import default_home
from local_aws.lifecycle import start
from local_aws.secrets import aws_keys, postgres_password

__all__ = ["bring_up", "default_home", "environment"]

Progress = Callable[[str], None]
ROOT = Path(__file__).resolve().parent.parent
STACK_NAME = "workbench-local"
# Uploads are gathered for a second, and what finds the job busy comes again soon: nobody pays for a call here.
PARAMETERS = {"Project": "workbench", "Stage": "local", "QueueWindowSeconds": 1, "PutBackSeconds": 5}
_MADE_FROM = (
    *("infra/*.yaml", "infra/*.py", "glue/*.py", "datasets/*/contract.yaml"),
    *("helpers/contract*.py", "workbench/stack.py"),
)


def _quiet(line: str) -> None:
    """Show nothing."""


def bring_up(home: Path, progress: Progress = _quiet) -> Endpoints:
    """Start what does not run, provision what changed, and return the endpoints with the stack's outputs.

    Raises StackError or InfraError with what cannot be started or provisioned.
    """
    endpoints = start(home, progress=progress)
    if state.read_json(endpoints.home / state.SERVERS).get("code") != state.stamp_code():
        progress(
            "local_aws/ changed since the stack was started: `workbench down`, then `workbench up` runs the new code"
        )
    made_from = fingerprint()
    control_plane = endpoints.processes["api"]
    known = state.read_json(endpoints.home / state.PROVISIONED)
    process = {"pid": control_plane.pid, "started": control_plane.started}
    if endpoints.outputs and known.get("made_from") == made_from and known.get("process") == process:
        return endpoints
    progress("provisioning the stack from infra/template.yaml")
    clients = cache(partial(make_client, endpoints, role="admin"))
    outputs = _provision(endpoints, clients)
    if _put_code(clients, outputs, progress):
        state.write_json(endpoints.home / state.PROVISIONED, {"made_from": made_from, "process": process})
    _write_outputs(endpoints, outputs)
    return start(endpoints.home)


def fingerprint() -> str:
    """Return a hash of every file that the provisioned stack is made from."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _MADE_FROM for path in ROOT.glob(pattern)):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def environment(home: Path) -> dict[str, str]:
    """Return the variables that aws, psql and other clients need: the notebooks' key, the reader of PostgreSQL."""
    from local_aws.endpoints import READER, read_endpoints
    from local_aws.errors import ServerDownError

    endpoints = read_endpoints(home)
    if endpoints is None:
        raise ServerDownError(f"no stack is up in {home}: start it with `workbench up`")
    keys = aws_keys(home, "notebook")
    variables = {
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_DEFAULT_REGION": endpoints.region,
        "AWS_REGION": endpoints.region,
        "AWS_ENDPOINT_URL": endpoints.aws,
        "AWS_ENDPOINT_URL_S3": endpoints.s3,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
    }
    if endpoints.postgres.get("url_from_environment"):
        return variables
    return variables | {
        "PGHOST": str(endpoints.postgres["host"]),
        "PGPORT": str(endpoints.postgres["port"]),
        "PGDATABASE": str(endpoints.postgres["dbname"]),
        "PGUSER": READER,
        "PGPASSWORD": postgres_password(home, "reader"),
    }


def _provision(endpoints: Endpoints, clients: Callable[[str], Any]) -> dict[str, str]:
    """Make the resources and write the stack down where the control plane describes it from. Returns the outputs."""
    from infra.provision import Place, provision_stack
    from infra.template import load_template
    from local_aws.store import Store

    template = ROOT / "infra" / "template.yaml"
    place = Place(endpoints.account_id, endpoints.region)
    result = provision_stack(load_template(template), clients, PARAMETERS, place, STACK_NAME)
    store = Store(endpoints.home / "catalog.sqlite")
    try:
        earlier = store.get("stack", STACK_NAME) or {}
        store.put(
            "stack",
            STACK_NAME,
            {
                "StackName": STACK_NAME,
                "StackId": result.stack_id,
                "Outputs": dict(result.outputs),
                "Parameters": {name: str(value) for name, value in result.parameters.items()},
                "TemplateSha256": hashlib.sha256(template.read_bytes()).hexdigest(),
                "CreatedAt": earlier.get("CreatedAt", time.time()),
                "Resources": {name: list(made) for name, made in result.resources.items()},
            },
        )
    finally:
        store.close()
    return dict(result.outputs)


def _put_code(clients: Callable[[str], Any], outputs: dict[str, str], progress: Progress) -> bool:
    """Put the job's code and the compiled contracts where the job reads them; say whether all of it is there now."""
    from helpers.objects import differs, put_hashed

    s3, bucket = clients("s3"), outputs["CuratedBucket"]
    stale = {key: body for key, body in _wanted_objects(progress) if differs(s3, bucket, key, body)}
    if stale and _is_job_running(clients("glue"), outputs["JobName"]):
        progress(f"a run of {outputs['JobName']} is under way: its code is renewed by the next `workbench up`")
        return False
    for key, body in stale.items():
        put_hashed(s3, bucket, key, body)
    return True


def _wanted_objects(progress: Progress) -> Iterator[tuple[str, bytes]]:
    from helpers.contract import compile_contract, load_contract

    for path in sorted(ROOT.glob("glue/[!_]*.py")):
        yield f"_code/{path.name}", path.read_bytes()
    for path in sorted(ROOT.glob("datasets/*/contract.yaml")):
        dataset = path.parent.name
        try:
            compiled = compile_contract(load_contract(dataset))
        except Exception as error:  # whatever is wrong with one contract must not keep the others from running
            progress(f"{path.relative_to(ROOT)} is left out: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        yield f"_contracts/{dataset}.json", json.dumps(compiled, sort_keys=True, indent=1).encode()


def _is_job_running(glue: Any, job: str) -> bool:
    runs = glue.get_job_runs(JobName=job)["JobRuns"]
    return any(run["JobRunState"] in ("STARTING", "RUNNING", "STOPPING", "WAITING") for run in runs)


def _write_outputs(endpoints: Endpoints, outputs: dict[str, str]) -> None:
    """Add the outputs to endpoints.json, unless another supervisor wrote it meanwhile."""
    ours = endpoints.processes["supervisor"]

    def change(document: dict[str, Any]) -> dict[str, Any] | None:
        same = document.get("processes", {}).get("supervisor", {}).get("pid") == ours.pid
        return {**document, "outputs": outputs} if same else None

    state.update_endpoints(endpoints.home, change)
