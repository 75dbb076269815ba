"""When a chain is tried again that failed because a service could not be reached or held it up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from workbench.watch_record import ChainRecord

Json = dict[str, Any]
PAUSES = (30.0, 120.0, 600.0)
_SERVICE = 4  # the exit code of what another try may mend: no server, a full disk, a reader in the way


class Retries:
    """The chains that will be tried again, one a dataset; after the last pause only a new upload or start does it."""

    def __init__(self, pauses: Sequence[float] = PAUSES) -> None:
        self._pauses = pauses
        self._tries: dict[str, int] = {}
        self._due: dict[str, tuple[float, Json]] = {}

    def note(self, record: ChainRecord) -> float | None:
        """Hear how a chain ended; return after how many seconds it is tried again, None where it is not."""
        self._due.pop(record.dataset, None)
        codes = {step.error.get("exit_code") for step in record.manifest.steps if step.error}
        if record.manifest.status != "failed" or codes != {_SERVICE}:
            self._tries.pop(record.dataset, None)
            return None
        tried = self._tries.get(record.dataset, 0)
        if tried >= len(self._pauses):
            return None
        self._tries[record.dataset] = tried + 1
        self._due[record.dataset] = (time.monotonic() + self._pauses[tried], record.job_run)
        return self._pauses[tried]

    def forget(self, dataset: str) -> None:
        """Leave it to a chain that begins now: it loads what the failed one did not."""
        self._due.pop(dataset, None)

    def take_due(self) -> list[tuple[str, Json]]:
        """Return dataset and job run of the chains whose pause is over."""
        over = [dataset for dataset, (at, _) in self._due.items() if at <= time.monotonic()]
        return [(dataset, self._due.pop(dataset)[1]) for dataset in over]
