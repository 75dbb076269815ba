"""Read the `quality` sections of a contract: every rule with its file and line, each mistake named there.

Of the Open Data Contract Standard's rules, the library's metrics and `type: sql` are judged by the job; `type: text` is
for people. Conditions become Spark SQL here, so that the job (glue/gates.py) only counts and compares.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from helpers.contract import Column
from helpers.contract_rules import Rule
from helpers.contract_yaml import Document, Place
from helpers.errors import nearest

OPERATORS = {"mustBe": 1, "mustNotBe": 1, "mustBeBetween": 2, "mustNotBeBetween": 2}
OPERATORS |= dict.fromkeys(("mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo"), 1)
SEVERITIES, UNITS = ("error", "warning"), ("rows", "percent")
TABLE_METRICS = ("rowCount", "duplicateValues")
COLUMN_METRICS = ("nullValues", "missingValues", "invalidValues", "duplicateValues")
_ARGUMENTS = {"missingValues": ("missingValues",), "invalidValues": ("validValues", "pattern")}
_PLAIN = (
    *("id", "name", "description", "dimension", "businessImpact", "tags", "customProperties"),
    *("authoritativeDefinitions", "method", "schedule", "scheduler"),
)
_READ = ("type", "metric", "arguments", "query", "severity", "unit")
_COUNT = re.compile(
    r"SELECT\s+COUNT\(\s*\*\s*\)(?:\s+AS\s+\w+)?\s+FROM\s+\{table\}(?:\s+WHERE\s+(.+))?", re.IGNORECASE | re.DOTALL
)
_MORE_THAN_A_CONDITION = re.compile(
    r"\b(SELECT|GROUP|HAVING|ORDER|SORT|CLUSTER|DISTRIBUTE|LIMIT|OFFSET|UNION|INTERSECT|EXCEPT|MINUS|OVER|WINDOW|JOIN"
    r"|LATERAL|RAND|RANDN|UUID|SHUFFLE|CURRENT_\w+|NOW)\b",
    re.IGNORECASE,
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'")


def read_rules(document: Document, columns: tuple[Column, ...]) -> tuple[Rule, ...]:
    """Return the rules of a contract, the table's first; those of `type: text` are left out."""
    found: dict[str, Rule] = {}
    for place, column in _list_places(document, columns):
        rule = _read_rule(document, place, column, columns)
        if rule and rule.name in found:
            document.fail((*place, "name"), f'a rule called "{rule.name}" stands here twice: give it a `name`')
        if rule:
            found[rule.name] = rule
    return tuple(found.values())


def _list_places(document: Document, columns: tuple[Column, ...]) -> Iterator[tuple[Place, Column | None]]:
    """Yield the place of each rule with its column; None for rules of the table."""
    schema: Place = ("schema", 0)
    owners: list[tuple[Place, Column | None]] = [(schema, None)]
    owners += [((*schema, "properties", index), column) for index, column in enumerate(columns)]
    for owner, column in owners:
        rules = document.at(owner).get("quality") or []
        if not isinstance(rules, list):
            document.fail((*owner, "quality"), "quality is a list of rules")
        for index, rule in enumerate(rules):
            if not isinstance(rule, dict):
                document.fail((*owner, "quality", index), "a rule is a mapping, such as `metric: rowCount`")
            yield (*owner, "quality", index), column


