"""The Data Catalog: what is kept, what goes together, what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.errors import ServiceError
from local_aws.glue.catalog import Catalog
from local_aws.server.context import open_context
from local_aws.store import Store


@pytest.fixture
def catalog(home: Path) -> Iterator[Catalog]:
    context = open_context(home)
    context.catalog.create_database({"Name": "Sales"})
    context.catalog.create_table("sales", table("Orders"))
    yield context.catalog
    context.store.close()


def table(name: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "PartitionKeys": [{"Name": "y", "Type": "int"}, {"Name": "m", "Type": "int"}], **more}


def test_names_are_folded_to_lower_case(catalog: Catalog) -> None:
    """Whatever the case of a request, there is one database and one table."""
    assert catalog.get_table("SALES", "oRDERS")["Name"] == "orders"
    assert catalog.get_database("sAles")["Name"] == "sales"
    with pytest.raises(ServiceError, match="Table orders already exists"):
        catalog.create_table("Sales", table("ORDERS"))


def test_what_is_missing_is_named(catalog: Catalog) -> None:
    """A missing database, table and partition are told apart."""
    for call, message in (
        (lambda: catalog.get_table("no", "t"), "Database no not found"),
        (lambda: catalog.get_table("sales", "t"), "Table t not found"),
        (lambda: catalog.get_partition("sales", "orders", ["1", "2"]), "Partition"),
        (lambda: catalog.list_partitions("sales", "t"), "Table t not found"),
        (lambda: catalog.delete_database("no"), "Database no not found"),
    ):
        with pytest.raises(ServiceError, match=message) as caught:
            call()
        assert caught.value.code == "EntityNotFoundException"


def test_partitions_are_created_all_or_none(catalog: Catalog) -> None:
    """One partition that exists, or has too few values, keeps the others out too."""
    catalog.create_partitions("sales", "orders", [{"Values": ["2020", "1"]}])
    for wrong, code in ((["2020", "1"], "AlreadyExistsException"), (["2020"], "InvalidInputException")):
        with pytest.raises(ServiceError, match="Partition") as caught:
            catalog.create_partitions("sales", "orders", [{"Values": ["2021", "1"]}, {"Values": wrong}])
        assert caught.value.code == code
    assert [p["Values"] for p in catalog.list_partitions("sales", "orders")] == [["2020", "1"]]


def test_partitions_of_similar_names_are_kept_apart(catalog: Catalog) -> None:
    """Neither a longer table name nor odd values mix up partitions."""
    catalog.create_table("sales", table("orders2"))
    catalog.create_database({"Name": "sales2"})
    catalog.create_table("sales2", table("orders"))
    odd = [["a/b", "c"], ["a", "b/c"], ['"', "\x1f"], ["é", ""]]
    catalog.create_partitions("sales", "orders", [{"Values": values} for values in odd])
    catalog.create_partitions("sales", "orders2", [{"Values": ["1", "1"]}])
    catalog.create_partitions("sales2", "orders", [{"Values": ["1", "1"]}])
    assert sorted(p["Values"] for p in catalog.list_partitions("sales", "orders")) == sorted(odd)
    catalog.delete_table("sales", "orders")
    assert len(catalog.list_partitions("sales", "orders2")) == len(catalog.list_partitions("sales2", "orders")) == 1


def test_deleting_a_database_leaves_nothing_of_it(catalog: Catalog) -> None:
    """Tables, versions, partitions and statistics go with their database."""
    catalog.create_partitions("sales", "orders", [{"Values": ["2020", "1"]}])
    catalog.update_table("sales", table("orders", Description="new"))
    catalog.delete_database("sales")
    kinds = ("database", "table", "table_version", "partition", "column_statistics")
    assert [catalog.store.list(kind) for kind in kinds] == [[]] * 5
    catalog.create_database({"Name": "sales"})
    catalog.create_table("sales", table("orders"))
    assert catalog.list_partitions("sales", "orders") == []


def test_an_update_keeps_creation_and_archives_the_old_version(catalog: Catalog) -> None:
    """The version rises with each update; skip_archive keeps none of the old one."""
    created = catalog.get_table("sales", "orders")["CreateTime"]
    catalog.update_table("sales", table("orders", Description="one"))
    catalog.update_table("sales", table("orders", Description="two"), skip_archive=True)
    versions = catalog.list_table_versions("sales", "orders")
    assert [(v["VersionId"], v.get("Description")) for v in versions] == [("2", "two"), ("0", None)]
    assert versions[0]["CreateTime"] == created <= versions[0]["UpdateTime"]
    with pytest.raises(ServiceError, match="at version 2, not 1"):
        catalog.update_table("sales", table("orders"), version_id="1")
    with pytest.raises(ServiceError, match="current one"):
        catalog.delete_table_version("sales", "orders", "2")
    catalog.delete_table_version("sales", "orders", "0")
    assert len(catalog.list_table_versions("sales", "orders")) == 1


def test_a_partition_keeps_its_values_and_creation(catalog: Catalog) -> None:
    """An update replaces everything but the values, which cannot be changed."""
    catalog.create_partitions("sales", "orders", [{"Values": ["2020", "1"], "Parameters": {"a": "1"}}])
    created = catalog.list_partitions("sales", "orders")[0]["CreationTime"]
    catalog.update_partition("sales", "orders", ["2020", "1"], {"StorageDescriptor": {"Location": "s3://b/x"}})
    partition = catalog.get_partition("sales", "orders", ["2020", "1"])
    assert "Parameters" not in partition and partition["CreationTime"] == created
    with pytest.raises(ServiceError, match="keeps its values"):
        catalog.update_partition("sales", "orders", ["2020", "1"], {"Values": ["2021", "1"]})


def test_another_process_sees_the_catalog(catalog: Catalog) -> None:
    """A second opening of the file sees what was written, and its writes are seen."""
    other = Store(catalog.store.path)
    Catalog(other).create_database({"Name": "elsewhere"})
    assert [d["Name"] for d in catalog.list_databases()] == ["elsewhere", "sales"]
    other.close()
