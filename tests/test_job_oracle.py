"""The job against an oracle in plain Python: any files with any dirt, in any order, coming, going and correcting."""

import base64
import csv
import gzip
import io
import itertools
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from job_lab import CURATED, RAW, JobLab
from oracle import Contract, Delivery, Outcome, expect

NUMBER = itertools.count(1)
GRADES = {"a": "A", "first": "A", "b": "B"}
NAMES = {  # of each column, as files may spell it
    "k": ["k", "K", " Key no. "], "n": ["n", "N"], "amount": ["amount", "Amount"], "score": ["score"], "ok": ["ok"],
    "grade": ["grade", "GRADE"], "tag": ["tag"], "day": ["day", "Date"], "at": ["at"], "note": ["Note", "note"],
    "": ["1st"],
}  # fmt: skip
GOOD = {
    "k": ["a", "b", "c"], "n": ["1", "2", "+3", "007", " 9 "], "amount": ["1", "2.005", "-0.5", "999.99"],
    "score": ["1.5", "2e1", ".5"], "ok": ["yes", "FALSE", "no"], "grade": ["A", "First", "b"], "tag": ["xy", "x", "z"],
    "day": ["2024-01-01", "31/01/2024", "2024-02-01", "01 Mar 2024"], "note": ["first", "é „x”", "second"],
    "at": ["2024-01-01T00:00:00", "2024-01-01 00:00:01", "2024-01-02T03:04:05"], "": ["x"],
}  # fmt: skip
DIRT = [
    "",
    "NA",
    "-",
    " \t",
    "x y",
    "1.0",
    "12",
    "-1",
    "1e3",
    "99999999999",
    "maybe",
    "2024-02-30",
    "2024-1-5",
    "é",
    "C",
]
DIRT += ["2024-01-01T25:00:00", "1000", "NaN", "1d", "True", "a\nb", 'say "x"', "it's; so", "7\x0b", "7\u00a0", "1_0"]
TOKENS = [
    "1",
    "2.0",
    "3e0",
    "-0",
    "1.5",
    "true",
    "false",
    "null",
    "[1]",
    '{"x":1}',
    '"NA"',
    '"a\\u00e9"',
    "12345678901",
]
LINES = ["", " ", '{"k":', "[]", "7", '{"k":"a"} {}', '{"k":1,"K":2}', '{"zz":1}', "{}", "\u00e9", '{"n":01}']


def make_contract(dataset: str, key: list[str], delimiter: str) -> dict[str, Any]:
    """Return a contract with a column of each type and rule."""
    kinds = {"k": "string", "n": "int", "amount": "decimal(5,2)", "score": "double", "ok": "boolean", "grade": "string"}
    kinds |= {"tag": "string", "day": "date", "at": "timestamp", "month": "string"}
    more: dict[str, dict[str, Any]] = {
        "k": {"required": True, "source_names": ["key_no"]},
        "n": {"required": True, "minimum": 0, "maximum": 9},
        "score": {"maximum": 100},
        "grade": {"values": GRADES},
        "tag": {"pattern": "^[a-y]"},
        "day": {"required": True, "source_names": ["date"], "formats": ["%Y-%m-%d", "%d/%m/%Y", "%d %b %Y"]},
        "at": {"formats": ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]},
        "month": {"derived_from": "day", "derived_format": "%Y-%m"},
    }
    rest = {"source_names": [], "required": False, "pattern": "", "minimum": None, "maximum": None, "values": {}}
    rest |= {"formats": [], "derived_from": "", "derived_format": ""}
    return {
        "schema": 1,
        "dataset": dataset,
        "columns": [{"name": name, "type": kind, **rest, **more.get(name, {})} for name, kind in kinds.items()],
        "key": key,
        "ordering": [{"column": "at", "descending": True}],
        "partition": "month",
        "null_spellings": ["", "NA", "-"],
        "format": {"delimiter": delimiter, "quote": '"', "encoding": "UTF-8"},
        "quarantine_limit": 1.0,
    }


