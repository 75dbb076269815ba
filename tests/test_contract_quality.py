"""Quality rules of contracts: what is read, what the job gets, and how mistakes are named."""

import re
from pathlib import Path

import pytest
from test_contract import SMALL, write_shop

from helpers.contract import compile_contract, list_datasets, load_contract
from helpers.contract_check import check_contracts
from helpers.contract_rules import Rule, find_query_mistakes
from helpers.errors import ContractError


def write_rules(folder: Path, table: str = "", price: str = "") -> Path:
    """Write the shop's contract with one rule of the table (line 8) or of its column price (line 15)."""
    text = SMALL
    if price:
        text = text.replace("{minimum: 0}\n", f"{{minimum: 0}}\n        quality:\n          - {price}\n")
    if table:
        text = text.replace("    properties:\n", f"    quality:\n      - {table}\n    properties:\n", 1)
    return write_shop(folder, text)


def read_rule(folder: Path, table: str = "", price: str = "") -> Rule:
    """Return the one rule."""
    [rule] = load_contract("shop", write_rules(folder, table, price)).rules
    return rule


@pytest.mark.parametrize(
    ("price", "condition"),
    [
        ("{metric: nullValues, mustBe: 0}", "`price` IS NULL"),
        ("{metric: missingValues, arguments: {missingValues: [null, 0]}, mustBe: 0}",
         "(`price` IS NULL OR `price` IN (CAST('0' AS decimal(5,2))))"),
        ("{metric: invalidValues, arguments: {validValues: [1, 2.5]}, mustBe: 0}",
         "(`price` IS NOT NULL AND (`price` NOT IN (CAST('1' AS decimal(5,2)), CAST('2.5' AS decimal(5,2)))))"),
        ("{name: free, type: sql, query: 'SELECT COUNT(*) FROM ${object} WHERE {property} = 0', mustBe: 0}",
         "(price = 0)"),
    ],
)  # fmt: skip
def test_rule_of_a_column_becomes_a_condition(tmp_path: Path, price: str, condition: str) -> None:
    """What judges rows one by one is an expression of Spark SQL, so that its counts add up over partitions."""
    rule = read_rule(tmp_path, price=price)
    assert (rule.condition, rule.query, rule.severity, rule.unit) == (condition, "", "error", "rows")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT SUM(price) FROM {table}",
        "SELECT COUNT(*) FROM {table} WHERE price > (SELECT AVG(price) FROM {table})",
        "SELECT COUNT(*) FROM {table} WHERE price > 0 GROUP BY day",
        "SELECT COUNT(*) FROM (SELECT article FROM {table} GROUP BY article HAVING COUNT(*) > 1) AS twice",
    ],
)
def test_other_queries_are_asked_of_the_whole_table(tmp_path: Path, query: str) -> None:
    """What is more than a count of rows by a condition is kept as a query."""
    rule = read_rule(tmp_path, table=f"{{name: q, type: sql, query: '{query}', mustBe: 0}}")
    assert (rule.condition, rule.query) == ("", query)


def test_words_in_a_text_do_not_make_a_condition_a_query(tmp_path: Path) -> None:
    """`order` in a literal is no ORDER BY."""
    rule = read_rule(tmp_path, table="""{name: q, type: sql, mustBe: 0,
         query: "SELECT count(*) FROM {table} WHERE article = 'select order'"}""")  # fmt: skip
    assert rule.condition == "(article = 'select order')"


def test_rule_says_where_it_stands(tmp_path: Path) -> None:
    """Name, threshold and line of a rule over several columns."""
    rule = read_rule(
        tmp_path,
        table="{metric: duplicateValues, arguments: {properties: [article, day]}, mustBeBetween: [0, 5],"
        " unit: percent, severity: warning}",
    )
    assert (rule.name, rule.where) == ("table.duplicateValues", f"{tmp_path.name}/shop/contract.yaml:8")
    assert (rule.columns, rule.operator, rule.threshold) == (("article", "day"), "mustBeBetween", (0, 5))
    assert (rule.unit, rule.severity) == ("percent", "warning")


def test_text_for_people_is_no_rule(tmp_path: Path) -> None:
    """A rule of type text is documentation."""
    folder = write_rules(tmp_path, table="{type: text, description: Prices are without tax.}")
    assert load_contract("shop", folder).rules == ()


