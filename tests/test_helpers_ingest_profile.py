"""Profiles of raw files, clean and broken, against counts made by hand."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from helpers.ingest_profile import ColumnProfile, FileProfile, Profile, profile_paths, simplify_name

NULLS = ("", "NA", "-")
CSV = 'id,name,score\n1,"two\nlines",3\n2,x,4,5\n3,y\n4,NA,2.5\n4,NA,2.5\n5,"a ""b""",-\n'


def profile(tmp_path: Path, content: bytes, name: str = "file.csv") -> Profile:
    """Profile one file with this content."""
    path = tmp_path / name
    path.write_bytes(content)
    return Profile("d", profile_paths([path], NULLS), {}, 0.0)


def test_records_are_counted_as_records_and_not_as_lines(tmp_path: Path) -> None:
    """A quoted line break does not end a record; one with too many cells is counted apart; a short one is padded."""
    (file,) = profile(tmp_path, CSV.encode()).files
    assert (file.rows, file.misfits, file.repeated) == (6, 1, 1)
    assert [column.missing for column in file.columns] == [0, 2, 2]
    assert file.problem == ""


def test_gzip_is_read_like_the_plain_file(tmp_path: Path) -> None:
    """A compressed CSV has the counts of the plain one."""
    plain, packed = profile(tmp_path, CSV.encode()), profile(tmp_path, gzip.compress(CSV.encode()), "file.csv.gz")
    assert packed.files[0].columns == plain.files[0].columns


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (b"", "empty.csv", "empty"),
        (b"\xff\xfe\n", "odd.csv", "no header"),
        (gzip.compress(CSV.encode() * 50)[:90], "cut.csv.gz", "end-of-stream"),
        (gzip.compress(CSV.encode())[:10] + b"\xff" * 40, "damaged.csv.gz", "invalid block type"),
        (b"PAR1 not parquet", "file.parquet", "Parquet|parquet|magic"),
        (b"\x00\x01\x02", "binary.csv", "not text"),
    ],
)
def test_a_broken_file_is_described_and_not_refused(tmp_path: Path, content: bytes, name: str, problem: str) -> None:
    """A file that cannot be read has no counts and a reason."""
    found = profile(tmp_path, content, name)
    assert found.rows == 0
    assert pd.Series([found.problems[0].problem]).str.contains(problem).all()


def test_a_broken_json_line_is_one_record(tmp_path: Path) -> None:
    """A line that is no object does not keep the others from being counted."""
    (file,) = profile(tmp_path, b'{"a": 1}\n{"a": \n{"a": 3, "b": {"c": 1}}\n', "t.jsonl").files
    assert (file.rows, file.problem, [column.missing for column in file.columns]) == (3, "", [1, 2])


def test_other_formats_and_encodings_are_read(tmp_path: Path) -> None:
    """JSON lines, Parquet, a byte order mark, another delimiter and UTF-16 come out with their columns."""
    pd.DataFrame({"a": [1, 2], "b": [None, "x"]}).to_parquet(tmp_path / "t.parquet")
    contents = {
        "t.jsonl": b'{"a": 1, "b": "x"}\n{"a": 2}\n',
        "t.parquet": (tmp_path / "t.parquet").read_bytes(),
        "bom.csv": b"\xef\xbb\xbfa;b\n1;\n2;x\n",
        "utf16.csv": "a,b\n1,é\n2,\n".encode("utf-16"),
    }
    for name, content in contents.items():
        (file,) = profile(tmp_path, content, name).files
        assert ([c.spelling for c in file.columns], file.rows) == (["a", "b"], 2), (name, file.problem)
        assert file.columns[1].missing == 1, name


def test_columns_are_summed_up_under_the_contracts_name(tmp_path: Path) -> None:
    """Spellings of one column are one line; what its cells look like is said with the share that does."""
    cells = "\n".join(["1"] * 19 + ["one"])
    (tmp_path / "one.csv").write_text(f"Pupil ID\n{cells}\n")
    (tmp_path / "two.csv").write_text("pupil-number\n7\n")
    files = profile_paths([tmp_path / "one.csv", tmp_path / "two.csv"], NULLS)
    table = Profile("d", files, {"pupil_number": "pupil_id"}, 0.0).column_table
    assert table.to_numpy().tolist() == [["pupil_id", 2, 2, 21, 0, "integer (95.2%)"]]
    assert simplify_name("  Final % ") == "final"


def test_few_cells_are_not_none(tmp_path: Path) -> None:
    """One odd cell of many keeps the others from being 100%, and one missing cell of many from being 0%."""
    cells = ["1"] * 999 + ["one"] + ["1"] * 38_999 + ["NA"]
    found = profile(tmp_path, ("n,m\n" + "".join(f"{cell},x\n" for cell in cells)).encode())
    assert found.column_table["looks like"].tolist() == ["integer (99.9%)", "text"]
    assert found.missing_shares["missing"].tolist() == [0.0025, 0.0]
    column = found.files[0].columns[0]
    odd = FileProfile("odd", 1, 99_999, (ColumnProfile(column.spelling, 0, 99_999, (99_999, 99_999, 0)),))
    table = Profile("d", (*found.files, odd), {}, 0.0).column_table
    assert table["looks like"].tolist()[0] == "integer (more than 99.9%)"


def test_a_long_list_of_files_is_cut_to_ten_lines(tmp_path: Path) -> None:
    """The last line sums up the files that are not shown."""
    for at in range(12):
        (tmp_path / f"{at:02d}.csv").write_text("a\n1\n")
    files = profile_paths(sorted(tmp_path.iterdir()), NULLS)
    found = Profile("d", files, {}, 0.0)
    assert len(found.file_table) == 10
    assert found.file_table["rows"].sum() == found.rows == 12
    assert found.file_table["file"].iloc[-1] == "and 3 more files"
