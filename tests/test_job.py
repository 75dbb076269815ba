"""The job over a real lake: what it publishes, what it refuses, and that it converges wherever it is killed."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from job_lab import CURATED, RAW, ROOT, JobLab

from helpers.contract import compile_contract, load_contract

DATASET = "student_sample"
CRASHES = ["written", "intent", "copy", "announced", "delete", "ledger"]


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module; each test has a dataset of its own in it."""
    return job_lake.empty()


def small_contract(dataset: str, **more: Any) -> dict[str, Any]:
    """Compile a contract by hand: a key, a number, a version, and a day that decides the partition."""
    rest = {"source_names": [], "required": True, "pattern": "", "minimum": None, "maximum": None, "values": {}}
    rest |= {"formats": ["%Y-%m-%d"], "derived_from": "", "derived_format": ""}
    columns = [("k", "string"), ("n", "int"), ("version", "int"), ("day", "date")]
    return {
        "schema": 1,
        "dataset": dataset,
        "columns": [{"name": name, "type": kind, **rest} for name, kind in columns],
        "key": ["k"],
        "ordering": [{"column": "version", "descending": True}],
        "partition": "day",
        "null_spellings": ["", "NA"],
        "format": {"delimiter": ",", "quote": '"', "encoding": "UTF-8"},
        "quarantine_limit": 0.5,
        **more,
    }


def rows_of(lab: JobLab, dataset: str) -> list[tuple[Any, ...]]:
    """Return the curated rows of a small dataset."""
    return lab.query("SELECT k, n, CAST(day AS VARCHAR) FROM {table} ORDER BY k", dataset)


def hashes(lab: JobLab, dataset: str) -> dict[str, str]:
    """Return the content hash of every published object of a dataset, the quarantine's without its run."""
    found = {}
    for key in [*lab.keys(f"data/{dataset}/"), *lab.keys(f"data/{dataset}_quarantine/")]:
        metadata = lab.s3.head_object(Bucket=CURATED, Key=key)["Metadata"]
        found[key.partition("run_token")[0]] = metadata["content-sha256"]
    return found


def assert_settled(lab: JobLab, dataset: str) -> None:
    """Nothing is left of a publication: no intent, nothing under _tmp/."""
    assert not lab.keys("_tmp/")
    assert not [key for key in lab.keys(f"_ledger/{dataset}/") if key.endswith(".intent.json")]


def make_source(folder: Path, rows: int, seed: int) -> dict[str, Any]:
    """Write messy files and return their truth."""
    command = [sys.executable, str(ROOT / "datasets/student_performance/source.py"), "--out", str(folder / "raw")]
    command += ["--rows", str(rows), "--seed", str(seed), "--truth", str(folder / "truth.json")]
    subprocess.run([*command, "--clean", str(folder / "clean.csv")], check=True)
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return truth


def differing_rows(lab: JobLab, dataset: str, clean: Path, columns: list[dict[str, Any]]) -> int:
    """Count rows that the curated table has and the clean file has not, and the other way round."""
    names = ", ".join(column["name"] for column in columns)
    typed = ", ".join(f"CAST({c['name']} AS {c['type'].replace('string', 'varchar')})" for c in columns)
    expected = f"(SELECT {typed} FROM read_csv('{clean}', all_varchar=true, header=true, quote='\"', escape='\"'))"
    found = f"(SELECT {names} FROM {{table}})"
    sql = f"SELECT count(*) FROM (({found} EXCEPT ALL {expected}) UNION ALL ({expected} EXCEPT ALL {found}))"
    return int(lab.query(sql, dataset)[0][0])


