"""Which raw object holds a delivery, and which earlier ones it supersedes (docs/data.md, "Deliveries").

A dataset appends (the default: many senders always say export.csv), or its contract says `deliveries: replace_by_name`:
then a file replaces what came under its name before. The chain is written into the objects' metadata, `supersedes`.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from helpers.config import StepConfig
from helpers.contract import list_datasets, load_contract
from helpers.objects import S3Object
from helpers.session import Session

HASH_LETTERS = 12
_PREFIX = re.compile(r"[0-9a-f]{12}(?:\.\d+)?-")


@dataclass
class Chain:
    """The raw objects of a dataset as a delivery meets them; what is uploaded is added.

    Attributes:
        by_name: whether a delivery replaces what came under its name.
        objects: every object by key.
        superseded: keys that another object supersedes.
    """

    by_name: bool
    objects: dict[str, S3Object]
    superseded: set[str] = field(default_factory=set)

    def find(self, name: str, sha256: str, size: int) -> S3Object | None:
        """Return the object that holds these bytes and counts; by name, only one that came under this name."""
        for found in self.objects.values():
            if (found.name[:HASH_LETTERS], found.bytes) != (sha256[:HASH_LETTERS], size) or _is_hidden(found):
                continue
            if not self.by_name or (delivered_name(found) == name and found.key not in self.superseded):
                return found
        return None

    def choose_key(self, prefix: str, name: str, sha256: str) -> str:
        """Return a key that is free: bytes that were superseded and come again are a new delivery."""
        key, number = f"{prefix}{sha256[:HASH_LETTERS]}-{name}", 1
        while key in self.objects:
            number += 1
            key = f"{prefix}{sha256[:HASH_LETTERS]}.{number}-{name}"
        return key

    def list_replaced(self, name: str) -> list[str]:
        """Return the keys that a new delivery of this name supersedes."""
        found = [o.key for o in self.objects.values() if delivered_name(o) == name and not _is_hidden(o)]
        return sorted(set(found) - self.superseded) if self.by_name else []

    def add(self, found: S3Object, replaced: list[str]) -> None:
        """Remember what was uploaded."""
        self.objects[found.key] = found
        self.superseded |= set(replaced)


def read_chain(session: Session, cfg: StepConfig, there: list[S3Object]) -> Chain:
    """Return the chain of a dataset's raw objects; their metadata is only read where it decides something."""
    by_name = cfg.dataset in list_datasets() and load_contract(cfg.dataset).deliveries == "replace_by_name"
    chain = Chain(by_name, {found.key: found for found in there})
    if by_name:
        s3 = session.client("s3")
        for found in there:
            chain.superseded |= set(read_links(s3.head_object(Bucket=found.bucket, Key=found.key)["Metadata"]))
    return chain


def delivered_name(found: S3Object) -> str:
    """Return the name under which an object's file was delivered."""
    return _PREFIX.sub("", found.name, count=1)


def write_links(keys: list[str]) -> dict[str, str]:
    """Return the metadata that says which keys an object supersedes."""
    return {"supersedes": " ".join(map(quote, keys))} if keys else {}


def read_links(metadata: dict[str, str]) -> list[str]:
    """Return the keys that an object's metadata says it supersedes."""
    return [unquote(key) for key in metadata.get("supersedes", "").split()]


def _is_hidden(found: S3Object) -> bool:
    return found.name[:1] in ("", "_", ".")
