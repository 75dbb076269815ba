"""Files as step 01 finds them: what Spark cannot unpack comes unpacked."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from helpers.config import StepConfig
from helpers.ingest_sources import find_files

TEXT = b"pupil_id,grade\n1,k\n" * 300_000


def pack(content: bytes) -> bytes:
    """Pack with zstd."""
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    packed: bytes = out.getvalue().to_pybytes()
    return packed


def test_zstd_comes_unpacked(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file packed with zstd, in one frame or two, is found under its name without the ending; others stay."""
    monkeypatch.setenv("WORKBENCH_HOME", str(home))
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.csv.zst").write_bytes(pack(TEXT))
    (folder / "b.csv").write_bytes(pack(TEXT) + pack(b"2,1\n"))
    (folder / "c.csv.zst").write_bytes(pack(TEXT)[:-40])
    (folder / "d.csv").write_bytes(TEXT)
    for _ in range(2):
        found = find_files(StepConfig("tennessee_star", "run-1", dt.date(2024, 1, 31), "local", str(folder)))
        assert [file.name for file in found] == ["a.csv", "b.csv", "c.csv.zst", "d.csv"]
        assert [file.path.read_bytes() for file in (found[0], found[1], found[3])] == [TEXT, TEXT + b"2,1\n", TEXT]
        assert {file.origin for file in found} == {str(folder)}
    assert not list((home / "cache" / "sources" / "zstd").rglob(".making-*"))
