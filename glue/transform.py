"""Clean rows, compare their versions, put them into partitions: DataFrame in, DataFrame out, no input or output.

The contract is the plain dictionary that `_contracts/<dataset>.json` holds. Every rule becomes a Spark SQL expression:
no row passes through Python. This file ships to Glue beside job.py and imports nothing but PySpark.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cells import (
    WIDTHS,
    beyond_bound,
    cannot_name_partition,
    is_free,
    is_stripped_late,
    list_texts,
    means_null,
    quote,
    strip,
    strip_first,
    typed_value,
)
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType

Contract = Mapping[str, Any]

FILE, ROW, CORRUPT, REASONS = "_file", "_row", "_corrupt", "_reasons"
PROBLEM, NESTED = "_problem", "_nested"
RAGGED = "wrong number of fields"
_TYPE_REASONS = {"int": "not a whole number", "bigint": "not a whole number", "double": "not a number"}
_TYPE_REASONS |= {"date": "not a date", "timestamp": "not a timestamp", "boolean": "not yes or no"}


def raw_columns(contract: Contract) -> list[dict[str, Any]]:
    """Return the columns that raw files hold."""
    return [column for column in contract["columns"] if not column["derived_from"]]


def table_columns(contract: Contract) -> list[dict[str, Any]]:
    """Return the columns of the curated table, the partition column last."""
    return sorted(contract["columns"], key=lambda column: bool(column["name"] == contract["partition"]))


def text_schema(columns: Sequence[str]) -> StructType:
    """Return the schema by which a file with these columns is read: text, whatever the contract's types.

    A row with too few or too many fields shows in the last column, by which Spark hands over what it could not place.
    """
    names = [name or f"_unknown{position}" for position, name in enumerate(columns)]
    return StructType([StructField(name, StringType()) for name in [*names, CORRUPT]])


def select_columns(frame: DataFrame, names: Iterable[str]) -> DataFrame:
    """Return some columns of a frame: `select` asks the JVM three times for each, which takes longer than the rest."""
    return frame.selectExpr(*(f"`{name}`" for name in names))


def table_schema(contract: Contract) -> str:
    """Return the schema of the curated table as Spark writes it, for reading it again without looking into files."""
    kinds = {"timestamp": "timestamp_ntz"}
    return ", ".join(f"`{c['name']}` {kinds.get(c['type'], c['type'])}" for c in table_columns(contract))


def is_aligned(contract: Contract) -> bool:
    """Tell whether a row's key decides its partition, so that all versions of a row lie in one."""
    return partition_source(contract) in contract["key"]


def in_partitions(contract: Contract, names: Sequence[str]) -> str:
    """Return the condition that a row lies in one of these partitions, named as in their folders."""
    return f"CAST(`{contract['partition']}` AS STRING) IN ({list_texts(names)})" if names else "false"


def place_rows(
    raw: DataFrame, columns: Sequence[str], contract: Contract, marks: Mapping[str, str] | None = None
) -> DataFrame:
    """Bring rows as read from CSV to the contract's columns (text, NULL where the file has none), with their position.

    `_row` counts up within a file, from any start; it only means something directly over the reader. `_problem` is why
    a row as a whole is none.

    Args:
        marks: of a copy (raw_records.MARKS): problem -> the sign at the start of what stands for such a record.
    """
    texts = [
        f"`{column['name']}`" if column["name"] in columns else f"CAST(NULL AS STRING) AS `{column['name']}`"
        for column in raw_columns(contract)
    ]
    marked = [f"WHEN startswith({CORRUPT}, {quote(mark)}) THEN {quote(why)}" for why, mark in (marks or {}).items()]
    problem = f"CASE WHEN {CORRUPT} IS NULL THEN NULL {' '.join(marked)} ELSE {quote(RAGGED)} END AS {PROBLEM}"
    place = [f"xxhash64(input_file_name()) AS {FILE}", f"monotonically_increasing_id() AS {ROW}"]
    return raw.selectExpr(*texts, problem, f"CAST(NULL AS STRING) AS {NESTED}", *place)


def copy_schema(contract: Contract) -> StructType:
    """Return the schema of the copies that raw_json.py and raw_parquet.py make."""
    names = [*(column["name"] for column in raw_columns(contract)), PROBLEM, NESTED]
    return StructType([StructField(ROW, LongType()), *(StructField(name, StringType()) for name in names)])


def place_copies(raw: DataFrame, contract: Contract) -> DataFrame:
    """Bring rows of such copies to the columns of `place_rows`; they say their position themselves."""
    texts = [f"`{column['name']}`" for column in raw_columns(contract)]
    return raw.selectExpr(*texts, PROBLEM, NESTED, f"xxhash64(input_file_name()) AS {FILE}", ROW)


