"""endpoints.json: where the stack's servers are, and, once it is provisioned, the names of what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.home import ENDPOINTS, read_json
from local_aws.probes import LOOPBACK
from local_aws.processes import ProcessRef

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"
DATABASE = "analytics"
LOADER = "workbench_loader"
READER = "workbench_reader"


@dataclass(frozen=True)
class Endpoints:
    """A running stack. `postgres` holds host, port, dbname, loader and reader, or `url_from_environment`."""

    home: Path
    region: str
    account_id: str
    s3: str
    aws: str
    postgres: Mapping[str, Any]
    processes: Mapping[str, ProcessRef]
    outputs: Mapping[str, str] = field(default_factory=dict)


def describe_endpoints(ports: Mapping[str, int], processes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of endpoints.json; a PostgreSQL that does not run is one that the environment names."""
    postgres: dict[str, Any] = {"url_from_environment": True}
    if "postgres" in processes:
        postgres = {
            "host": LOOPBACK,
            "port": ports["postgres"],
            "dbname": DATABASE,
            "loader": LOADER,
            "reader": READER,
        }
    return {
        "schema": 1,
        "region": REGION,
        "account_id": ACCOUNT_ID,
        "s3": f"http://{LOOPBACK}:{ports.get('s3', 0)}",
        "aws": f"http://{LOOPBACK}:{ports.get('api', 0)}",
        "postgres": postgres,
        "processes": dict(processes),
    }


def read_endpoints(home: Path) -> Endpoints | None:
    """Return what endpoints.json says, whether the servers run or not; None where it is missing or broken."""
    document = read_json(home / ENDPOINTS)
    try:
        processes = {name: ProcessRef.read(entry) for name, entry in document["processes"].items()}
        return Endpoints(
            home=home,
            region=document["region"],
            account_id=document["account_id"],
            s3=document["s3"],
            aws=document["aws"],
            postgres=document["postgres"],
            processes={name: ref for name, ref in processes.items() if ref},
            outputs=document.get("outputs", {}),
        )
    except (KeyError, AttributeError):
        return None
