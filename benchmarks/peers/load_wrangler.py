"""Load a CSV into PostgreSQL with awswrangler: read_csv, then postgresql.to_sql.

    python load_wrangler.py FILE.csv SCHEMA.TABLE      (server and role by PGHOST, PGPORT, PGUSER, …)

Prints the rows and the load's seconds, without imports.
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awswrangler as wr
import pandas as pd
import pg8000


def load_wrangler(csv: Path, table: str) -> int:
    """Replace `table` by the CSV's content; return its rows."""
    schema, _, name = table.partition(".")
    settings = SimpleNamespace(**{key[2:].lower(): value for key, value in os.environ.items() if key.startswith("PG")})
    connection: Any = pg8000.connect(
        user=settings.user,
        password=settings.password,
        host=settings.host,
        port=int(settings.port),
        database=settings.database,
    )
    frame = pd.read_csv(csv, parse_dates=["taken_on", "recorded_at"])
    wr.postgresql.to_sql(frame, connection, name, schema, mode="overwrite", chunksize=200, use_column_names=True)
    connection.close()
    return len(frame)


if __name__ == "__main__":
    begun = time.perf_counter()
    print(load_wrangler(Path(sys.argv[1]), sys.argv[2]), time.perf_counter() - begun)
