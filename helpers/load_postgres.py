"""Step 04: load the curated table and each answer into PostgreSQL, counted, and published all at once.

Athena's CSV streams from S3 straight into COPY: no cell is parsed here, so NULL and '', leading zeros and large
numbers arrive as they are. Results are found by execution id, never by a guessed key.
"""

import hashlib
import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from psycopg2 import sql
from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy import table as lightweight

from helpers.config import StepConfig
from helpers.contract import load_contract
from helpers.errors import LoadError, UsageError, nearest
from helpers.load_postgres_extract import Extract, extract_table, find_answers, name_relation
from helpers.load_postgres_publish import (
    PUBLIC,
    VERSIONS,
    Load,
    drop_old_versions,
    find_published,
    lock_dataset,
    open_load,
    prepare_schemas,
    publish_load,
)
from helpers.load_postgres_types import make_table
from helpers.plots import MOST_POINTS, plot_query
from helpers.progress import ProgressLine
from helpers.record import step_entry
from helpers.session import Session, open_session

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLOCK = 1 << 20
_TABLE_ROWS = 10


@dataclass(frozen=True)
class LoadResult:
    """What readers of PostgreSQL see now; `changed` is False where the same content was there already."""

    dataset: str
    extracts: tuple[Extract, ...]
    loaded: dict[str, int]
    changed: bool
    seconds: float

    @property
    def table(self) -> pd.DataFrame:
        """One line a relation: rows that Athena counted and rows that PostgreSQL has."""
        rows = [[f"{PUBLIC}.{e.relation}", len(e.columns), e.rows, self.loaded[e.relation]] for e in self.extracts]
        return pd.DataFrame(rows, columns=["relation", "columns", "rows in Athena", "rows in PostgreSQL"])[:_TABLE_ROWS]

    @property
    def first_answer(self) -> str:
        """The relation that holds the first saved query's answer."""
        return self.extracts[1].relation

    @property
    def totals(self) -> pd.DataFrame:
        """What readers find in the schema, in numbers."""
        rows = [
            ["relations", len(self.extracts)],
            ["their columns", sum(len(extract.columns) for extract in self.extracts)],
            ["their rows", sum(self.loaded.values())],
        ]
        return pd.DataFrame(rows, columns=[f"schema {PUBLIC}", "number"])

    @property
    def remark(self) -> str:
        """What to notice, in one sentence."""
        return (
            f"{len(self.extracts)} relations hold {sum(self.loaded.values()):,} rows, "
            f"as many as Athena counted; they came from {self.bytes:,} bytes of CSV."
        )

    @property
    def verified(self) -> bool:
        """Whether every relation has as many rows as Athena counted."""
        return all(self.loaded[extract.relation] == extract.rows for extract in self.extracts)

    @property
    def bytes(self) -> int:
        """How many bytes of CSV the relations come from."""
        return sum(extract.object.bytes for extract in self.extracts)

    def figures(self) -> dict[str, Any]:
        """Return what the run's record keeps."""
        return {
            "rows_in": sum(extract.rows for extract in self.extracts),
            "rows_out": sum(self.loaded.values()),
            "rows_quarantined": 0,
            "inputs": [extract.object.as_input() for extract in self.extracts],
            "outputs": [f"postgresql:{PUBLIC}/{extract.relation}" for extract in self.extracts],
            "cost": {"athena_bytes_scanned": sum(extract.scanned for extract in self.extracts)},
            "changed": self.changed,
        }


