"""Say why a broken rule stops a publication: the figure, some of the rows, and the deliveries they come from.

Runs only where a run is refused anyway, so it may read the table again.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import reading
import transform
from gates import Candidate, Rule
from increments import ACTIVE
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SHOWN_ROWS, SHOWN_DELIVERIES, LETTERS = 3, 3, 40


def describe_broken(
    candidate: Candidate, broken: list[dict[str, Any]], found: reading.Reading, objects: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return in one line what the first broken rule found, and the names of the others.

    Args:
        broken: the verdicts of gates.find_broken.
        found: what this run read.
        objects: the ledger's entries of all raw objects.
    """
    verdict, *others = broken
    rule = next(rule for rule in candidate.rules if rule["name"] == verdict["rule"])
    bad = select_bad_rows(candidate, rule)
    parts = [f'rule "{rule["name"]}" of {candidate.site.contract["dataset"]} is broken: {say_figure(verdict)}']
    if bad is not None:
        parts.append(f"such rows: {_show_rows(candidate, rule, bad)}")
    parts.append(name_deliveries(bad, candidate, found, objects))
    if others:
        parts.append("broken as well: " + ", ".join(f'"{other["rule"]}" ({say_figure(other)})' for other in others))
    parts.append(
        "take a delivery out with `workbench reject OBJECT --reason …`, correct the files, or change the rule in the "
        "contract"
    )
    return "; ".join(part for part in parts if part)


def say_figure(verdict: Mapping[str, Any]) -> str:
    """Return figure and threshold in words."""
    unit = f" {verdict['unit']}" if verdict["unit"] else ""
    found = "no number" if verdict["figure"] is None else f"{verdict['figure']}{unit}"
    return f"{found}, and it must {verdict['must']}{unit}"


def select_bad_rows(candidate: Candidate, rule: Rule) -> "DataFrame | None":
    """Return the rows of the table that a rule counts; None where it does not judge rows one by one."""
    if rule["condition"]:
        judged: DataFrame = candidate.read_whole().where(rule["condition"])
        return judged
    if rule["metric"] != "duplicateValues":
        return None
    table: DataFrame = candidate.read_whole()
    twice = table.groupBy(*rule["columns"]).count().where("count > 1").drop("count").dropna()
    return table.join(twice, on=list(rule["columns"]), how="left_semi")


def _show_rows(candidate: Candidate, rule: Rule, bad: "DataFrame") -> str:
    """Return some rows: their keys, and the columns that the rule looks at."""
    contract = candidate.site.contract
    words = set(re.findall(r"\w+", rule["condition"]))
    looked_at = [c["name"] for c in contract["columns"] if c["name"] in words or c["name"] in rule["columns"]]
    names = list(dict.fromkeys([*contract["key"], *looked_at]))
    rows = bad.select(*(F.col(name).cast("string").alias(name) for name in names)).orderBy(*names).take(SHOWN_ROWS)
    return " | ".join(", ".join(f"{name}={_shorten(row[name])}" for name in names) for row in rows)


def _shorten(text: str | None) -> str:
    if text is None:
        return "NULL"
    line = " ".join(text.split())
    return line if len(line) <= LETTERS else f"{line[: LETTERS - 1]}…"


def name_deliveries(
    bad: "DataFrame | None", candidate: Candidate, found: reading.Reading, objects: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the deliveries that brought these rows, those with most of them first.

    Of what this run read, rows are found again by all their columns; of what an earlier run read, only the partitions
    that each object fed are known. A rule over the whole table blames what this run read.
    """
    if bad is None:
        read = [key for key in sorted(objects) if key in candidate.plan.added]
        return f"this run read {_list(read)}" if read else ""
    if counted := _count_by_file(bad, candidate, found):
        most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        return "they come from " + _list([f"{key} ({count} rows)" for key, count in most])
    name = F.col(candidate.site.contract["partition"]).cast("string")
    partitions = {row[0] for row in bad.select(name).distinct().collect()}
    feeding = [
        key
        for key, entry in sorted(objects.items())
        if entry["state"] == ACTIVE and partitions & set(entry["partitions"])
    ]
    return f"their partitions were fed by {_list(feeding)}" if feeding else ""


def _count_by_file(bad: "DataFrame", candidate: Candidate, found: reading.Reading) -> dict[str, int]:
    """Count the rows by the object of this run that holds a row equal to them."""
    if found.cleaned is None:
        return {}
    names = [column["name"] for column in candidate.site.contract["columns"]]
    left, right = found.cleaned.alias("l"), bad.select(*names).alias("r")
    same = F.expr(" AND ".join(f"l.`{name}` <=> r.`{name}`" for name in names))
    counted = left.join(right, on=same, how="left_semi").groupBy("_file").count().collect()
    files = {count[transform.FILE]: count["file"] for count in found.counts}
    return {files[name]: int(count) for name, count in counted}


def _list(names: list[str]) -> str:
    more = len(names) - SHOWN_DELIVERIES
    return ", ".join(names[:SHOWN_DELIVERIES]) + (f" and {more} more" if more > 0 else "")
