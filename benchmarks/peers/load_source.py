"""Load a CSV into PostgreSQL as the pipeline that this project goes beyond does: read_csv, then to_sql.

    python -m benchmarks.peers.load_source FILE.csv TABLE      (server and role by PGHOST, PGPORT, PGUSER, …)

Prints what benchmarks/peers/told.py says.
"""

import sys
from pathlib import Path

import pandas as pd
from sqlalchemy import create_engine

from benchmarks.peers.told import tell


def load_source(csv: Path, table: str) -> int:
    """Replace `table` (`schema.name` or `name`) by the CSV's content; return its rows."""
    schema, _, name = table.rpartition(".")
    engine = create_engine("postgresql+psycopg2://")  # libpq reads the PG variables
    frame = pd.read_csv(csv)
    frame.to_sql(name, engine, schema=schema or None, if_exists="replace", index=False)
    engine.dispose()
    return len(frame)


if __name__ == "__main__":
    tell(load_source, Path(sys.argv[1]), sys.argv[2])
