"""Step 04: load the curated table and each answer into PostgreSQL, verified, and published all at once.

Athena's CSV streams from S3 straight into COPY: no cell is parsed here, so NULL and '', leading zeros and large
numbers arrive as they are. Results are found by execution id, never by a guessed key. The protocol: docs/load.md.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg2
from psycopg2 import sql

from helpers.config import StepConfig
from helpers.contract import load_contract
from helpers.errors import UsageError, WorkbenchError, nearest
from helpers.load_postgres_contract import read_rules
from helpers.load_postgres_copy import s3_source
from helpers.load_postgres_crash import crash_point
from helpers.load_postgres_extract import (
    Extract,
    extract_table,
    find_answers,
    find_change,
    fingerprint_partitions,
    name_relation,
    read_columns,
)
from helpers.load_postgres_fill import Filling, fill_tables
from helpers.load_postgres_ledger import (
    PUBLIC,
    VERSIONS,
    Load,
    find_published,
    list_loads,
    mark_ready,
    open_load,
)
from helpers.load_postgres_publish import Terms, publish_load
from helpers.load_postgres_result import LoadResult
from helpers.load_postgres_sweep import discard_load, drop_old_versions, is_shown, is_whole, load_connection
from helpers.load_postgres_types import VersionColumn, same_type
from helpers.load_postgres_views import find_oid, read_shape
from helpers.plots import MOST_POINTS, plot_query
from helpers.progress import ProgressLine
from helpers.record import step_entry
from helpers.session import Session, open_session

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@step_entry
def load_tables(cfg: StepConfig) -> LoadResult:
    """Load the curated table and every answer of step 03 into PostgreSQL and publish them in one transaction.

    Loading the same content again changes nothing.

    Raises:
        StepError: step 03 has not run.
        LoadError: PostgreSQL refused a value, a figure differs, or readers would lose columns; nothing was published.
        ServiceError: the server cannot be reached, or a reader keeps a relation locked.
    """
    started = time.monotonic()
    session = open_session(cfg.profile)
    with load_connection(session, cfg.dataset) as connection:
        loads = list_loads(connection, cfg.dataset)
        published = find_published(loads)
        before = published[0] if published and is_whole(connection, published[0]) else None
        extracts = _extract_all(session, cfg, connection, before)
        content = describe_content([extract.content() for extract in extracts])
        terms = Terms(session.reader)
        if before and before.content == content and is_shown(connection, before):
            load, changed = before, False
        elif loads and loads[0].state == "ready" and loads[0].content == content and is_whole(connection, loads[0]):
            load, changed = publish_load(connection, loads[0], terms), True
        else:
            load, changed = _load(session, cfg, connection, extracts, before), True
        drop_old_versions(connection, cfg.dataset)
    checks = tuple(tuple(check) for check in load.checks)
    return LoadResult(cfg.dataset, extracts, load.rows, checks, changed, time.monotonic() - started)


def _extract_all(session: Session, cfg: StepConfig, connection: Any, before: Load | None) -> tuple[Extract, ...]:
    """Return the curated table, or what is new of it where the contract says so, and the answers."""
    rules = read_rules(cfg.dataset)
    columns = read_columns(session, cfg, rules)
    if rules.mode == "replace":
        return (extract_table(session, cfg, rules, columns), *find_answers(session, cfg))
    partitions = fingerprint_partitions(session, cfg)
    change = None
    if before and before.partitions and _same_columns(connection, before, cfg.dataset, columns):
        change = find_change(before.partitions, partitions)
        if rules.mode == "upsert":
            change = type(change)(change.loaded, ())
    table = extract_table(session, cfg, rules, columns, change)
    whole = Extract(table.relation, table.place, table.columns, table.figures, table.scanned, rules, change, partitions)
    return (whole, *find_answers(session, cfg))


def _same_columns(connection: Any, before: Load, relation: str, columns: Sequence[VersionColumn]) -> bool:
    with connection, connection.cursor() as cursor:
        oid = find_oid(cursor, VERSIONS, before.tables.get(relation, ""))
        if oid is None:
            return False
        there = read_shape(cursor, oid).columns
    return {name: same_type(kind) for name, kind in there.items()} == {c.name: same_type(c.type) for c in columns}


def describe_content(facts: Sequence[Any]) -> str:
    """Return a hash of what will be in PostgreSQL."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _load(
    session: Session, cfg: StepConfig, connection: Any, extracts: tuple[Extract, ...], before: Load | None
) -> Load:
    """Fill new tables, verify them and publish them; leave nothing behind where that fails before they are ready."""
    facts = {
        "dataset": cfg.dataset,
        "run_id": cfg.run_id,
        "content": describe_content([extract.content() for extract in extracts]),
        "partitions": dict(extracts[0].partitions),
    }
    merged = [extract for extract in extracts if extract.change is not None]
    reuse = {e.relation: before.tables[e.relation] for e in merged if e.rules.in_place and before}
    load = open_load(connection, facts, [extract.relation for extract in extracts], len(merged), reuse)
    crash_point("opened")
    try:
        with ProgressLine("loading", sum(extract.place.bytes for extract in extracts)) as progress:
            s3 = session.client("s3")
            filling = Filling(connection, session.connect_postgres, lambda place: s3_source(s3, place), progress)
            filled = fill_tables(filling, load, extracts, before)
        load = mark_ready(connection, load, filled.rows, [check.as_row() for check in filled.checks])
    except BaseException:
        with suppress(psycopg2.Error):  # a server that is gone; the next load clears away what is left there
            discard_load(connection, load, set(reuse.values()))
        raise
    crash_point("ready")
    try:
        return publish_load(connection, load, Terms(session.reader, changes=tuple(filled.changes)))
    except WorkbenchError:
        if reuse:  # the version before was to be changed itself: there is no new one to keep ready
            discard_load(connection, load, set(reuse.values()))
        raise


@step_entry
def preview_relation(cfg: StepConfig, relation: str = "", rows: int = 6) -> pd.DataFrame:
    """Read the first rows of a published relation as the reader's role sees them, in the order of their columns.

    Args:
        relation: default: the curated table of the dataset.
    """
    session = open_session(cfg.profile)
    name = sql.Identifier(PUBLIC, relation or cfg.dataset)
    with closing(session.connect_postgres(role="reader")) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(name))
        columns = [column.name for column in cursor.description]
        # By every column, so that the same content is always shown alike.
        places = sql.SQL(", ").join(sql.Literal(at + 1) for at in range(len(columns)))
        query = sql.SQL("SELECT * FROM {} ORDER BY {} LIMIT {}").format(name, places, sql.Literal(rows))
        cursor.execute(query)
        return pd.DataFrame(cursor.fetchall(), columns=columns)


@step_entry
def plot_relation(cfg: StepConfig, relation: str) -> "Axes":
    """Draw a saved query's answer as a dashboard would: read from PostgreSQL, charted as the query's header asks.

    Raises:
        UsageError: the relation holds no saved query's answer; the nearest names are given.
    """
    queries = {name_relation(cfg.dataset, query.name): query for query in load_contract(cfg.dataset).queries}
    if relation not in queries:
        raise UsageError(f'no saved query is loaded as "{relation}"; {nearest(relation, queries)}')
    return plot_query(queries[relation], preview_relation(cfg, relation, rows=MOST_POINTS))
