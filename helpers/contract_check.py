"""Check contracts before anything starts: by the standard's own models, our reader, and their rules and queries."""

from pathlib import Path

from helpers.contract import DATASETS, list_datasets
from helpers.contract_reading import read_contract
from helpers.contract_rules import find_query_mistakes
from helpers.contract_yaml import Document, Place, read_document
from helpers.errors import ContractError, UsageError, nearest
from helpers.saved_queries import read_query


def check_contracts(dataset: str = "", folder: Path = DATASETS) -> dict[str, list[str]]:
    """Return the mistakes of one contract, or of all where no dataset is named: each with file and line.

    Raises:
        UsageError: there is no such dataset; the nearest names are given.
    """
    known = list_datasets(folder)
    if dataset and dataset not in known:
        raise UsageError(f'dataset "{dataset}" is unknown; {nearest(dataset, known)}')
    return {name: find_mistakes(folder / name / "contract.yaml") for name in ([dataset] if dataset else known)}


def find_mistakes(path: Path) -> list[str]:
    """Return every mistake that the standard's models find, and the first that stops our reader."""
    try:
        found = _check_standard(path)
    except ContractError as error:
        return [str(error)]
    try:
        contract = read_contract(path)
    except ContractError as error:
        return list(dict.fromkeys([*found, str(error)]))
    found += find_query_mistakes(contract)
    for query in sorted(contract.queries_folder.glob("*.sql")):
        try:
            read_query(query, contract.table)
        except ContractError as error:
            found.append(str(error))
    return found


def _check_standard(path: Path) -> list[str]:
    """Return what the standard's published models say against a contract, by line."""
    from open_data_contract_standard.model import OpenDataContractStandard  # takes a quarter of a second
    from pydantic import ValidationError

    document = read_document(path)
    try:
        OpenDataContractStandard.model_validate(document.data)
    except ValidationError as error:
        found = [(_place(document, found["loc"]), found["msg"]) for found in error.errors()]
        return [_name(document, place, said) for place, said in sorted(found, key=lambda f: document.lines[f[0]][1])]
    return []


def _place(document: Document, location: Place) -> Place:
    """Return the nearest place that the document has; the models call `schema` by a name of their own."""
    place = tuple(step.rstrip("_") if isinstance(step, str) else step for step in location)
    while place not in document.lines:
        place = place[:-1]
    return place


def _name(document: Document, place: Place, said: str) -> str:
    try:
        document.fail(place, f"the standard says of {place[-1] if place else 'this'}: {said}")
    except ContractError as error:
        return str(error)
