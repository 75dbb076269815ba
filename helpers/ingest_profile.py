"""Look at raw files as they are: rows, columns, missing cells, repeated rows and what the cells look like.

Every cell is read as text, so a profile never fails on a wrong type: it counts. What a row must look like is the
contract's business, in step 02. DuckDB does the counting; the header alone is read here, because the files of one
dataset may spell and order their columns differently.
"""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from helpers.say_numbers import say_share

TABLE_ROWS = 10
_MAX_LINE = 16 * 1024 * 1024
_SAMPLE = 1000
# The narrowest first: what can be read as an integer is a number too. A cast alone would round 71.5 to an integer.
_LOOKS = {
    "integer": "regexp_full_match(cell, '[+-]?[0-9]{1,18}')",
    "number": "TRY_CAST(cell AS DOUBLE) IS NOT NULL",
    "date": "TRY_CAST(cell AS DATE) IS NOT NULL",
}
_ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class ColumnProfile:
    """One column of one file: its name as the file spells it, and counts of cells."""

    spelling: str
    missing: int
    sampled: int  # filled cells among the file's first records
    looks: tuple[int, int, int]  # of those, how many can be read as integer, number, date


def simplify_name(spelling: str) -> str:
    """Return a column's name in lower case with underscores, by which columns of several files are compared."""
    return re.sub(r"[^0-9a-z]+", "_", spelling.lower()).strip("_")


@dataclass(frozen=True)
class FileProfile:
    """One raw file. `problem` says why it has no counts; `misfits` are records with more cells than the header."""

    name: str
    bytes: int
    rows: int = 0
    columns: tuple[ColumnProfile, ...] = ()
    repeated: int = 0
    misfits: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Profile:
    """All raw files of a delivery."""

    dataset: str
    files: tuple[FileProfile, ...]
    aliases: Mapping[str, str]  # a simplified spelling -> the name that the contract gives the column
    seconds: float

    @property
    def rows(self) -> int:
        """Records in all files, header lines not counted."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Size of all files as they are stored."""
        return sum(file.bytes for file in self.files)

    @property
    def file_table(self) -> pd.DataFrame:
        """One row a file, at most ten rows: the last one sums up the others."""
        rows = [
            [file.name, file.bytes, file.rows, len(file.columns), _missing(file), file.repeated, file.misfits]
            for file in self.files
        ]
        table = pd.DataFrame(
            rows, columns=["file", "bytes", "rows", "columns", "missing cells", "repeated rows", "overlong rows"]
        )
        if len(table) <= TABLE_ROWS:
            return table
        rest = table.iloc[TABLE_ROWS - 1 :]
        summed = rest.drop(columns=["file", "columns"]).sum()
        last = {"file": f"and {len(rest)} more files", "columns": rest["columns"].max(), **summed.to_dict()}
        return pd.concat([table.iloc[: TABLE_ROWS - 1], pd.DataFrame([last])], ignore_index=True)[table.columns]

    @property
    def column_table(self) -> pd.DataFrame:
        """One row a column over all files, those with the most missing cells first, at most ten."""
        merged: dict[str, list[tuple[ColumnProfile, int]]] = {}
        for file in self.files:
            for column in file.columns:
                simple = simplify_name(column.spelling)
                name = self.aliases.get(simple, simple)
                merged.setdefault(name, []).append((column, file.rows - file.misfits))
        rows = [_sum_column(name, found) for name, found in merged.items()]
        rows.sort(key=lambda row: (-int(row[4]), row[0]))
        return pd.DataFrame(rows, columns=["column", "spellings", "files", "cells", "missing", "looks like"])[
            :TABLE_ROWS
        ]

    @property
    def missing_shares(self) -> pd.DataFrame:
        """The columns of `column_table` with the share of their cells that is missing, in percent.

        With two decimals, or four where two would make nothing of it.
        """
        table = self.column_table
        exact = 100 * table["missing"] / table["cells"].clip(lower=1)
        shares = exact.round(2).where(exact.round(2) > 0, exact.round(4))
        shown = pd.DataFrame({"column": table["column"], "missing": shares})
        return shown.sort_values(["missing", "column"], ascending=[False, True], ignore_index=True)

    @property
    def remark(self) -> str:
        """What to notice, in one or two sentences."""
        broken = "; ".join(f"{file.name}: {file.problem}" for file in self.problems[:3])
        cells = sum(file.rows * len(file.columns) for file in self.files)
        missing = sum(_missing(file) for file in self.files)
        return (
            f"{len(self.files)} files hold {self.rows:,} records in {self.bytes:,} bytes; {missing:,} of {cells:,} "
            f"cells are missing, {sum(file.repeated for file in self.files):,} records repeat another of their file.\n"
            f"Unreadable files: {len(self.problems)}{f' ({broken})' if broken else ''}."
        )

    @property
    def problems(self) -> tuple[FileProfile, ...]:
        """The files that could not be profiled, each with its `problem`."""
        return tuple(file for file in self.files if file.problem)


def _missing(file: FileProfile) -> int:
    return sum(column.missing for column in file.columns)


