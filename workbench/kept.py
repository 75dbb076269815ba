"""What a run keeps to be compared by: each answer as Parquet, and checksums of the curated table, whole and by column.

Checksums are sums of hashes of values as text, so that neither the order of rows nor the files' layout matters. They
are computed by DuckDB over the CSV that Athena wrote for step 04; a larger table is known by its objects' ETags alone.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.record import Manifest

if TYPE_CHECKING:
    import duckdb

MOST_ROWS = 10_000
MOST_BYTES = 512 * 1024 * 1024
_TYPES = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "int", "bigint"), "BIGINT"),
    **dict.fromkeys(("float", "real", "double"), "DOUBLE"),
    "boolean": "BOOLEAN",
    "date": "DATE",
}


def keep_results(
    folder: Path,
    manifest: Manifest,
    session: Any,
    answers: list[dict[str, Any]] | None = None,
    table: tuple[dict[str, Any], dict[str, Any]] | None = None,
) -> None:
    """Keep a succeeded run's answers in `answers/`, and describe them and the curated table in its manifest.

    Args:
        answers: what `keep_answers` returned, where that was done already.
        table: what `describe_table` returned, after the input that it was given, where that was done already.
    """
    manifest.answers = keep_answers(folder, manifest, session) if answers is None else answers
    step = next((step for step in manifest.steps if step.notebook == "04_load_postgres"), None)
    inputs = step.details.get("inputs", []) if step else []
    if not inputs:
        manifest.table = None
    elif table is not None and table[0] == inputs[0]:
        manifest.table = table[1]
    else:
        manifest.table = describe_table(manifest, session, inputs[0])


def keep_answers(folder: Path, manifest: Manifest, session: Any) -> list[dict[str, Any]]:
    """Keep the dataset's answers in `answers/`; return what the manifest says of them."""
    with _database() as (connection, space):
        found = _read_answers(manifest, session)
        return [_keep_answer(connection, session, folder, space, answer) for answer in found]


@contextlib.contextmanager
def _database() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    import duckdb

    with duckdb.connect() as connection, tempfile.TemporaryDirectory(prefix="wb-kept-") as space:
        connection.execute("SET threads = 2")
        yield connection, Path(space)


def carry_results(folder: Path, manifest: Manifest, earlier: Path, before: Manifest) -> None:
    """Keep what an earlier run kept, where this one left everything as it was."""
    manifest.answers, manifest.table = before.answers, before.table
    if (earlier / "answers").is_dir():
        shutil.copytree(earlier / "answers", folder / "answers", dirs_exist_ok=True)


def _read_answers(manifest: Manifest, session: Any) -> list[dict[str, Any]]:
    from helpers.objects import read_json

    bucket, key = session.outputs.results_bucket, f"_answers/{manifest.dataset}.json"
    document = read_json(session.client("s3"), bucket, key) or {}
    return list(document.get("answers", []))


def _keep_answer(
    connection: duckdb.DuckDBPyConnection, session: Any, folder: Path, space: Path, answer: Mapping[str, Any]
) -> dict[str, Any]:
    """Write one answer as Parquet with the types that Athena names; return what the manifest says of it."""
    athena, name = session.client("athena"), str(answer["query"])
    execution = athena.get_query_execution(QueryExecutionId=answer["execution_id"])["QueryExecution"]
    result = athena.get_query_results(QueryExecutionId=answer["execution_id"], MaxResults=1)["ResultSet"]
    columns = {column["Name"]: _sql_type(column) for column in result["ResultSetMetadata"]["ColumnInfo"]}
    source = space / f"{name}.csv"
    _download(session, execution["ResultConfiguration"]["OutputLocation"], source)
    chosen = ", ".join(
        f'CAST("{_quoted(column)}" AS {kind}) AS "{_quoted(column)}"' for column, kind in columns.items()
    )
    (folder / "answers").mkdir(exist_ok=True)
    target = folder / "answers" / f"{name}.parquet"
    select = f"SELECT {chosen} FROM {_csv(source)} LIMIT {MOST_ROWS}"
    connection.execute(f"COPY ({select}) TO '{_text(target)}' (FORMAT parquet)")
    rows = int(answer["rows"])
    return {
        "query": name,
        "title": answer.get("title", name),
        "rows": rows,
        "kept_rows": min(rows, MOST_ROWS),
        "file": f"answers/{name}.parquet",
        "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
        "checksum": _checksum(connection, source, list(columns)),
    }