def check_against_truth(lab: JobLab, folder: Path, rows: int, seed: int) -> None:
    """Run the job over generated files and compare all that it found with what was planted."""
    truth = make_source(folder, rows, seed)
    dataset = f"truth_{seed}"
    contract = lab.put_contract(dataset, compile_contract(load_contract(DATASET)) | {"dataset": dataset})
    names = lab.upload_folder(dataset, folder / "raw")
    assert lab.run(dataset, f"truth-{seed}") == ""
    report = lab.report(dataset, f"truth-{seed}")
    assert report["rows"] == truth["rows"]
    assert report["quarantined_by_reason"] == truth["quarantined_by_reason"]
    unreadable = [{"name": names[file["key"]], "reason": file["reason"]} for file in report["unreadable_files"]]
    assert unreadable == truth["unreadable_files"]
    by_file = {file["name"]: file["rows"] for file in truth["files"]}
    assert {names[o["key"]]: o["rows"] for o in report["objects"] if o["rows"]} == by_file
    sql = "SELECT file, record, line, raw, reasons FROM {table} WHERE record IS NOT NULL"
    found = sorted((names[file], *rest) for file, *rest in lab.query(sql, f"{dataset}_quarantine"))
    planted = sorted((r["file"], r["record"], r["line"], r["raw"], r["reasons"]) for r in truth["rejects"])
    assert found == planted
    assert differing_rows(lab, dataset, folder / "clean.csv", contract["columns"]) == 0
    partitions = {
        f"data/{dataset}/exam_month={month}/part-00000-of-00001.parquet": n for month, n in truth["partitions"].items()
    }
    assert {entry["key"]: entry["rows"] for entry in report["partitions"]} == partitions


def test_everything_planted_is_found(lab: JobLab, tmp_path: Path) -> None:
    """Counts, reasons, places, raw texts and curated rows are exactly those that the generator planted."""
    check_against_truth(lab, tmp_path, 2000, 7)


SIZES = [(200, 1), (20_000, 2), (100_000, 3), (1_000_000, 4), (1_000_000, 5), (1_000_000, 6)]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("rows", "seed"), SIZES)
def test_everything_planted_is_found_at_size(lab: JobLab, tmp_path: Path, rows: int, seed: int) -> None:
    """The same at other sizes and seeds."""
    check_against_truth(lab, tmp_path, rows, seed)


