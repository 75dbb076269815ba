"""The job over files of any format, encoding, delimiter and packing: the same rows, the same quarantine."""

import base64
import gzip
import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from job_lab import JobLab
from test_job import rows_of, small_contract

ENCODINGS = {"plain.csv": "windows-1252", "little.csv": "utf-16", "big.csv": "utf-16-be", "marked.csv": "utf-8-sig"}
HEAD = "k,n,version,day\n"
SAID = "SELECT file, record, line, raw, reasons FROM {table} ORDER BY ALL"


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module; each test has a dataset of its own in it."""
    return job_lake.empty()


def write_parquet(columns: dict[str, Any], **options: Any) -> bytes:
    """Return a Parquet file with these columns."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def test_encodings_delimiters_and_gzip_come_out_right(lab: JobLab) -> None:
    """Each file's letters, quoted line ends and rejected texts are those that were written, gzip or not."""
    form = {"delimiter": ";", "quote": "'", "encoding": "windows-1252"}
    written = {}
    lab.put_contract("forms", small_contract("forms", format=form, quarantine_limit=0.6))
    for number, (name, encoding) in enumerate(ENCODINGS.items()):
        text = f"k;n;version;day\r\n'é {number}\n„;x';1;1;2024-01-01\r\n'Ä\n{number}';ü;1;2024-01-01\r\n"
        body = (("\ufeff" if encoding == "utf-16-be" else "") + text).encode(encoding)
        packed = gzip.compress(body) if number % 2 else body
        key = lab.upload("forms", name + (".gz" if number % 2 else ""), packed)
        written[key] = (f"é {number}\n„;x", f"'Ä\n{number}';ü;1;2024-01-01", body)
    assert lab.run("forms", "t") == ""
    assert lab.query("SELECT k FROM {table} ORDER BY k", "forms") == sorted((kept,) for kept, *_ in written.values())
    found = lab.query("SELECT file, raw, record, line, reasons FROM {table}", "forms_quarantine")
    expected = [(key, raw, 2, 4, ["n: not a whole number"]) for key, (_, raw, _) in written.items()]
    assert sorted(found) == sorted(expected)
    for key, raw64 in lab.query("SELECT file, raw_base64 FROM {table}", "forms_quarantine"):
        _, raw, body = written[key]
        assert raw64 is None if body.startswith(b"\xef\xbb\xbf") else base64.b64decode(raw64) in body, raw


def test_records_that_are_no_text_are_kept_byte_for_byte(lab: JobLab) -> None:
    """A record with bytes of no encoding, a NUL or a huge field is rejected alone, and its bytes can be had again."""
    lab.put_contract("bytes", small_contract("bytes", quarantine_limit=0.9))
    bad = [
        b"M\xfcller,1,1,2024-01-01",
        b'"a\xff\nb",2,1,2024-01-02',
        b"n\0l,3,1,2024-01-03",
        b"x" * (1 << 20) + b",1,1,",
    ]
    rows = [b"a,1,1,2024-01-01", *bad, b"z,5,1,2024-01-02", b"q,,1,2024-01-02"]
    key = lab.upload("bytes", "a.csv", HEAD.encode() + b"\r\n".join(rows))
    assert lab.run("bytes", "t") == ""
    assert rows_of(lab, "bytes") == [("a", 1, "2024-01-01"), ("z", 5, "2024-01-02")]
    sql = "SELECT file, record, line, raw, raw_base64, reasons[1] FROM {table} ORDER BY record"
    found = lab.query(sql, "bytes_quarantine")
    assert [row[:3] for row in found] == [(key, n, line) for n, line in [(2, 3), (3, 4), (4, 6), (5, 7), (7, 9)]]
    assert [base64.b64decode(row[4]) if row[4] else row[3].encode() for row in found] == [*bad, rows[-1]]
    no_text = "not in its encoding"
    assert [row[5] for row in found] == [no_text, no_text, "NUL byte", "longer than 1 MiB", "n: missing"]


