"""Find in S3 what step 04 loads: the whole curated table, and each answer of step 03, as Athena's result objects."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import awswrangler as wr

from helpers.config import StepConfig
from helpers.contract import load_contract
from helpers.errors import StepError
from helpers.load_postgres_types import check_result_type, select_expression
from helpers.objects import S3Object, read_json, split_uri
from helpers.session import Session

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient


@dataclass(frozen=True)
class Extract:
    """One result of Athena that becomes a relation.

    Attributes:
        relation: the name that readers of PostgreSQL see.
        object: the CSV object.
        columns: name -> Athena type, in the CSV's order.
        rows: how many Athena counted.
        comments: column -> what the contract says of it.
        scanned: bytes that the query read.
    """

    relation: str
    object: S3Object
    columns: dict[str, str]
    rows: int
    comments: dict[str, str]
    scanned: int


def extract_table(session: Session, cfg: StepConfig) -> Extract:
    """Select the whole curated table through Athena, every column so that its CSV holds it whole."""
    table = wr.catalog.get_table_types(
        database=session.outputs.database, table=cfg.dataset, boto3_session=session.boto3_session
    )
    if not table:
        raise StepError(f"the catalog has no table {cfg.dataset}: run 03_catalog_query for {cfg.dataset} first")
    chosen = ", ".join(select_expression(name, kind) for name, kind in table.items())
    counting = _start_query(session, f'SELECT count(*) FROM "{cfg.dataset}"')
    selecting = _start_query(session, f'SELECT {chosen} FROM "{cfg.dataset}"')
    place, scanned = _wait_for(session, selecting)
    _wait_for(session, counting)
    athena: AthenaClient = session.client("athena")
    answer = athena.get_query_results(QueryExecutionId=counting)["ResultSet"]["Rows"]
    comments = {column.name: column.description for column in load_contract(cfg.dataset).columns}
    return Extract(cfg.dataset, place, dict(table), int(answer[1]["Data"][0]["VarCharValue"]), comments, scanned)


def find_answers(session: Session, cfg: StepConfig) -> list[Extract]:
    """Return what step 03 wrote that it asked, each answer as Athena's own result object."""
    key = f"_answers/{cfg.dataset}.json"
    document = read_json(session.client("s3"), session.outputs.results_bucket, key)
    if document is None:
        raise StepError(
            f"s3://{session.outputs.results_bucket}/{key} is missing: run 03_catalog_query for {cfg.dataset} first"
        )
    athena: AthenaClient = session.client("athena")
    found = []
    for answer in document["answers"]:
        place, scanned = _wait_for(session, answer["execution_id"])
        result = athena.get_query_results(QueryExecutionId=answer["execution_id"], MaxResults=1)
        columns = {}
        for column in result["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]:
            check_result_type(column["Name"], column["Type"])
            digits = f"({column['Precision']},{column['Scale']})" if column["Type"] == "decimal" else ""
            columns[column["Name"]] = column["Type"] + digits
        found.append(
            Extract(name_relation(cfg.dataset, answer["query"]), place, columns, int(answer["rows"]), {}, scanned)
        )
    return found


def _start_query(session: Session, statement: str) -> str:
    return str(
        wr.athena.start_query_execution(
            statement,
            database=session.outputs.database,
            workgroup=session.outputs.workgroup,
            boto3_session=session.boto3_session,
        )
    )


def _wait_for(session: Session, execution_id: str) -> tuple[S3Object, int]:
    """Wait for a query and return its result object and the bytes that it scanned."""
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
    return f"{dataset}__{query.lstrip('0123456789_')}"
