"""Load one relation into the server of a state folder, in a process that tests kill.

python load_worker.py HOME DATASET ROWS SHIFT [GIVE_UP_SECONDS]      relation DATASET: ids SHIFT … SHIFT + ROWS - 1
"""

import sys
from contextlib import closing
from pathlib import Path

from load_lab import READER, Server, source_of

from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_extract import Extract
from helpers.load_postgres_ledger import lock_dataset, prepare_schemas
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_sweep import drop_dead_loads
from helpers.load_postgres_types import make_columns


def load_numbers(server: Server, dataset: str, rows: int, shift: int, give_up: float = 30.0) -> bool:
    """Load `rows` numbers from `shift` on, with a key and an index; return whether that changed anything."""
    lines = "".join(f'"{number}","{number % 7}"\n' for number in range(shift, shift + rows))
    source = source_of(f"id,rest\n{lines}".encode())
    rules = LoadRules(key=("id",), indexes=(("rest",),), required=frozenset({"id"}))
    columns = make_columns({"id": "int", "rest": "int"}, {}, rules.required)
    extract = Extract(dataset, source.place, columns, (str(rows),), rules=rules)
    job = LoadJob(dataset, "worker", server.connect, lambda place: source, READER, give_up, 2)
    with closing(server.connect()) as keeper, closing(server.connect()) as connection:
        prepare_schemas(connection)
        lock_dataset(keeper, dataset)
        drop_dead_loads(connection, dataset)
        return load_extracts(connection, job, [extract])[1]


if __name__ == "__main__":
    home, dataset, rows, shift, *rest = sys.argv[1:]
    print(load_numbers(Server(Path(home)), dataset, int(rows), int(shift), *map(float, rest)))
