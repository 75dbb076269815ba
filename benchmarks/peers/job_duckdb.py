"""The job as a person would write it in DuckDB: read, clean, rank, write, with the same rules and the same rows.

It stands beside glue/job.py in `make bench` (job_cpu_vs_duckdb), so it is written for speed: one scan into a table, one
window, and no look at the raw bytes. Of the quarantine it keeps cells and reasons, not the raw text.
"""

import csv
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

Contract = Mapping[str, Any]

_REASONS = {"int": "not a whole number", "bigint": "not a whole number", "date": "not a date"}
_REASONS |= {"timestamp": "not a timestamp", "boolean": "not yes or no"}
_NUMBERS = {"int": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE"}


def run(raw_folder: Path, out_folder: Path, contract_json: Contract, threads: int = 2) -> dict[str, Any]:
    """Clean the CSV files of a folder into out_folder/curated (partitioned) and out_folder/quarantine.parquet.

    Returns: `rows` (readable, curated, duplicates_removed, superseded, quarantined) and `quarantined_by_reason`.
    """
    out_folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}; SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{out_folder / 'spill'}'")
        connection.execute("SET disabled_optimizers = 'type_pushdown'")  # or TRY_CAST fails the query, over CSV
        ragged = _load(connection, raw_folder, contract_json)
        return _write(connection, out_folder, contract_json, ragged)


def _load(connection: "duckdb.DuckDBPyConnection", folder: Path, contract: Contract) -> int:
    """Read and clean every file into the table `cleaned`; return the rows with a wrong number of fields."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.stat().st_size:
            groups.setdefault(_header(path, contract), []).append(str(path))
    scans, form = [], contract["format"]
    names = [column["name"] for column in contract["columns"] if not column["derived_from"]]
    for columns, files in groups.items():
        types = ", ".join(f"'{name or f'_unknown{place}'}': 'VARCHAR'" for place, name in enumerate(columns))
        options = f"header=true, auto_detect=false, delim={_quote(form['delimiter'])}, quote={_quote(form['quote'])}, "
        options += f"escape={_quote(form['quote'])}, columns={{{types}}}, store_rejects=true, strict_mode=true"
        listed = ", ".join(_quote(file) for file in files)
        texts = ", ".join(_strip(name) if name in columns else f"NULL::VARCHAR AS {name}" for name in names)
        scans.append(f"SELECT {texts} FROM read_csv([{listed}], {options})")
    raw = [column for column in contract["columns"] if not column["derived_from"]]
    typed = ", ".join(f"{_value(column)} AS _v_{column['name']}" for column in raw)
    problems = [problem for column in raw for problem in _problems(column)]
    listed = ", ".join(f"CASE WHEN {condition} THEN {_quote(reason)} END" for condition, reason in problems)
    kept = ", ".join(
        _derived(column) if column["derived_from"] else f"_v_{column['name']} AS {column['name']}"
        for column in contract["columns"]
    )
    connection.execute(
        f"CREATE TEMP TABLE cleaned AS WITH stripped AS ({' UNION ALL '.join(scans)}), "
        f"texts AS (SELECT {', '.join(_text(name, contract) for name in names)} FROM stripped), "
        f"typed AS (SELECT *, {typed} FROM texts) "
        f"SELECT {kept}, CASE WHEN {' OR '.join(condition for condition, _ in problems)} "
        f"THEN list_filter([{listed}], lambda reason: reason IS NOT NULL) END AS _reasons FROM typed"
    )
    sql = "SELECT count(DISTINCT (scan_id, file_id, line)) FROM reject_errors"
    return int(connection.execute(sql).fetchall()[0][0])


def _write(connection: "duckdb.DuckDBPyConnection", out: Path, contract: Contract, ragged: int) -> dict[str, Any]:
    names = [column["name"] for column in contract["columns"]]
    ordering = [
        f"{o['column']} {'DESC NULLS LAST' if o['descending'] else 'ASC NULLS FIRST'}" for o in contract["ordering"]
    ]
    ordered = {entry["column"] for entry in contract["ordering"]} | set(contract["key"])
    ordering += [f"{name} ASC NULLS FIRST" for name in names if name not in ordered]
    window = f"(PARTITION BY {', '.join(contract['key'])} ORDER BY {', '.join(ordering)})"
    connection.execute(
        f"CREATE TEMP TABLE ranked AS SELECT {', '.join(names)}, row_number() OVER {window} AS _version, "
        f"rank() OVER {window} AS _place FROM cleaned WHERE _reasons IS NULL"
    )
    by = ", ".join([contract["partition"], *contract["key"]])
    connection.execute(
        f"COPY (SELECT {', '.join(names)} FROM ranked WHERE _version = 1 ORDER BY {by}) TO '{out / 'curated'}' "
        f"(FORMAT parquet, PARTITION_BY ({contract['partition']}), OVERWRITE_OR_IGNORE)"
    )
    connection.execute(
        f"COPY (FROM cleaned WHERE _reasons IS NOT NULL) TO '{out / 'quarantine.parquet'}' (FORMAT parquet)"
    )
    counts = ["count(*)", "count_if(_version = 1)", "count_if(_version > 1 AND _place = 1)", "count_if(_place > 1)"]
    sql = f"SELECT {', '.join(counts)} FROM ranked"
    good, curated, duplicates, superseded = connection.execute(sql).fetchall()[0]
    sql = "SELECT reason, count(*) FROM (SELECT unnest(_reasons) AS reason FROM cleaned) GROUP BY reason"
    reasons = dict(connection.execute(sql).fetchall()) | ({"wrong number of fields": ragged} if ragged else {})
    rejected = int(connection.execute("SELECT count(*) FROM cleaned WHERE _reasons IS NOT NULL").fetchall()[0][0])
    rows = {"readable": good + rejected + ragged, "curated": curated, "duplicates_removed": duplicates}
    rows |= {"superseded": superseded, "quarantined": rejected + ragged}
    return {"rows": rows, "quarantined_by_reason": dict(sorted(reasons.items()))}


def _header(path: Path, contract: Contract) -> tuple[str, ...]:
    """Return the contract's columns of a file, in its order; "" for an unknown one."""
    known = {}
    for column in contract["columns"]:
        for name in (column["name"], *column["source_names"]):
            known[_normalise(name)] = column["name"]
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:  # type: ignore[operator]
        header = next(csv.reader(file, delimiter=contract["format"]["delimiter"]))
    return tuple(known.get(_normalise(name), "") for name in header)


