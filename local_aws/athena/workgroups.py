"""Workgroups: where results go, whether that is enforced, and how many bytes a query may read."""

import re
import threading
import time
from dataclasses import dataclass
from typing import Any

from local_aws.athena.executions import ENGINE_VERSION
from local_aws.errors import ServiceError
from local_aws.store import Store

KIND = "athena_workgroup"
PRIMARY = "primary"
NAME = re.compile(r"[a-zA-Z0-9._-]{1,128}")
DEFAULTS: dict[str, Any] = {
    "EnforceWorkGroupConfiguration": True,
    "PublishCloudWatchMetricsEnabled": True,
    "RequesterPaysEnabled": False,
    "EngineVersion": ENGINE_VERSION,
}
RECORDED = frozenset([*DEFAULTS, "ResultConfiguration", "BytesScannedCutoffPerQuery"])
RESULT_MEMBERS = frozenset(("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"))
UPDATES = frozenset((*RECORDED, "ResultConfigurationUpdates", "RemoveBytesScannedCutoffPerQuery"))
UPDATES -= frozenset(("ResultConfiguration",))
Json = dict[str, Any]


def invalid(message: str) -> ServiceError:
    """Refuse a request."""
    return ServiceError("InvalidRequestException", message)


@dataclass(frozen=True)
class Workgroups:
    """The workgroups of the account; `primary` is always there."""

    store: Store
    lock: threading.RLock

    def get(self, name: str) -> Json:
        """Return a WorkGroup in the API's shape."""
        found = self.store.get(KIND, name)
        if found is None:
            raise invalid(f"WorkGroup {name} is not found.")
        return found

    def ensure_primary(self) -> None:
        """Make the workgroup that every account has."""
        with self.lock:
            if self.store.get(KIND, PRIMARY) is None:
                free = {"EnforceWorkGroupConfiguration": False}
                self.store.put(KIND, PRIMARY, self._new(PRIMARY, free, None))

    def list(self) -> list[Json]:
        """Return every WorkGroup, by name."""
        return [document for _, document in self.store.list(KIND)]

    def create(self, name: str, configuration: Json, description: str | None) -> None:
        """Create a workgroup; a name that is taken is refused."""
        if not NAME.fullmatch(name):
            raise invalid(f"WorkGroup name {name!r} must be 1 to 128 letters, digits, '.', '_' or '-'.")
        check_configuration(configuration, RECORDED)
        with self.lock:
            if self.store.get(KIND, name) is not None:
                raise invalid("WorkGroup is already created")
            self.store.put(KIND, name, self._new(name, configuration, description))

    @staticmethod
    def _new(name: str, configuration: Json, description: str | None) -> Json:
        document: Json = {"Name": name, "State": "ENABLED", "Configuration": {**DEFAULTS, **_effective(configuration)}}
        document |= {"Description": description or "", "CreationTime": time.time()}
        return document

    def update(self, request: Json) -> None:
        """Apply an UpdateWorkGroup request."""
        updates = dict(request.get("ConfigurationUpdates", {}))
        check_configuration(updates, UPDATES)
        with self.lock:
            document = self.get(request["WorkGroup"])
            configuration = document["Configuration"]
            results = dict(configuration.get("ResultConfiguration", {}))
            for member, value in updates.pop("ResultConfigurationUpdates", {}).items():
                if not member.startswith("Remove"):
                    results[member] = value
                elif value:
                    results.pop(member.removeprefix("Remove"), None)
            if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
                configuration.pop("BytesScannedCutoffPerQuery", None)
            configuration.update(_effective(updates))
            configuration["ResultConfiguration"] = results
            optional: Json = {name: request[name] for name in ("Description", "State") if name in request}
            self.store.put(KIND, document["Name"], {**document, **optional})

    def delete(self, name: str) -> None:
        """Delete a workgroup."""
        if name == PRIMARY:
            raise invalid("WorkGroup primary cannot be deleted.")
        if not self.store.delete(KIND, name):
            raise invalid(f"WorkGroup {name} is not found.")


def _effective(configuration: Json) -> Json:
    return {**configuration, "EngineVersion": ENGINE_VERSION} if "EngineVersion" in configuration else configuration


def check_configuration(configuration: Json, known: frozenset[str]) -> None:
    """Refuse members of a workgroup's configuration that have no effect here; false or empty ones are harmless."""
    unsupported = [name for name, value in configuration.items() if name not in known and not _is_off(value)]
    for group in ("ResultConfiguration", "ResultConfigurationUpdates"):
        members = configuration.get(group, {})
        unsupported += [name for name in members if name.removeprefix("Remove") not in RESULT_MEMBERS]
    if unsupported:
        raise invalid(f"{', '.join(sorted(unsupported))} is not supported by the local Athena: leave it out.")
    engine = configuration.get("EngineVersion", {}).get("SelectedEngineVersion", "AUTO")
    if engine not in ("AUTO", "Athena engine version 3"):
        raise invalid(f"Engine version {engine} is not supported by the local Athena: use AUTO.")


def _is_off(value: Any) -> bool:
    return not value or (isinstance(value, dict) and not value.get("Enabled", True))
