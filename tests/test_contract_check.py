"""`workbench contract check` and the names of raw objects that `workbench reject` takes."""

import re
from pathlib import Path

import pytest
from test_contract import SMALL, write_shop

from helpers.contract import load_contract
from helpers.contract_check import check_contracts
from helpers.errors import ContractError, UsageError
from helpers.objects import S3Object
from helpers.transform_reject import find_object
from workbench.cli import main


def test_contracts_of_the_checkout_are_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Every dataset's contract and queries pass, and the command says so."""
    assert main(["contract", "check"]) == 0
    assert "student_performance: the contract is in order" in capsys.readouterr().out


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    """What the standard refuses and what our reader refuses are told together, each with file and line."""
    text = SMALL.replace("version: 1.0.0", "version: 1").replace("decimal(5,2)", "decimals")
    found = check_contracts("shop", write_shop(tmp_path, text))["shop"]
    assert [line.partition(": ")[0].rpartition(":")[2] for line in found] == ["4", "14"]
    assert "the standard says" in found[0] and 'type "decimals" is unknown' in found[1]


def test_query_with_a_mistake_is_named(tmp_path: Path) -> None:
    """A saved query without its headers is a mistake of the contract's folder."""
    folder = write_shop(tmp_path)
    (folder / "shop" / "queries").mkdir()
    (folder / "shop" / "queries" / "01_all.sql").write_text("SELECT 1\n")
    assert "no `-- title:` line" in check_contracts("shop", folder)["shop"][0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["01_x", "02_x"], r'/01_x\.sql and .*/02_x\.sql would be one relation "x"'),
        (["x", "_1_x"], r'/_1_x\.sql and .*/x\.sql would be one relation "x"'),
        (["03_quarantine"], r'/03_quarantine\.sql: the relation "quarantine" counts the rejected rows'),
        (["2024"], r"/2024\.sql: only a number"),
    ],
)
def test_queries_whose_answers_would_have_one_name_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    """The number in front of a file's name is no part of the relation's; both files are named, also when it is read."""
    folder = write_shop(tmp_path)
    (folder / "shop" / "queries").mkdir()
    for name in names:
        (folder / "shop" / "queries" / f"{name}.sql").write_text("-- title: a\n-- question: b\nSELECT 1 AS n\n")
    [found] = check_contracts("shop", folder)["shop"]
    assert re.search(said, found)
    with pytest.raises(ContractError, match=said):
        load_contract("shop", folder)


def test_a_query_that_is_added_later_is_refused_too(tmp_path: Path) -> None:
    """A contract that was read already lists its queries anew."""
    folder = write_shop(tmp_path)
    contract = load_contract("shop", folder)
    (folder / "shop" / "queries").mkdir()
    for name in ("01_x", "02_x"):
        (folder / "shop" / "queries" / f"{name}.sql").write_text("-- title: a\n-- question: b\nSELECT 1 AS n\n")
    with pytest.raises(ContractError, match="one relation"):
        _ = contract.queries


def test_unknown_dataset_is_wrong_usage(tmp_path: Path) -> None:
    """The nearest names are given."""
    with pytest.raises(UsageError, match='did you mean "shop"'):
        check_contracts("shopp", write_shop(tmp_path))


def test_raw_object_is_found_by_uri_key_or_end() -> None:
    """A name must mean one object; several or none are refused with names."""
    keys = ["d/ingest_date=2024-01-01/aa-x.csv", "d/ingest_date=2024-01-02/bb-x.csv"]
    listed = [S3Object("raw", key, "e", 1, 0.0) for key in keys]
    assert find_object(f"s3://raw/{keys[0]}", listed) == find_object(keys[0], listed) == keys[0]
    assert find_object("bb-x.csv", listed) == keys[1]
    with pytest.raises(UsageError, match="2 raw objects are called"):
        find_object("x.csv", listed)
    with pytest.raises(UsageError, match="no raw object is called"):
        find_object("y.csv", listed)


def test_reject_needs_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a reason nothing is done."""
    assert main(["reject", "x.csv"]) == 2
    assert "--reason" in capsys.readouterr().err
