"""Load a CSV into PostgreSQL with ADBC: Arrow reads the CSV, adbc_ingest writes binary COPY.

    python -m benchmarks.peers.load_adbc FILE.csv SCHEMA.TABLE      (server and role by PGHOST, PGPORT, PGUSER, …)

Prints what benchmarks/peers/told.py says.
"""

import sys
from pathlib import Path

import adbc_driver_postgresql.dbapi
import pyarrow as pa
import pyarrow.csv

from benchmarks.peers.told import tell


def read_stream(csv: Path) -> pa.RecordBatchReader:
    """Return the CSV as a stream of batches, with the types that the benchmark's table has."""
    kinds = {
        "id": pa.int64(),
        "taken_on": pa.date32(),
        "math": pa.int32(),
        "reading": pa.int32(),
        "writing": pa.int32(),
        "percentage": pa.decimal128(5, 2),
        "recorded_at": pa.timestamp("ms"),
    }
    options = pyarrow.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return pyarrow.csv.open_csv(csv, parse_options=parsing, convert_options=options)


def load_adbc(csv: Path, table: str) -> int:
    """Fill `table`, which is there and empty, with the CSV's content; return its rows."""
    schema, _, name = table.partition(".")
    with adbc_driver_postgresql.dbapi.connect("postgresql://") as connection, connection.cursor() as cursor:
        rows = cursor.adbc_ingest(name, read_stream(csv), mode="append", db_schema_name=schema)
        connection.commit()
        cursor.execute(f'ANALYZE {schema}."{name}"')
        connection.commit()
        return int(rows)


if __name__ == "__main__":
    tell(load_adbc, Path(sys.argv[1]), sys.argv[2])