def describe_table(manifest: Manifest, session: Any, place: Mapping[str, Any]) -> dict[str, Any]:
    """Return rows, columns and checksums of the curated table, by the CSV that step 04 loads, its first input."""
    if place["bytes"] > MOST_BYTES:
        transformed = next(step for step in manifest.steps if step.notebook == "02_transform")
        return {"rows": transformed.rows_out, "checksum": None, "columns": None, "etag": place["etag"]}
    with _database() as (connection, space):
        source = space / "table.csv"
        _download(session, place["uri"], source)
        names, told = _tell_columns(source)
        columns = (f'"{_quoted(name)}"' for name in names)
        rows, whole, *sums = _hash(connection, _csv(source, told), names, columns)
    by_column = {name: _hex(value) for name, value in zip(names, sums, strict=True)}
    return {"rows": int(rows), "checksum": _say_checksum(names, rows, whole), "columns": by_column}


def _checksum(connection: duckdb.DuckDBPyConnection, source: Path, names: list[str]) -> str:
    """Return a checksum of the rows of a CSV, whatever their order."""
    return _say_checksum(names, *_hash(connection, _csv(source), names))


def _hash(
    connection: duckdb.DuckDBPyConnection, table: str, names: list[str], others: Iterable[str] = ()
) -> tuple[Any, ...]:
    """Return the number of rows of a CSV, the sum of their hashes, and that of each other expression, in one pass."""
    row = ", ".join(f'"{_quoted(name)}"' for name in names)
    sums = ", ".join(f"sum(hash({each})::HUGEINT) % 18446744073709551557" for each in (f"row({row})", *others))
    found = connection.execute(f"SELECT count(*), {sums} FROM {table}").fetchone()
    assert found is not None
    return tuple(found)


def _say_checksum(names: list[str], rows: Any, whole: Any) -> str:
    return hashlib.sha256(json.dumps([names, int(rows), _hex(whole)]).encode()).hexdigest()[:32]


def _hex(value: Any) -> str:
    return f"{int(value or 0):016x}"


def _download(session: Any, uri: str, target: Path) -> None:
    from helpers.objects import split_uri

    bucket, key = split_uri(uri)
    with target.open("wb") as file:
        shutil.copyfileobj(session.client("s3").get_object(Bucket=bucket, Key=key)["Body"], file, 1 << 20)


def _csv(path: Path, told: str = "all_varchar=true, auto_detect=true") -> str:
    """Return the table function over an Athena CSV: an empty cell without quotes is NULL, one with quotes is not."""
    return (
        f"read_csv('{_text(path)}', header=true, delim=',', quote='\"', escape='\"', nullstr='', "
        f"allow_quoted_nulls=false, max_line_size=16777216, {told})"
    )


def _tell_columns(path: Path) -> tuple[list[str], str]:
    """Return the columns of a CSV, and what tells DuckDB, so that it need not look for them in the whole file."""
    with path.open(encoding="utf-8", newline="") as stream:
        names = next(csv.reader(stream))
    columns = ", ".join(f"""'{name.replace("'", "''")}': 'VARCHAR'""" for name in names)
    return names, f"columns={{{columns}}}, auto_detect=false"


def _sql_type(column: Mapping[str, Any]) -> str:
    kind = str(column["Type"])
    if kind == "decimal":
        return f"DECIMAL({column['Precision']},{column['Scale']})"
    return _TYPES.get(kind, "VARCHAR")


def _quoted(name: str) -> str:
    return name.replace('"', '""')


def _text(path: Path) -> str:
    return str(path).replace("'", "''")