def draw_columns(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Choose a file's columns and how it spells them; now and then one that is needed is missing."""
    names = draw(st.permutations(["amount", "score", "ok", "grade", "tag", "at", "note", ""]))
    names = ["k", "n", "day", *names[: draw(st.integers(0, 8))]]
    if draw(st.integers(0, 11)) == 0:
        names.remove(draw(st.sampled_from(names)))
    return [(name, draw(st.sampled_from(NAMES[name]))) for name in draw(st.permutations(names))]


def draw_cell(draw: st.DrawFn, column: str) -> str:
    """Choose a cell: mostly a value of the column."""
    pool = DIRT if draw(st.integers(0, 9)) == 0 else GOOD[column]
    return draw(st.sampled_from(pool))


@st.composite
def csv_files(draw: st.DrawFn, delimiter: str) -> tuple[str, bytes]:
    """Make a CSV file; records may be ragged, empty or no text, and the file packed, cut off or empty."""
    columns = draw_columns(draw)
    out = io.StringIO()
    newline, quoting = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    writer.writerow([spelling for _, spelling in columns])
    for _ in range(draw(st.integers(0, 7))):
        cells = [draw_cell(draw, name) for name, _ in columns]
        odd = draw(st.integers(0, 14))
        if odd == 0:
            cells = cells[:-1] if draw(st.booleans()) else [*cells, "more"]
        if odd in (1, 2):
            cells[0] += "\0" if odd == 1 else "\udce9"
        writer.writerow(cells)
        if odd == 3:
            out.write(newline)
    content = out.getvalue().encode("utf-8", "surrogateescape")
    content = (b"\xef\xbb\xbf" if draw(st.integers(0, 5)) == 0 else b"") + content
    name, packing = "f.csv", draw(st.integers(0, 9))
    if packing == 0:
        return name, b""
    if packing in (1, 2):
        content = gzip.compress(content, mtime=0)
        return f"{name}.gz", content if packing == 1 else content[:-5]
    return name, content


@st.composite
def json_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """Make a file of JSON lines, some of which are none."""
    columns = draw_columns(draw)
    lines = []
    for _ in range(draw(st.integers(0, 7))):
        if draw(st.integers(0, 7)) == 0:
            lines.append(draw(st.sampled_from(LINES)))
            continue
        pairs = []
        for name, spelling in columns:
            odd = draw(st.integers(0, 9))
            cell = draw(st.sampled_from(TOKENS)) if odd == 0 else json.dumps(draw_cell(draw, name))
            pairs.append(f"{json.dumps(spelling)}: {cell}" if odd != 1 else "")
        lines.append("{" + ", ".join(filter(None, pairs)) + "}")
    content = "\n".join(lines).encode().replace(b"\xc3\xa9", b"\xe9" if draw(st.integers(0, 9)) == 0 else b"\xc3\xa9")
    packed = draw(st.integers(0, 5)) == 0
    return ("f.jsonl.gz", gzip.compress(content, mtime=0)) if packed else ("f.jsonl", content)


@st.composite
def parquet_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """Make a Parquet file of texts, doubles and dates; now and then cut off."""
    count = draw(st.integers(0, 5))
    out = io.BytesIO()
    columns: dict[str, Any] = {
        "k": [draw(st.sampled_from(["a", "b", "c", "NA", None])) for _ in range(count)],
        "n": pa.array([draw(st.sampled_from([1.0, 2.0, 9.0, 2.5, None])) for _ in range(count)], pa.float64()),
        "day": pa.array([draw(st.sampled_from([19723, 19753, 19782, None])) for _ in range(count)], pa.date32()),
        "Note": pa.array([draw(st.sampled_from(["x", " y ", None])) for _ in range(count)], pa.string()),
    }
    columns["k"] = pa.array(columns["k"], pa.string())
    pq.write_table(pa.table(columns), out, compression=draw(st.sampled_from(["snappy", "zstd", "gzip", "none"])))
    content = out.getvalue()
    return "f.parquet", content[:-3] if draw(st.integers(0, 7)) == 0 else content


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module; each test has a dataset of its own in it."""
    return job_lake.empty()


def select(lab: JobLab, table: str) -> list[dict[str, Any]]:
    """Return a published table's rows without what is NULL; partitions may lack a column that came later."""
    if not lab.keys(f"data/{table}/"):
        return []
    files = f"{lab.stack.lake}/{CURATED}/data/{table}/**/*.parquet"
    options = "hive_partitioning=true, hive_types_autocast=false, union_by_name=true"
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT * FROM read_parquet('{files}', {options})")
        names = [column[0] for column in rows.description]
        return [{n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows.fetchall()]


def sort_rows(rows: list[dict[str, Any]]) -> list[str]:
    """Return rows in an order that can be compared."""
    return sorted(repr(sorted((name, value) for name, value in row.items() if value is not None)) for row in rows)


def check(lab: JobLab, contract: Contract, token: str, wanted: Outcome) -> None:
    """Compare what the job published and counted with what it must have."""
    dataset = contract["dataset"]
    report = lab.report(dataset, token)
    assert sort_rows(select(lab, dataset)) == sort_rows(wanted.curated)
    rows = dict(report["rows"])
    rows["lost"] = rows.pop("duplicates_removed") + rows.pop("superseded")
    assert rows == wanted.rows
    assert {file["key"]: file["reason"] for file in report["unreadable_files"]} == wanted.unreadable
    found, files = [], {}
    for row in select(lab, f"{dataset}_quarantine"):
        if "record" not in row:
            files[row["file"]] = row["reasons"]
            continue
        raw = base64.b64decode(row["raw_base64"]) if "raw_base64" in row else row["raw"].encode()
        line = row.get("line")
        found.append((row["file"], row["record"], line, raw if line else None, row["reasons"]))
    assert sorted(found, key=repr) == sorted(wanted.rejected, key=repr)
    assert files == {key: [reason] for key, reason in wanted.unreadable.items()}
    reasons: dict[str, int] = {}
    for reason in (reason for *_, why in wanted.rejected for reason in why):
        reasons[reason] = reasons.get(reason, 0) + 1
    assert report["quarantined_by_reason"] == reasons


def walk(lab: JobLab, data: st.DataObject) -> None:
    """Let files come, go, correct and be rejected; after each run, and after a full one, compare with the oracle."""
    dataset, delimiter = f"walk{next(NUMBER)}", data.draw(st.sampled_from([",", ";", "\t"]))
    key = data.draw(st.sampled_from([["k"], ["k", "day"]]))
    contract = lab.put_contract(dataset, make_contract(dataset, key, delimiter))
    files = st.one_of(csv_files(delimiter), csv_files(delimiter), json_files(), parquet_files())
    known: dict[str, Delivery] = {}
    seen: set[str] = set()
    steps = data.draw(st.integers(1, 3))
    for step in range(steps):
        for number in range(data.draw(st.integers(1, 3))):
            there = [key for key, delivery in known.items() if delivery.present]
            act = data.draw(st.sampled_from(["new"] * 4 + ["supersede", "delete", "reject"])) if there else "new"
            chosen = data.draw(st.sampled_from(there)) if there else ""
            if act in ("new", "supersede"):
                name, content = data.draw(files)
                links = (chosen,) if act == "supersede" else ()
                placed = lab.upload(dataset, f"{step}{number}-{name}", content, supersedes=links)
                known[placed] = Delivery(placed, content, links)
            elif act == "reject":
                known[chosen] = replace(known[chosen], rejected=not known[chosen].rejected)
                lab.reject(chosen, known[chosen].rejected)
            elif chosen in seen:
                lab.s3.delete_object(Bucket=RAW, Key=chosen)
                known[chosen] = replace(known[chosen], present=False)
        seen = {key for key, delivery in known.items() if delivery.present}
        assert lab.run(dataset, f"step{step}") == ""
        check(lab, contract, f"step{step}", expect(list(known.values()), contract))
    assert lab.run(dataset, "full", "--FULL", "true") == ""
    check(lab, contract, "full", expect(list(known.values()), contract))
    assert lab.run(dataset, "again") == "" and lab.report(dataset, "again")["status"] == "unchanged"


SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "database": None}
FEW = settings(max_examples=4, phases=[Phase.generate], **SETTINGS)
MANY = settings(max_examples=150, phases=[Phase.generate, Phase.shrink], **SETTINGS)


@FEW
@given(data=st.data())
def test_job_does_what_the_oracle_says(lab: JobLab, data: st.DataObject) -> None:
    """Curated rows, quarantine with all reasons and places, and the account are those of the oracle."""
    walk(lab, data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@MANY
@given(data=st.data())
def test_job_does_what_the_oracle_says_always(lab: JobLab, data: st.DataObject) -> None:
    """The same over many more files."""
    walk(lab, data)


def test_oracle_finds_what_is_planted_in_it() -> None:
    """The oracle itself, on a case small enough to be done by hand."""
    contract = make_contract("hand", ["k"], ",")
    first = b"k,n,day,amount\na,1,2024-01-01,2.005\na,1,2024-01-01,2.01\nb,x,2024-02-30,\n\nc,2\n"
    second = b'{"K": "a", "n": 1.0, "day": "01 Mar 2024", "at": "2024-01-01 00:00:01", "Note": 1.50}\n{"k": [1]}\n'
    one, two = Delivery("hand/a.csv", first), Delivery("hand/b.jsonl", second)
    found = expect([one, two], contract)
    assert [(row["k"], row["n"], row["month"], row["note"]) for row in found.curated] == [("a", 1, "2024-03", "1.50")]
    assert found.rows == {"readable": 6, "curated": 1, "lost": 2, "quarantined": 3}
    assert [(number, line, reasons) for _, number, line, _, reasons in found.rejected] == [
        (3, 4, ["n: not a whole number", "day: not a date"]),
        (4, 6, ["wrong number of fields"]),
        (2, 2, ["k: not a single value", "n: missing", "day: missing"]),
    ]
    found = expect([one, replace(two, rejected=True)], contract)
    assert [(row["k"], row["amount"]) for row in found.curated] == [("a", Decimal("2.01"))]
    assert found.rows == {"readable": 6, "curated": 1, "lost": 3, "quarantined": 2}
    found = expect([one, replace(two, supersedes=(one.key,))], contract)
    assert found.rows == {"readable": 6, "curated": 1, "lost": 4, "quarantined": 1}
