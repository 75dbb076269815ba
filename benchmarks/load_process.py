"""Load one CSV object into PostgreSQL as step 04 does, in a process of its own.

python -m benchmarks.load_process BUCKET KEY TABLE      prints {"rows": …, "seconds": …}: the load without imports
"""

from __future__ import annotations

import json
import sys
import time

from helpers.load_postgres import copy_extract
from helpers.load_postgres_extract import Extract
from helpers.load_postgres_publish import VERSIONS, prepare_schemas
from helpers.load_postgres_types import make_table
from helpers.objects import list_objects
from helpers.progress import ProgressLine
from helpers.session import open_session

# ten columns of the kinds that an answer has
COLUMNS = {
    "id": "bigint",
    "gender": "varchar",
    "region": "varchar",
    "taken_on": "date",
    "math": "int",
    "reading": "int",
    "writing": "int",
    "percentage": "decimal(5,2)",
    "remarks": "varchar",
    "recorded_at": "timestamp",
}


def load_object(bucket: str, key: str, name: str) -> dict[str, float]:
    """Fill a new table of the versions' schema from the object; return rows and seconds."""
    session = open_session()
    [place] = list_objects(session.client("s3"), bucket, key)
    extract = Extract(name, place, COLUMNS, 0, {}, 0)
    with session.engine().connect() as connection:
        prepare_schemas(connection)
        table = make_table(VERSIONS, name, COLUMNS, {})
        table.drop(connection, checkfirst=True)
        connection.commit()
        begun = time.perf_counter()
        with ProgressLine("loading", place.bytes) as progress:
            rows = copy_extract(session, connection, extract, table, progress)
        return {"rows": rows, "seconds": time.perf_counter() - begun}


if __name__ == "__main__":
    print(json.dumps(load_object(*sys.argv[1:4])))
