"""Read Parquet whole, with any codec, and write its rows again as the texts that cells would hold.

Spark would find a damaged page only in the midst of a run. A column whose type cannot be the contract's makes the whole
file unreadable, with both types named; within a family (whole numbers, decimals, doubles) values are judged one by one.
pyarrow, which Glue provides too, is only imported where a Parquet file is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raw_files import PARQUET, RawFile, UnreadableFileError
from raw_records import LONGEST, NUL_BYTE, TOO_LONG

Column = Mapping[str, Any]
# The years 1 to 9999, in days and in seconds: beyond them strftime counts wrongly, and Python has no dates.
_CALENDAR = {3: (-719162, 2932896), 6: (-62135596800, 253402300799)}
_NUMBERS = ("int", "bigint", "double", "decimal")


def inspect(
    listed: Mapping[str, Any],
    content: bytes,
    contract: Mapping[str, Any],
    match: Callable[[Sequence[str]], tuple[tuple[str, ...], tuple[str, ...]]],
) -> tuple[RawFile, bytes | None]:
    """Find out whether a Parquet file can be read, its columns and how many rows it has.

    Returns: the file, and the copy for Spark: texts, with `_row` (from 1) and `_problem`.
    """
    place = (listed["key"], listed["etag"], listed["bytes"])
    try:
        table = _read(content)
        columns, unknown = match(table.column_names)
        copy, left_out = _write_copy(table, columns, contract)
    except (UnreadableFileError, ValueError) as error:
        return RawFile(*place, problem=str(error), kind=PARQUET), None
    used = tuple(sorted(set(columns) - left_out - {""}))
    return RawFile(*place, table.num_rows, used, unknown, kind=PARQUET, copied=True), copy


def _read(content: bytes) -> Any:
    """Return the whole file as a table.

    Raises:
        UnreadableFileError: it is cut off, damaged, or of a codec that is not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not content:
        raise UnreadableFileError("empty")
    if content[:4] != b"PAR1":
        raise UnreadableFileError("not Parquet")
    if content[-4:] != b"PAR1":
        raise UnreadableFileError("broken Parquet: its end is missing")
    try:
        table = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFileError(f"broken Parquet: {str(error).splitlines()[0][:100]}") from error
    return table


def _write_copy(table: Any, columns: Sequence[str], contract: Mapping[str, Any]) -> tuple[bytes, set[str]]:
    """Return the table as texts, in Parquet, and the columns to add that cannot be texts."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rules = {column["name"]: column for column in contract["columns"]}
    rows = pa.array(range(1, table.num_rows + 1), pa.int64())
    arrays, problem, left_out = {"_row": rows}, pa.nulls(table.num_rows, pa.string()), set()
    for position, name in enumerate(columns):
        if not name:
            continue
        rule = rules.get(name, {"name": name, "type": "string", "formats": []})
        try:
            text = render(table.column(position), rule)
        except UnreadableFileError:
            if name in rules:
                raise
            left_out.add(name)
            continue
        for reason, bad in (
            (TOO_LONG, pc.greater(pc.binary_length(text), LONGEST)),
            (NUL_BYTE, pc.match_substring(text, "\0")),
        ):
            problem = pc.if_else(pc.fill_null(bad, False), reason, problem)
        arrays[name] = text
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({**arrays, "_problem": problem}), out, compression="snappy")
    return out.getvalue().to_pybytes(), left_out


def render(values: Any, rule: Column) -> Any:
    """Return a column as texts by which the contract's rules judge it.

    Raises:
        UnreadableFileError: its type cannot be the contract's; both are named.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    families = [
        (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind), None, _keep),
        (pa.types.is_binary(kind) or pa.types.is_large_binary(kind), None, _keep),
        (pa.types.is_integer(kind), (*_NUMBERS, "string"), _keep),
        (pa.types.is_floating(kind) or pa.types.is_decimal(kind), (*_NUMBERS, "string"), _write_numbers),
        (pa.types.is_boolean(kind), ("boolean", "string"), _keep),
        (pa.types.is_date(kind), ("date", "string"), _write_times),
        (pa.types.is_timestamp(kind), ("timestamp", "string"), _write_times),
    ]
    wanted = str(rule["type"])
    for fits, allowed, write in families:
        if fits and (allowed is None or wanted.startswith(allowed)):
            try:
                return pc.cast(write(values, rule), pa.string())
            except pa.ArrowInvalid as error:  # bytes that are no UTF-8
                raise UnreadableFileError(f"type conflict: {rule['name']} holds bytes that are no text") from error
    raise UnreadableFileError(f"type conflict: {rule['name']} is {kind} in the file and {wanted} in the contract")


