"""One load from first to last: ledger, tables, figures, switch. Where it stops, readers see no change."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2

from helpers.errors import WorkbenchError
from helpers.load_postgres_copy import Source
from helpers.load_postgres_crash import crash_point
from helpers.load_postgres_extract import Extract
from helpers.load_postgres_fill import Filling, fill_tables
from helpers.load_postgres_ledger import Load, mark_ready, open_load
from helpers.load_postgres_publish import GIVE_UP_SECONDS, Terms, publish_load
from helpers.load_postgres_split import LoadProgress
from helpers.load_postgres_sweep import discard_load, drop_old_versions, find_ready, find_shown, is_shown, is_whole
from helpers.objects import S3Object


@dataclass(frozen=True)
class LoadJob:
    """What is loaded for whom.

    Attributes:
        dataset: the relations that are published together.
        connect: opens a connection of the loader's role.
        open_source: how an extract's object is read.
        reader: the role that may read what is published; None where the server is not ours.
        give_up_seconds: how long a reader may be in the way.
        connections: over how many each object is copied; 0 to choose by its size.
        quiet: show no progress.
    """

    dataset: str
    run_id: str
    connect: Callable[[], Any]
    open_source: Callable[[S3Object], Source]
    reader: str | None = None
    give_up_seconds: float = GIVE_UP_SECONDS
    connections: int = 0
    quiet: bool = False


def load_extracts(connection: Any, job: LoadJob, extracts: Sequence[Extract]) -> tuple[Load, bool]:
    """Load and publish the extracts, unless readers see this content already; return the load, and whether it is new.

    A version with this content that is kept ready is published as it is. The caller holds the dataset's lock.

    Raises:
        LoadError: PostgreSQL refused a value, a figure differs, or readers would lose columns; nothing was published.
        ServiceError: a reader keeps a relation locked; the version is kept ready.
    """
    before = find_shown(connection, job.dataset)
    content = _describe_content([extract.content() for extract in extracts])
    if before and before.content == content and is_shown(connection, before):
        load, changed = before, False
    elif (ready := find_ready(connection, job.dataset)) and ready.content == content and is_whole(connection, ready):
        load, changed = publish_load(connection, ready, Terms(job.reader, give_up_seconds=job.give_up_seconds)), True
    else:
        load, changed = _load_anew(connection, job, extracts, content, before), True
    drop_old_versions(connection, job.dataset)
    return load, changed


def _describe_content(facts: Sequence[Any]) -> str:
    """Return a hash of what will be in PostgreSQL."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _load_anew(connection: Any, job: LoadJob, extracts: Sequence[Extract], content: str, before: Load | None) -> Load:
    """Fill new tables, verify them and publish them; leave nothing behind where that fails before they are ready."""
    merged = [extract for extract in extracts if extract.change is not None]
    reuse = {e.relation: before.tables[e.relation] for e in merged if e.rules.in_place and before}
    facts = {
        "dataset": job.dataset,
        "run_id": job.run_id,
        "content": content,
        "partitions": dict(extracts[0].partitions),
    }
    load = open_load(connection, facts, [extract.relation for extract in extracts], len(merged), reuse)
    crash_point("opened")
    try:
        progress = LoadProgress("loading", sum(extract.place.bytes for extract in extracts))
        with nullcontext() if job.quiet else progress:
            filling = Filling(connection, job.connect, job.open_source, progress, job.connections)
            filled = fill_tables(filling, load, extracts, before)
        load = mark_ready(connection, load, filled.rows, [check.as_row() for check in filled.checks], bool(reuse))
    except BaseException:
        with suppress(psycopg2.Error):  # a server that is gone; the next load clears away what is left there
            discard_load(connection, load, set(reuse.values()))
        raise
    crash_point("ready")
    try:
        return publish_load(
            connection, load, Terms(job.reader, frozenset(), job.give_up_seconds, tuple(filled.changes))
        )
    except WorkbenchError:
        if reuse:  # the version before was to be changed itself: there is no new one to keep ready
            discard_load(connection, load, set(reuse.values()))
        raise
