"""The quality rules of a contract: what each counts, what that must be, and what the job needs of it.

A rule is read by `helpers.contract_quality` and judged by the job (glue/gates.py) before anything is published.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from helpers.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.contract import Contract

_DUCKDB_TYPES = {"string": "VARCHAR", "int": "INTEGER"}
_NO_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')


@dataclass(frozen=True)
class Rule:
    """One quality rule of a contract.

    Attributes:
        name: how reports and errors call it; unique in its contract.
        where: file and line.
        severity: `error`: a table that breaks it is not published; `warning`: it is recorded.
        metric: rowCount, nullValues, missingValues, invalidValues, duplicateValues or sql.
        unit: of the figure, `rows` or `percent` of the table's rows.
        operator: the standard's, such as mustBeLessThan.
        threshold: one number, or two of which the first is the lower.
        columns: the columns that it looks at; empty for rules over the table and for queries.
        condition: in Spark SQL, true of each row that is counted; "" where rows are not judged one by one.
        query: for sql that is no plain count: one SELECT with `{table}` in it, which gives one number.
        description: of one line.
    """

    name: str
    where: str
    severity: str
    metric: str
    unit: str
    operator: str
    threshold: tuple[float, ...]
    columns: tuple[str, ...] = ()
    condition: str = ""
    query: str = ""
    description: str = ""


def compile_rule(rule: Rule) -> dict[str, Any]:
    """Return what the job needs of a rule, as plain JSON values."""
    return {
        "name": rule.name,
        "severity": rule.severity,
        "metric": rule.metric,
        "unit": rule.unit,
        "operator": rule.operator,
        "threshold": list(rule.threshold),
        "columns": list(rule.columns),
        "condition": rule.condition,
        "query": rule.query,
        "description": rule.description,
    }


def find_query_mistakes(contract: "Contract") -> list[str]:
    """Return the rules in SQL that name a column or table that is not there, each with file and line.

    DuckDB binds the SQL over an empty table of the contract's columns. It knows other functions than Spark, so only
    what it says of columns and tables counts; the job has Spark analyse each rule before it reads anything.
    """
    written = [rule for rule in contract.rules if rule.metric == "sql"]
    if not written:
        return []
    import duckdb  # takes a tenth of a second

    columns = ", ".join(f'"{c.name}" {_DUCKDB_TYPES.get(c.type, c.type)}' for c in contract.columns)
    found = []
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE judged ({columns})")
        for rule in written:
            query = rule.query or f"SELECT count(*) FROM {{table}} WHERE {rule.condition}"
            try:
                connection.execute("EXPLAIN " + query.replace("{table}", "judged"))
            except duckdb.Error as error:
                said = _name_mistake(str(error), [column.name for column in contract.columns])
                found += [f"{rule.where}: {said}"] if said else []
    return found


def _name_mistake(said: str, columns: "Sequence[str]") -> str:
    """Return what DuckDB found missing, in our words; "" where it may only be another dialect."""
    if missing := _NO_COLUMN.search(said):
        name = missing[1] or missing[2]
        return f'no column "{name}"; {nearest(name, columns)}'
    if missing := re.search(r"Table with name (\S+) does not exist", said):
        return f'the query reads "{missing[1]}": a rule reads {{table}} and nothing else'
    return ""
