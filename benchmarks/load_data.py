"""A CSV as Athena writes it: header, every value quoted, NULL empty; deterministic."""

from __future__ import annotations

from pathlib import Path

import duckdb

_ROWS = """
SELECT i AS id,
       CASE WHEN hash(i) % 2 = 0 THEN 'female' ELSE 'male' END AS gender,
       ['North', 'South', 'East', 'West', 'Central'][1 + CAST(hash(i, 1) % 5 AS INTEGER)] AS region,
       DATE '2024-01-01' + CAST(hash(i, 2) % 366 AS INTEGER) AS taken_on,
       CAST(hash(i, 3) % 101 AS INTEGER) AS math,
       CASE WHEN hash(i, 4) % 20 > 0 THEN CAST(hash(i, 4) % 101 AS INTEGER) END AS reading,
       CAST(hash(i, 5) % 101 AS INTEGER) AS writing,
       CAST((hash(i, 6) % 10001) / 100 AS DECIMAL(5, 2)) AS percentage,
       CASE hash(i, 7) % 4 WHEN 0 THEN 'Says "I like maths"' WHEN 1 THEN E'Absent,\nexcused' WHEN 2 THEN '' END
           AS remarks,
       strftime(TIMESTAMP '2024-01-01' + to_seconds(CAST(hash(i, 8) % 31000000 AS BIGINT)), '%Y-%m-%d %H:%M:%S.%g')
           AS recorded_at
FROM range({rows}) t(i)
"""


def write_csv(path: Path, rows: int) -> None:
    """Write `rows` records of ten columns to `path`: about 110 bytes each."""
    connection = duckdb.connect()
    options = "FORMAT csv, HEADER true, FORCE_QUOTE *, QUOTE '\"', ESCAPE '\"'"
    connection.execute(f"COPY ({_ROWS.format(rows=rows)}) TO '{path}' ({options})")
    connection.close()