def _read_rule(document: Document, place: Place, column: Column | None, columns: tuple[Column, ...]) -> Rule | None:
    """Read one rule; None where it is a text for people."""
    entry = document.at(place)
    kind = entry.get("type", "library")
    if kind == "text":
        return None
    if kind not in ("library", "sql"):
        document.fail((*place, "type"), f'rules of type "{kind}" are not judged here: write library, sql or text')
    for key in entry:
        if key not in (*_PLAIN, *_READ, *OPERATORS):
            document.fail((*place, key), f'no key "{key}" in a rule; {nearest(key, (*_READ, *OPERATORS, "name"))}')
    metric = "sql" if kind == "sql" else str(entry.get("metric"))
    operator, threshold = _read_threshold(document, place)
    unit = _choose(document, (*place, "unit"), UNITS, "rows")
    if unit == "percent" and metric in ("sql", "rowCount"):
        document.fail((*place, "unit"), f"{metric} has no unit but rows: what would be the whole?")
    if unit == "percent" and not all(0 <= number <= 100 for number in threshold):
        document.fail((*place, operator), "a percentage lies between 0 and 100")
    name = str(entry.get("name") or entry.get("id") or f"{column.name if column else 'table'}.{metric}")
    judged = _read_query(document, place, column) if kind == "sql" else _read_metric(document, place, column, columns)
    path, line = document.lines[place]
    return Rule(
        name=" ".join(name.split()),
        where=f"{path.parent.parent.name}/{path.parent.name}/{path.name}:{line}",
        severity=_choose(document, (*place, "severity"), SEVERITIES, "error"),
        metric=metric,
        unit=unit,
        operator=operator,
        threshold=threshold,
        description=" ".join(str(entry.get("description", "")).split()),
        **judged,
    )


def _choose(document: Document, place: Place, known: tuple[str, ...], default: str) -> str:
    """Return a value that must be one of `known`."""
    value = document.at(place[:-1]).get(place[-1], default)
    if value not in known:
        document.fail(place, f'{place[-1]} "{value}" is unknown; {nearest(str(value), known)}')
    return str(value)


def _read_threshold(document: Document, place: Place) -> tuple[str, tuple[float, ...]]:
    """Return the one operator of a rule and its number or numbers."""
    entry = document.at(place)
    given = [name for name in OPERATORS if name in entry]
    if len(given) != 1:
        document.fail(place, f"{len(given)} comparisons where one is needed, such as `mustBe: 0`")
    [operator] = given
    value = entry[operator]
    numbers = value if OPERATORS[operator] == 2 and isinstance(value, list) else [value]
    fitting = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n)]
    if len(fitting) != len(numbers) or len(numbers) != OPERATORS[operator]:
        wanted = "two numbers, [lowest, highest]" if OPERATORS[operator] == 2 else "a number"
        document.fail((*place, operator), f"{operator} is {wanted}")
    if numbers != sorted(numbers):
        document.fail((*place, operator), f"{operator}: the lower number comes first")
    return operator, tuple(numbers)


def _read_metric(document: Document, place: Place, column: Column | None, columns: tuple[Column, ...]) -> Any:
    """Return the columns and the condition of a rule of the library."""
    entry = document.at(place)
    metric, arguments = str(entry.get("metric", "")), entry.get("arguments") or {}
    here = (*place, "metric")
    if "query" in entry:
        document.fail((*place, "query"), "a rule with a query needs `type: sql`")
    if metric not in (*TABLE_METRICS, *COLUMN_METRICS):
        document.fail(here, f'metric "{metric}" is unknown; {nearest(metric, {*TABLE_METRICS, *COLUMN_METRICS})}')
    if metric not in (COLUMN_METRICS if column else TABLE_METRICS):
        document.fail(here, f"{metric} is a metric of {'the table, not of a column' if column else 'columns'}")
    known = ("properties",) if not column and metric == "duplicateValues" else _ARGUMENTS.get(metric, ())
    for name in arguments:
        if name not in known:
            document.fail((*place, "arguments", name), f'{metric} knows no "{name}"; {nearest(name, known)}')
    if column is None:
        return {"columns": _read_properties(document, place, columns) if known else ()}
    if metric == "duplicateValues":
        return {"columns": (column.name,)}
    return {"columns": (column.name,), "condition": _write_condition(document, place, column)}


