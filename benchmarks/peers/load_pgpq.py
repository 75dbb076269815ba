"""Load a CSV into PostgreSQL with pgpq: Arrow reads the CSV, pgpq encodes binary COPY, psycopg2 sends it.

    python -m benchmarks.peers.load_pgpq FILE.csv SCHEMA.TABLE      (server and role by PGHOST, PGPORT, PGUSER, …)

Prints what benchmarks/peers/told.py says. pgpq knows no decimals: they travel as doubles.
"""

import io
import sys
from pathlib import Path

import psycopg2
import pyarrow as pa
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder

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


def load_pgpq(csv: Path, table: str) -> int:
    """Fill `table`, which is there and empty, with the CSV's content; return its rows."""
    kinds = {
        "id": pa.int64(),
        "taken_on": pa.date32(),
        "math": pa.int32(),
        "reading": pa.int32(),
        "writing": pa.int32(),
        "percentage": pa.float64(),
        "recorded_at": pa.timestamp("us"),
    }
    options = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    batches = pyarrow.csv.open_csv(csv, parse_options=parsing, convert_options=options)
    encoder = ArrowToPostgresBinaryEncoder(batches.schema)
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ALTER COLUMN percentage TYPE double precision")
        cursor.copy_expert(f"COPY {table} FROM STDIN WITH (FORMAT binary)", _Encoded(batches, encoder))
        rows = cursor.rowcount
        cursor.execute(f"ANALYZE {table}")
        return int(rows)


if __name__ == "__main__":
    tell(load_pgpq, Path(sys.argv[1]), sys.argv[2])