def test_json_lines_mean_what_the_same_cells_would(lab: JobLab) -> None:
    """Numbers, words, nulls, names and escapes are understood exactly; a line that is none is rejected as it stands."""
    lab.put_contract("lines", small_contract("lines", quarantine_limit=1.0))
    good = [
        '{"k": "a", "n": 1, "version": 1.0, "day": "2024-01-01"}',
        '{"K": "b \\u00e9\\n\\"x\\"", "n": "2", "version": 1e0, "day": "2024-01-01", "extra": {"x": [1.10, null]}}',
        '{"day": "2024-01-02", "k": 3.10, "n": -0, "version": "1"}',
        '{"k": true, "n": 12345678901e-3, "version": 1, "day": "2024-01-02"}',
    ]
    bad = {
        '{"k": "x", "n": 1.5, "version": null, "day": [1]}': ["n: not a whole number", "version: missing"],
        '{"k": "x", "n": true, "version": 1, "day": {}}': ["n: not a whole number"],
        '{"k": "x"': ["not a JSON object"],
        '{"k": "x", "n": 1, "version": 1, "day": "2024-01-01"} {}': ["not a JSON object"],
        '{"k": "x", "n": NaN, "version": 1, "day": "2024-01-01"}': ["not a JSON object"],
        "[1]": ["not a JSON object"],
        '{"k": "x", "n": 01, "version": 1, "day": "2024-01-01"}': ["not a JSON object"],
        '{"k": "x", "K": "y", "n": 1, "version": 1, "day": "2024-01-01"}': ["column twice: k"],
        '{"k": "\\ud800", "n": 1, "version": 1, "day": "2024-01-01"}': ["not in its encoding"],
        '{"k": "\\u0000", "n": 1, "version": 1, "day": "2024-01-01"}': ["NUL byte"],
        '{"k": "x", "n": 1e99999999, "version": 1, "day": "2024-01-01"}': ["n: not a whole number"],
    }
    nested = list(bad)[:2]
    lines = [*good[:3], "", *bad, good[3]]
    keys = [lab.upload("lines", "a.jsonl", "\n".join(lines).encode())]
    keys.append(lab.upload("lines", "b.json.gz", gzip.compress("\r\n".join(lines).encode())))
    assert lab.run("lines", "t") == ""
    kept = lab.query("SELECT k, n, extra FROM {table} ORDER BY n", "lines")
    # 12345678901e-3 is no whole number, so the last of the good ones is none.
    assert kept == [("3.10", 0, None), ("a", 1, None), ('b é\n"x"', 2, '{"x":[1.10,null]}')]
    found = lab.query(SAID, "lines_quarantine")
    numbered = [(number, number + 1, line) for number, line in enumerate(lines[4:], start=4)]  # after an empty line
    reasons = {line: [*why, *(["day: not a single value"] if line in nested else [])] for line, why in bad.items()}
    reasons[good[3]] = ["n: not a whole number"]
    assert sorted(found) == sorted((key, *place, line, reasons[line]) for key in keys for *place, line in numbered)
    assert lab.report("lines", "t")["rows"]["duplicates_removed"] == 3


def test_parquet_means_what_the_same_cells_would(lab: JobLab) -> None:
    """Typed columns are judged by the contract's rules, with any codec; a rejected row is shown as JSON."""
    lab.put_contract("parq", small_contract("parq", quarantine_limit=1.0))
    when = pa.array(["2024-01-01", "2024-01-02", None]).cast(pa.date32())
    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        columns = {
            "K": [codec, "x", "y"],
            "n": [7.0, 7.5, None],
            "version": pa.array([1, 2, 3], pa.uint8()),
            "day": when,
        }
        key = lab.upload("parq", f"{codec}.parquet", write_parquet(columns, compression=codec))
    assert lab.run("parq", "t") == ""
    assert [row[:2] for row in rows_of(lab, "parq")] == [
        (c, 7) for c in sorted(("none", "snappy", "gzip", "zstd", "lz4", "brotli"))
    ]
    sql = f"SELECT record, line, raw, reasons FROM {{table}} WHERE file = '{key}' ORDER BY record"
    assert lab.query(sql, "parq_quarantine") == [
        (2, None, '{"K": "x", "n": 7.5, "version": 2, "day": "2024-01-02"}', ["n: not a whole number"]),
        (3, None, '{"K": "y", "n": null, "version": 3, "day": null}', ["n: missing", "day: missing"]),
    ]


