"""Load a CSV from S3 into PostgreSQL with pgpq: Arrow reads it, pgpq encodes binary COPY, psycopg2 sends it.

    python -m benchmarks.peers.load_pgpq BUCKET/KEY SCHEMA.TABLE      (S3 by AWS_…, server and role by PG…)

Prints what benchmarks/peers/told.py says.
"""

import io
import sys

import psycopg2
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder

from benchmarks.peers.arrow_csv import read_batches
from benchmarks.peers.told import tell


class _Encoded(io.RawIOBase):
    """The CSV's batches as binary COPY, one after the other."""

    def __init__(self, batches: pa.RecordBatchReader, encoder: ArrowToPostgresBinaryEncoder) -> None:
        self.parts = self._encode(batches, encoder)

    @staticmethod
    def _encode(batches, encoder):  # type: ignore[no-untyped-def]
        yield encoder.write_header()
        for batch in batches:
            yield encoder.write_batch(batch)
        yield encoder.finish()

    def read(self, size: int = -1) -> bytes:
        # an empty part would end the COPY early
        return next((part for part in self.parts if part), b"")


def load_pgpq(place: str, table: str) -> int:
    """Fill `table`, which is there and empty, with the CSV's content; return its rows."""
    batches = read_batches(place, "us")
    encoder = ArrowToPostgresBinaryEncoder(batches.schema)
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT binary)", _Encoded(batches, encoder))
        return int(cursor.rowcount)


if __name__ == "__main__":
    tell(load_pgpq, sys.argv[1], sys.argv[2])
