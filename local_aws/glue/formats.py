"""What a data file is and which columns it has, told from its content as Glue's built-in classifiers do.

Parquet is read from its footer. CSV and JSON lines, plain or gzip, are read from their first part; rules for them
stand in formats_text.py. docs/glue-crawler.md lists what is recognised.
"""

import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from local_aws.glue import formats_text
from local_aws.glue.schema import VOID, Column, HiveType, array_of, map_of, struct_of

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
SAMPLE_BYTES = 1 << 20  # of decompressed text


class UnreadableFileError(Exception):
    """The file is none of the formats; the message says why."""


@dataclass(frozen=True)
class Format:
    """How a table's files are read; files of one table must agree in all of it."""

    classification: str  # "parquet", "csv" or "json"
    compression: str = "none"  # "none" or "gzip", of the file as a whole
    delimiter: str = ""
    header: bool = False

    @property
    def is_text(self) -> bool:
        """Tell whether the values are text, which a reader converts."""
        return self.classification != "parquet"


@dataclass(frozen=True)
class FileSchema:
    """One file: format, columns, rows (counted in Parquet, estimated in text), and what is worth a line in the log."""

    format: Format
    columns: tuple[Column, ...]
    rows: int
    remarks: tuple[str, ...] = ()
    if_header: tuple[Column, ...] = ()  # the columns of a CSV file that shows no header, if its first record is one


@lru_cache(maxsize=20_000)
def _read_once(path: str, size: int, modified_ns: int, inode: int, rows: int) -> FileSchema:
    del modified_ns, inode  # they only make another version of the file another entry of the cache
    with open(path, "rb") as file:
        start = file.read(min(size, SAMPLE_BYTES))
        if start[:4] == PARQUET_MAGIC:
            return _read_parquet(path)
    compression = "gzip" if start[:2] == GZIP_MAGIC else "none"
    text = _decompress(start) if compression == "gzip" else start
    whole = len(start) == size and (compression == "none" or len(text) < SAMPLE_BYTES)
    try:
        found = formats_text.read_text(text[:SAMPLE_BYTES], whole, rows)
    except formats_text.UnknownTextError as error:
        raise UnreadableFileError(str(error)) from error
    format_ = Format(found.classification, compression, found.delimiter, found.header)
    total = round(found.rows_in_sample * size / len(start))
    return FileSchema(format_, found.columns, total, found.remarks, found.if_header)


def read_schema(path: Path, rows: int = 1000) -> FileSchema:
    """Read the schema of one file; of text, at most `rows` rows are looked at.

    Raises UnreadableFileError for what is none of the formats, FileNotFoundError for a file that is gone.
    """
    status = os.stat(path)
    return _read_once(str(path), status.st_size, status.st_mtime_ns, status.st_ino, rows)


def _read_parquet(path: str) -> FileSchema:
    try:
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        columns = tuple(Column(each.name.lower(), hive_type(each.type)) for each in schema)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFileError(f"no whole Parquet file: {(str(error).splitlines() or ['?'])[0]}") from error
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(f"columns that differ in case alone: {', '.join(twice)}")
    return FileSchema(Format("parquet"), columns, metadata.num_rows)


_SIMPLE = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.uint8(): "smallint",
    pa.uint16(): "int",
    pa.uint32(): "bigint",
    pa.float16(): "float",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.large_string(): "string",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.date32(): "date",
    pa.null(): "void",
}


def hive_type(stored: pa.DataType) -> HiveType:
    """Return the Hive type of an Arrow type. Raises UnreadableFileError where Hive has none."""
    if name := _SIMPLE.get(stored):
        return VOID if name == "void" else HiveType(name)
    if pa.types.is_decimal(stored):
        return HiveType("decimal", digits=(stored.precision, stored.scale))
    if pa.types.is_timestamp(stored):
        return HiveType("timestamp")
    if pa.types.is_fixed_size_binary(stored):
        return HiveType("binary")
    if pa.types.is_dictionary(stored):
        return hive_type(stored.value_type)
    if pa.types.is_list(stored) or pa.types.is_large_list(stored) or pa.types.is_fixed_size_list(stored):
        return array_of(hive_type(stored.value_type))
    if pa.types.is_map(stored):
        return map_of(hive_type(stored.key_type), hive_type(stored.item_type))
    if pa.types.is_struct(stored):
        return struct_of([(each.name, hive_type(each.type)) for each in stored])
    if pa.types.is_uint64(stored):
        return HiveType("decimal", digits=(20, 0))
    raise UnreadableFileError(f"a column of type {stored}, which Hive does not have")


def _decompress(start: bytes) -> bytes:
    """Unpack the start of a gzip file, as far as it goes: the sample may cut it anywhere."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        return unpacker.decompress(start, SAMPLE_BYTES)
    except zlib.error as error:
        raise UnreadableFileError(f"no whole gzip file: {error}") from error
