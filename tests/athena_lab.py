"""A local Athena on a folder of a test's own: real DuckDB, real files, the API's handler class called directly."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from local_aws.athena.engine import Limits
from local_aws.athena.operations import AthenaOperations
from local_aws.server.context import Context, open_context

Json = dict[str, Any]
FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
OUTPUT = "s3://results/q/"
# Long enough to be stopped, of a size that memory does not mind, and nothing that statistics alone could answer.
ENDLESS = "SELECT count(*) AS n FROM t a CROSS JOIN t b CROSS JOIN t c WHERE (a.id * b.id + c.id) % 1000003 = 5"


class AthenaLab:
    """The buckets `data` and `results`, the database `db`, and a handler on them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.context: Context = open_context(home)
        for bucket in ("data", "results"):
            (self.context.lake / bucket).mkdir(parents=True, exist_ok=True)
        self.athena = AthenaOperations(self.context, Limits(slots=2, threads=2, memory_bytes=2**30))

    def close(self) -> None:
        """Stop the handler as the server does."""
        self.athena.close()
        self.context.store.close()

    def put(self, key: str, content: bytes | pa.Table) -> Path:
        """Write an object of the bucket `data`."""
        path = self.context.lake / "data" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
        return path

    def start(self, sql: str, **request: Any) -> str:
        """Start a query in the database `db`; return its id."""
        defaults = {"QueryExecutionContext": {"Database": "db"}, "ResultConfiguration": {"OutputLocation": OUTPUT}}
        started = self.athena.start_query_execution({"QueryString": sql, **defaults, **request})
        return str(started["QueryExecutionId"])

    def wait(self, execution_id: str) -> Json:
        """Wait for a final state; return the QueryExecution."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            described: Json = self.athena.get_query_execution({"QueryExecutionId": execution_id})["QueryExecution"]
            if described["Status"]["State"] in FINAL:
                return described
            time.sleep(0.005)
        raise AssertionError(f"query {execution_id} has not ended")

    def run(self, sql: str, **request: Any) -> Json:
        """Run a query to its end; return the QueryExecution."""
        return self.wait(self.start(sql, **request))

    def succeed(self, sql: str, **request: Any) -> Json:
        """Run a query that must succeed; return the QueryExecution."""
        described = self.run(sql, **request)
        assert described["Status"]["State"] == "SUCCEEDED", described["Status"].get("StateChangeReason")
        return described

    def fail(self, sql: str, **request: Any) -> str:
        """Run a query that must fail; return the reason."""
        described = self.run(sql, **request)
        assert described["Status"]["State"] == "FAILED", described["Status"]
        return str(described["Status"]["StateChangeReason"])

    def setup(self, *statements: str) -> None:
        """Create the database `db` and run statements that must succeed."""
        self.succeed("CREATE DATABASE IF NOT EXISTS db")
        for statement in statements:
            self.succeed(statement)

    def rows(self, sql: str, **request: Any) -> list[list[str | None]]:
        """Run a query; return its rows as GetQueryResults spells them, without the header."""
        described = self.succeed(sql, **request)
        answer = self.athena.get_query_results({"QueryExecutionId": described["QueryExecutionId"]})
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"]]
        return rows[1:] if described["ResultConfiguration"]["OutputLocation"].endswith(".csv") else rows

    def result(self, described: Json, suffix: str = "") -> bytes:
        """Read the result object of an execution, or the one beside it."""
        uri = described["ResultConfiguration"]["OutputLocation"] + suffix
        return (self.context.lake / uri.removeprefix("s3://")).read_bytes()


@pytest.fixture
def empty_lab(home: Path) -> Iterator[AthenaLab]:
    """A lab whose database has no table."""
    lab = AthenaLab(home)
    lab.setup()
    yield lab
    lab.close()
