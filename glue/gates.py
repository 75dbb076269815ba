"""Judge what a run built before it is published: the contract's limit of rejected rows, and its quality rules.

Figures that add up (rows, nulls, any count of rows by a condition) are counted once for each partition that is built,
all in one pass, and kept in the ledger; those of the other partitions are taken from there. What does not add up, such
as a duplicate over partitions or a query of one's own, is computed over the table as it will be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import building
import increments
import layout
import transform
from increments import ACTIVE, Plan
from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Rule = Mapping[str, Any]
VIEW = "_judged"
ROWS = "_rows"
ERROR = "error"
KEPT_RUNS = 100  # in the ledger's history, and of the refused ones
_WORDS = {
    "mustBe": "be {0}",
    "mustNotBe": "not be {0}",
    "mustBeGreaterThan": "be greater than {0}",
    "mustBeGreaterOrEqualTo": "be at least {0}",
    "mustBeLessThan": "be less than {0}",
    "mustBeLessOrEqualTo": "be at most {0}",
    "mustBeBetween": "be from {0} to {1}",
    "mustNotBeBetween": "not be from {0} to {1}",
}


class RuleError(Exception):
    """A quality rule that cannot be evaluated; nothing was published."""


@dataclass(frozen=True)
class Refusal:
    """Why a run is refused, and its line in the history: rows by what became of them, figures, what was broken."""

    why: str
    rows: Mapping[str, int]
    broken: Sequence[str]
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """The table as it will be if it is published: what this run built, and what it leaves as it is."""

    site: building.Site
    plan: Plan
    built: building.Built
    before: Mapping[str, Any]

    @property
    def rules(self) -> list[Rule]:
        """The contract's quality rules."""
        return list(self.site.contract.get("quality", ()))

    def read_built(self) -> DataFrame | None:
        """Read what this run built, with the partition's column; None where it built nothing."""
        paths = [self.site.uri(layout.escape_pattern(copy.source)) for copy in self.built.copies]
        if not paths:
            return None
        reader = self.site.spark.read.schema(transform.table_schema(self.site.contract))
        table: DataFrame = reader.option("basePath", self.site.temporary("curated")).parquet(*paths)
        return table

    def read_whole(self) -> DataFrame:
        """Read the whole table."""
        names = [column["name"] for column in self.site.contract["columns"]]
        past = [] if self.plan.full else self.before.get("partitions", ())
        kept = [entry for entry in past if entry["partition"] not in self.built.affected]
        built = self.read_built()
        frames: list[DataFrame] = [transform.select_columns(built, names)] if built is not None else []
        frames += [building.read_published(self.site, kept)] if kept else []
        if not frames:
            return empty_table(self.site.spark, self.site.contract)
        return frames[0] if len(frames) == 1 else frames[0].unionByName(frames[1])


def empty_table(spark: "SparkSession", contract: Mapping[str, Any]) -> DataFrame:
    """Return a table of the contract's columns and types without rows."""
    java: Any = spark._jvm
    schema = java.org.apache.spark.sql.types.StructType.fromDDL(transform.table_schema(contract))
    held = spark._jsparkSession.createDataFrame(java.java.util.ArrayList(), schema)
    table: DataFrame = transform.select_columns(DataFrame(held, spark), (c["name"] for c in contract["columns"]))
    return table


def check_rules(spark: "SparkSession", contract: Mapping[str, Any]) -> None:
    """Have Spark analyse every rule, before a row is read: those that count at once, and one by one if that fails.

    Raises:
        RuleError: one that Spark does not understand, with what it says.
    """
    table, rules = empty_table(spark, contract), list(contract.get("quality", ()))
    try:
        table.selectExpr(*filter(None, (_count_expression(rule) for rule in rules if not rule["query"])))
    except (AnalysisException, ParseException):
        asked = rules
    else:
        asked = [rule for rule in rules if rule["query"]]
    for rule in asked:
        try:
            if rule["query"]:
                _ask(table, rule)
            elif counted := _count_expression(rule):
                table.selectExpr(counted)
        except (AnalysisException, ParseException) as error:
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            raise RuleError(f'rule "{rule["name"]}" of {contract["dataset"]} cannot be evaluated: {said}') from None


