"""A table's schema from a sample of its files: every partition is looked at, in each a bounded number of files."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from local_aws.glue.crawler_layout import PartitionFolder, Remark, TableFolder
from local_aws.glue.formats import FileSchema, Format, UnreadableFileError, read_schema
from local_aws.glue.schema import Column, SchemaMerge

FILES_PER_PARTITION = 4
ALL_FILES = 500  # up to so many, every file is read
TEXT_ROWS = 100_000  # shared by a table's files
READERS = 8


@dataclass(frozen=True)
class FoundPartition:
    """A partition with the schema of its own files; `rows` is an estimate where not every file was read."""

    values: tuple[str, ...]
    folder: Path
    columns: tuple[Column, ...]
    files: int
    bytes: int
    rows: int


@dataclass(frozen=True)
class FoundTable:
    """A table as its files are.

    `complete` tells that every file was read, so that a column not seen is gone. `unread` are the values of partitions
    that have files, none of which could be read: they are not registered, and have not vanished either.
    """

    folder: Path
    keys: tuple[str, ...]
    format: Format
    columns: tuple[Column, ...]
    partitions: tuple[FoundPartition, ...]
    complete: bool
    unread: frozenset[tuple[str, ...]]


def read_table(table: TableFolder, uri: Callable[[Path], str], remark: Remark) -> FoundTable | None:
    """Read a table's schema; None where no file is of a known format. `remark` is told of all that does not fit."""
    total = sum(len(partition.files) for partition in table.partitions)
    per_partition = max(FILES_PER_PARTITION, ALL_FILES if total <= ALL_FILES else 0)
    wanted = [(partition, path) for partition in table.partitions for path in _sample(partition.files, per_partition)]
    rows = min(20_000, max(50, TEXT_ROWS // max(1, len(wanted))))
    with ThreadPoolExecutor(READERS) as pool:
        outcomes = list(pool.map(lambda each: _read(each[1], rows), wanted))
    read: list[tuple[PartitionFolder, Path, FileSchema]] = []
    for (partition, path), outcome in zip(wanted, outcomes, strict=True):
        if isinstance(outcome, str):
            remark(f"WARN {uri(path)}: {outcome}, left out")
        elif outcome is not None:
            read.append((partition, path, outcome))
            for line in outcome.remarks:
                remark(f"WARN {uri(path)}: {line}")
    if not read:
        return None
    format_, fitting = _common_format(read, uri, remark)
    return _assemble(table, format_, fitting, uri, remark)


def _assemble(
    table: TableFolder,
    format_: Format,
    read: Sequence[tuple[PartitionFolder, Path, FileSchema]],
    uri: Callable[[Path], str],
    remark: Remark,
) -> FoundTable:
    merge = SchemaMerge(format_.is_text)
    by_partition: dict[tuple[str, ...], list[FileSchema]] = {}
    for partition, path, schema in read:
        merge.add(schema.columns, uri(path))
        by_partition.setdefault(partition.values, []).append(schema)
    for conflict in merge.conflicts:
        first, second = conflict.types
        remark(f"WARN {conflict.source}: column {conflict.column} is {second}, elsewhere {first}: the table has string")
    columns = tuple(_without_keys(merge.columns, table.keys, remark))
    _compare_order(format_, columns, read, uri, remark)
    partitions = tuple(_partitions(table, format_, by_partition))
    complete = len(read) == sum(len(partition.files) for partition in table.partitions)
    unread = frozenset(partition.values for partition in table.partitions) - by_partition.keys()
    return FoundTable(table.folder, table.keys, format_, columns, partitions, complete, unread)


def _partitions(
    table: TableFolder, format_: Format, schemas: dict[tuple[str, ...], list[FileSchema]]
) -> Iterator[FoundPartition]:
    for partition in table.partitions:
        own = schemas.get(partition.values)
        if own is None:  # none of its files is of the table's format
            continue
        merge = SchemaMerge(format_.is_text)
        for schema in own:
            merge.add(schema.columns, "")
        columns = tuple(column for column in merge.columns if column.name not in table.keys)
        rows = round(sum(schema.rows for schema in own) * len(partition.files) / len(own))
        yield FoundPartition(partition.values, partition.folder, columns, len(partition.files), partition.bytes, rows)


def _sample(files: Sequence[Path], limit: int) -> list[Path]:
    """Take at most `limit` files, spread evenly, the first and the last among them."""
    if len(files) <= limit:
        return list(files)
    return [files[round(index * (len(files) - 1) / (limit - 1))] for index in range(limit)]


def _read(path: Path, rows: int) -> FileSchema | str | None:
    try:
        return read_schema(path, rows)
    except UnreadableFileError as error:
        return str(error)
    except FileNotFoundError:  # replaced or deleted meanwhile
        return None


def _common_format(
    read: Sequence[tuple[PartitionFolder, Path, FileSchema]], uri: Callable[[Path], str], remark: Remark
) -> tuple[Format, list[tuple[PartitionFolder, Path, FileSchema]]]:
    """Choose the format that most files have; gzip or not is the reader's to see, file by file."""
    headers = {_names(schema.columns) for _, _, schema in read if schema.format.header}
    seen = [(partition, path, _with_header(schema, headers)) for partition, path, schema in read]
    kinds = Counter(replace(schema.format, compression="none") for _, _, schema in seen)
    common = kinds.most_common(1)[0][0]
    fitting = []
    for partition, path, schema in seen:
        if replace(schema.format, compression="none") == common:
            fitting.append((partition, path, schema))
        else:
            remark(f"WARN {uri(path)}: {_words(schema.format)}, the table is {_words(common)}; left out of its schema")
    compressions = Counter(schema.format.compression for _, _, schema in fitting)
    return replace(common, compression=compressions.most_common(1)[0][0]), fitting


def _with_header(schema: FileSchema, headers: set[tuple[str, ...]]) -> FileSchema:
    """Read the first record as a header where other files of the table have that very header.

    A file that holds nothing but text or empty fields shows no difference between its header and its rows.
    """
    if _names(schema.if_header) not in headers:
        return schema
    return replace(schema, format=replace(schema.format, header=True), columns=schema.if_header)


def _names(columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _words(format_: Format) -> str:
    if format_.classification != "csv":
        return format_.classification
    return f"csv with {format_.delimiter!r} and {'a' if format_.header else 'no'} header"


def _without_keys(columns: Sequence[Column], keys: tuple[str, ...], remark: Remark) -> Iterator[Column]:
    for column in columns:
        if column.name in keys:
            remark(f"WARN column {column.name} is in the files and a partition key: the folder's value is taken")
        else:
            yield column


def _compare_order(
    format_: Format,
    columns: Sequence[Column],
    read: Sequence[tuple[PartitionFolder, Path, FileSchema]],
    uri: Callable[[Path], str],
    remark: Remark,
) -> None:
    """CSV is read by position: say where a file's columns are in another order than the table's."""
    if format_.classification != "csv":
        return
    names = [column.name for column in columns]
    for _, path, schema in read:
        own = [column.name for column in schema.columns]
        if own != names[: len(own)]:
            remark(f"WARN {uri(path)}: its columns are in another order than the table's, and CSV is read by position")
