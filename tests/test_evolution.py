"""Schemas that change: what Athena sees of partitions that were written before and after."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from catalog_lab import HEAD, CatalogLab
from job_lab import CURATED
from test_job import small_contract
from test_registration import lab

__all__ = ["lab"]  # the fixture


def types(lab: CatalogLab, dataset: str) -> dict[str, str]:
    """Return the columns of a table in the catalog with their types."""
    return {column["Name"]: column["Type"] for column in lab.table(dataset)["StorageDescriptor"]["Columns"]}


def write_tokens(lab: CatalogLab, dataset: str) -> list[str]:
    """Return by which run each partition's object was written."""
    job = lab.job
    return [job.s3.head_object(Bucket=CURATED, Key=key)["Metadata"]["token"] for key in job.keys(f"data/{dataset}/")]


def test_column_of_later_files_is_added(lab: CatalogLab) -> None:
    """Old partitions stay as they are and have NULL there; with the delivery the column's values go again."""
    lab.job.put_contract("added", small_contract("added"))
    lab.job.upload("added", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\n")
    assert lab.job.run("added", "first") == ""
    lab.crawl()
    late = lab.job.upload(
        "added", "b.csv", b"k,n,version,day,Re-mark,1st\nc,3,1,2024-01-02, x ,y\nd,4,1,2024-01-03,NA,y\n"
    )
    assert lab.job.run("added", "second") == ""
    report = lab.job.report("added", "second")
    assert report["unknown_columns"] == ["1st", "Re-mark"] and report["read"] == [late]
    assert {"name": "re_mark", "type": "string"} in report["columns"]
    assert write_tokens(lab, "added") == ["first", "second", "second"]
    assert lab.crawl() == {"Created": 0, "Updated": 1, "Deleted": 0}
    assert types(lab, "added") == {"k": "string", "n": "int", "version": "int", "re_mark": "string"}
    asked = "SELECT k, n, re_mark, day FROM added ORDER BY k"
    first = [["a", "1", "", "2024-01-01"], ["b", "2", "", "2024-01-02"]]
    assert lab.ask(asked) == [*first, ["c", "3", "x", "2024-01-02"], ["d", "4", "", "2024-01-03"]]
    assert lab.ask("SELECT count(*) FROM added WHERE re_mark IS NULL") == [["3"]]
    assert lab.job.run("added", "full", "--FULL", "true") == ""
    assert lab.ask(asked)[2:] == [["c", "3", "x", "2024-01-02"], ["d", "4", "", "2024-01-03"]]
    lab.job.reject(late)
    assert lab.job.run("added", "third") == ""
    assert lab.ask(asked) == first and "re_mark" not in str(lab.job.report("added", "third")["columns"])


def test_unknown_columns_may_be_left_out(lab: CatalogLab) -> None:
    """A contract that says so keeps its table closed, and the report names what was left out."""
    lab.job.put_contract("closed", small_contract("closed", unknown_columns="report"))
    lab.job.upload("closed", "a.csv", b"k,n,version,day,extra\na,1,1,2024-01-01,x\n")
    assert lab.job.run("closed", "first") == ""
    report = lab.job.report("closed", "first")
    assert report["unknown_columns"] == ["extra"]
    assert [column["name"] for column in report["columns"]] == ["k", "n", "version", "day"]


def test_equal_rows_keep_the_later_column(lab: CatalogLab) -> None:
    """A row that comes again with the new column filled is a duplicate, and the filled one is kept, in any order."""
    rows = [HEAD + b"a,1,1,2024-01-01\n", b"k,n,version,day,extra\na,1,1,2024-01-01,x\n"]
    for number, files in enumerate((rows, rows[::-1])):
        dataset = f"filled{number}"
        lab.job.put_contract(dataset, small_contract(dataset))
        for step, content in enumerate(files):
            lab.job.upload(dataset, f"{step}.csv", content)
            assert lab.job.run(dataset, f"{dataset}-{step}") == ""
        assert lab.job.query("SELECT k, extra FROM {table}", dataset) == [("a", "x")]
        counted = lab.job.report(dataset, f"{dataset}-1")["rows"]
        assert (counted["curated"], counted["duplicates_removed"], counted["superseded"]) == (1, 1, 0)


def test_widened_type_is_read_together_with_what_was_there(lab: CatalogLab) -> None:
    """A contract that widens a column has every partition written again, and Athena reads them all."""
    contract = small_contract("wide", quarantine_limit=0.9)
    lab.job.put_contract("wide", contract)
    lab.job.upload(
        "wide", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\nc,3000000000,1,2024-01-03\nd,.5,1,2024-01-04\n"
    )
    assert lab.job.run("wide", "int") == ""
    lab.crawl()
    assert lab.ask("SELECT sum(n) FROM wide") == [["3"]]
    for kind, total, left in (("bigint", "3000000003", "1"), ("double", "3.0000000035E9", "0")):
        contract["columns"][1]["type"] = kind
        lab.job.put_contract("wide", contract)
        assert lab.job.run("wide", kind) == ""
        assert set(write_tokens(lab, "wide")) == {kind}
        lab.crawl()
        assert types(lab, "wide")["n"] == kind
        assert lab.ask("SELECT sum(n) FROM wide") == [[total]]
        assert lab.job.report("wide", kind)["rows"]["quarantined"] == int(left)


def test_missing_and_renamed_columns(lab: CatalogLab) -> None:
    """An optional column that a file lacks is NULL; one that it calls by another name is taken by its alias."""
    contract: dict[str, Any] = small_contract("renamed")
    contract["columns"][1] |= {"required": False, "source_names": ["Number of them"]}
    lab.job.put_contract("renamed", contract)
    lab.job.upload("renamed", "a.csv", b"k,version,day\na,1,2024-01-01\n")
    lab.job.upload("renamed", "b.csv", b"k,number-of-THEM,version,day\nb,2,1,2024-01-02\n")
    lab.job.upload("renamed", "c.jsonl", b'{"k": "c", "Number of them": 3, "version": 1, "day": "2024-01-03"}\n')
    assert lab.job.run("renamed", "first") == ""
    lab.crawl()
    assert lab.ask("SELECT k, n FROM renamed ORDER BY k") == [["a", ""], ["b", "2"], ["c", "3"]]
    assert lab.job.report("renamed", "first")["unknown_columns"] == []


def test_conflict_quarantines_the_file_with_both_types(lab: CatalogLab) -> None:
    """A file whose column cannot be the contract's is left out whole, Athena tells why; wider numbers are judged."""
    lab.job.put_contract("conflict", small_contract("conflict", quarantine_limit=0.9))
    keys = []
    for number in (pa.array([1], pa.int8()), pa.array([2, 2**40], pa.int64()), pa.array([True])):
        count = len(number)
        columns = {"k": [f"{len(keys)}{at}" for at in range(count)], "n": number, "version": [1] * count}
        out = io.BytesIO()
        pq.write_table(pa.table(columns | {"day": ["2024-01-01"] * count}), out)
        keys.append(lab.job.upload("conflict", f"{len(keys)}.parquet", out.getvalue()))
    assert lab.job.run("conflict", "first") == ""
    lab.crawl()
    assert lab.ask("SELECT k, n FROM conflict ORDER BY k") == [["00", "1"], ["10", "2"]]
    assert lab.ask("SELECT file, record, reasons[1] FROM conflict_quarantine ORDER BY 2") == [
        [keys[1], "2", "n: not a whole number"],
        [keys[2], "", "type conflict: n is bool in the file and int in the contract"],
    ]


def test_bytes_of_a_rejected_record_can_be_had_from_athena(lab: CatalogLab) -> None:
    """What is no text comes back byte for byte from the quarantine's base64."""
    lab.job.put_contract("bytes", small_contract("bytes"))
    lab.job.upload("bytes", "a.csv", HEAD + b"a,1,1,2024-01-01\nM\xfcller,1,1,2024-01-01\n")
    assert lab.job.run("bytes", "first") == ""
    lab.crawl()
    said = lab.ask("SELECT raw, to_hex(from_base64(raw_base64)), reasons[1] FROM bytes_quarantine")
    assert said == [["M\ufffdller,1,1,2024-01-01", b"M\xfcller,1,1,2024-01-01".hex().upper(), "not in its encoding"]]
