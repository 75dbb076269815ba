"""Step 04: load the curated table and each answer into PostgreSQL, verified, and published all at once.

Athena's CSV streams from S3 straight into COPY: no cell is parsed here, so NULL and '', leading zeros and large
numbers arrive as they are. Results are found by execution id, never by a guessed key. The protocol: docs/load.md.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pandas as pd
from psycopg2 import sql

from helpers.chart import Chart
from helpers.config import StepConfig
from helpers.contract import load_contract
from helpers.errors import UsageError, nearest
from helpers.load_postgres_contract import read_rules
from helpers.load_postgres_copy import s3_source
from helpers.load_postgres_extract import (
    Extract,
    count_quarantine,
    extract_table,
    find_answers,
    find_change,
    fingerprint_partitions,
    name_relation,
    read_columns,
)
from helpers.load_postgres_ledger import PUBLIC, VERSIONS, Load
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_result import LoadResult
from helpers.load_postgres_sweep import find_shown, load_connection
from helpers.load_postgres_types import VersionColumn, same_type
from helpers.load_postgres_views import find_oid, read_shape
from helpers.plots import MOST_POINTS, plot_query
from helpers.record import announce_inputs, step_entry
from helpers.session import Session, open_session


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
        extracts = _extract_all(session, cfg, connection, find_shown(connection, cfg.dataset))
        announce_inputs([extract.place.as_input() for extract in extracts])
        s3 = session.client("s3")
        job = LoadJob(
            cfg.dataset, cfg.run_id, session.connect_postgres, lambda place: s3_source(s3, place), session.reader
        )
        load, changed = load_extracts(connection, job, extracts)
    checks = tuple(tuple(check) for check in load.checks)
    return LoadResult(cfg.dataset, extracts, load.rows, checks, changed, time.monotonic() - started)


def _extract_all(session: Session, cfg: StepConfig, connection: Any, before: Load | None) -> tuple[Extract, ...]:
    """Return the curated table, or what is new of it where the contract says so, the answers, and the quarantine."""
    rules = read_rules(cfg.dataset)
    columns = read_columns(session, cfg, rules)
    rest = (*find_answers(session, cfg), count_quarantine(session, cfg))
    if rules.mode == "replace":
        return (extract_table(session, cfg, rules, columns), *rest)
    partitions = fingerprint_partitions(session, cfg)
    change = None
    if before and before.partitions and _same_columns(connection, before, cfg.dataset, columns):
        change = find_change(before.partitions, partitions)
        if rules.mode == "upsert":
            change = type(change)(change.loaded, ())
    table = extract_table(session, cfg, rules, columns, change)
    whole = Extract(table.relation, table.place, table.columns, table.figures, table.scanned, rules, change, partitions)
    return (whole, *rest)


def _same_columns(connection: Any, before: Load, relation: str, columns: Sequence[VersionColumn]) -> bool:
    with connection, connection.cursor() as cursor:
        oid = find_oid(cursor, VERSIONS, before.tables.get(relation, ""))
        if oid is None:
            return False
        there = read_shape(cursor, oid).columns
    return {name: same_type(kind) for name, kind in there.items()} == {c.name: same_type(c.type) for c in columns}


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
def plot_relation(cfg: StepConfig, relation: str) -> Chart:
    """Draw a saved query's answer as a dashboard would: read from PostgreSQL, charted as the query's header asks.

    Raises:
        UsageError: the relation holds no saved query's answer; the nearest names are given.
    """
    queries = {name_relation(cfg.dataset, query.name): query for query in load_contract(cfg.dataset).queries}
    if relation not in queries:
        raise UsageError(f'no saved query is loaded as "{relation}"; {nearest(relation, queries)}')
    return plot_query(queries[relation], preview_relation(cfg, relation, rows=MOST_POINTS))