def test_second_run_changes_nothing(lab: JobLab) -> None:
    """With nothing new, a run reads nothing, leaves every object as it is, and reports the same totals."""
    lab.put_contract("again", small_contract("again"))
    lab.upload("again", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\na,1,1,2024-01-01\nb,x,1,2024-01-02\n")
    assert lab.run("again", "first") == ""
    before = {
        o["Key"]: o["LastModified"] for o in lab.s3.list_objects_v2(Bucket=CURATED, Prefix="data/again")["Contents"]
    }
    assert lab.run("again", "second") == ""
    after = {
        o["Key"]: o["LastModified"] for o in lab.s3.list_objects_v2(Bucket=CURATED, Prefix="data/again")["Contents"]
    }
    first, second = lab.report("again", "first"), lab.report("again", "second")
    assert before == after and (first.pop("status"), second.pop("status")) == ("published", "unchanged")
    for report in (first, second):
        for name in ("token", "finished_at", "seconds", "read"):
            del report[name]
    assert first == second and first["rows"]["duplicates_removed"] == 1
    assert len(lab.keys("_ledger/again/")) == 1
    assert_settled(lab, "again")


def test_new_correction_and_deletion_are_followed(lab: JobLab) -> None:
    """A later file corrects a key, also into another partition; a file taken away takes its rows with it."""
    lab.put_contract("moves", small_contract("moves"))
    lab.upload("moves", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\nb,2,1,2024-01-02\n")
    assert lab.run("moves", "m1") == ""
    late = lab.upload("moves", "b.csv", b"K;N\n".replace(b";", b",version,day,") + b"a,2,2024-01-02,7\n")
    assert lab.run("moves", "m2") == ""
    assert rows_of(lab, "moves") == [("a", 7, "2024-01-02"), ("b", 2, "2024-01-02")]
    assert lab.report("moves", "m2")["rows"]["superseded"] == 1
    assert lab.keys("data/moves/") == ["data/moves/day=2024-01-02/part-00000-of-00001.parquet"]
    lab.s3.delete_object(Bucket=RAW, Key=late)
    assert lab.run("moves", "m3") == ""
    assert rows_of(lab, "moves") == [("a", 1, "2024-01-01"), ("b", 2, "2024-01-02")]


def test_untouched_partition_is_left_alone(lab: JobLab) -> None:
    """An object whose content would be the same is not copied again."""
    lab.put_contract("calm", small_contract("calm"))
    lab.upload("calm", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\n")
    assert lab.run("calm", "c1") == ""
    lab.upload("calm", "b.csv", b"k,n,version,day\nb,1,1,2024-01-02\n")
    assert lab.run("calm", "c2") == ""
    tokens = [lab.s3.head_object(Bucket=CURATED, Key=key)["Metadata"]["token"] for key in lab.keys("data/calm/")]
    assert tokens == ["c1", "c2"]


def test_split_and_order_of_files_make_no_difference(lab: JobLab) -> None:
    """The same rows in one file, in two, or in another order give the same content."""
    head, rows = (
        b"k,n,version,day\n",
        [b"a,%d,%d,2024-01-01\n" % (n, n % 3) for n in range(9)] + [b"b,1,1,2024-01-01\n"],
    )
    found = []
    for number, files in enumerate([[rows], [rows[5:], rows[:5]], [rows[::-1]]]):
        lab.put_contract(f"split{number}", small_contract(f"split{number}"))
        for place, part in enumerate(files):
            lab.upload(f"split{number}", f"{place}.csv", head + b"".join(part))
        assert lab.run(f"split{number}", f"s{number}") == ""
        found.append(list(hashes(lab, f"split{number}").values()))
    assert found[0] == found[1] == found[2]


def test_unreadable_files_are_named_and_the_others_go_on(lab: JobLab) -> None:
    """Each file that cannot be read is quarantined as a file, with its reason; a header alone is no mistake."""
    lab.put_contract("broken", small_contract("broken"))
    good = b"k,n,version,day,extra\na,1,1,2024-01-01,?\n"
    bad = {
        "cut.csv.gz": (gzip.compress(good * 50)[:-9], "broken gzip"),
        "semicolons.csv": (good.replace(b",", b";"), "no known column in the header: k;n;version;day;extra"),
        "twice.csv": (b"k,K,n,version,day\n", "column twice in the header: k"),
        "without.csv": (b"k,n,version\n", "required column missing in the header: day"),
        "latin.csv": (good.replace(b"extra", b"extr\xe9"), "header: not in its encoding"),
        "empty.csv": (b"", "empty"),
    }
    keys = {lab.upload("broken", name, body): reason for name, (body, reason) in bad.items()}
    lab.upload("broken", "good.csv", good)
    lab.upload("broken", "header.csv", b"k,n,version,day\n")
    assert lab.run("broken", "t") == ""
    report = lab.report("broken", "t")
    assert {file["key"]: file["reason"] for file in report["unreadable_files"]} == keys
    assert report["rows"] == {"readable": 1, "curated": 1, "duplicates_removed": 0, "superseded": 0, "quarantined": 0}
    assert report["unknown_columns"] == ["extra"]
    assert dict(lab.query("SELECT file, reasons[1] FROM {table} WHERE record IS NULL", "broken_quarantine")) == keys


def test_any_file_name_is_read(lab: JobLab) -> None:
    """A file's name may hold what Hadoop or URIs would take for something else."""
    lab.put_contract("names", small_contract("names", quarantine_limit=0.6))
    keys = [f"names/ingest_date=2024-01-31/{name}" for name in ("100%25+é#.csv", "[1]{x}*?.csv", "a b.csv")]
    for number, key in enumerate(keys):
        row = f"k,n,version,day\na{number},1,1,2024-01-01\nb,x,1,2024-01-01\n"
        lab.s3.put_object(Bucket=RAW, Key=key, Body=row.encode())
    assert lab.run("names", "t") == ""
    assert lab.query("SELECT file, line FROM {table} ORDER BY ALL", "names_quarantine") == [(key, 3) for key in keys]
    assert lab.query("SELECT k FROM {table} ORDER BY ALL", "names") == [("a0",), ("a1",), ("a2",)]


def test_nothing_to_publish_is_no_mistake(lab: JobLab) -> None:
    """A dataset whose only file is empty has a report, a quarantined file and no table."""
    lab.put_contract("none", small_contract("none"))
    lab.upload("none", "a.csv", b"")
    assert lab.run("none", "t") == ""
    assert lab.report("none", "t")["rows"]["readable"] == 0 and lab.keys("data/none/") == []


def test_gate_refuses_and_publishes_nothing(lab: JobLab) -> None:
    """More rejected rows than the contract allows fail the run with counts by reason; what was there stays."""
    lab.put_contract("gate", small_contract("gate"))
    lab.upload("gate", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\n")
    assert lab.run("gate", "g1") == ""
    before = hashes(lab, "gate")
    lab.upload("gate", "b.csv", b"k,n,version,day\nb,x,1,2024-01-01\nc,y,1,never\n")
    error = lab.run("gate", "g2")
    assert error.startswith("QualityGateError: 2 of 3 rows of gate are rejected, more than the 50%")
    assert "n: not a whole number (2), day: not a date (1)" in error
    assert hashes(lab, "gate") == before and len(lab.keys("_ledger/gate/")) == 1


def test_lost_objects_are_made_again(lab: JobLab) -> None:
    """A published object that someone deleted is noticed, though no raw object is new."""
    lab.put_contract("lost", small_contract("lost"))
    lab.upload("lost", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\n")
    assert lab.run("lost", "l1") == ""
    before = hashes(lab, "lost")
    lab.s3.delete_object(Bucket=CURATED, Key=next(iter(before)))
    assert lab.run("lost", "l2") == ""
    assert hashes(lab, "lost") == before


def check_crash(lab: JobLab, point: str) -> None:
    """Kill the job at a point, run it again, and compare with a lake where nothing was killed."""
    for dataset in (f"calm_{point}", f"kill_{point}"):
        lab.put_contract(dataset, small_contract(dataset))
        lab.upload(dataset, "a.csv", b"k,n,version,day\na,1,1,2024-01-01\nb,1,1,2024-01-02\nz,x,1,2024-01-01\n")
        assert lab.run(dataset, "before") == ""
        lab.upload(dataset, "b.csv", b"k,n,version,day\nc,3,1,2024-01-03\na,2,2,2024-01-03\n")
    assert lab.run(f"calm_{point}", "after") == ""
    killed = lab.run_process(f"kill_{point}", "killed", WORKBENCH_CRASH_AT=point)
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert lab.run(f"kill_{point}", "after") == ""
    wanted = {key.replace("calm_", "kill_"): value for key, value in hashes(lab, f"calm_{point}").items()}
    found = hashes(lab, f"kill_{point}")
    assert found.keys() == wanted.keys()
    assert all(found[key] == wanted[key] for key in found if "_quarantine" not in key)  # which has the raw keys
    assert rows_of(lab, f"kill_{point}") == [("a", 2, "2024-01-03"), ("b", 1, "2024-01-02"), ("c", 3, "2024-01-03")]
    rows = lab.report(f"kill_{point}", "after")["rows"]
    assert rows == lab.report(f"calm_{point}", "after")["rows"]
    assert_settled(lab, f"kill_{point}")
    assert lab.run(f"kill_{point}", "once-more") == ""
    assert lab.report(f"kill_{point}", "once-more")["status"] == "unchanged"


def test_killed_between_copies_converges(lab: JobLab) -> None:
    """A run killed in the midst of publishing is completed by the next."""
    check_crash(lab, "copy")


@pytest.mark.slow
@pytest.mark.parametrize("point", [point for point in CRASHES if point != "copy"])
def test_killed_anywhere_converges(lab: JobLab, point: str) -> None:
    """The same wherever it is killed."""
    check_crash(lab, point)


def test_publication_that_cannot_be_completed_is_built_anew(lab: JobLab) -> None:
    """An intent whose sources are gone does not stop the next run, which builds all of it again."""
    lab.put_contract("gone", small_contract("gone"))
    lab.upload("gone", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\n")
    assert lab.run("gone", "g1") == ""
    copy = {"source": "_tmp/dead/x.parquet", "source_etag": "e", "target": "data/gone/day=2024-01-09/x.parquet"}
    intent = {"token": "dead", "copies": [copy | {"sha256": "0", "bytes": 1, "rows": 1}], "deletes": [], "ledger": {}}
    lab.s3.put_object(Bucket=CURATED, Key="_ledger/gone/00000002-dead.intent.json", Body=json.dumps(intent).encode())
    assert lab.run("gone", "g2") == ""
    assert lab.report("gone", "g2")["status"] == "published"
    assert rows_of(lab, "gone") == [("a", 1, "2024-01-01")]
    assert_settled(lab, "gone")


def test_published_files_hold_no_more_than_the_table(lab: JobLab) -> None:
    """A partition's file has the contract's columns but the partition's, with their types."""
    lab.put_contract("types", small_contract("types"))
    lab.upload("types", "a.csv", b"k,n,version,day\na,1,1,2024-01-01\n")
    assert lab.run("types", "t") == ""
    key = lab.keys("data/types/")[0]
    described = duckdb.sql(f"DESCRIBE FROM read_parquet('{lab.stack.lake}/{CURATED}/{key}', hive_partitioning=false)")
    assert [row[:2] for row in described.fetchall()] == [("k", "VARCHAR"), ("n", "INTEGER"), ("version", "INTEGER")]
