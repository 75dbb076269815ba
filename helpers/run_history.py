"""The relations that hold what runs know about themselves: columns, types and words, for the load and for dashboards.

    analytics.workbench_runs     one row a run
    analytics.workbench_steps    one row a run and notebook
    analytics.workbench_gates    one row a run, notebook and gate: what was checked before data was let through

A relation is its columns (name -> type as Athena has it, description), its key, and its description. New columns come
last: a column that is inserted would be a change of the view that PostgreSQL refuses.
"""

from dataclasses import dataclass
from types import MappingProxyType

RUNS, STEPS, GATES = "workbench_runs", "workbench_steps", "workbench_gates"


@dataclass(frozen=True)
class Relation:
    """One relation; `columns` maps a name to (type, description)."""

    columns: MappingProxyType[str, tuple[str, str]]
    key: tuple[str, ...]
    description: str


_RUN_COLUMNS = {
    "run_id": ("varchar", "Names the run's folder."),
    "dataset": ("varchar", "What was run."),
    "profile": ("varchar", "Where: local or aws."),
    "status": ("varchar", "succeeded, failed, interrupted, or running where its end is not known."),
    "as_of": ("date", "The logical date."),
    "started_at": ("timestamp with time zone", "When it began."),
    "ended_at": ("timestamp with time zone", "When it ended."),
    "seconds": ("double", "How long it took."),
    "rows_in": ("bigint", "Rows that the job read from raw."),
    "rows_out": ("bigint", "Rows of the curated table."),
    "rows_quarantined": ("bigint", "Rows kept out of the curated table."),
    "error": ("varchar", "What stopped it."),
    "athena_bytes_scanned": ("bigint", "What its queries read."),
    "glue_seconds": ("double", "How long its job ran."),
    "git_sha": ("varchar", "The commit of the checkout."),
    "recency": ("int", "1 for the latest run of its dataset, 2 for the one before."),
    "began": ("varchar", "When the run began, in UTC, as a text that charts sort."),
}
_OF_RUN = {
    "dataset": ("varchar", "What was run."),
    "run_started_at": ("timestamp with time zone", "When the run began."),
    "recency": ("int", "1 for the latest run of its dataset, 2 for the one before."),
    "began": ("varchar", "When the run began, in UTC, as a text that charts sort."),
}
_STEP_COLUMNS = {
    "run_id": ("varchar", "The run."),
    "position": ("int", "The notebook's place in the run, from 1."),
    "notebook": ("varchar", "The step."),
    "status": ("varchar", "succeeded, failed, interrupted, pending, skipped."),
    "reason": ("varchar", "Why it ran, or did not."),
    "seconds": ("double", "How long it took."),
    "rows_in": ("bigint", "Rows that it read."),
    "rows_out": ("bigint", "Rows that it handed on."),
    "rows_quarantined": ("bigint", "Rows that it kept out."),
    "attempts": ("int", "How often it was executed."),
    "error_type": ("varchar", "The kind of its error."),
    "error": ("varchar", "Its error, in one line."),
    "exit_code": ("int", "What the command returned for it."),
    **_OF_RUN,
}
_GATE_COLUMNS = {
    "run_id": ("varchar", "The run."),
    "notebook": ("varchar", "The step."),
    "gate": ("varchar", "What was checked."),
    "passed": ("boolean", "Whether the data was let through."),
    "detail": ("varchar", "What was found."),
    **_OF_RUN,
}
RELATIONS: MappingProxyType[str, Relation] = MappingProxyType(
    {
        RUNS: Relation(MappingProxyType(_RUN_COLUMNS), ("run_id",), "Runs of the pipeline, from their records."),
        STEPS: Relation(MappingProxyType(_STEP_COLUMNS), ("run_id", "notebook"), "The steps of each run."),
        GATES: Relation(
            MappingProxyType(_GATE_COLUMNS),
            ("run_id", "notebook", "gate"),
            "What was checked before data was let through.",
        ),
    }
)
QUARANTINE = MappingProxyType(
    {
        "run_id": ("varchar", "The run that read the file."),
        "file": ("varchar", "The raw object's key."),
        "reason": ("varchar", "The column and what is wrong with it."),
        "rows": ("bigint", "How many rows of the file were kept out for this reason."),
    }
)
