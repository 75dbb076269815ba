"""What notebook 02 shows of earlier runs: publications, and runs that a gate refused."""

from typing import Any

from helpers.plots import plot_parts
from helpers.transform_report import TransformResult

PUBLISHED = {"readable": 10, "curated": 8, "duplicates_removed": 1, "superseded": 1, "quarantined": 0}


def line(hour: int, rows: dict[str, int], figure: int | None, *broken: str) -> dict[str, Any]:
    """Return a line of the history, as the job writes it."""
    figures = {} if figure is None else {"ones": figure}
    at = f"2026-01-01T{hour:02}:00:00+00:00"
    return {"token": f"t{hour}", "at": at, "rows": rows, "figures": figures, "broken": list(broken)}


def result(history: list[dict[str, Any]], refused: list[dict[str, Any]] | None) -> TransformResult:
    """Return a result with nothing but a history."""
    rule = {"rule": "ones", "severity": "error", "figure": 2, "unit": "rows", "must": "be less than 3", "passed": True}
    report = {"history": history, "rules": [rule], "rows": history[-1]["rows"]}
    report |= {} if refused is None else {"refused": refused}
    return TransformResult("d", "jr", "t", "s3://b/_reports/d/t.json", "raw", report, 1.0)


def test_refused_runs_stand_between_publications() -> None:
    """In the order of time, marked with what they broke, repeated ones once; what was not counted is left blank."""
    limit = {"readable": 20, "quarantined": 15}
    shown = result(
        [line(1, PUBLISHED, 1), line(5, PUBLISHED, 2)],
        [
            line(2, PUBLISHED, 4, "ones"),
            line(3, limit, None, "quarantineLimit"),
            line(4, limit, None, "quarantineLimit"),
        ],
    )
    assert shown.history.to_numpy().tolist() == [
        ["2026-01-01 01:00", "published", 10, 10.0, 10.0, 0.0],
        ["2026-01-01 02:00", "refused: ones", 10, 10.0, 10.0, 0.0],
        ["2026-01-01 03:00", "refused: quarantineLimit", 20, "", "", 75.0],
        ["2026-01-01 05:00", "published", 10, 10.0, 10.0, 0.0],
    ]
    labels = [text.get_text() for text in plot_parts(shown.shares, "Rows", "percent").axes.get_xticklabels()]
    assert [label.endswith("\nrefused") for label in labels] == [False, True, True, False]


def test_a_rule_is_compared_with_the_publication_before() -> None:
    """What a refused run found is nobody's `before`, and the report of an older job, without such runs, is shown."""
    refused = [line(2, PUBLISHED, 9, "ones")]
    assert result([line(1, PUBLISHED, 1), line(3, PUBLISHED, 2)], refused).rules["before"].tolist() == ["1 rows"]
    assert result([line(1, PUBLISHED, 1)], None).history["outcome"].tolist() == ["published"]


def test_numbers_are_written_out_and_little_is_not_nothing() -> None:
    """Millions have no exponent, one row of many is not 0%, and all but one are not 100%."""
    rows = {"readable": 10**6, "curated": 999_999, "duplicates_removed": 0, "superseded": 1, "quarantined": 0}
    found = result([line(1, rows, 1_234_567), line(2, rows, 2)], None)
    found.report.update(quarantined_by_reason={}, unreadable_files=[])
    found.report["rules"][0]["figure"] = 7_654_321
    assert found.rules[["found", "before"]].to_numpy().tolist() == [["7,654,321 rows", "1,234,567 rows"]]
    assert "999,999 of 1,000,000 readable rows are curated (more than 99.9%)" in found.remark
    assert found.history.iloc[0, 3:].tolist() == [0.0, 0.0001, 0.0]
    rows |= {"curated": 1}
    assert "(less than 0.1%)" in found.remark


def test_an_empty_table_is_said_first() -> None:
    """Where nothing is left, for whatever reason, the remark begins with it; else it does not mention it."""
    nothing = result([line(1, dict.fromkeys(PUBLISHED, 0), 0)], None)
    full = result([line(1, PUBLISHED, 1)], None)
    for each in (nothing, full):
        each.report.update(quarantined_by_reason={}, unreadable_files=[])
    assert nothing.remark.startswith("The table has no rows: ") and "no rows" not in full.remark
