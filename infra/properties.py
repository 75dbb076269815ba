"""The properties of one resource while it is made: each must be taken, so that none is silently ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from infra.errors import ProvisionError

Json = dict[str, Any]
_REQUIRED: Any = object()


class Properties:
    """A resource's resolved properties; `finish` raises ProvisionError for those that nobody took."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._rest = dict(values)
        self._where = where

    @property
    def name(self) -> str:
        """The resource's logical id."""
        return self._where.split(" ", 1)[0]

    def take(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a property's value, once."""
        if default is _REQUIRED and name not in self._rest:
            raise ProvisionError(f"{self._where}: property {name} is missing")
        return self._rest.pop(name, default)

    def take_all(self, *names: str) -> Json:
        """Return those of the named properties that are there."""
        return {name: self._rest.pop(name) for name in names if name in self._rest}

    def take_nested(self, name: str) -> Properties:
        """Return an object among the properties as Properties of its own; finish it too."""
        return Properties(self.take(name), f"{self._where}: {name}")

    def nest(self, values: Mapping[str, Any], name: str) -> Properties:
        """Return Properties for an entry of a list."""
        return Properties(values, f"{self._where}: {name}")

    def finish(self) -> None:
        """Raise ProvisionError where a property was not taken."""
        if self._rest:
            raise ProvisionError(f"{self._where}: property {', '.join(sorted(self._rest))} is not provisioned locally")


def covers(found: Any, wanted: Any) -> bool:
    """Say whether `found` says all that `wanted` says; a service adds members of its own."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        same_length = isinstance(found, list) and len(found) == len(wanted)
        return same_length and all(covers(one, other) for one, other in zip(found, wanted, strict=True))
    return bool(found == wanted)


def same_policy(found: Any, wanted: Json) -> bool:
    """Say whether a policy document, as text or object, is the wanted one."""
    return bool((json.loads(found) if isinstance(found, str) else found) == wanted)
