"""Athena's API of query executions."""

import re
from typing import Any, ClassVar

from local_aws.athena import statements as s
from local_aws.athena.dialect.query_grammar import parse
from local_aws.athena.errors import ParseError, QueryError
from local_aws.athena.executions import ExecutionBook, Request
from local_aws.athena.grammar import read_statement
from local_aws.athena.information_schema import CATALOG_NAME
from local_aws.athena.lake import Lake
from local_aws.athena.paging import take_page
from local_aws.athena.prepared import with_values
from local_aws.athena.results import ResultColumn, read_page
from local_aws.athena.workgroups import PRIMARY, Workgroups, invalid
from local_aws.errors import ServiceError
from local_aws.server.operations import Operation

NO_OUTPUT = (
    "No output location provided. An output location is required either through the Workgroup result configuration "
    "setting or as an API input."
)
RESULT_MEMBERS = frozenset(("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"))
NO_REUSE = {"ResultReuseByAgeConfiguration": {"Enabled": False}}
Json = dict[str, Any]


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class QueryOperations:
    """Answer for query executions and their results."""

    QUERY_OPERATIONS: ClassVar[dict[str, Operation]] = {
        "StartQueryExecution": _real(
            "start_query_execution",
            "QueryString ClientRequestToken QueryExecutionContext ResultConfiguration WorkGroup ExecutionParameters "
            "ResultReuseConfiguration",
            "results are never reused; encryption is recorded",
        ),
        "GetQueryExecution": _real("get_query_execution", "QueryExecutionId"),
        "BatchGetQueryExecution": _real("batch_get_query_execution", "QueryExecutionIds"),
        "GetQueryRuntimeStatistics": _real("get_query_runtime_statistics", "QueryExecutionId", "without stages"),
        "GetQueryResults": _real("get_query_results", "QueryExecutionId NextToken MaxResults QueryResultType"),
        "ListQueryExecutions": _real("list_query_executions", "NextToken MaxResults WorkGroup"),
        "StopQueryExecution": _real("stop_query_execution", "QueryExecutionId"),
    }

    book: ExecutionBook
    lake: Lake
    workgroups: Workgroups

    def start_query_execution(self, request: Json) -> Json:
        query = request["QueryString"]
        group = self.workgroups.get(request.get("WorkGroup", PRIMARY))
        if group["State"] != "ENABLED":
            raise invalid(f"WorkGroup {group['Name']} is disabled")
        context = request.get("QueryExecutionContext", {})
        if context.get("Catalog", CATALOG_NAME).lower() != CATALOG_NAME:
            raise invalid(f"DataCatalog {context['Catalog']} was not found: there is only AwsDataCatalog.")
        database = re.sub(r'^[`"]|[`"]$', "", context.get("Database") or "default").lower()
        reported = _reported(query, database, request.get("ExecutionParameters", []))
        configuration, enforced = self._results(request.get("ResultConfiguration", {}), group)
        asked = Request(
            query=query,
            workgroup=group["Name"],
            database=database,
            folder=configuration["OutputLocation"].rstrip("/") + "/",
            statement_type=reported[0],
            substatement_type=reported[1],
            enforced=enforced,
            context=context,
            parameters=tuple(request.get("ExecutionParameters", ())),
            cutoff_bytes=group["Configuration"].get("BytesScannedCutoffPerQuery"),
            configuration=configuration,
            reuse=request.get("ResultReuseConfiguration", NO_REUSE),
        )
        return {"QueryExecutionId": self.book.submit(asked, request.get("ClientRequestToken"))}

    def _results(self, asked: Json, group: Json) -> tuple[Json, bool]:
        """Return the result configuration in force, and whether the workgroup enforces it."""
        unknown = asked.keys() - RESULT_MEMBERS
        if unknown:
            raise invalid(f"{', '.join(sorted(unknown))} is not supported by the local Athena: leave it out.")
        own = group["Configuration"].get("ResultConfiguration", {})
        enforced = bool(group["Configuration"].get("EnforceWorkGroupConfiguration"))
        chosen = own if enforced else {**own, **asked}
        if not chosen.get("OutputLocation"):
            raise invalid(NO_OUTPUT)
        try:
            self.lake.path(chosen["OutputLocation"])
        except QueryError as error:
            raise invalid(f"outputLocation is not a valid S3 path: {error.message}") from error
        return dict(chosen), enforced

    def get_query_execution(self, request: Json) -> Json:
        return {"QueryExecution": self.book.get(request["QueryExecutionId"])["description"]}

    def batch_get_query_execution(self, request: Json) -> Json:
        found, missing = [], []
        for key in request["QueryExecutionIds"]:
            try:
                found.append(self.book.get(key)["description"])
            except ServiceError as error:
                reason = {"ErrorCode": "INVALID_INPUT", "ErrorMessage": str(error)}
                missing.append({"QueryExecutionId": key, **reason})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def get_query_runtime_statistics(self, request: Json) -> Json:
        record = self.book.get(request["QueryExecutionId"])
        statistics = record["description"]["Statistics"]
        timeline = {
            "QueryQueueTimeInMillis": statistics["QueryQueueTimeInMillis"],
            "QueryPlanningTimeInMillis": statistics["QueryPlanningTimeInMillis"],
            "EngineExecutionTimeInMillis": statistics["EngineExecutionTimeInMillis"],
            "ServiceProcessingTimeInMillis": statistics["ServiceProcessingTimeInMillis"],
            "TotalExecutionTimeInMillis": statistics["TotalExecutionTimeInMillis"],
        }
        result = record["result"] or {}
        written = result.get("update_count")
        rows = {"InputBytes": statistics["DataScannedInBytes"]}
        count = result.get("rows") if written is None else written
        rows |= {} if count is None else {"OutputRows": count}
        return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": rows}}

    def get_query_results(self, request: Json) -> Json:
        record = self.book.get(request["QueryExecutionId"])
        described, result = record["description"], record["result"]
        state = described["Status"]["State"]
        if state in ("QUEUED", "RUNNING"):
            raise invalid(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {state}")
        if request.get("QueryResultType", "DATA_ROWS") != "DATA_ROWS":
            raise invalid("QueryResultType DATA_MANIFEST is not supported by the local Athena: read the manifest.")
        columns = [ResultColumn(**column) for column in result["columns"]]
        answer: Json = {"ResultSet": {"ResultSetMetadata": {"ColumnInfo": [column.info() for column in columns]}}}
        if result["update_count"] is not None:
            answer["ResultSet"]["Rows"] = []
            return {**answer, "UpdateCount": result["update_count"]}
        output = described["ResultConfiguration"]["OutputLocation"]
        limit = min(int(request.get("MaxResults", 1000)), 1000)
        rows, token = read_page(self.lake, output, request.get("NextToken"), limit)
        answer["ResultSet"]["Rows"] = [{"Data": [_datum(value) for value in row]} for row in rows]
        return answer | ({"NextToken": token} if token else {})

    def list_query_executions(self, request: Json) -> Json:
        group = self.workgroups.get(request.get("WorkGroup", PRIMARY))
        page, more = take_page(self.book.list(group["Name"]), str, request)
        return {"QueryExecutionIds": page, **more}

    def stop_query_execution(self, request: Json) -> Json:
        self.book.stop(request["QueryExecutionId"])
        return {}


def _datum(value: str | None) -> Json:
    return {} if value is None else {"VarCharValue": value}


def _reported(query: str, database: str, values: list[str]) -> tuple[str, str]:
    """Return statement and substatement type; what follows no grammar never becomes an execution, as in Athena."""
    try:
        statement = read_statement(query, database)
        if isinstance(statement, s.Query):
            parse(with_values(query, values) if values else query)
        return s.REPORTED[type(statement)]
    except ParseError as error:
        raise invalid(error.message) from error
    except QueryError:
        return ("DDL", "") if re.match(r"\s*(create|drop|alter)", query, re.IGNORECASE) else ("DML", "")
