"""Bring the names of a raw file's columns and the contract's together; what it does not know becomes a column.

Columns that a contract does not know are added to the table as text, unless it says `unknownColumns: report`
(docs/adr/0028-evolution.md). This file ships to Glue beside job.py and imports nothing but Python's own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Contract = Mapping[str, Any]
ADD, REPORT = "add", "report"
ADDED = "added"  # marks a column of an evolved contract that the contract itself does not have
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def normalise(name: str) -> str:
    """Return a column's name as headers are compared: lower case, words joined by underscores."""
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def _raw_columns(contract: Contract) -> list[dict[str, Any]]:
    """Return the columns that raw files hold."""
    return [column for column in contract["columns"] if not column["derived_from"]]


def name_columns(names: Iterable[str], contract: Contract) -> dict[str, str]:
    """Return the table's column for each name of a raw file: the contract's, or one to add; "" for none.

    None are names that cannot be a column's, that two columns of the file would share, and, where the contract only
    reports them, all that it does not know.
    """
    known: dict[str, str] = {}
    for column in _raw_columns(contract):
        for name in (column["name"], *column["source_names"]):
            known[normalise(name)] = column["name"]
    taken = {column["name"] for column in contract["columns"] if not column.get(ADDED)}
    found: dict[str, str] = {}
    for name in names:
        simple = normalise(name)
        if simple in known:
            found[name] = known[simple]
        else:
            usable = may_add(contract) and _NAME.fullmatch(simple) and simple not in taken
            found[name] = simple if usable else ""
    own = {column["name"] for column in _raw_columns(contract) if not column.get(ADDED)}
    given = list(found.values())
    return {name: column if column in own or given.count(column) < 2 else "" for name, column in found.items()}


def match_header(header: Sequence[str], contract: Contract) -> tuple[str, ...]:
    """Return the table's column for each name of a file's header; "" for a column that is left out.

    Raises:
        ValueError: nothing is known, a column stands there twice, or a required one is missing; the message says which.
    """
    names = name_columns(header, contract)
    own = {column["name"] for column in _raw_columns(contract) if not column.get(ADDED)}
    found = [names[name] for name in header]
    found = [name if name in own or found.count(name) == 1 else "" for name in found]
    if not own & set(found):
        raise ValueError(f"no known column in the header: {', '.join(header)[:80]}")
    for name in found:
        if name and found.count(name) > 1:
            raise ValueError(f"column twice in the header: {name}")
    for column in _raw_columns(contract):
        if column["required"] and column["name"] not in found:
            raise ValueError(f"required column missing in the header: {column['name']}")
    return tuple(found)


def may_add(contract: Contract) -> bool:
    """Tell whether columns that the contract does not know become columns of the table."""
    return bool(contract.get("unknown_columns", ADD) == ADD)


def find_unknown(names: Sequence[str], columns: Sequence[str], contract: Contract) -> tuple[str, ...]:
    """Return the names, as the file has them, of columns that the contract does not know."""
    own = {column["name"] for column in _raw_columns(contract) if not column.get(ADDED)}
    return tuple(name for name, column in zip(names, columns, strict=True) if column not in own)


def evolve(contract: Contract, added: Iterable[str]) -> dict[str, Any]:
    """Return the contract with these columns added, as text that may be missing; the order of names decides theirs."""
    rest = {"source_names": [], "required": False, "pattern": "", "minimum": None, "maximum": None, "values": {}}
    rest |= {"formats": [], "derived_from": "", "derived_format": "", ADDED: True}
    known = {column["name"] for column in contract["columns"]}
    more = [{"name": name, "type": "string", **rest} for name in sorted(set(added) - known - {""})]
    return {**contract, "columns": [*contract["columns"], *more]}
