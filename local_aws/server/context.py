"""What every handler of the control plane works on."""

from dataclasses import dataclass
from pathlib import Path

from local_aws.glue.catalog import Catalog
from local_aws.store import Store

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"


@dataclass(frozen=True)
class Context:
    """The state folder, the identity of the local account, and the stores on it."""

    home: Path
    region: str
    account_id: str
    store: Store
    catalog: Catalog

    @property
    def lake(self) -> Path:
        """The folder of the buckets: s3://bucket/key is lake/bucket/key."""
        return self.home / "lake"


def open_context(home: Path) -> Context:
    """Open the control plane's state in `home` (created where missing); close it with `context.store.close()`."""
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    store = Store(home / "catalog.sqlite")
    return Context(home, REGION, ACCOUNT_ID, store, Catalog(store, ACCOUNT_ID))
