"""From Athena's answer to PostgreSQL and back: every type, to the last digit, and what verification catches."""

import datetime as dt
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import awswrangler as wr
import pytest

from helpers.config import StepConfig
from helpers.errors import LoadError
from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_copy import s3_source
from helpers.load_postgres_extract import (
    Change,
    Extract,
    extract_query,
    extract_table,
    find_change,
    fingerprint_partitions,
    read_columns,
)
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_sweep import load_connection
from helpers.session import Session, open_session

FULL = LoadRules(full=True)
TEXTS = [
    "",
    "a",
    'say "hi"',
    "two\nlines\r\n",
    "comma, and ;",
    "NULL",
    "NA",
    "007",
    "\\N",
    "\\.",
    "äöß€",
    "日本",
    "😀",
    " x ",
]
UTC = dt.UTC
CASES: dict[str, tuple[list[str], list[Any]]] = {
    "boolean": (["true", "false"], [True, False]),
    "tinyint": (["-128", "127"], [-128, 127]),
    "smallint": (["-32768", "32767"], [-32768, 32767]),
    "integer": (["-2147483648", "2147483647", "0"], [-(2**31), 2**31 - 1, 0]),
    "bigint": (
        ["-9223372036854775807 - 1", "9223372036854775807", "9007199254740993"],
        [-(2**63), 2**63 - 1, 2**53 + 1],
    ),
    "decimal(5,2)": (["DECIMAL '999.99'", "DECIMAL '-0.01'"], [Decimal("999.99"), Decimal("-0.01")]),
    "decimal(38,0)": (
        [f"DECIMAL '{'9' * 38}'", f"DECIMAL '-{'9' * 38}'"],
        [Decimal("9" * 38), Decimal("-" + "9" * 38)],
    ),
    "real": (
        ["REAL '3.4028235E38'", "REAL '0.1'", "REAL '1.17549435E-38'", "infinity()", "-infinity()", "nan()"],
        [3.4028235e38, 0.1, 1.1754944e-38, math.inf, -math.inf, math.nan],
    ),
    "double": (
        [
            "1.7976931348623157E308",
            "-1.7976931348623157E308",
            "4.9E-324",
            "0.1E0",
            "infinity()",
            "-infinity()",
            "nan()",
        ],
        [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 0.1, math.inf, -math.inf, math.nan],
    ),
    "date": (
        ["DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '2024-02-29'"],
        [dt.date.min, dt.date.max, dt.date(2024, 2, 29)],
    ),
    "timestamp": (
        [
            "TIMESTAMP '0001-01-01 00:00:00.000'",
            "TIMESTAMP '9999-12-31 23:59:59.999'",
            "TIMESTAMP '1969-12-31 23:59:59.999'",
        ],
        [
            dt.datetime(1, 1, 1),
            dt.datetime(9999, 12, 31, 23, 59, 59, 999000),
            dt.datetime(1969, 12, 31, 23, 59, 59, 999000),
        ],
    ),
    "timestamp with time zone": (
        ["TIMESTAMP '2024-12-01 12:00:00.123 Europe/Berlin'", "TIMESTAMP '2024-07-01 12:00:00.000 Europe/Berlin'"],
        [dt.datetime(2024, 12, 1, 11, 0, 0, 123000, UTC), dt.datetime(2024, 7, 1, 10, tzinfo=UTC)],
    ),
    "uuid": (["CAST('12151fd2-7586-11e9-8f9e-2a86e4085a59' AS uuid)"], ["12151fd2-7586-11e9-8f9e-2a86e4085a59"]),
    "varchar": (["'" + text.replace("'", "''") + "'" for text in TEXTS], TEXTS),
}


@pytest.fixture(scope="module")
def session(stack: Path) -> Session:
    """A session with the embedded stack."""
    return open_session("local")


@pytest.fixture
def connection(session: Session) -> Iterator[Any]:
    """A loader's connection that holds the lock."""
    with load_connection(session, "roundtrip") as opened:
        yield opened
        with opened, opened.cursor() as cursor:  # the next test's relation has other columns
            cursor.execute("DROP VIEW IF EXISTS analytics.roundtrip")


def load(session: Session, connection: Any, extract: Extract) -> list[list[Any]]:
    """Load one extract; return the figures that were compared."""
    s3 = session.client("s3")
    job = LoadJob("roundtrip", "r", session.connect_postgres, lambda place: s3_source(s3, place), session.reader)
    done, _ = load_extracts(connection, job, [extract])
    return done.checks


def read(session: Session, relation: str) -> list[Any]:
    """Return the values of a relation's column `c` in the order of its column `n`, in UTC."""
    with closing(session.connect_postgres(role="reader")) as reader, reader.cursor() as cursor:
        cursor.execute(f"SET timezone = 'UTC'; SELECT c FROM analytics.{relation} ORDER BY n")
        return [value for (value,) in cursor.fetchall()]


@pytest.mark.parametrize("kind", CASES)
def test_every_value_of_a_type_comes_back_as_it_was(session: Session, connection: Any, kind: str) -> None:
    """NULL too; and every figure and checksum that Athena computes is PostgreSQL's."""
    literals, expected = CASES[kind]
    rows = ", ".join(f"({n}, CAST({text} AS {kind}))" for n, text in enumerate([*literals, "NULL"]))
    zoned = "c AT TIME ZONE 'Europe/Berlin' AS c" if kind.endswith("zone") else "c"
    query = f"SELECT n, {zoned} FROM (VALUES {rows}) t(n, c)"
    checks = load(session, connection, extract_query(session, "roundtrip", query, FULL))
    assert all(check[-1] for check in checks)
    found = read(session, "roundtrip")
    assert found[-1] is None
    assert [repr(value) for value in found[:-1]] == [repr(value) for value in expected]