@pytest.mark.parametrize(
    ("table", "price", "problem"),
    [
        ("{metric: rowCout, mustBe: 1}", "", r'8: metric "rowCout" is unknown; did you mean "rowCount"'),
        ("{metric: nullValues, mustBe: 1}", "", "8: nullValues is a metric of columns"),
        ("", "{metric: rowCount, mustBe: 1}", "17: rowCount is a metric of the table, not of a column"),
        ("{metric: rowCount}", "", "8: 0 comparisons where one is needed"),
        ("{metric: rowCount, mustBe: 1, mustNotBe: 2}", "", "8: 2 comparisons"),
        ("{metric: rowCount, mustBe: many}", "", "8: mustBe is a number"),
        ("{metric: rowCount, mustBe: true}", "", "8: mustBe is a number"),
        ("{metric: rowCount, mustBeBetween: [1]}", "", r"8: mustBeBetween is two numbers"),
        ("{metric: rowCount, mustBeBetween: [2, 1]}", "", "8: mustBeBetween: the lower number comes first"),
        ("{metric: rowCount, mustBe: 1, severity: fatal}", "", 'severity "fatal" is unknown; known: error, warning'),
        ("{metric: rowCount, mustBe: 1, unit: percent}", "", "8: rowCount has no unit but rows"),
        ("", "{metric: nullValues, mustBeLessThan: 101, unit: percent}", "17: a percentage lies between 0 and 100"),
        ("{metric: rowCount, mustbe: 1}", "", r'8: no key "mustbe" in a rule; did you mean "mustBe"'),
        ("{metric: duplicateValues, mustBe: 0}", "", "8: duplicateValues of a table needs"),
        ("{metric: duplicateValues, arguments: {properties: [artikle]}, mustBe: 0}", "",
         r'8: no column "artikle"; did you mean "article"'),
        ("", "{metric: invalidValues, mustBe: 0}", "17: invalidValues needs `arguments`"),
        ("", "{metric: invalidValues, arguments: {validValues: [cheap]}, mustBe: 0}",
         '17: "cheap" is no value of price'),
        ("", "{metric: invalidValues, arguments: {pattern: x}, mustBe: 0}",
         "17: a pattern is for columns of type string"),
        ("", "{metric: nullValues, arguments: {pattern: x}, mustBe: 0}", '17: nullValues knows no "pattern"'),
        ("{type: custom, engine: soda, implementation: x}", "", '8: rules of type "custom" are not judged here'),
        ("{type: sql, query: SELECT 1, mustBe: 1}", "", "8: a rule of type sql needs a `name`"),
        ("{name: a, type: sql, query: SELECT 1, mustBe: 1}", "", "8: query is one SELECT from {table}"),
        ("{name: a, type: sql, query: 'DROP TABLE {table}', mustBe: 1}", "", "8: query is one SELECT"),
        ("{name: a, query: 'SELECT COUNT(*) FROM {table}', mustBe: 1}", "", "8: a rule with a query needs `type: sql`"),
        ("{metric: rowCount, mustBe: 1}\n      - {metric: rowCount, mustBe: 2}", "",
         '9: a rule called "table.rowCount" stands here twice'),
    ],
)  # fmt: skip
def test_mistake_in_a_rule_is_named_with_its_line(tmp_path: Path, table: str, price: str, problem: str) -> None:
    """A rule that cannot be meant is refused with file, line and what would be right."""
    with pytest.raises(ContractError, match=r"shop/contract\.yaml:" + problem if problem[0].isdigit() else problem):
        load_contract("shop", write_rules(tmp_path, table, price))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT COUNT(*) FROM {table} WHERE pryce > 0", r'contract\.yaml:8: no column "pryce"; did you mean "price"'),
        ("SELECT MAX(pryce) FROM {table}", r'contract\.yaml:8: no column "pryce"'),
        ("SELECT COUNT(*) FROM {table} JOIN sales USING (day)", r'contract\.yaml:8: the query reads "sales"'),
    ],
)
def test_query_over_what_is_not_there_is_named(tmp_path: Path, query: str, problem: str) -> None:
    """A column or table that a rule's SQL names, and that is not there, is found without Spark."""
    folder = write_rules(tmp_path, table=f"{{name: q, type: sql, query: '{query}', mustBe: 0}}")
    [said] = check_contracts("shop", folder)["shop"]
    assert re.search(problem, said)


def test_what_only_spark_knows_is_left_to_it(tmp_path: Path) -> None:
    """A function or operator that another engine lacks is no mistake."""
    query = "SELECT COUNT(*) FROM {table} WHERE article RLIKE ''x'' AND try_to_number(article, ''99'') > 1"
    folder = write_rules(tmp_path, table=f"{{name: q, type: sql, query: '{query}', mustBe: 0}}")
    assert find_query_mistakes(load_contract("shop", folder)) == []


@pytest.mark.parametrize("dataset", list_datasets())
def test_every_dataset_has_rules_of_both_severities(dataset: str) -> None:
    """Each dataset has errors and warnings, and the job gets them all."""
    contract = load_contract(dataset)
    assert {rule.severity for rule in contract.rules} == {"error", "warning"}
    assert [rule["name"] for rule in compile_contract(contract)["quality"]] == [rule.name for rule in contract.rules]