def _sum_column(name: str, found: list[tuple[ColumnProfile, int]]) -> tuple[str, int, int, int, int, str]:
    """Return a row of the column table from the column's appearances, each with its file's row count."""
    cells = sum(rows for _, rows in found)
    missing = sum(column.missing for column, _ in found)
    filled = sum(column.sampled for column, _ in found)
    looks = "text" if filled else "nothing"
    for position, kind in enumerate(_LOOKS):
        fitting = sum(column.looks[position] for column, _ in found)
        if filled and fitting / filled >= 0.9:
            looks = kind if fitting == filled else f"{kind} ({say_share(fitting, filled)})"
            break
    return name, len({column.spelling for column, _ in found}), len(found), cells, missing, looks


def profile_paths(paths: Sequence[Path], nulls: Sequence[str]) -> tuple[FileProfile, ...]:
    """Count what is in raw files, one after the other; a file that cannot be read is described, not refused.

    Args:
        paths: CSV, JSON lines or Parquet, the first two also with gzip.
        nulls: the spellings of a missing value, in any case.
    """
    # Files are small: a connection or threads for each would cost more than they win.
    with duckdb.connect(config={"threads": 1}) as connection:
        return tuple(_profile_path(connection, path, nulls) for path in paths)


def _profile_path(connection: duckdb.DuckDBPyConnection, path: Path, nulls: Sequence[str]) -> FileProfile:
    size = path.stat().st_size
    if not size:
        return FileProfile(path.name, 0, problem="empty")
    for name in ("raw", "reject_errors", "reject_scans"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    try:
        columns = _open_view(connection, path)
        return FileProfile(path.name, size, *_count(connection, columns, nulls))
    except (duckdb.Error, OSError, EOFError, zlib.error, UnicodeError, csv.Error, StopIteration) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no header line"
        return FileProfile(path.name, size, problem=reason[:160])


def _open_view(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Make the file the relation `raw` with text columns c0, c1, …; return how the file spells them."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".parquet" in suffixes or ".json" in suffixes or ".jsonl" in suffixes or ".ndjson" in suffixes:
        if ".parquet" in suffixes:
            source = connection.read_parquet(str(path))
        else:  # a line that is no object counts as a record of missing cells
            lines = "SELECT * FROM read_json(?, format='newline_delimited', ignore_errors=true)"
            source = connection.sql(lines, params=[str(path)])
        chosen = ", ".join(f'"{_quote(name)}"::VARCHAR AS c{at}' for at, name in enumerate(source.columns))
        source.select(chosen).create("raw")
        return list(source.columns)
    encoding, header, delimiter = _read_header(path)
    connection.execute(
        "CREATE TABLE raw AS SELECT * FROM read_csv(?, auto_detect=false, header=true, delim=?, quote='\"', "
        "escape='\"', columns=?, null_padding=true, ignore_errors=true, store_rejects=true, parallel=false, "
        f"encoding=?, max_line_size={_MAX_LINE})",
        [str(path), delimiter, {f"c{at}": "VARCHAR" for at in range(len(header))}, encoding],
    )
    return header


def _read_header(path: Path) -> tuple[str, list[str], str]:
    """Return encoding, header cells and delimiter of a CSV file.

    Raises:
        StopIteration: there is no header line.
        UnicodeError: the header is not text.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        start = file.read(64 * 1024)
    encoding = _ENCODINGS.get(start[:2], "utf-8")
    text = start.decode(encoding if encoding != "utf-8" else "utf-8-sig", errors="ignore")
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    header = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    if "\x00" in first:
        raise UnicodeError("the header line is not text")
    return encoding, header, delimiter


def _count(
    connection: duckdb.DuckDBPyConnection, spellings: list[str], nulls: Sequence[str]
) -> tuple[int, tuple[ColumnProfile, ...], int, int]:
    """Return rows, columns, repeated rows and misfits of the relation `raw`."""
    blank = ", ".join("'" + text.lower().replace("'", "''") + "'" for text in nulls)
    filled = [f"count(*) FILTER (WHERE lower(trim(c{at})) NOT IN ({blank}))" for at in range(len(spellings))]
    repeated = "count(*) - (SELECT count(*) FROM (SELECT DISTINCT * FROM raw))"
    rows, twice, *whole = connection.execute(f"SELECT count(*), {repeated}, {', '.join(filled)} FROM raw").fetchall()[0]
    looks = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in _LOOKS.values())
    # Cells under each other, one kind of question for all columns: a tenth of the planning of one for each column.
    cells = f"UNPIVOT (SELECT * FROM raw LIMIT {_SAMPLE}) ON COLUMNS(*) INTO NAME name VALUE cell"
    sampled = f"SELECT name, trim(cell) AS cell FROM ({cells}) WHERE lower(trim(cell)) NOT IN ({blank})"
    found = connection.execute(f"SELECT name, count(*), {looks} FROM ({sampled}) GROUP BY name").fetchall()
    kinds = {name: counts for name, *counts in found}
    misfits = 0
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone():
        rejected = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()
        misfits = rejected[0] if rejected else 0
    columns = tuple(
        ColumnProfile(spelling, rows - whole[at], total, (integers, numbers, dates))
        for at, spelling in enumerate(spellings)
        for total, integers, numbers, dates in [kinds.get(f"c{at}", (0, 0, 0, 0))]
    )
    return rows + misfits, columns, twice, misfits


def _quote(name: str) -> str:
    return name.replace('"', '""')
