"""Find in S3 what step 04 loads: the curated table, or what is new of it, and each answer of step 03.

Each is a result object of Athena, and comes with the figures that Athena computes of the same data (verification).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from helpers.config import StepConfig
from helpers.errors import StepError
from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_types import VersionColumn, check_result_type, make_columns, select_expression
from helpers.load_postgres_verify import figure_query
from helpers.objects import S3Object, list_objects, read_json, split_uri
from helpers.run_history import QUARANTINE
from helpers.saved_queries import name_answer
from helpers.session import Session

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient


@dataclass(frozen=True)
class Change:
    """Which partitions of a table are loaded over the version before: new or changed ones, and those that vanished."""

    loaded: tuple[str, ...]
    vanished: tuple[str, ...]


@dataclass(frozen=True)
class Extract:
    """One result of Athena that becomes a relation.

    Attributes:
        relation: the name that readers of PostgreSQL see.
        place: the CSV object.
        columns: in the CSV's order, as PostgreSQL will have them.
        figures: what Athena computed of the same data, in the order of load_postgres_verify; the rows first.
        scanned: bytes that the queries read.
        rules: what the contract says of loading it.
        change: what of the table the CSV holds; None for all of it.
        partitions: value -> fingerprint of its objects, where the contract appends or upserts.
        records: a hash of the CSV's records in whatever order they came; empty where the ETag tells enough.
    """

    relation: str
    place: S3Object
    columns: tuple[VersionColumn, ...]
    figures: tuple[str | None, ...]
    scanned: int = 0
    rules: LoadRules = field(default_factory=LoadRules)
    change: Change | None = None
    partitions: Mapping[str, str] = field(default_factory=dict)
    records: str = ""

    @property
    def rows(self) -> int:
        """How many rows Athena counted."""
        return int(self.figures[0] or 0)

    def content(self) -> list[Any]:
        """Return what tells this content from another: the objects' fingerprints and how they are loaded."""
        rules = self.rules
        how = [rules.mode, sorted(rules.required), rules.key, rules.indexes, rules.comment, rules.full]
        columns = [[column.name, column.kind, column.comment] for column in self.columns]
        data = dict(self.partitions) or [self.records or self.place.etag, self.place.bytes]
        return [self.relation, columns, how, data]


def read_columns(session: Session, cfg: StepConfig, rules: LoadRules) -> tuple[VersionColumn, ...]:
    """Return the curated table's columns: types from the catalog, the rest from the contract.

    Raises:
        StepError: the catalog has no such table.
    """
    import awswrangler as wr

    table = wr.catalog.get_table_types(
        database=session.outputs.database, table=cfg.dataset, boto3_session=session.boto3_session
    )
    if not table:
        raise StepError(f"the catalog has no table {cfg.dataset}: run 03_catalog_query for {cfg.dataset} first")
    return make_columns(dict(table), rules.comments, rules.required)


def extract_table(
    session: Session,
    cfg: StepConfig,
    rules: LoadRules,
    columns: tuple[VersionColumn, ...],
    change: Change | None = None,
) -> Extract:
    """Select the curated table, or the changed partitions, every column so that its CSV holds it whole."""
    where = ""
    if change is not None:
        values = ", ".join("'" + value.replace("'", "''") + "'" for value in change.loaded) or "''"
        where = f' WHERE CAST("{rules.partition}" AS varchar) IN ({values})'
    chosen = ", ".join(select_expression(column.name, column.kind) for column in columns)
    source = f'"{cfg.dataset}"{where}'
    figuring = _start_query(session, figure_query(columns, source, rules.full))
    selecting = _start_query(session, f"SELECT {chosen} FROM {source}")
    place, scanned = _wait_for(session, selecting)
    figures, also = _read_figures(session, figuring)
    return Extract(cfg.dataset, place, columns, figures, scanned + also, rules, change)


def find_answers(session: Session, cfg: StepConfig) -> list[Extract]:
    """Return what step 03 wrote that it asked, each answer as Athena's own result object."""
    key = f"_answers/{cfg.dataset}.json"
    document = read_json(session.client("s3"), session.outputs.results_bucket, key)
    if document is None:
        raise StepError(
            f"s3://{session.outputs.results_bucket}/{key} is missing: run 03_catalog_query for {cfg.dataset} first"
        )
    asked = [
        (answer["query"], *_describe_answer(session, answer["execution_id"], LoadRules()))
        for answer in document["answers"]
    ]
    figuring = [_start_query(session, figure_query(columns, source)) for _, columns, source, _, _ in asked]
    found = []
    for (query, columns, _, place, scanned), execution_id in zip(asked, figuring, strict=True):
        figures, also = _read_figures(session, execution_id)
        relation, records = name_relation(cfg.dataset, query), hash_records(session, place)
        found.append(Extract(relation, place, columns, figures, scanned + also, records=records))
    return found


def hash_records(session: Session, place: S3Object) -> str:
    """Return a hash of a small CSV's records that does not depend on their order; nothing for a large one.

    A query without ORDER BY may answer the same rows in another order: that is no other content.
    """
    if place.bytes > _SMALL_BYTES:
        return ""
    body = session.client("s3").get_object(Bucket=place.bucket, Key=place.key, IfMatch=place.etag)["Body"].read()
    records, open_record = [], b""
    for line in body.split(b"\n"):
        open_record += line + b"\n"
        if open_record.count(b'"') % 2 == 0:  # a newline within quotes ends no record
            records.append(open_record)
            open_record = b""
    return hashlib.sha256(b"".join(sorted(records))).hexdigest()


