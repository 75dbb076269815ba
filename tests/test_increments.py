"""What is read again and what is not: states of objects, plans, and the job over files that come, go and correct."""

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_lab import CURATED, RAW, JobLab
from test_job import hashes, rows_of, small_contract

from glue.increments import ACTIVE, REJECTED, SUPERSEDED, decide_states, plan_increment, read_links

HEAD = b"k,n,version,day\n"


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module; each test has a dataset of its own in it."""
    return job_lake.empty()


def test_chain_of_deliveries_holds_without_its_middle() -> None:
    """The newest of a chain supersedes all before it, though the middle is rejected or gone; alone, it lets them be."""
    links = {"b": ["a"], "c": ["b"]}
    assert decide_states(links, "abc", []) == {"a": SUPERSEDED, "b": SUPERSEDED, "c": ACTIVE}
    assert decide_states(links, "abc", ["b"]) == {"a": SUPERSEDED, "b": REJECTED, "c": ACTIVE}
    assert decide_states(links, "ac", []) == {"a": SUPERSEDED, "c": ACTIVE}
    assert decide_states(links, "abc", ["c"]) == {"a": SUPERSEDED, "b": ACTIVE, "c": REJECTED}
    assert decide_states({"b": ["a"]}, "ab", ["b"]) == {"a": ACTIVE, "b": REJECTED}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)), st.data())
def test_states_do_not_depend_on_order(links: dict[str, list[str]], data: st.DataObject) -> None:
    """The order in which objects are listed decides nothing, and loops in the metadata come to an end."""
    rejected = data.draw(st.sets(st.sampled_from("abcdef")))
    order = data.draw(st.permutations("abcdef"))
    assert decide_states(links, order, rejected) == decide_states(links, "abcdef", rejected)


def test_links_are_read_from_metadata() -> None:
    """Keys with any sign in them are told from each other."""
    assert read_links({"supersedes": "d/a%20b.csv d/c.csv"}) == ["d/a b.csv", "d/c.csv"]
    assert read_links({}) == []


def entry(key: str, etag: str = "1", state: str = ACTIVE, partitions: Sequence[str] = ()) -> dict[str, Any]:
    """Describe an object as the ledger does."""
    return {"key": key, "etag": etag, "bytes": 1, "rows": 1, "supersedes": [], "state": state} | {
        "partitions": list(partitions)
    }


def test_plan_reads_what_is_new_and_what_shares_partitions_with_what_is_gone() -> None:
    """A new object is read alone; one that is gone makes those be read again that fed its partitions."""
    lost = {"duplicates_removed": 0, "superseded": 0}
    ledger = {
        "objects": [entry("a", partitions=["1"]), entry("b", partitions=["1", "2"]), entry("c", partitions=["3"])],
        "partitions": [{"partition": name, "lost": lost} for name in "123"],
    }
    listed = {o["key"]: o for o in ledger["objects"]}
    plan = plan_increment(listed | {"d": entry("d")}, ledger, True)
    assert (plan.full, plan.added, plan.rebuild, plan.reread) == (False, {"d"}, frozenset(), frozenset())
    gone: Mapping[str, Any] = {key: o for key, o in listed.items() if key != "a"}
    plan = plan_increment(gone, ledger, True)
    assert (plan.full, plan.rebuild, plan.reread) == (False, {"1"}, {"b"})
    assert [(o["key"], o["state"]) for o in plan.gone] == [("a", "deleted")]
    assert plan_increment(gone, ledger, False).full


def test_only_new_objects_are_read(lab: JobLab) -> None:
    """A second delivery is read alone; partitions that it does not touch stay; with nothing new, nothing is read."""
    lab.put_contract("inc", small_contract("inc"))
    lab.upload("inc", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\nx,y,1,2024-01-01\n")
    assert lab.run("inc", "i1") == ""
    late = lab.upload("inc", "b.csv", HEAD + b"c,3,1,2024-01-01\nz,q,1,2024-01-01\n")
    assert lab.run("inc", "i2") == ""
    report = lab.report("inc", "i2")
    assert report["read"] == [late] and len(report["objects"]) == 2
    assert rows_of(lab, "inc") == [("a", 1, "2024-01-01"), ("b", 2, "2024-01-02"), ("c", 3, "2024-01-01")]
    assert report["rows"] == {
        "readable": 5, "curated": 3, "duplicates_removed": 0, "superseded": 0, "quarantined": 2,
    }  # fmt: skip
    assert len(lab.query("SELECT raw FROM {table}", "inc_quarantine")) == 2
    tokens = [lab.s3.head_object(Bucket=CURATED, Key=key)["Metadata"]["token"] for key in lab.keys("data/inc/")]
    assert tokens == ["i2", "i1"]
    assert lab.run("inc", "i3") == "" and lab.report("inc", "i3")["read"] == []


def test_key_moves_to_another_partition(lab: JobLab) -> None:
    """A correction takes a key out of the partition that held it, though nothing else of that one is new."""
    lab.put_contract("move", small_contract("move"))
    lab.upload("move", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-01\nc,3,1,2024-01-03\n")
    assert lab.run("move", "m1") == ""
    late = lab.upload("move", "b.csv", HEAD + b"a,9,2,2024-01-02\nc,0,0,2024-01-04\n")
    assert lab.run("move", "m2") == "" and lab.report("move", "m2")["read"] == [late]
    assert rows_of(lab, "move") == [("a", 9, "2024-01-02"), ("b", 2, "2024-01-01"), ("c", 3, "2024-01-03")]


def test_delivery_that_supersedes_another_takes_its_rows_away(lab: JobLab) -> None:
    """Rows that the later delivery dropped leave curated and quarantine; they stay in the account as superseded."""
    lab.put_contract("sup", small_contract("sup"))
    first = lab.upload("sup", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\nx,y,1,2024-01-01\n")
    lab.upload("sup", "other.csv", HEAD + b"c,3,1,2024-01-01\nw,-,1,2024-01-01\n")
    assert lab.run("sup", "s1") == ""
    lab.upload("sup", "a.csv", HEAD + b"a,1,1,2024-01-01\n", supersedes=[first])
    assert lab.run("sup", "s2") == ""
    report = lab.report("sup", "s2")
    assert rows_of(lab, "sup") == [("a", 1, "2024-01-01"), ("c", 3, "2024-01-01")]
    assert report["rows"]["readable"] == 6 and report["rows"]["superseded"] == 3
    assert lab.query("SELECT raw FROM {table}", "sup_quarantine") == [("w,-,1,2024-01-01",)]


def test_rejected_delivery_leaves_and_comes_back(lab: JobLab) -> None:
    """A rejected object's rows leave the table, what they beat counts again, and a change of mind restores them."""
    lab.put_contract("rej", small_contract("rej") | {"key": ["k", "day"]})
    lab.upload("rej", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-02\n")
    bad = lab.upload("rej", "b.csv", HEAD + b"a,9,2,2024-01-01\nx,y,1,2024-01-01\n")
    assert lab.run("rej", "r1") == ""
    before, counted = hashes(lab, "rej"), lab.report("rej", "r1")["rows"]
    assert rows_of(lab, "rej")[0] == ("a", 9, "2024-01-01")
    lab.reject(bad)
    assert lab.run("rej", "r2") == ""
    assert rows_of(lab, "rej") == [("a", 1, "2024-01-01"), ("b", 2, "2024-01-02")]
    assert lab.report("rej", "r2")["rows"] == counted | {"superseded": 2, "quarantined": 0}
    assert not lab.keys("data/rej_quarantine/") and len(lab.report("rej", "r2")["read"]) == 1
    lab.reject(bad, False)
    assert lab.run("rej", "r3") == ""
    assert hashes(lab, "rej") == before and lab.report("rej", "r3")["rows"] == counted


def test_large_partition_is_a_fixed_number_of_objects(lab: JobLab) -> None:
    """A row stays in its object when others come and go; only a full run decides the number of objects anew."""
    rows = "".join(f"k{number},{number},1,2024-01-{1 + number // 500:02d}\n" for number in range(600))
    contract = small_contract("big") | {"object_bytes": 2000}
    lab.put_contract("big", contract)
    lab.upload("big", "a.csv", HEAD + rows.encode())
    assert lab.run("big", "b1") == ""
    where = "SELECT k, parse_filename(filename) FROM {table} WHERE day = DATE '2024-01-01'"
    before = dict(lab.query(where, "big"))
    names = [key.rpartition("/")[2] for key in lab.keys("data/big/day=2024-01-01/")]
    assert len(before) == 500 and len(names) > 1 and names[0].endswith(f"-of-{len(names):05d}.parquet")
    more = "".join(f"m{number},{number},1,2024-01-01\n" for number in range(2000))
    lab.upload("big", "b.csv", HEAD + more.encode() + b"k7,9,2,2024-01-01\n")
    assert lab.run("big", "b2") == ""
    after = dict(lab.query(where, "big"))
    assert len(after) == 2500 and {key: after[key] for key in before} == before
    ledger = lab.read_json(lab.keys("_ledger/big/")[-1])
    assert {entry["shards"] for entry in ledger["partitions"] if entry["partition"] == "2024-01-01"} == {len(names)}
    table = rows_of(lab, "big")
    assert lab.run("big", "b3", "--FULL", "true") == ""
    assert rows_of(lab, "big") == table and len(lab.keys("data/big/day=2024-01-01/")) > len(names)


def test_delivery_leaves_a_table_of_many_partitions(lab: JobLab) -> None:
    """Rows that lost are counted for each of many partitions too, so that later only what one object fed is read."""
    lab.put_contract("many", small_contract("many") | {"key": ["k", "day"]})
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(70)]
    rows = "".join(f"b,1,1,{day}\na,1,1,{day}\na,1,1,{day}\na,2,0,{day}\n" for day in days)
    first = lab.upload("many", "a.csv", HEAD + rows.encode())
    lab.upload("many", "b.csv", HEAD + f"c,3,1,{days[-1]}\n".encode())
    bad = lab.upload("many", "c.csv", HEAD + f"a,9,2,{days[0]}\n".encode())
    assert lab.run("many", "m1") == ""
    ledger = lab.read_json(lab.keys("_ledger/many/")[-1])
    counts = [tuple(entry["lost"].values()) for entry in ledger["partitions"]]
    assert sorted(counts) == [(0, 3)] + [(1, 1)] * 69 and len(rows_of(lab, "many")) == 141
    lab.reject(bad)
    assert lab.run("many", "m2") == ""
    report = lab.report("many", "m2")
    assert report["read"] == [first] and report["rows"]["duplicates_removed"] == 70
    assert ("a", 1, "2024-01-01") in rows_of(lab, "many")


