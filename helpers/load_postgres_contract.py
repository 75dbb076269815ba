"""What a contract asks of the load: four customProperties of `contract.yaml` (docs/load.md).

- {property: load, value: replace}       replace (default), append or upsert
- {property: verify, value: full}        figures (default), or checksums of every cell as well
- {property: indexes, value: [[region, exam_date], school_id]}
- {property: inPlace, value: true}       append and upsert change the published table itself
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.contract import DATASETS, Contract, load_contract
from helpers.errors import ContractError, nearest

MODES = ("replace", "append", "upsert")
CHECKS = ("figures", "full")


@dataclass(frozen=True)
class LoadRules:
    """How one relation is loaded.

    Attributes:
        mode: replace, append or upsert.
        full: whether every cell is verified by checksums.
        indexes: the columns of each index beside the primary key.
        in_place: whether append and upsert change the published table itself, without a version to go back to.
        key: the primary key's columns; empty for none.
        required: the columns that are NOT NULL.
        ordering: (column, descending): which row of one key an upsert keeps.
        partition: the column by which append and upsert find what is new.
        comment: of the table.
        comments: of its columns.
    """

    mode: str = "replace"
    full: bool = False
    indexes: tuple[tuple[str, ...], ...] = ()
    in_place: bool = False
    key: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    ordering: tuple[tuple[str, bool], ...] = ()
    partition: str = ""
    comment: str = ""
    comments: dict[str, str] = field(default_factory=dict)


def read_rules(dataset: str, folder: Path = DATASETS) -> LoadRules:
    """Read the rules of a dataset's curated table.

    Raises:
        ContractError: a value that cannot be used, with the file.
    """
    contract = load_contract(dataset, folder)
    asked = _read_properties(contract.path)
    mode, check = str(asked.get("load", "replace")), str(asked.get("verify", "figures"))
    if mode not in MODES:
        raise ContractError(f'{contract.path}: load: "{mode}" is no way to load; {nearest(mode, MODES)}')
    if check not in CHECKS:
        raise ContractError(f'{contract.path}: verify: "{check}" is no check; {nearest(check, CHECKS)}')
    asked_for = asked.get("indexes") or []
    indexes = tuple(tuple([entry] if isinstance(entry, str) else entry) for entry in asked_for)
    for column in [name for index in indexes for name in index]:
        contract.column(column)
    derived = {c.name for c in contract.columns if c.derived_from and contract.column(c.derived_from).required}
    return LoadRules(
        mode=mode,
        full=check == "full",
        indexes=indexes,
        in_place=asked.get("inPlace") is True,
        key=contract.key,
        required=frozenset({c.name for c in contract.columns if c.required} | derived | set(contract.key)),
        ordering=contract.ordering,
        partition=contract.partition,
        comment=contract.description,
        comments=_describe_columns(contract),
    )


def _describe_columns(contract: Contract) -> dict[str, str]:
    return {c.name: c.description for c in contract.columns if c.description}


def _read_properties(path: Path) -> dict[str, Any]:
    """Return the customProperties of a contract, over those of the contract that it extends."""
    from helpers.contract_yaml import read_document  # brings YAML

    found = {
        str(entry.get("property")): entry.get("value")
        for entry in read_document(path).data.get("customProperties") or []
        if isinstance(entry, dict)
    }
    if base := found.get("extends"):
        return _read_properties(path.parent.parent / str(base) / "contract.yaml") | found
    return found
