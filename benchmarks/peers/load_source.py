"""Load a CSV into PostgreSQL as the pipeline that this project goes beyond does: read_csv, then to_sql.

    python -m benchmarks.peers.load_source FILE.csv TABLE      (server and role by PGHOST, PGPORT, PGUSER, …)

Prints what benchmarks/peers/told.py says. What it cannot do: '' arrives as NULL.
"""

import sys

import pandas as pd
from sqlalchemy import create_engine

from benchmarks.peers.told import tell


def load_source(csv: str, table: str) -> int:
    """Fill `table` (`schema.name`), which is there and empty, with the CSV's content; return its rows."""
    schema, _, name = table.rpartition(".")
    engine = create_engine("postgresql+psycopg2://")  # libpq reads the PG variables
    frame = pd.read_csv(csv)
    frame.to_sql(name, engine, schema=schema or None, if_exists="append", index=False)
    engine.dispose()
    return len(frame)


if __name__ == "__main__":
    tell(load_source, sys.argv[1], sys.argv[2])
