"""The access keys of the embedded AWS: one for each role, in the state folder's secrets."""

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class AccessKey:
    """One role's key, as `secrets/aws-<role>.json` holds it."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    role: str


class KeyRing:
    """The keys in a folder of `aws-<role>.json` files, read again when the folder changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen = -1
        self._keys: dict[str, AccessKey] = {}

    def find(self, access_key_id: str) -> AccessKey | None:
        """Return the key with this id, or None."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except FileNotFoundError:
            return None
        with self._lock:
            if changed != self._seen or access_key_id not in self._keys:
                self._keys, self._seen = read_keys(self._folder), changed
            return self._keys.get(access_key_id)


def read_keys(folder: Path) -> dict[str, AccessKey]:
    """Read all keys of `folder`, by access key id; a file that is being written is passed over."""
    keys = {}
    for path in sorted(folder.glob("aws-*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
            key = AccessKey(document["access_key_id"], document["secret_access_key"], path.stem.removeprefix("aws-"))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        keys[key.access_key_id] = key
    return keys