_SMALL_BYTES = 1 << 20
_QUARANTINE = """SELECT run_token AS run_id, "file", reason, count(*) AS "rows"
FROM {table} CROSS JOIN UNNEST(reasons) AS why(reason)
GROUP BY run_token, "file", reason ORDER BY run_token, "file", reason"""
_NO_QUARANTINE = """SELECT CAST(NULL AS varchar) AS run_id, CAST(NULL AS varchar) AS "file",
CAST(NULL AS varchar) AS reason, CAST(NULL AS bigint) AS "rows" WHERE false"""
_QUARANTINE_RULES = LoadRules(
    comment="What was kept out of the curated table, by run, raw file and reason; a row of two reasons counts in both.",
    comments={name: text for name, (_, text) in QUARANTINE.items()},
)


def count_quarantine(session: Session, cfg: StepConfig) -> Extract:
    """Count what was kept out of the curated table by run, file and reason; nothing where nothing ever was."""
    import awswrangler as wr

    name = f"{cfg.dataset}_quarantine"
    there = wr.catalog.does_table_exist(
        database=session.outputs.database, table=name, boto3_session=session.boto3_session
    )
    query = _QUARANTINE.format(table=f'"{name}"') if there else _NO_QUARANTINE
    return extract_query(session, name_relation(cfg.dataset, "quarantine"), query, _QUARANTINE_RULES)


def extract_query(session: Session, relation: str, query: str, rules: LoadRules) -> Extract:
    """Ask Athena a query whose answer becomes a relation, and the figures of that answer."""
    columns, source, place, scanned = _describe_answer(session, _start_query(session, query), rules)
    figures, also = _read_figures(session, _start_query(session, figure_query(columns, source, rules.full)))
    return Extract(relation, place, columns, figures, scanned + also, rules)


def _describe_answer(
    session: Session, execution_id: str, rules: LoadRules
) -> tuple[tuple[VersionColumn, ...], str, S3Object, int]:
    """Return an answer's columns, its query as something to select from, its object, and the bytes that it read."""
    athena: AthenaClient = session.client("athena")
    place, scanned = _wait_for(session, execution_id)
    result = athena.get_query_results(QueryExecutionId=execution_id, MaxResults=1)
    columns = {}
    for column in result["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]:
        check_result_type(column["Name"], column["Type"])
        digits = f"({column['Precision']},{column['Scale']})" if column["Type"] == "decimal" else ""
        columns[column["Name"]] = column["Type"] + digits
    query = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]["Query"]
    # a column without a name has one only from outside
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    return (
        make_columns(columns, rules.comments, rules.required),
        f"(\n{query.strip().rstrip(';')}\n) AS answer({names})",
        place,
        scanned,
    )


def fingerprint_partitions(session: Session, cfg: StepConfig) -> dict[str, str]:
    """Return each partition of the curated table with a hash of its objects' keys and ETags."""
    import awswrangler as wr

    found = wr.catalog.get_partitions(
        database=session.outputs.database, table=cfg.dataset, boto3_session=session.boto3_session
    )
    places = {location.rstrip("/") + "/": values[0] for location, values in found.items()}
    facts: dict[str, list[list[str]]] = {value: [] for value in places.values()}
    if places:  # one listing: the partitions of a table lie beside each other
        # what they have in common is a string and no path: S3 knows no folders
        bucket, prefix = split_uri(os.path.commonprefix(list(places)))  # noqa: RUF071
        for entry in list_objects(session.client("s3"), bucket, prefix):
            if value := places.get(entry.uri.rpartition("/")[0] + "/"):
                facts[value].append([entry.key, entry.etag])
    return {value: hashlib.sha256(json.dumps(sorted(keys)).encode()).hexdigest()[:16] for value, keys in facts.items()}


def find_change(before: Mapping[str, str], now: Mapping[str, str]) -> Change:
    """Compare two sets of fingerprints."""
    loaded = tuple(sorted(value for value, mark in now.items() if before.get(value) != mark))
    return Change(loaded, tuple(sorted(set(before) - set(now))))


def _start_query(session: Session, statement: str) -> str:
    import awswrangler as wr

    return str(
        wr.athena.start_query_execution(
            statement,
            database=session.outputs.database,
            workgroup=session.outputs.workgroup,
            boto3_session=session.boto3_session,
        )
    )


def _read_figures(session: Session, execution_id: str) -> tuple[tuple[str | None, ...], int]:
    """Wait for a query of figures; return its one row and the bytes that it scanned."""
    _, scanned = _wait_for(session, execution_id)
    athena: AthenaClient = session.client("athena")
    row = athena.get_query_results(QueryExecutionId=execution_id)["ResultSet"]["Rows"][1]["Data"]
    return tuple(value.get("VarCharValue") for value in row), scanned


def _wait_for(session: Session, execution_id: str) -> tuple[S3Object, int]:
    """Wait for a query and return its result object and the bytes that it scanned."""
    import awswrangler as wr

    done = wr.athena.wait_query(
        execution_id,
        boto3_session=session.boto3_session,
        athena_query_wait_polling_delay=session.poll_seconds,
    )
    bucket, key = split_uri(done["ResultConfiguration"]["OutputLocation"])
    head = session.client("s3").head_object(Bucket=bucket, Key=key)
    modified = head["LastModified"].timestamp()
    place = S3Object(bucket, key, head["ETag"].strip('"'), head["ContentLength"], modified)
    return place, int(done.get("Statistics", {}).get("DataScannedInBytes", 0))


def name_relation(dataset: str, query: str) -> str:
    """Return the name of a saved query's relation: the number that orders the query's file is left out."""
    return f"{dataset}__{name_answer(query)}"