def judge_table(candidate: Candidate) -> dict[str, Any]:
    """Judge the table by each of the contract's rules; return what the ledger keeps of it.

    Returns: `partitions` (name -> `rows` and `counts` by rule), and `rules`: each with name, severity, figure, unit,
        what it must be, and whether it passed.
    """
    rules = candidate.rules
    if not rules:
        return {"partitions": {}, "rules": []}
    adding = [rule for rule in rules if adds_up(rule, candidate.site.contract)]
    past = {} if candidate.plan.full else candidate.before["quality"]["partitions"]
    partitions = {name: counts for name, counts in past.items() if name not in candidate.built.affected}
    partitions |= count_partitions(candidate, adding)
    rows = sum(entry["rows"] for entry in partitions.values())
    figures: dict[str, Any] = {
        rule["name"]: sum(entry["counts"].get(rule["name"], 0) for entry in partitions.values()) for rule in adding
    }
    figures |= {rule["name"]: rows for rule in rules if rule["metric"] == "rowCount"}
    figures |= compute_whole(candidate, [rule for rule in rules if rule["name"] not in figures])
    return {"partitions": partitions, "rules": [judge(rule, figures[rule["name"]], rows) for rule in rules]}


def adds_up(rule: Rule, contract: Mapping[str, Any]) -> bool:
    """Tell whether a rule's figure of the table is the sum of those of its partitions."""
    place = {contract["partition"], transform.partition_source(contract)}
    return bool(rule["condition"]) or (rule["metric"] == "duplicateValues" and bool(place & set(rule["columns"])))


def count_partitions(candidate: Candidate, adding: list[Rule]) -> dict[str, dict[str, Any]]:
    """Count rows and rules of each partition that was built: rows from the files' statistics, the rest in one pass."""
    counts: dict[str, dict[str, Any]] = {}
    for copy in candidate.built.copies:
        entry = counts.setdefault(building.partition_of(copy.target), {"rows": 0, "counts": {}})
        entry["rows"] += copy.rows
    table = candidate.read_built()
    if table is not None and adding:
        name = F.col(candidate.site.contract["partition"]).cast("string").alias("_partition")
        expressions = [F.expr(_count_expression(rule)).alias(f"_{number}") for number, rule in enumerate(adding)]
        for row in table.groupBy(name).agg(*expressions).collect():
            counts[row[0]]["counts"] = {rule["name"]: int(row[at + 1]) for at, rule in enumerate(adding)}
    return counts


def compute_whole(candidate: Candidate, rules: list[Rule]) -> dict[str, Any]:
    """Compute the figures that need the whole table: all duplicates in one pass, each query in its own."""
    if not rules:
        return {}
    table = candidate.read_whole()
    counted = [rule for rule in rules if not rule["query"]]
    figures: dict[str, Any] = {}
    if counted:
        [row] = table.agg(*(F.expr(_count_expression(rule)) for rule in counted)).collect()
        figures |= {rule["name"]: int(row[at]) for at, rule in enumerate(counted)}
    for rule in rules:
        if rule["query"]:
            figures[rule["name"]] = _read_number(_ask(table, rule), rule)
    return figures


def _count_expression(rule: Rule) -> str:
    """Return the aggregate that counts for a rule; "" for one that counts rows, which the files' statistics tell."""
    if rule["condition"]:
        return f"count_if({rule['condition']})"
    if rule["metric"] != "duplicateValues":
        return ""
    names = [f"`{name}`" for name in rule["columns"]]
    whole = " AND ".join(f"{name} IS NOT NULL" for name in names)
    return f"count_if({whole}) - count(DISTINCT {', '.join(names)})"


def _ask(table: DataFrame, rule: Rule) -> DataFrame:
    table.createOrReplaceTempView(VIEW)
    answer: DataFrame = table.sparkSession.sql(rule["query"].replace("{table}", VIEW))
    return answer