def _read_properties(document: Document, place: Place, columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the columns whose values together must not come twice."""
    names = (document.at(place).get("arguments") or {}).get("properties")
    if not isinstance(names, list) or not names:
        document.fail(place, "duplicateValues of a table needs `arguments: {properties: [column, …]}`")
    known = [column.name for column in columns]
    for index, name in enumerate(names):
        if name not in known:
            here = (*place, "arguments", "properties", index)
            document.fail(here, f'no column "{name}"; {nearest(str(name), known)}')
    return tuple(names)


def _write_condition(document: Document, place: Place, column: Column) -> str:
    """Return what is true of a row that a column's metric counts, in Spark SQL."""
    metric, arguments = document.at(place)["metric"], document.at(place).get("arguments") or {}
    name, here = f"`{column.name}`", (*place, "arguments")
    if metric == "nullValues":
        return f"{name} IS NULL"
    if metric == "missingValues":
        listed = _list_values(document, (*here, "missingValues"), column, arguments.get("missingValues") or [])
        return f"({name} IS NULL OR {name} IN ({listed}))" if listed else f"{name} IS NULL"
    if not arguments:
        document.fail(place, "invalidValues needs `arguments` with `validValues` or `pattern`")
    against = []
    if "validValues" in arguments:
        listed = _list_values(document, (*here, "validValues"), column, arguments["validValues"])
        against.append(f"{name} NOT IN ({listed})")
    if "pattern" in arguments:
        if column.type != "string":
            document.fail((*here, "pattern"), "a pattern is for columns of type string")
        try:
            re.compile(str(arguments["pattern"]))
        except re.error as error:
            document.fail((*here, "pattern"), f"pattern: {error}")
        against.append(f"NOT {name} RLIKE {_quote(str(arguments['pattern']))}")
    return f"({name} IS NOT NULL AND ({' OR '.join(against)}))"


def _list_values(document: Document, place: Place, column: Column, values: Any) -> str:
    """Return values as literals of the column's type; nulls are left out where missing values are listed."""
    if not isinstance(values, list) or (not values and place[-1] == "validValues"):
        document.fail(place, f"{place[-1]} is a list of values")
    number = column.logical_type in ("integer", "number")
    listed = {at: value for at, value in enumerate(values) if value is not None or place[-1] == "validValues"}
    for index, value in listed.items():
        if column.type == "string":
            document.read_text((*place, index), value)
        fits = isinstance(value, int | float) if number else isinstance(value, bool) == (column.type == "boolean")
        if not fits or (number and isinstance(value, bool)):
            document.fail((*place, index), f'"{value}" is no value of {column.name}, which is {column.type}')
    texts = [_quote(str(value).lower() if isinstance(value, bool) else str(value)) for value in listed.values()]
    return ", ".join(text if column.type == "string" else f"CAST({text} AS {column.type})" for text in texts)


def _read_query(document: Document, place: Place, column: Column | None) -> dict[str, Any]:
    """Return the query, or of one that only counts rows its condition, whose figures add up over partitions."""
    entry = document.at(place)
    if not (entry.get("name") or entry.get("id")):
        document.fail(place, "a rule of type sql needs a `name`")
    if "metric" in entry or "arguments" in entry:
        document.fail(place, "a rule of type sql has a query, and neither metric nor arguments")
    query = str(entry.get("query", "")).strip().rstrip(";").strip()
    query = re.sub(r"\$?\{(table|object)\}", "{table}", query)
    if column:
        query = re.sub(r"\$?\{(column|property)\}", column.name, query)
    bare = _LITERAL.sub("''", query)
    if not re.match(r"(SELECT|WITH)\b", bare, re.IGNORECASE) or ";" in bare or "{table}" not in bare:
        document.fail((*place, "query"), "query is one SELECT from {table} that gives one number")
    counting = _COUNT.fullmatch(query)
    if counting:
        condition = (counting[1] or "true").strip()
        plain = _LITERAL.sub("''", condition)
        if not _MORE_THAN_A_CONDITION.search(plain) and "--" not in plain and "/*" not in plain:
            return {"condition": f"({condition})"}
    return {"query": query}


def _quote(text: str) -> str:
    """Write a text as a Spark SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
