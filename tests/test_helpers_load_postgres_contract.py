"""What a contract says of loading its table."""

import shutil
from pathlib import Path

import pytest

from helpers.contract import DATASETS
from helpers.errors import ContractError
from helpers.load_postgres_contract import read_rules


def write_contract(folder: Path, properties: str) -> None:
    """Write the sample's and its base's contracts, the sample's with more custom properties."""
    for dataset in ("student_performance", "student_sample"):
        (folder / dataset).mkdir()
        for name in ("contract.yaml", "source.py"):
            if (DATASETS / dataset / name).exists():
                shutil.copy(DATASETS / dataset / name, folder / dataset / name)
    path = folder / "student_sample" / "contract.yaml"
    head, found, rest = path.read_text().partition("customProperties:\n")
    assert found
    path.write_text(f"{head}{found}{properties}{rest}")


def test_a_contract_that_says_nothing_is_replaced() -> None:
    """Key, NOT NULL, comments, ordering and partition come from the columns, also from the contract it extends."""
    rules = read_rules("student_sample")
    assert (rules.mode, rules.full, rules.in_place, rules.partition) == ("replace", False, False, "exam_month")
    assert rules.key == ("student_id", "exam_date")
    assert {"student_id", "exam_month", "region"} <= rules.required and "remarks" not in rules.required
    assert rules.ordering == (("recorded_at", True),)
    assert rules.comments["math_score"].startswith("Points in mathematics")


def test_what_is_asked_for_is_read(tmp_path: Path) -> None:
    """Mode, checks, indexes and inPlace; the sample's own win over those of the contract that it extends."""
    write_contract(
        tmp_path,
        "  - {property: load, value: upsert}\n  - {property: verify, value: full}\n"
        "  - {property: indexes, value: [[region, exam_date], school_id]}\n  - {property: inPlace, value: true}\n",
    )
    rules = read_rules("student_sample", tmp_path)
    assert (rules.mode, rules.full, rules.in_place) == ("upsert", True, True)
    assert rules.indexes == (("region", "exam_date"), ("school_id",))


WRONG = {
    "- {property: load, value: upsrt}": 'did you mean "upsert"',
    "- {property: verify, value: all}": '"all" is no check',
    "- {property: indexes, value: [regoin]}": 'no column "regoin"; did you mean "region"',
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_value_names_what_was_meant(tmp_path: Path, line: str) -> None:
    """The nearest names are given."""
    write_contract(tmp_path, f"  {line}\n")
    with pytest.raises(ContractError, match=WRONG[line]):
        read_rules("student_sample", tmp_path)
