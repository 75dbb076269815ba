"""The catalog after the job: partitions are there at once, and nothing is left for the crawler to change."""

from pathlib import Path
from typing import Any

import pytest
from catalog_lab import DATABASE, HEAD, CatalogLab
from test_job import small_contract


@pytest.fixture(scope="module")
def lab(catalog_lake: CatalogLab) -> CatalogLab:
    """The lake with a catalog, emptied for this module; each test has a dataset of its own in it."""
    return catalog_lake.empty()


def put_days(lab: CatalogLab, dataset: str, **more: Any) -> None:
    """Put a contract with comments, a first file with a rejected row, and run job and crawler."""
    contract = small_contract(dataset, description="Small rows.", **more)
    for column in contract["columns"]:
        column["comment"] = f"What {column['name']} means."
    lab.job.put_contract(dataset, contract)
    lab.job.upload(dataset, "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\nz,x,1,2024-01-02\n")
    assert lab.job.run(dataset, "first") == ""
    assert lab.job.report(dataset, "first")["catalog"] == {
        "tables": [], "added": 0, "removed": 0, "described": 0, "problem": ""
    }  # fmt: skip
    assert lab.crawl()["Created"] == 2


def test_new_partition_shows_at_once_and_the_crawler_changes_nothing(lab: CatalogLab) -> None:
    """Athena sees a new day after the job alone; the crawler then reports nothing created, changed or deleted."""
    put_days(lab, "days")
    lab.job.upload("days", "b.csv", HEAD + b"c,3,1,2024-01-03\nc,x,1,2024-01-03\n")
    assert lab.job.run("days", "second") == ""
    assert lab.ask("SELECT k, day FROM days ORDER BY k") == [
        ["a", "2024-01-01"], ["b", "2024-01-02"], ["c", "2024-01-03"]
    ]  # fmt: skip
    assert lab.ask("SELECT count(*) FROM days_quarantine") == [["2"]]
    assert lab.crawl() == {"Created": 0, "Updated": 0, "Deleted": 0}
    assert lab.days("days") == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_partition_without_rows_leaves_the_catalog(lab: CatalogLab) -> None:
    """A rejected delivery's own day is taken out of the catalog with its object."""
    put_days(lab, "leaves")
    late = lab.job.upload("leaves", "b.csv", HEAD + b"c,3,1,2024-01-09\n")
    assert lab.job.run("leaves", "second") == ""
    lab.job.reject(late)
    assert lab.job.run("leaves", "third") == ""
    assert lab.days("leaves") == ["2024-01-01", "2024-01-02"]
    done = lab.job.report("leaves", "third")["catalog"]
    assert (done["added"], done["removed"]) == (1, 2)  # the key decides no day here: the quarantine is made anew, too
    assert lab.crawl() == {"Created": 0, "Updated": 0, "Deleted": 0}


def test_descriptions_are_written_where_none_stand(lab: CatalogLab) -> None:
    """Table and columns are described from the contract; what a person wrote there stays, also after a crawl."""
    put_days(lab, "described")
    glue, table = lab.server.client("glue"), lab.table("described")
    table["StorageDescriptor"]["Columns"][0]["Comment"] = "A person's words."
    kept = ("Name", "StorageDescriptor", "PartitionKeys", "TableType", "Parameters")
    glue.update_table(DatabaseName=DATABASE, TableInput={name: table[name] for name in kept})
    assert lab.job.run("described", "second") == ""
    assert lab.crawl() == {"Created": 0, "Updated": 0, "Deleted": 0}
    table = lab.table("described")
    comments = [column.get("Comment") for column in table["StorageDescriptor"]["Columns"]]
    assert comments == ["A person's words.", "What n means.", "What version means."]
    assert table["PartitionKeys"][0]["Comment"] == "What day means." and table["Description"] == "Small rows."
    quarantine = lab.table("described_quarantine")
    assert all(column["Comment"] for column in quarantine["StorageDescriptor"]["Columns"])
    assert lab.job.report("described", "second")["catalog"]["described"] == 2


def test_failed_registration_is_made_up_for_by_the_next_run(lab: CatalogLab, tmp_path: Path) -> None:
    """A catalog that does not answer costs nothing that was published; a run with nothing new registers it."""
    put_days(lab, "later")
    lab.job.upload("later", "b.csv", HEAD + b"c,3,1,2024-01-03\n")
    down = lab.job.run_process("later", "second", AWS_ENDPOINT_URL_GLUE="http://127.0.0.1:9")
    assert down.returncode == 0, down.stderr[-2000:]
    report = lab.job.report("later", "second")
    assert report["status"] == "published" and "127.0.0.1:9" in report["catalog"]["problem"]
    assert "the catalog is not up to date" in down.stdout and lab.days("later") == ["2024-01-01", "2024-01-02"]
    assert lab.job.run("later", "third") == ""
    assert lab.job.report("later", "third")["status"] == "unchanged"
    assert lab.days("later") == ["2024-01-01", "2024-01-02", "2024-01-03"]
