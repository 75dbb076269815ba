"""What a dataset may be called: its name is a folder, a prefix in raw, a table and the beginning of other names."""

import re

from helpers.contract_yaml import Document

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TAKEN = {
    ".*_quarantine": "the rejected rows of another dataset lie there",
    ".*__.*": "two underscores part a dataset from its answers",
    "workbench(_.*)?": "such names are kept for the history of runs",
}


def check_name(document: Document, dataset: str) -> None:
    """Refuse a dataset's name that is not its folder's, or under which something else is written.

    Raises:
        ContractError: with the line of the id.
    """
    if document.data.get("id") != dataset:
        document.fail(
            ("id",), f'id is "{document.data.get("id")}" where the folder is "{dataset}": a dataset has one name'
        )
    if not _NAME.fullmatch(dataset):
        document.fail(("id",), f'"{dataset}" cannot name a table: use lower-case letters, digits and underscores')
    for pattern, why in _TAKEN.items():
        if re.fullmatch(pattern, dataset):
            document.fail(("id",), f'"{dataset}": {why}: choose another name')