def _read_number(answer: DataFrame, rule: Rule) -> Any:
    """Return the one number of a query; None where it is null or no finite number."""
    rows = answer.take(2)
    if len(rows) != 1 or len(rows[0]) != 1 or not isinstance(rows[0][0], int | float | Decimal | None):
        raise RuleError(f'rule "{rule["name"]}" cannot be evaluated: its query must give one number')
    number = rows[0][0]
    return None if number is None or not Decimal(number).is_finite() else number


def judge(rule: Rule, found: int | float | Decimal | None, rows: int) -> dict[str, Any]:
    """Compare a figure with what the rule asks for, exactly; a figure that is no number breaks it.

    Args:
        found: what was counted or computed; of a rule in percent, rows of the table's `rows`.
    """
    figure = None if found is None else Fraction(found)
    if figure is not None and rule["unit"] == "percent":
        figure = 100 * figure / rows if rows else Fraction(0)
    limits = [Fraction(str(number)) for number in rule["threshold"]]
    said = _WORDS[rule["operator"]].format(*(f"{number:g}" for number in rule["threshold"]))
    return {
        "rule": rule["name"],
        "severity": rule["severity"],
        "figure": None if figure is None else int(figure) if figure.denominator == 1 else round(float(figure), 6),
        "unit": unit_of(rule),
        "must": said,
        "passed": figure is not None and _compare(rule["operator"], figure, limits),
    }


def unit_of(rule: Rule) -> str:
    """Return what a rule's figure counts; "" for the number of a query, which may be anything."""
    return "" if rule["query"] else str(rule["unit"])


def _compare(operator: str, figure: Fraction, limits: list[Fraction]) -> bool:
    low, high = limits[0], limits[-1]
    return {
        "mustBe": figure == low,
        "mustNotBe": figure != low,
        "mustBeGreaterThan": figure > low,
        "mustBeGreaterOrEqualTo": figure >= low,
        "mustBeLessThan": figure < low,
        "mustBeLessOrEqualTo": figure <= low,
        "mustBeBetween": low <= figure <= high,
        "mustNotBeBetween": not low <= figure <= high,
    }[operator]


def find_broken(quality: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the verdicts that stop a publication."""
    return [verdict for verdict in quality["rules"] if verdict["severity"] == ERROR and not verdict["passed"]]


def find_rejection(contract: Mapping[str, Any], objects: Iterable[Mapping[str, Any]]) -> Refusal | None:
    """Say why deliveries are refused: more of their rows are rejected than allowed; None if they are not."""
    active = [entry for entry in objects if entry["state"] == ACTIVE]
    rows, rejected = sum(entry["rows"] for entry in active), sum(entry["rejected"] for entry in active)
    limit, dataset = contract["quarantine_limit"], contract["dataset"]
    counts = {"readable": rows, "quarantined": rejected}
    if rejected <= limit * rows:
        return None
    reasons = sorted(increments.sum_reasons(active).items(), key=lambda item: (-item[1], item[0]))
    common = ", ".join(f"{reason} ({count})" for reason, count in reasons[:5])
    worst = sorted(active, key=lambda entry: (-entry["rejected"], entry["key"]))
    faulty = [f"{entry['key']} ({entry['rejected']} of {entry['rows']})" for entry in worst if entry["rejected"]]
    why = (
        f"{rejected} of {rows} rows of {dataset} are rejected, more than the {limit:.0%} that "
        f"its contract allows: {common}; most come from {', '.join(faulty[:3])}; take a delivery out with "
        "`workbench reject OBJECT --reason …`, correct the files, or raise quarantineLimit in the contract"
    )
    return Refusal(why, counts, ["quarantineLimit"])


def sum_up(quality: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the history keeps of the verdicts: each rule's figure, and the rules that are broken."""
    return {
        "figures": {verdict["rule"]: verdict["figure"] for verdict in quality["rules"]},
        "broken": [verdict["rule"] for verdict in quality["rules"] if not verdict["passed"]],
    }


def add_to_history(before: Mapping[str, Any], ledger: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """Return the history of figures with a line for this run; the oldest are dropped."""
    line = {"token": ledger["token"], "at": at, "rows": ledger["rows"], **sum_up(ledger["quality"])}
    return [*before.get("history", ()), line][-KEPT_RUNS:]
