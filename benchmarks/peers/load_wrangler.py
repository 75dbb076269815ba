"""Load a CSV from S3 into PostgreSQL with awswrangler: s3.read_csv, then postgresql.to_sql.

    python -m benchmarks.peers.load_wrangler BUCKET/KEY SCHEMA.TABLE      (S3 by AWS_…, server and role by PG…)

Prints what benchmarks/peers/told.py says. What it cannot do: '' arrives as NULL.
"""

import os
import sys
from types import SimpleNamespace
from typing import Any

import awswrangler as wr
import pg8000

from benchmarks.peers.told import tell


def load_wrangler(place: str, table: str) -> int:
    """Fill `table`, which is there and empty, with the CSV's content; return its rows."""
    schema, _, name = table.partition(".")
    settings = SimpleNamespace(**{key[2:].lower(): value for key, value in os.environ.items() if key.startswith("PG")})
    connection: Any = pg8000.connect(
        user=settings.user,
        password=settings.password,
        host=settings.host,
        port=int(settings.port),
        database=settings.database,
    )
    wr.config.s3_endpoint_url = os.environ["AWS_ENDPOINT_URL_S3"]
    # a whole number that may be NULL would become a double, which PostgreSQL refuses
    frame = wr.s3.read_csv(f"s3://{place}", parse_dates=["taken_on", "recorded_at"], dtype={"reading": "Int64"})
    wr.postgresql.to_sql(frame, connection, name, schema, mode="append", chunksize=200, use_column_names=True)
    connection.close()
    return len(frame)


if __name__ == "__main__":
    tell(load_wrangler, sys.argv[1], sys.argv[2])