def clean(placed: DataFrame, contract: Contract, nested: bool = False) -> DataFrame:
    """Turn placed rows into the contract's columns and types.

    Args:
        nested: whether rows may hold objects or arrays (`_nested` names such columns, between commas).

    Returns: the contract's columns, `_file`, `_row`, and `_reasons`: NULL for a row to keep, else every reason against
        it in the contract's order, each as `column: problem`, or alone why it is no row at all.
    """
    columns = raw_columns(contract)
    kept = [FILE, ROW, PROBLEM, *([NESTED] if nested else [])]
    stripped = placed.selectExpr(*(f"{strip_first(c, contract)} AS `{c['name']}`" for c in columns), *kept)
    typed = stripped.selectExpr(
        *(f"`{c['name']}` AS `_text_{c['name']}`" for c in columns if not is_free(c)),
        *(f"{typed_value(c, contract)} AS `{c['name']}`" for c in columns),
        *kept,
    )
    problems = [problem for column in columns for problem in _problems(column, contract, nested)]
    reasons = (
        f"CASE WHEN {PROBLEM} IS NOT NULL THEN array({PROBLEM}) "
        f"WHEN {' OR '.join(condition for condition, _ in problems) or 'false'} THEN array_compact(array("
        + ", ".join(f"IF({condition}, {quote(reason)}, NULL)" for condition, reason in problems)
        + f")) END AS {REASONS}"
    )
    values = [f"{_derived_value(c)} AS `{c['name']}`" if c["derived_from"] else c["name"] for c in contract["columns"]]
    return typed.selectExpr(*values, FILE, ROW, reasons)


def _derived_value(column: Mapping[str, Any]) -> str:
    """Return the expression of a column computed from a date: the date's parts as its format has them."""
    text = f"CAST(`{column['derived_from']}` AS STRING)"
    starts = {"%Y": 1, "%m": 6, "%d": 9, "%H": 12, "%M": 15, "%S": 18}
    pieces = re.findall(r"%.|[^%]+", column["derived_format"])
    if "".join(pieces) == "%Y-%m":
        return f"substring({text}, 1, 7)"
    cuts = [f"substring({text}, {starts[p]}, {WIDTHS[p]})" if p in starts else quote(p) for p in pieces]
    return f"concat({', '.join(cuts)})"


def _problems(column: Mapping[str, Any], contract: Contract, nested: bool) -> list[tuple[str, str]]:
    """Return the conditions under which a column speaks against its row, each with the reason's text."""
    name, value = column["name"], f"`{column['name']}`"
    text = value if is_free(column) else f"`_text_{name}`"
    late = is_stripped_late(column, contract)
    is_null = means_null(text, contract["null_spellings"], late)
    text = strip(text) if late else text
    found = []
    if column["required"]:
        found.append((f"({value} IS NULL AND {is_null})", f"{name}: missing"))
    if not is_free(column):
        problem = "not an allowed value" if column["values"] else _TYPE_REASONS.get(column["type"], "not a number")
        found.append((f"({value} IS NULL AND NOT {is_null})", f"{name}: {problem}"))
    if column["pattern"]:
        found.append(
            (f"({text} IS NOT NULL AND NOT {text} RLIKE {quote(column['pattern'])})", f"{name}: wrong pattern")
        )
    bounds = [
        beyond_bound(value, sign, column[bound], column["type"])
        for bound, sign in (("minimum", "<"), ("maximum", ">"))
        if column[bound] is not None
    ]
    if bounds:
        found.append((f"({value} IS NOT NULL AND ({' OR '.join(bounds)}))", f"{name}: out of range"))
    if name == contract["partition"] and column["type"] == "string":
        found.append((cannot_name_partition(name), f"{name}: cannot name a partition"))
    if nested and not column.get("added"):
        inside = f"coalesce(instr({NESTED}, ',{name},') > 0, false)"
        found = [(f"({condition} AND NOT {inside})", reason) for condition, reason in found]
        found.insert(0, (inside, f"{name}: not a single value"))
    return found


def tally(cleaned: DataFrame, contract: Contract) -> DataFrame:
    """Count rows by file, partition and whether they are rejected, with the lowest `_row` of each group."""
    rejected = F.expr(f"{REASONS} IS NOT NULL").alias("rejected")
    partition = F.expr(f"IF({REASONS} IS NULL, CAST(`{contract['partition']}` AS STRING), NULL)").alias("partition")
    return cleaned.groupBy(FILE, partition, rejected).agg(F.count("*").alias("rows"), F.min(ROW).alias("first"))


def partition_source(contract: Contract) -> str:
    """Return the raw column that decides a row's partition."""
    by_name = {column["name"]: column for column in contract["columns"]}
    return str(by_name[contract["partition"]]["derived_from"] or contract["partition"])
