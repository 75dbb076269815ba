"""Write a query's rows as the data files of a table: Parquet, JSON lines or delimited text, by partition where asked.

Files are written outside of the lake and moved in whole, under names that no other statement uses.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from local_aws.athena.column_types import column_type, literal, quoted
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.engine import Session, names_of
from local_aws.athena.errors import QueryError
from local_aws.athena.failures import raising
from local_aws.athena.relations import NULL_PARTITION
from local_aws.athena.rendering import rendered

MOST_PARTITIONS = 100  # what one statement may write, as in Athena
COMPRESSIONS = {
    "parquet": {
        "snappy": "snappy",
        "gzip": "gzip",
        "zstd": "zstd",
        "none": "uncompressed",
        "uncompressed": "uncompressed",
    },
    "json": {"gzip": "gzip", "none": "none"},
    "textfile": {"gzip": "gzip", "none": "none"},
}
UNSTORABLE = ("timestamp with time zone", "time", "json", "uuid", "char")
Columns = Sequence[tuple[str, TrinoType]]


@dataclass(frozen=True)
class FileSpec:
    """How files are written: format, compression, the partition columns (the last of the query), the delimiter."""

    format: str
    compression: str
    partitioned_by: tuple[str, ...] = ()
    delimiter: str = "\x01"
    null: str = "\\N"


@dataclass(frozen=True)
class WrittenFile:
    """A finished file in the session's folder, and the values of its partition."""

    path: Path
    values: tuple[str, ...]


def compression_of(format_: str, asked: str | None, default: str) -> str:
    """Return DuckDB's name of a compression; refuse one that the format has not."""
    name = (asked or default).lower()
    if name not in COMPRESSIONS[format_]:
        raise QueryError("NOT_SUPPORTED", f"Compression {name} of {format_} is not supported by the local Athena")
    return COMPRESSIONS[format_][name]


def check_storable(columns: Columns) -> None:
    """Refuse columns that a table cannot have: without a name, twice the same name, without a stored type."""
    names = [name.lower() for name, _ in columns]
    for position, (name, type_) in enumerate(columns):
        if not name or (name.startswith("_col") and name[4:].isdigit()):
            raise QueryError("MISSING_COLUMN_NAME", f"Column name not specified at position {position + 1}")
        if names.count(name.lower()) > 1:
            raise QueryError("DUPLICATE_COLUMN_NAME", f"Column name '{name}' specified more than once")
        _check_type(name, type_)


def _check_type(name: str, type_: TrinoType) -> None:
    if type_.name == "unknown":
        raise QueryError("COLUMN_TYPE_UNKNOWN", f"Column type is unknown: {name}")
    if type_.name in UNSTORABLE or type_.name.startswith("interval"):
        raise QueryError("NOT_SUPPORTED", f"Unsupported Hive type: {type_}")
    for element in type_.elements:
        _check_type(name, element)


def write_files(session: Session, sql: str, columns: Columns, spec: FileSpec) -> tuple[list[WrittenFile], int]:
    """Run a translated query into files; return them with the number of rows."""
    folder = session.folder / "files"
    folder.mkdir()
    keys = len(spec.partitioned_by)
    if keys >= len(columns):
        raise QueryError("INVALID_TABLE_PROPERTY", "A table needs at least one column that is no partition column")
    if tuple(name.lower() for name, _ in columns[len(columns) - keys :]) != spec.partitioned_by:
        asked = ", ".join(spec.partitioned_by)
        raise QueryError(
            "HIVE_COLUMN_ORDER_MISMATCH",
            "Partition keys must be the last columns in the table and in the same order as the table properties: "
            f"[{asked}]",
        )
    cells = [_cell(f"c{n}", type_, spec, n >= len(columns) - keys) for n, (_, type_) in enumerate(columns)]
    names = [quoted(name.lower()) for name, _ in columns]
    listed = ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, names, strict=True))
    source = f"SELECT {listed} FROM ({sql}) AS result({names_of(columns)})"
    options = _options(spec)
    if keys:
        partition_by = ", ".join(names[len(names) - keys :])
        target = f"{literal(str(folder))} ({options}, PARTITION_BY ({partition_by}))"
    else:
        target = f"{literal(str(folder / 'part'))} ({options})"
    rows = int(session.execute(f"COPY ({source}) TO {target}")[0][0])
    files = [WrittenFile(path, _values(path, folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    if len({file.values for file in files}) > MOST_PARTITIONS:
        raise QueryError("HIVE_TOO_MANY_OPEN_PARTITIONS", "Exceeded limit of 100 open writers for partitions/buckets")
    return (files if rows else []), rows


def _options(spec: FileSpec) -> str:
    if spec.format == "parquet":
        return f"FORMAT parquet, COMPRESSION {spec.compression}"
    if spec.format == "json":
        return f"FORMAT json, COMPRESSION {spec.compression}"
    return (
        f"FORMAT csv, HEADER false, DELIMITER {literal(spec.delimiter)}, QUOTE '', ESCAPE '', "
        f"NULLSTR {literal(spec.null)}, COMPRESSION {spec.compression}"
    )


def _cell(cell: str, type_: TrinoType, spec: FileSpec, is_key: bool) -> str:
    stored = column_type(type_.to_hive())
    if is_key:
        return f"nullif({cell}, '')" if type_.name == "varchar" else f"CAST({cell} AS VARCHAR)"
    if spec.format == "parquet":
        return cell if stored == type_ and not type_.elements else f"CAST({cell} AS {stored.to_duckdb()})"
    if spec.format == "json" and type_.name == "varbinary":
        raise QueryError("NOT_SUPPORTED", "varbinary in JSON files is not supported by the local Athena")
    if spec.format == "json":
        return f"CAST({cell} AS {stored.to_duckdb()})"
    if type_.elements or type_.name == "varbinary":
        raise QueryError("NOT_SUPPORTED", f"{type_} in text files is not supported by the local Athena")
    if type_.name != "varchar":
        return rendered(cell, type_)
    special = [spec.delimiter, "\n", "\r"]
    found = " OR ".join(f"contains({cell}, {literal(character)})" for character in special)
    failure = raising("NOT_SUPPORTED", "a value holds a delimiter of the text file")
    return f"CASE WHEN {found} THEN {failure} ELSE {cell} END"


def _values(path: Path, folder: Path) -> tuple[str, ...]:
    parts = path.parent.relative_to(folder).parts
    return tuple(unquote(part.split("=", 1)[1]) or NULL_PARTITION for part in parts)


def file_name(execution_id: str, number: int, spec: FileSpec) -> str:
    """Name a data file as Athena does; unique over all statements."""
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
    suffix = ".gz" if spec.compression == "gzip" and spec.format != "parquet" else ""
    return f"{stamp}_{number:05d}_{execution_id[:5]}_{uuid.uuid4()}{suffix}"
