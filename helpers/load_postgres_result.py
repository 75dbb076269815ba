"""What step 04 did, as the notebook shows it and the run's record keeps it."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.load_postgres_extract import Extract
from helpers.load_postgres_ledger import PUBLIC

_TABLE_ROWS = 10
_CHECK_COLUMNS = ("relation", "column", "figure", "Athena", "PostgreSQL", "agree")


@dataclass(frozen=True)
class LoadResult:
    """What readers of PostgreSQL see now; `changed` is False where the same content was there already.

    `checks` holds every figure that Athena and PostgreSQL computed of the same data: relation, column, figure, both
    values, whether they agree.
    """

    dataset: str
    extracts: tuple[Extract, ...]
    loaded: dict[str, int]
    checks: tuple[tuple[Any, ...], ...]
    changed: bool
    seconds: float

    @property
    def table(self) -> pd.DataFrame:
        """One line a relation: rows that Athena counted and rows that PostgreSQL has."""
        rows = [[f"{PUBLIC}.{e.relation}", len(e.columns), e.rows, self.loaded[e.relation]] for e in self.extracts]
        return pd.DataFrame(rows, columns=["relation", "columns", "rows in Athena", "rows in PostgreSQL"])[:_TABLE_ROWS]

    @property
    def comparison(self) -> pd.DataFrame:
        """One line a relation: how many figures of its columns were compared, and how many agree."""
        frame = pd.DataFrame(self.checks, columns=list(_CHECK_COLUMNS))
        grouped = frame.groupby("relation", sort=False)["agree"]
        return pd.DataFrame({"figures": grouped.size(), "agree": grouped.sum()}).reset_index()[:_TABLE_ROWS]

    @property
    def sums(self) -> pd.DataFrame:
        """The curated table's rows and sums as Athena and as PostgreSQL computed them."""
        frame = pd.DataFrame(self.checks, columns=list(_CHECK_COLUMNS)).drop(columns="agree")
        chosen = frame["figure"].isin(["rows", "sum", "sum of days", "sum of ms"]) & (frame["relation"] == self.dataset)
        return frame[chosen].drop(columns="relation").reset_index(drop=True)[:_TABLE_ROWS]

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
            ["figures that agree", sum(bool(check[-1]) for check in self.checks)],
        ]
        return pd.DataFrame(rows, columns=[f"schema {PUBLIC}", "number"])

    @property
    def remark(self) -> str:
        """What to notice, in one sentence."""
        return (
            f"{len(self.extracts)} relations hold {sum(self.loaded.values()):,} rows, and "
            f"{sum(bool(check[-1]) for check in self.checks)} of {len(self.checks)} figures of their columns agree."
        )

    @property
    def verified(self) -> bool:
        """Whether every figure of every column is the same in Athena and PostgreSQL."""
        return bool(self.checks) and all(check[-1] for check in self.checks)

    def figures(self) -> dict[str, Any]:
        """Return what the run's record keeps."""
        return {
            "rows_in": sum(extract.rows for extract in self.extracts),
            "rows_out": sum(self.loaded.values()),
            "rows_quarantined": 0,
            "inputs": [extract.place.as_input() for extract in self.extracts],
            "outputs": [f"postgresql:{PUBLIC}/{extract.relation}" for extract in self.extracts],
            "cost": {"athena_bytes_scanned": sum(extract.scanned for extract in self.extracts)},
            "changed": self.changed,
            "verification": [dict(zip(_CHECK_COLUMNS, check, strict=True)) for check in self.checks],
        }