@step_entry
def load_tables(cfg: StepConfig) -> LoadResult:
    """Load the curated table and every answer of step 03 into PostgreSQL and publish them in one transaction.

    Loading the same content again changes nothing.

    Raises:
        StepError: step 03 has not run.
        LoadError: PostgreSQL refused a value, or the counts differ; nothing was published.
        ServiceError: the server cannot be reached, or a reader keeps a relation locked.
    """
    started = time.monotonic()
    session = open_session(cfg.profile)
    extracts = (extract_table(session, cfg), *find_answers(session, cfg))
    content = _describe_content(extracts)
    with session.engine().connect() as keeper, session.engine().connect() as connection:
        prepare_schemas(connection)
        lock_dataset(keeper, cfg.dataset)
        published = find_published(connection, cfg.dataset)
        changed = published is None or published.content != content or not _is_whole(connection, published)
        connection.rollback()
        if changed:
            facts = {"dataset": cfg.dataset, "run_id": cfg.run_id, "content": content}
            load = open_load(connection, facts, [extract.relation for extract in extracts])
            tables = {extract.relation: _describe_table(extract, load) for extract in extracts}
            with ProgressLine("loading", sum(extract.object.bytes for extract in extracts)) as progress:
                loaded = {
                    e.relation: copy_extract(session, connection, e, tables[e.relation], progress) for e in extracts
                }
            _compare(extracts, loaded)
            publish_load(connection, load, tables, loaded, session.reader)
        elif published:
            loaded = published.rows
        drop_old_versions(connection, cfg.dataset)
    return LoadResult(cfg.dataset, extracts, loaded, changed, time.monotonic() - started)


def _describe_content(extracts: tuple[Extract, ...]) -> str:
    """Return a hash of what will be in PostgreSQL: relations, columns, comments and the CSVs' ETags."""
    facts = [[e.relation, list(e.columns.items()), e.comments, e.object.etag, e.object.bytes] for e in extracts]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_whole(connection: Connection, load: Load) -> bool:
    """Tell whether every view of a load is there and its table has the rows that were loaded."""
    names = connection.dialect.identifier_preparer
    for relation, rows in load.rows.items():
        there = connection.scalar(select(func.to_regclass(f"{PUBLIC}.{names.quote(relation)}")))
        if there is None:
            return False
        if connection.scalar(select(func.count()).select_from(lightweight(relation, schema=PUBLIC))) != rows:
            return False
    return True


def _describe_table(extract: Extract, load: Load) -> Table:
    return make_table(VERSIONS, load.tables[extract.relation], extract.columns, extract.comments)


def copy_extract(
    session: Session, connection: Connection, extract: Extract, table: Table, progress: ProgressLine
) -> int:
    """Create one version table and fill it from Athena's CSV; return the rows that COPY reports.

    HEADER MATCH makes PostgreSQL compare the CSV's header with the columns, names and order.
    """
    table.create(connection)
    connection.commit()  # a table of a transaction that dies with the server would leave its file behind
    place = extract.object
    body = session.client("s3").get_object(Bucket=place.bucket, Key=place.key, IfMatch=place.etag)["Body"]
    statement = sql.SQL("COPY {}.{} ({}) FROM STDIN (FORMAT csv, HEADER match, ENCODING 'UTF8')").format(
        sql.Identifier(VERSIONS),
        sql.Identifier(table.name),
        sql.SQL(", ").join(sql.Identifier(name) for name in extract.columns),
    )
    with connection.begin():
        driver = connection.connection.driver_connection
        assert driver is not None  # the connection is open
        with driver.cursor() as cursor:
            cursor.copy_expert(statement.as_string(driver), _Followed(body, progress), size=_BLOCK)
            rows = int(cursor.rowcount)
        connection.execute(text(f"ANALYZE {connection.dialect.identifier_preparer.format_table(table)}"))
    return rows


class _Followed:
    """A body that tells the progress how much of it was read."""

    def __init__(self, body: Any, progress: ProgressLine) -> None:
        self.body = body
        self.progress = progress

    def read(self, size: int = -1) -> bytes:
        block: bytes = self.body.read(size)
        self.progress.advance(len(block))
        return block


def _compare(extracts: tuple[Extract, ...], loaded: dict[str, int]) -> None:
    for extract in extracts:
        if loaded[extract.relation] != extract.rows:
            raise LoadError(
                f"{extract.relation}: Athena counted {extract.rows} rows, PostgreSQL took {loaded[extract.relation]}; "
                "nothing was published: run 03_catalog_query again"
            )


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
