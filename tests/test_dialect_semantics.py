"""The expressions of Trino's documentation with the values it gives: each is right or refused, none is wrong.

`python tests/test_dialect_semantics.py` writes the table of docs/athena-sql.md anew from the results.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dialect_lab import NoTables, prepared_connection

from local_aws.athena.dialect import classify, prepare, translate
from local_aws.athena.errors import QueryError

connection = prepared_connection

DATA = Path(__file__).parent / "data" / "trino_semantics.json"
PAGE = Path(__file__).parent.parent / "docs" / "athena-sql.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
CASES: list[dict[str, Any]] = json.loads(DATA.read_text())


def outcome(connection: Any, case: dict[str, Any]) -> str:
    """Run one case: right, refused, or wrong with what came."""
    try:
        translation = translate(case["sql"], NoTables(), "db")
    except QueryError as error:
        return "right" if case["check"] == "fails" and error.kind != "NOT_SUPPORTED" else refused(case)
    try:
        rows = connection.execute(translation.sql).fetchall()
    except duckdb.Error as error:
        known = classify(error, case["sql"]).kind not in ("NOT_SUPPORTED", "GENERIC_INTERNAL_ERROR")
        return "right" if case["check"] == "fails" and known else refused(case)
    kind = str(translation.columns[0][1])
    if case["check"] == "fails" or kind != case.get("type", kind):
        return f"wrong: {kind} {rows}"
    return judge(case, rows)


def refused(case: dict[str, Any]) -> str:
    """Call a refusal what it is, also of what Trino refuses for another reason."""
    return "refused"


def judge(case: dict[str, Any], rows: list[tuple[Any, ...]]) -> str:
    """Compare what came with what is expected."""
    check, expected = case["check"], case.get("expected")
    first = [row[0] for row in rows]
    got: Any = {"value": str(first[0]) if first else "", "column": str(first),
                "sorted column": str(sorted(first)) if check == "sorted column" else ""}.get(check)  # fmt: skip
    if check == "answers" or got == expected or (check == "value" and _same_number(got, str(expected))):
        return "right"
    return f"wrong: {got}"


def _same_number(got: str, expected: str) -> bool:
    try:
        return abs(float(got) - float(expected)) < 1e-12
    except ValueError:
        return False


def table(results: list[tuple[str, str]]) -> str:
    """Write the counts per area as the page has them."""
    areas = list(dict.fromkeys(area for area, _ in results))
    lines = ["| Area | right | refused | wrong |", "|---|---:|---:|---:|"]
    for area in [*areas, "all"]:
        counts = Counter(result.split(":")[0] for name, result in results if area in (name, "all"))
        lines.append(f"| {area} | {counts['right']} | {counts['refused']} | {counts['wrong']} |")
    listed = [f"- `{case['sql'].removeprefix('select ').replace('|', chr(92) + '|')}`"
              for case, (_, result) in zip(CASES, results, strict=True) if result == "refused"]  # fmt: skip
    return "\n".join([*lines, "", "Refused:", "", *listed])


def results_of(connection: Any) -> list[tuple[str, str]]:
    """Run all cases."""
    return [(case["area"], outcome(connection, case)) for case in CASES]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_an_expression_is_never_answered_wrongly(connection: Any, number: int) -> None:
    """An expression has the documented value and type, or it is refused."""
    assert not outcome(connection, CASES[number]).startswith("wrong"), CASES[number]["sql"]


def test_the_page_tells_the_counts(connection: Any) -> None:
    """The support table in the documentation is what the expressions really give."""
    page = PAGE.read_text()
    assert page[page.index(BEGIN) + len(BEGIN) : page.index(END)].strip() == table(results_of(connection))


def rewrite() -> None:
    """Write the page's table anew."""
    with duckdb.connect() as connection:
        prepare(connection)
        results = results_of(connection)
    page = PAGE.read_text()
    before, after = page[: page.index(BEGIN) + len(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}\n{table(results)}\n{after}")


if __name__ == "__main__":
    rewrite()