def _keep(values: Any, rule: Column) -> Any:
    return values


def _write_numbers(values: Any, rule: Column) -> Any:
    """Write doubles and decimals; for a column of whole numbers without a fraction that is zero."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    text = values.cast(pa.string())
    if not str(rule["type"]).startswith(("int", "bigint")):
        return text
    limit = 2.0**53 if pa.types.is_floating(values.type) else 10**18
    wide = values.cast(pa.decimal256(76, values.type.scale)) if pa.types.is_decimal(values.type) else values
    whole = pc.and_(pc.equal(pc.floor(wide), wide), pc.less(pc.abs(wide), pa.scalar(limit).cast(wide.type)))
    safe = pc.if_else(pc.fill_null(whole, False), wide, pa.scalar(None, wide.type))
    return pc.coalesce(pc.cast(safe, pa.int64()).cast(pa.string()), text)


def _write_times(values: Any, rule: Column) -> Any:
    """Write dates and times as the column's first format that keeps all of them; instants in UTC.

    What no format keeps, such as a fraction of a second, is written so that the contract's rules refuse it.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = "YmdHMS" if pa.types.is_timestamp(values.type) else "Ymd"
    forms = [form for form in rule["formats"] if all(f"%{part}" in form.replace("%b", "%m") for part in parts)]
    iso = "%Y-%m-%dT%H:%M:%S" if len(parts) > 3 else "%Y-%m-%d"
    if len(parts) == 3:
        plain = whole = values.cast(pa.date32())
        kept = pc.is_valid(plain)
    else:
        plain = values.cast(pa.timestamp(values.type.unit))
        whole = pc.cast(plain, pa.timestamp("s"), safe=False)
        kept = pc.equal(whole.cast(plain.type), plain)
    first, last = (pa.scalar(bound, whole.type) for bound in _CALENDAR[len(parts)])
    kept = pc.and_(kept, pc.and_(pc.greater_equal(whole, first), pc.less_equal(whole, last)))
    text = pc.strftime(whole, format=forms[0] if forms else iso)
    return text if pc.all(kept).as_py() else pc.if_else(kept, text, plain.cast(pa.string()))


def locate(content: bytes, wanted: set[int]) -> dict[int, bytes]:
    """Return the rows with these numbers (the first is 1) as JSON, since Parquet has no text of its own."""
    table = _read(content)
    rows = sorted(wanted)
    found = table.take([number - 1 for number in rows])
    cells = {name: show(column) for name, column in zip(found.column_names, found.columns, strict=True)}
    return {
        number: json.dumps({n: values[at] for n, values in cells.items()}, ensure_ascii=False, default=str).encode()
        for at, number in enumerate(rows)
    }


def show(column: Any) -> list[Any]:
    """Return a column's values for JSON; those of a time that Python does not know as Arrow writes them."""
    import pyarrow as pa

    try:
        found: list[Any] = column.to_pylist()
        return found
    except (OverflowError, ValueError):
        try:
            return [value.as_py() for value in column.cast(pa.string())]
        except pa.ArrowException:  # of lists and the like, which have no text
            return [str(column.slice(at, 1).combine_chunks()) for at in range(len(column))]