def test_files_that_are_none_of_the_formats_are_named(lab: JobLab) -> None:
    """Cut off, wrongly named, in conflict with the contract, packed in another way: each is listed with its reason."""
    lab.put_contract("none", small_contract("none"))
    columns = {"k": ["a"], "n": [1], "version": [1], "day": ["2024-01-01"]}
    whole = write_parquet(columns)
    conflict = "type conflict: n is list<element: int64> in the file and int in the contract"
    bad = {
        "cut.parquet": (whole[:-9], "broken Parquet: its end is missing"),
        "text.parquet": (b"k,n\n", "not Parquet"),
        "nested.parquet": (write_parquet(columns | {"n": [[1]]}), conflict),
        "flag.parquet": (
            write_parquet(columns | {"n": [True]}),
            "type conflict: n is bool in the file and int in the contract",
        ),
        "array.json": (b'[{"k": 1}]', "a JSON array: write one object a line"),
        "pretty.json": (b'{\n"k": 1\n}', "no line is a JSON object"),
        "other.jsonl": (b'{"zz": 1}\n', "no known column: zz"),
        "cut.jsonl.gz": (gzip.compress(b'{"k": 1}\n' * 99)[:-9], "broken gzip"),
        "a.csv.zst": (b"\x28\xb5\x2f\xfd\x00", "packed with zstd: ingest it by step 01, which unpacks it"),
    }
    keys = {lab.upload("none", name, body): reason for name, (body, reason) in bad.items()}
    damaged = whole[:30] + bytes(20) + whole[50:]
    broken = lab.upload("none", "damaged.parquet", damaged)
    lab.upload("none", "whole.dat", whole)  # told by its content
    lab.upload("none", "packed.csv", gzip.compress(HEAD.encode() + b"b,1,1,2024-01-01\n"))
    assert lab.run("none", "t") == ""
    found = {file["key"]: file["reason"] for file in lab.report("none", "t")["unreadable_files"]}
    assert found.pop(broken).startswith("broken Parquet: ") and found == keys
    assert rows_of(lab, "none") == [("a", 1, "2024-01-01"), ("b", 1, "2024-01-01")]


def test_contract_says_what_a_file_without_a_telling_name_is(lab: JobLab) -> None:
    """The contract's format is the default for names that say nothing."""
    form = {"kind": "json", "delimiter": ",", "quote": '"', "encoding": "UTF-8"}
    lab.put_contract("default", small_contract("default", format=form))
    lab.upload("default", "export", json.dumps({"k": "a", "n": 1, "version": 1, "day": "2024-01-01"}).encode())
    assert lab.run("default", "t") == "" and rows_of(lab, "default") == [("a", 1, "2024-01-01")]


def test_exact_numbers_survive_every_format(lab: JobLab) -> None:
    """A decimal with more digits than a double holds is the same from CSV, JSON lines and Parquet."""
    contract = small_contract("exact", quarantine_limit=1.0)
    contract["columns"][1]["type"] = "decimal(38,18)"
    lab.put_contract("exact", contract)
    number = "12345678901234567890.123456789012345678"
    lab.upload("exact", "a.csv", f"{HEAD}a,{number},1,2024-01-01\n".encode())
    lab.upload("exact", "b.jsonl", f'{{"k":"b","n":{number},"version":1,"day":"2024-01-01"}}'.encode())
    columns = {"k": ["c"], "n": [Decimal(number)], "version": [1], "day": ["2024-01-01"]}
    lab.upload("exact", "c.parquet", write_parquet(columns))
    assert lab.run("exact", "t") == ""
    assert lab.query("SELECT k, n FROM {table} ORDER BY k", "exact") == [(k, Decimal(number)) for k in "abc"]