def delivery(choice: random.Random) -> bytes:
    """Make a small file: few keys and days, so that rows meet; some rows are bad."""
    lines = []
    for _ in range(choice.randint(0, 6)):
        day = dt.date(2024, 1, choice.randint(1, 3))
        number = choice.choice(["1", "2", "3", "bad"])
        lines.append(f"{choice.choice('abcd')},{number},{choice.randint(0, 2)},{day}\n")
    return HEAD + "".join(lines).encode()


def check_increments(lab: JobLab, seed: int, key: list[str], steps: int) -> None:
    """Let files come, go, supersede and be rejected; after each run compare with a table that is built at once."""
    choice = random.Random(f"{seed} {key}")
    name = f"walk{seed}{len(key)}"
    lab.put_contract(name, small_contract(name, key=key, quarantine_limit=1.0))
    objects: list[str] = []
    rejected: set[str] = set()
    for step in range(steps):
        act = choice.choice(["new", "new", "supersede", "delete", "reject"]) if objects else "new"
        target = choice.choice(objects) if objects else ""
        if act in ("new", "supersede"):
            linked = [target] if act == "supersede" else []
            objects.append(lab.upload(name, f"{step}.csv", delivery(choice) + b"\n" * step, supersedes=linked))
        elif act == "delete":
            lab.s3.delete_object(Bucket=RAW, Key=target)
            objects.remove(target)
        else:
            rejected ^= {target}
            lab.reject(target, target in rejected)
        assert lab.run(name, f"step{step}") == "", f"seed {seed}, step {step}: {act}"
        found, rows = hashes(lab, name), lab.report(name, f"step{step}")["rows"]
        batches = (
            sorted(lab.query("SELECT file, record, raw, reasons FROM {table}", f"{name}_quarantine"))
            if any("_quarantine" in key for key in found)
            else []
        )
        assert lab.run(name, f"full{step}", "--FULL", "true") == ""
        again, anew = hashes(lab, name), lab.report(name, f"full{step}")["rows"]
        for counted in (rows, anew):
            counted["lost"] = counted.pop("duplicates_removed") + counted.pop("superseded")
        assert rows == anew, f"seed {seed}, step {step}: {act}"
        table = {key: value for key, value in found.items() if "_quarantine" not in key}
        assert table == {key: value for key, value in again.items() if "_quarantine" not in key}
        if batches:
            assert batches == sorted(lab.query("SELECT file, record, raw, reasons FROM {table}", f"{name}_quarantine"))


@pytest.mark.parametrize("key", [["k"], ["k", "day"]])
def test_increments_make_the_table_of_a_full_run(lab: JobLab, key: list[str]) -> None:
    """Whatever comes, goes, supersedes and is rejected: the table and the account are those of a run over all."""
    check_increments(lab, 1, key, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("key", [["k"], ["k", "day"]])
def test_increments_make_the_table_of_a_full_run_always(lab: JobLab, key: list[str], seed: int) -> None:
    """The same over longer walks."""
    check_increments(lab, seed, key, 8)
