"""Step 03 where it fails: what is wrong is named, with where to mend it."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from helpers.catalog_query import asks_for_order, crawl_table, start_saved_query
from helpers.config import build_config
from helpers.errors import StepError
from helpers.saved_queries import SavedQuery
from helpers.session import open_session

DATASET = "student_performance"
HEADER = {
    "key": f"{DATASET}/ingest_date=2026-01-01/0123456789ab-mine.csv",
    "reason": "no known column in the header: a",
}


@pytest.mark.parametrize(
    ("quarantined", "unreadable", "says"),
    [
        (0, [HEADER], r"kept no row of student_performance \(unreadable: 0123456789ab-mine\.csv \(no known column in"),
        (7, [], r"kept no row of student_performance \(7 rows quarantined\): compare the raw files with its contract"),
        (0, [], r"kept no row of student_performance \(there were none\)"),
    ],
)
def test_a_table_without_rows_is_explained(stack: Path, quarantined: int, unreadable: list[Any], says: str) -> None:
    """Where the job kept nothing there is no table, and the error says what the job's report tells about it."""
    session = open_session()
    place = {"Bucket": session.outputs.curated_bucket, "Key": f"_reports/{DATASET}/none.json"}
    report = {"rows": {"curated": 0, "quarantined": quarantined}, "unreadable_files": unreadable}
    session.client("s3").put_object(**place, Body=json.dumps(report).encode())
    try:
        with pytest.raises(StepError, match=says):
            crawl_table(build_config(DATASET))
    finally:
        session.client("s3").delete_object(**place)


def test_a_query_that_athena_does_not_read_is_named(stack: Path) -> None:
    """A slip in a saved query names the query, Athena's reason with its place, and the file to mend."""
    query = SavedQuery(name="01_slip", title="", question="", sql="SELECT gender FROM")
    with pytest.raises(StepError, match=r"query 01_slip: Athena refused it: line 1:\d+: .*mend queries/01_slip\.sql"):
        start_saved_query(open_session(), query, dt.date(2026, 1, 1))


@pytest.mark.parametrize(
    ("sql", "asks"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("WITH x AS (SELECT 1 AS a) SELECT * FROM x order\n  by a LIMIT 3;", True),
        ("((SELECT a FROM t ORDER BY a));", True),
        ("WITH x AS (SELECT 1 AS a), y (a) AS (SELECT a FROM x) (SELECT * FROM y ORDER BY a)", True),
        ("(WITH x (a) AS (SELECT 1) (SELECT * FROM x ORDER BY a));", True),
        ("WITH x AS (SELECT 1 AS a ORDER BY a) (SELECT * FROM x)", False),
        ("WITH x AS (SELECT 1)", False),
        ("(SELECT 1) UNION (SELECT 2) ORDER BY 1", True),
        ("(SELECT 1 ORDER BY 1) UNION (SELECT 2 ORDER BY 1)", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 3)", False),
        ("SELECT a, rank() OVER (ORDER BY b), array_agg(c ORDER BY d) FROM t", False),
        ("-- ORDER BY\nSELECT 'it''s ORDER BY' AS \"order by\" /* ORDER\nBY */ FROM t", False),
        ("", False),
    ],
)
def test_only_the_outermost_order_counts(sql: str, asks: bool) -> None:
    """An answer has an order where the query itself asks for one: not a subquery, a window, a text or a comment."""
    assert asks_for_order(sql) is asks