def test_nested_and_binary_columns_of_a_table_arrive_whole(session: Session, connection: Any) -> None:
    """Arrays, maps and rows become JSON, binary stays binary."""
    outputs = session.outputs
    statement = (
        "CREATE TABLE roundtrip WITH (format = 'PARQUET') AS SELECT 1 AS n, ARRAY[1, NULL, 3] AS c, "
        "MAP(ARRAY[CAST('k\"' AS varchar)], ARRAY[CAST('ü\n' AS varchar)]) AS m, "
        "CAST(ROW(1, 'x') AS ROW(p integer, q varchar)) AS r, X'00FF0A22' AS b"
    )
    made = wr.athena.start_query_execution(
        statement, database=outputs.database, workgroup=outputs.workgroup, boto3_session=session.boto3_session
    )
    wr.athena.wait_query(made, boto3_session=session.boto3_session, athena_query_wait_polling_delay=0.05)
    cfg = StepConfig("roundtrip", "r", dt.date(2024, 1, 1), "local")
    extract = extract_table(session, cfg, FULL, read_columns(session, cfg, FULL))
    load(session, connection, extract)
    with closing(session.connect_postgres(role="reader")) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT c, m, r, b FROM analytics.roundtrip")
        [(array, mapping, row, binary)] = cursor.fetchall()
    assert (array, mapping, bytes(binary)) == ([1, None, 3], {'k"': "ü\n"}, b'\x00\xff\n"')
    assert list(row.values() if isinstance(row, dict) else row) == [1, "x"]


CHANGED = {
    "a cell of text": (b"beta", b"bets"),
    "a decimal with more digits": (b"123.45", b"123.456"),
    "a number": (b'"41"', b'"14"'),
    "NULL for empty": (b'""', b""),
    "a record twice": (b'"1","alpha","123.45","41",""\n', b'"1","alpha","123.45","41",""\n' * 2),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_differs_from_athenas_data_is_refused(session: Session, connection: Any, change: str) -> None:
    """One changed cell, a rounded decimal or a lost record: the figures differ, and nothing is published."""
    query = (
        "SELECT n, a, CAST(d AS decimal(5,2)) AS d, i, e FROM (VALUES (1, 'alpha', DECIMAL '123.45', 41, ''), "
        "(2, 'beta', DECIMAL '1.00', 2, 'e')) t(n, a, d, i, e)"
    )
    extract = extract_query(session, "roundtrip", query, FULL)
    s3 = session.client("s3")
    body = s3.get_object(Bucket=extract.place.bucket, Key=extract.place.key)["Body"].read()
    changed = body.replace(*CHANGED[change], 1)
    assert changed != body
    done = s3.put_object(Bucket=extract.place.bucket, Key="changed.csv", Body=changed)
    place = replace(extract.place, key="changed.csv", etag=done["ETag"].strip('"'), bytes=len(changed))
    before = list_rows(connection)
    with pytest.raises(LoadError, match=r"roundtrip.*in Athena and .* in PostgreSQL.*nothing was published"):
        load(session, connection, replace(extract, place=place))
    assert list_rows(connection) == before


def test_a_timestamp_that_would_be_rounded_is_refused(session: Session, connection: Any) -> None:
    """A saved query's microseconds do not fit into milliseconds; with zeros in their place they do."""
    for zone in ("", " UTC"):
        for digits in ("123400", "123000"):
            query = f"SELECT 1 AS n, TIMESTAMP '2024-01-01 00:00:00.{digits}{zone}' AS c"
            extract = extract_query(session, "roundtrip", query, LoadRules())
            if digits == "123000":
                load(session, connection, extract)
                assert [value.microsecond for value in read(session, "roundtrip")] == [123_000]
            else:
                with pytest.raises(LoadError, match=r"roundtrip\.c: finer than milliseconds is 1 in Athena and 0"):
                    load(session, connection, extract)
        with connection, connection.cursor() as cursor:
            cursor.execute("DROP VIEW analytics.roundtrip")


def list_rows(connection: Any) -> list[Any]:
    """Return the ledger's rows of the dataset."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT load_id, state FROM analytics_versions.loads WHERE dataset = 'roundtrip' ORDER BY 1")
        return list(cursor.fetchall())


def test_changed_partitions_are_found_by_their_objects(session: Session, connection: Any) -> None:
    """Each partition has a fingerprint; only what is asked for is selected, with the figures of just that."""
    statement = (
        "CREATE TABLE parted WITH (format = 'PARQUET', partitioned_by = ARRAY['month']) AS "
        "SELECT n, CAST(m AS varchar) AS month FROM (VALUES (1, 'jan'), (2, 'jan'), (3, 'it''s feb')) t(n, m)"
    )
    outputs = session.outputs
    made = wr.athena.start_query_execution(
        statement, database=outputs.database, workgroup=outputs.workgroup, boto3_session=session.boto3_session
    )
    wr.athena.wait_query(made, boto3_session=session.boto3_session, athena_query_wait_polling_delay=0.05)
    cfg = StepConfig("parted", "r", dt.date(2024, 1, 1), "local")
    marks = fingerprint_partitions(session, cfg)
    assert sorted(marks) == ["it's feb", "jan"] and len(set(marks.values())) == 2
    change = find_change({"jan": marks["jan"], "mar": "gone"}, marks)
    assert change == Change(("it's feb",), ("mar",))
    rules = LoadRules(mode="append", partition="month")
    extract = extract_table(session, cfg, rules, read_columns(session, cfg, rules), change)
    assert extract.rows == 1
    nothing = extract_table(session, cfg, rules, extract.columns, Change((), ("mar",)))
    assert nothing.rows == 0
