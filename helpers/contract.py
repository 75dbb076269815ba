"""What a dataset promises: its contract, compiled for the job, and its saved queries.

`datasets/<name>/contract.yaml` follows the Open Data Contract Standard v3 (bitol.io); docs/contract.md says what of it
is read, and which customProperties are added. Nothing heavy is imported here: YAML is read when a contract is.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from helpers.contract_rules import Rule, compile_rule
from helpers.errors import ContractError, nearest
from helpers.saved_queries import SavedQuery, list_queries, read_query

DATASETS = Path(__file__).resolve().parent.parent / "datasets"


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    Attributes:
        name: its name in the curated table.
        type: its physical type, lower case: string, int, bigint, double, decimal(p,s), date, timestamp, boolean.
        logical_type: its type in the standard's words.
        description: one sentence, without line breaks.
        unit: of its values, such as percent; "" where it has none.
        required: a row without it is rejected.
        source_names: what raw files may call it, besides its name.
        pattern: a regular expression that values match; "" for any.
        minimum, maximum: bounds, both allowed.
        values: spelling in lower case -> the value kept; empty where anything is allowed.
        formats: of dates and timestamps, in strptime's letters, tried in this order.
        derived_from: the column that it is computed from ("" for a column of the raw files).
        derived_format: how that date is written, in strftime's letters.
    """

    name: str
    type: str
    logical_type: str = "string"
    description: str = ""
    unit: str = ""
    required: bool = False
    source_names: tuple[str, ...] = ()
    pattern: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: Mapping[str, str] | None = None
    formats: tuple[str, ...] = ()
    derived_from: str = ""
    derived_format: str = ""


@dataclass(frozen=True)
class Contract:
    """What is promised of one dataset. `table` is the curated table's name, equal to the dataset's."""

    dataset: str
    path: Path
    version: str
    title: str
    description: str
    granularity: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    ordering: tuple[tuple[str, bool], ...]  # (column, descending): the first row of a key is kept
    partition: str
    null_spellings: tuple[str, ...]
    kind: str  # of raw files whose names do not tell: csv, json (lines), parquet
    delimiter: str
    quote: str
    encoding: str
    deliveries: str
    unknown_columns: str  # add: they become columns of the table; report
    quarantine_limit: float
    source_script: Path | None
    source_arguments: tuple[str, ...]
    files: str | None
    queries_folder: Path
    rules: tuple[Rule, ...] = ()

    @property
    def table(self) -> str:
        """Name the curated table."""
        return self.dataset

    @property
    def raw_columns(self) -> tuple[Column, ...]:
        """Return the columns that raw files hold, in the contract's order."""
        return tuple(column for column in self.columns if not column.derived_from)

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """Return the columns as the catalog has them: the partition column comes last."""
        rest = tuple(column for column in self.columns if column.name != self.partition)
        return (*rest, self.column(self.partition))

    def column(self, name: str) -> Column:
        """Return one column.

        Raises:
            ContractError: the contract has no such column; the nearest names are given.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(
            f'{self.path}: no column "{name}"; {nearest(name, [column.name for column in self.columns])}'
        )

    @cached_property
    def queries(self) -> tuple[SavedQuery, ...]:
        """Return the saved queries, in the order of their files' names.

        Raises:
            ContractError: a query's name or header that cannot be used.
        """
        return tuple(read_query(path, self.table) for path in list_queries(self.queries_folder))

    def query(self, name: str) -> SavedQuery:
        """Return one saved query.

        Raises:
            ContractError: there is none of that name; the nearest names are given.
        """
        for query in self.queries:
            if query.name == name:
                return query
        raise ContractError(
            f'{self.dataset}: no query "{name}"; {nearest(name, [query.name for query in self.queries])}'
        )

    def source_command(self, folder: Path) -> list[str]:
        """Return the command that writes the dataset's raw files into `folder`.

        Raises:
            ContractError: the dataset has no source of its own.
        """
        if self.source_script is None:
            raise ContractError(f"{self.path}: no source; name the files to ingest instead")
        return [sys.executable, str(self.source_script), "--out", str(folder), *self.source_arguments]


def list_datasets(folder: Path = DATASETS) -> list[str]:
    """Return the names of the datasets: folders that hold a contract."""
    return sorted(path.parent.name for path in folder.glob("*/contract.yaml"))


def load_contract(dataset: str, folder: Path = DATASETS) -> Contract:
    """Read `<folder>/<dataset>/contract.yaml`.

    Raises:
        ContractError: an unknown dataset, with the nearest names; a mistake in the contract, with file and line.
    """
    known = list_datasets(folder)
    if dataset not in known:
        raise ContractError(f'dataset "{dataset}" is unknown; {nearest(dataset, known)}')
    states = tuple(_state(folder / name / "contract.yaml") for name in known)  # one may extend another
    path = folder / dataset / "contract.yaml"
    contract = replace(_read(path, states, (path.parent / "queries").is_dir()))  # whose own copy reads queries anew
    list_queries(contract.queries_folder)  # as they are named now
    return contract


def _state(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


@lru_cache(maxsize=8)
def _read(path: Path, states: tuple[tuple[int, ...], ...], has_queries: bool) -> Contract:
    """Read a contract once for each state of what it is read from."""
    from helpers.contract_reading import read_contract  # brings YAML

    return read_contract(path)


def compile_contract(contract: Contract) -> dict[str, Any]:
    """Return what the job needs of a contract, as plain JSON values; the job imports nothing of ours."""
    return {
        "schema": 1,
        "dataset": contract.dataset,
        "version": contract.version,
        "columns": [_compile_column(column) for column in contract.columns],
        "key": list(contract.key),
        "ordering": [{"column": name, "descending": descending} for name, descending in contract.ordering],
        "partition": contract.partition,
        "null_spellings": list(contract.null_spellings),
        "format": {name: getattr(contract, name) for name in ("kind", "delimiter", "quote", "encoding")},
        "deliveries": contract.deliveries,
        "unknown_columns": contract.unknown_columns,
        "quarantine_limit": contract.quarantine_limit,
        "description": contract.description,
        "quality": [compile_rule(rule) for rule in contract.rules],
    }


def _compile_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "source_names": list(column.source_names),
        "required": column.required,
        "pattern": column.pattern,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "values": dict(column.values or {}),
        "formats": list(column.formats),
        "derived_from": column.derived_from,
        "derived_format": column.derived_format,
        "comment": column.description + (f" ({column.unit})" if column.unit else ""),
    }
