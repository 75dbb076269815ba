"""`workbench contract check` and the names of raw objects that `workbench reject` takes."""

from pathlib import Path

import pytest
from test_contract import SMALL, write_shop

from helpers.contract_check import check_contracts
from helpers.errors import UsageError
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
