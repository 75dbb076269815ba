"""The job over files in other encodings, delimiters and packings: the same rows, the same quarantine."""

import gzip
from pathlib import Path

from job_lab import job_lab
from test_job import small_contract

ENCODINGS = {"plain.csv": "windows-1252", "little.csv": "utf-16", "big.csv": "utf-16-be", "marked.csv": "utf-8-sig"}


def test_encodings_delimiters_and_gzip_come_out_right(tmp_path: Path) -> None:
    """Each file's letters, quoted line ends and rejected texts are those that were written, gzip or not."""
    form = {"delimiter": ";", "quote": "'", "encoding": "windows-1252"}
    written = {}
    with job_lab(tmp_path) as lab:
        lab.put_contract("forms", small_contract("forms", format=form, quarantine_limit=0.6))
        for number, (name, encoding) in enumerate(ENCODINGS.items()):
            text = f"k;n;version;day\r\n'é {number}\n„;x';1;1;2024-01-01\r\n'Ä\n{number}';ü;1;2024-01-01\r\n"
            body = (("\ufeff" if encoding == "utf-16-be" else "") + text).encode(encoding)
            packed = gzip.compress(body) if number % 2 else body
            key = lab.upload("forms", name + (".gz" if number % 2 else ""), packed)
            written[key] = (f"é {number}\n„;x", f"'Ä\n{number}';ü;1;2024-01-01")
        assert lab.run("forms", "t") == ""
        assert lab.query("SELECT k FROM {table} ORDER BY k", "forms") == sorted((kept,) for kept, _ in written.values())
        found = lab.query("SELECT file, raw, record, line, reasons FROM {table}", "forms_quarantine")
        expected = [(key, raw, 2, 4, ["n: not a whole number"]) for key, (_, raw) in written.items()]
        assert sorted(found) == sorted(expected)
