"""Parquet files as sources of a table: columns by name, in the catalog's type, or an error; never a lossy cast."""

from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet

from local_aws.athena.column_types import file_pattern, is_bounded, literal, path_list, quoted, readable_as
from local_aws.athena.dialect import types
from local_aws.athena.dialect.types import TrinoType
from local_aws.athena.errors import QueryError
from local_aws.athena.lake import DataFile
from local_aws.athena.nested_text import cut_texts, has_bounds, without_bounds

Columns = dict[str, tuple[str, pa.DataType]]  # lower-case name -> (name in the file, Arrow type)

ARROW_TYPES = {
    pa.bool_(): types.BOOLEAN,
    pa.int8(): types.TINYINT,
    pa.int16(): types.SMALLINT,
    pa.int32(): types.INTEGER,
    pa.int64(): types.BIGINT,
    pa.uint8(): types.SMALLINT,
    pa.uint16(): types.INTEGER,
    pa.uint32(): types.BIGINT,
    pa.float32(): types.REAL,
    pa.float64(): types.DOUBLE,
    pa.string(): types.VARCHAR,
    pa.large_string(): types.VARCHAR,
    pa.binary(): types.VARBINARY,
    pa.large_binary(): types.VARBINARY,
    pa.date32(): types.DATE,
}


@lru_cache(maxsize=4096)
def file_columns(file: DataFile) -> Columns:
    """Read the columns from a file's footer; the cache is keyed by the file's identity."""
    try:
        schema = pyarrow.parquet.read_schema(file.path, memory_map=False)
    except FileNotFoundError as error:
        raise QueryError("HIVE_CANNOT_OPEN_SPLIT", f"{file.path} vanished while it was being read") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise QueryError("HIVE_CANNOT_OPEN_SPLIT", f"{file.path} is no Parquet file: {first_line(error)}") from error
    columns = {field.name.lower(): (field.name, field.type) for field in schema}
    if len(columns) != len(schema):
        raise QueryError("HIVE_BAD_DATA", f"{file.path} has columns that differ in case alone")
    return columns


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def signature(file: DataFile, columns: Sequence[tuple[str, TrinoType]]) -> tuple[tuple[str, str] | None, ...]:
    """Say how the file stores each of the table's columns; files of one signature are read by one scan."""
    present = file_columns(file)
    found = (present.get(name) for name, _ in columns)
    return tuple((column[0], str(column[1])) if column else None for column in found)


def projections(file: DataFile, columns: Sequence[tuple[str, TrinoType]]) -> list[str]:
    """Return the DuckDB expression of each table column over files of this file's signature."""
    present = file_columns(file)
    return [_projection(name, type_, present.get(name), file) for name, type_ in columns]


def _projection(name: str, wanted: TrinoType, found: tuple[str, pa.DataType] | None, file: DataFile) -> str:
    if found is None or pa.types.is_null(found[1]):
        return f"CAST(NULL AS {wanted.to_duckdb()})"
    column, stored = quoted(found[0]), found[1]
    if pa.types.is_timestamp(stored) and wanted.name == "timestamp":
        return _timestamp(column, stored)
    held = trino_type(stored)
    if held == types.VARBINARY and wanted == types.VARCHAR:
        return f"decode({column})"
    if held == types.VARCHAR and wanted == types.VARBINARY:
        return f"encode({column})"
    if held == types.VARCHAR and is_bounded(wanted):
        return f"left({column}, {wanted.precision})"
    if held and wanted.elements and has_bounds(wanted) and readable_as(held, without_bounds(wanted)):
        return cut_texts(f"CAST({column} AS {wanted.to_duckdb()})", wanted)
    if held is None or not readable_as(held, wanted):
        raise QueryError(
            "HIVE_BAD_DATA",
            f"Field {name}'s type {str(stored).upper()} in parquet file {file.path} is incompatible "
            f"with type {wanted} defined in table schema",
        )
    return column if held == wanted and not wanted.elements else f"CAST({column} AS {wanted.to_duckdb()})"


def _timestamp(column: str, stored: pa.TimestampType) -> str:
    """Read a timestamp as Athena does: UTC wall clock, rounded to milliseconds."""
    local = f"timezone('UTC', {column})" if stored.tz else column
    if stored.unit in ("s", "ms"):
        return f"CAST({local} AS TIMESTAMP)"
    micros = f"epoch_us(CAST({local} AS TIMESTAMP))"
    return f"make_timestamp(({micros} + 500) - (({micros} + 500) % 1000 + 1000) % 1000)"


def trino_type(stored: pa.DataType) -> TrinoType | None:
    """Return the Trino type that means the same as an Arrow type, or None where there is none."""
    if pa.types.is_decimal(stored):
        return types.decimal(stored.precision, stored.scale)
    if pa.types.is_dictionary(stored):
        return trino_type(stored.value_type)
    if pa.types.is_timestamp(stored) and stored.tz is None and stored.unit != "ns":
        return types.timestamp()
    no_names: list[str] = []
    if pa.types.is_list(stored) or pa.types.is_large_list(stored):
        inner, names = [stored.value_type], no_names
    elif pa.types.is_map(stored):
        inner, names = [stored.key_type, stored.item_type], no_names
    elif pa.types.is_struct(stored):
        inner, names = [field.type for field in stored], [field.name.lower() for field in stored]
    else:
        return ARROW_TYPES.get(stored)
    elements = [trino_type(type_) for type_ in inner]
    if any(element is None for element in elements):
        return None
    known = tuple(element for element in elements if element is not None)
    name = "row" if names else ("array" if len(known) == 1 else "map")
    return TrinoType(name, elements=known, names=tuple(names))


def scan(files: Sequence[DataFile], partition_types: dict[str, str]) -> str:
    """Return the table function over files; with `partition_types`, partition columns come from `key=value` folders."""
    paths = path_list(file_pattern(file.path) for file in files)
    if not partition_types:
        return f"read_parquet({paths}, hive_partitioning = false)"
    types = ", ".join(f"{quoted(name)}: {literal(type_)}" for name, type_ in partition_types.items())
    return f"read_parquet({paths}, hive_partitioning = true, hive_types = {{{types}}})"
