"""The local Athena as the endpoint serves it: every operation, over one engine and one book of executions."""

import threading
from typing import ClassVar

from local_aws.athena.engine import Engine, Limits
from local_aws.athena.executions import ExecutionBook
from local_aws.athena.lake import Lake
from local_aws.athena.metadata_operations import MetadataOperations
from local_aws.athena.prepared import PreparedStatements
from local_aws.athena.query_operations import QueryOperations
from local_aws.athena.runner import Runner
from local_aws.athena.statement_operations import StatementOperations
from local_aws.athena.tables import Tables
from local_aws.athena.workgroup_operations import WorkGroupOperations
from local_aws.athena.workgroups import Workgroups
from local_aws.server.context import Context
from local_aws.server.operations import Operation

WORK_FOLDER = "athena"  # below the state folder: temporary files of running queries


class AthenaOperations(QueryOperations, WorkGroupOperations, StatementOperations, MetadataOperations):
    """Answer for Athena; see docs/athena-api.md for what each operation does."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        **QueryOperations.QUERY_OPERATIONS,
        **WorkGroupOperations.WORKGROUP_OPERATIONS,
        **StatementOperations.STATEMENT_OPERATIONS,
        **MetadataOperations.METADATA_OPERATIONS,
    }

    def __init__(self, context: Context, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.store = context.store
        self.account_id = context.account_id
        self.arn_prefix = f"arn:aws:athena:{context.region}:{context.account_id}:"
        self.lake = Lake(context.lake)
        self.tables = Tables(context.catalog)
        self.workgroups = Workgroups(context.store, threading.RLock())
        self.workgroups.ensure_primary()
        self.prepared = PreparedStatements(context.store)
        self.engine = Engine(self.lake, self.tables, context.home / WORK_FOLDER, limits)
        runner = Runner(self.engine, self.prepared)
        self.book = ExecutionBook(context.store, runner.run, limits.slots, self.engine.refill)

    def close(self) -> None:
        """Stop the queries that run and remove their temporary files."""
        self.book.close()
        self.engine.close()
