"""What a statement works on while it runs, and what it leaves behind."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from local_aws.athena.engine import Session
from local_aws.athena.executions import CutoffExceeded, Outcome
from local_aws.athena.lake import Lake
from local_aws.athena.results import ResultColumn, text_columns, write_metadata, write_text
from local_aws.athena.tables import Tables
from local_aws.glue.catalog import Catalog


@dataclass
class Task:
    """One execution's session, its output folder (an s3:// URI that ends with /) and its workgroup's rules."""

    session: Session
    execution_id: str
    workgroup: str
    output_folder: str
    enforced: bool
    cutoff_bytes: int | None
    outcome: Outcome | None = None

    @property
    def tables(self) -> Tables:
        """The catalog as queries see it."""
        return self.session.engine.tables

    @property
    def catalog(self) -> Catalog:
        """The catalog as statements change it."""
        return self.tables.catalog

    @property
    def lake(self) -> Lake:
        """The lake."""
        return self.session.engine.lake

    def check_cutoff(self) -> None:
        """Cancel the query where it read more than its workgroup allows; asked before anything is published."""
        if self.cutoff_bytes is not None and self.session.bytes_read > self.cutoff_bytes:
            raise CutoffExceeded("Query cancelled! : Bytes scanned limit was exceeded")
        self.session.check_stopped()

    def finish(
        self, output: str, columns: Sequence[ResultColumn], update_count: int | None = None, manifest: str | None = None
    ) -> None:
        """Note what the statement left behind."""
        self.outcome = Outcome(
            output=output,
            columns=tuple(asdict(column) for column in columns),
            update_count=update_count,
            manifest=manifest,
            bytes_scanned=self.session.bytes_read,
            planning_ms=round(self.session.planning_seconds * 1000),
        )

    def finish_text(self, names: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> None:
        """Write the text result of a DDL or utility statement."""
        output = f"{self.output_folder}{self.execution_id}.txt"
        columns = text_columns(*names)
        write_text(self.session, rows, self.lake.path(output))
        write_metadata(self.session, columns, self.lake.path(output + ".metadata"))
        self.finish(output, columns)
