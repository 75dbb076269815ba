"""Run one execution: read the statement, hand it to what carries it out, return what it left behind."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from local_aws.athena import ddl, show, writes
from local_aws.athena import statements as s
from local_aws.athena.engine import Engine
from local_aws.athena.errors import ParseError, QueryError
from local_aws.athena.executions import Execution, Outcome
from local_aws.athena.grammar import read_statement
from local_aws.athena.prepared import PreparedStatements, check_literals, with_values
from local_aws.athena.results import ResultColumn, write_csv, write_metadata
from local_aws.athena.task import Task

STEPS: dict[type, Callable[[Task, Any], None]] = {
    s.CreateDatabase: ddl.create_database,
    s.DropDatabase: ddl.drop_database,
    s.CreateTable: ddl.create_table,
    s.CreateView: ddl.create_view,
    s.DropTable: ddl.drop_table,
    s.AddPartitions: ddl.add_partitions,
    s.DropPartitions: ddl.drop_partitions,
    s.ChangeColumns: ddl.change_columns,
    s.SetProperties: ddl.set_properties,
    s.SetLocation: ddl.set_location,
    s.Repair: ddl.repair,
    s.Show: show.show,
    s.Describe: show.describe,
    s.CreateTableAs: writes.create_table_as,
    s.Insert: writes.insert,
    s.Unload: writes.unload,
}


class Runner:
    """Carries out executions on an engine."""

    def __init__(self, engine: Engine, prepared: PreparedStatements) -> None:
        self.engine = engine
        self.prepared = prepared

    def run(self, execution: Execution) -> Outcome:
        """Run an execution to its end.

        Raises QueryError where the statement fails, QueryStopped where it was stopped, CutoffExceeded where it read
        more than its workgroup allows.
        """
        request = execution.request
        with self.engine.session(execution.id, request.database) as session:
            execution.attach(session)
            task = Task(
                session=session,
                execution_id=execution.id,
                workgroup=request.workgroup,
                output_folder=request.folder,
                enforced=request.enforced,
                cutoff_bytes=request.cutoff_bytes,
            )
            try:
                self._step(task, request.query, list(request.parameters))
            except QueryError as error:
                raise self._with_uris(error) from error
            assert task.outcome is not None
            return task.outcome

    def _with_uris(self, error: QueryError) -> QueryError:
        """Name objects by their s3:// URIs, where a reader of files named paths."""
        root = f"{self.engine.lake.root}/"
        if root not in error.message:
            return error
        return QueryError(error.kind, error.message.replace(root, "s3://"), error.category, error.type)

    def _step(self, task: Task, sql: str, values: list[str]) -> None:
        statement = read_statement(sql, task.session.database)
        if isinstance(statement, s.Execute):
            given = check_literals(statement.values) or values
            sql = with_values(self.prepared.statement(task.workgroup, statement.name), given)
            statement = read_statement(sql, task.session.database)
        elif values:
            statement = read_statement(with_values(sql, values), task.session.database)
        step = STEPS.get(type(statement))
        if step is not None:
            step(task, statement)
        elif isinstance(statement, s.Query):
            self._query(task, statement.query)
        elif isinstance(statement, s.Explain):
            self._explain(task, statement.query)
        elif isinstance(statement, s.Prepare):
            self.prepared.put(task.workgroup, statement.name, statement.statement)
            task.finish_text(())
        elif isinstance(statement, s.Deallocate):
            self.prepared.delete(task.workgroup, statement.name)
            task.finish_text(())
        else:
            raise ParseError("line 1:1: a prepared statement cannot execute another")

    def _query(self, task: Task, sql: str) -> None:
        translation = task.session.translate(sql)
        described = [ResultColumn.of(name, type_) for name, type_ in translation.columns]
        output = f"{task.output_folder}{task.execution_id}.csv"
        path = task.lake.path(output)
        rows = write_csv(task.session, translation.sql, translation.columns, path, task.check_cutoff)
        write_metadata(task.session, described, path.with_name(path.name + ".metadata"))
        task.finish(output, described)
        if task.outcome is not None:
            task.outcome = replace(task.outcome, rows=rows)

    def _explain(self, task: Task, sql: str) -> None:
        """Show the plan of the engine that runs the query here, which is not Trino's."""
        translation = task.session.translate(sql)
        plan = task.session.execute(f"EXPLAIN {translation.sql}")
        lines = "\n".join(row[-1] for row in plan).splitlines()
        task.finish_text(("Query Plan",), [[re.sub(r"\t", " ", line)] for line in lines])
