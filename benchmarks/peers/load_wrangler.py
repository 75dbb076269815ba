"""Load a CSV into PostgreSQL with awswrangler: read_csv, then postgresql.to_sql.

    python -m benchmarks.peers.load_wrangler FILE.csv SCHEMA.TABLE      (server and role by PGHOST, PGPORT, PGUSER, …)

Prints what benchmarks/peers/told.py says.
"""

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awswrangler as wr
import pandas as pd
import pg8000

from benchmarks.peers.told import tell


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
    tell(load_wrangler, Path(sys.argv[1]), sys.argv[2])
