"""Load a CSV from S3 into PostgreSQL with ADBC: Arrow reads it, adbc_ingest writes binary COPY.

    python -m benchmarks.peers.load_adbc BUCKET/KEY SCHEMA.TABLE      (S3 by AWS_…, server and role by PG…)

Prints what benchmarks/peers/told.py says.
"""

import sys

import adbc_driver_postgresql.dbapi

from benchmarks.peers.arrow_csv import read_batches
from benchmarks.peers.told import tell


def load_adbc(place: str, table: str) -> int:
    """Fill `table`, which is there and empty, with the CSV's content; return its rows."""
    schema, _, name = table.partition(".")
    with adbc_driver_postgresql.dbapi.connect("postgresql://") as connection, connection.cursor() as cursor:
        rows = cursor.adbc_ingest(name, read_batches(place, "ms"), mode="append", db_schema_name=schema)
        connection.commit()
        return int(rows)


if __name__ == "__main__":
    tell(load_adbc, sys.argv[1], sys.argv[2])