def _normalise(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


def _strip(name: str) -> str:
    """Strip a cell; most need it not, and trim with a list of signs is slow."""
    signs = "' ' || chr(9) || chr(10) || chr(13)"
    needed = f"left({name}, 1) <= ' ' OR right({name}, 1) <= ' '"
    return f"CASE WHEN {needed} THEN trim({name}, {signs}) ELSE {name} END AS {name}"


def _text(name: str, contract: Contract) -> str:
    """Make NULL of what spells a null."""
    nulls = ", ".join(_quote(text) for text in contract["null_spellings"])
    return f"CASE WHEN {name} IN ({nulls}) THEN NULL ELSE {name} END AS {name}"


def _value(column: Mapping[str, Any]) -> str:
    """Return the expression of a cell's value; NULL where its text is none."""
    name, kind = column["name"], column["type"]
    if kind in ("date", "timestamp"):
        formats = ", ".join(_quote(form) for form in column["formats"])
        return f"try_strptime({name}, [{formats}])::{kind}"
    if column["values"]:
        cases = " ".join(f"WHEN {_quote(text)} THEN {_quote(value)}" for text, value in column["values"].items())
        return f"CASE lower({name}) {cases} END"
    if kind == "string":
        return str(name)
    if kind in ("int", "bigint"):  # TRY_CAST alone would round 72.5
        return f"CASE WHEN regexp_full_match({name}, '[+-]?[0-9]+') THEN TRY_CAST({name} AS {_NUMBERS[kind]}) END"
    return f"TRY_CAST({name} AS {_NUMBERS.get(kind, kind)})"


def _derived(column: Mapping[str, Any]) -> str:
    return f"strftime(_v_{column['derived_from']}, {_quote(column['derived_format'])}) AS {column['name']}"


def _problems(column: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return conditions and reasons, in the job's words."""
    name, value = column["name"], f"_v_{column['name']}"
    found = [(f"{name} IS NULL", f"{name}: missing")] if column["required"] else []
    if column["values"] or column["type"] != "string":
        problem = "not an allowed value" if column["values"] else _REASONS.get(column["type"], "not a number")
        found.append((f"({name} IS NOT NULL AND {value} IS NULL)", f"{name}: {problem}"))
    if column["pattern"]:
        found.append((f"(NOT regexp_matches({name}, {_quote(column['pattern'])}))", f"{name}: wrong pattern"))
    bounds = [
        f"{value} {sign} {column[bound]}"
        for bound, sign in (("minimum", "<"), ("maximum", ">"))
        if column[bound] is not None
    ]
    if bounds:
        found.append((f"({' OR '.join(bounds)})", f"{name}: out of range"))
    return found


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
