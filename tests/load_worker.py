"""Load one relation into the server of a state folder, in a process that tests kill.

python load_worker.py HOME DATASET ROWS SHIFT               relation DATASET: ids SHIFT … SHIFT + ROWS - 1
python load_worker.py HOME DATASET ROWS SHIFT in_place      ids 0 … ROWS - 1, SHIFT beside each: an upsert in place
"""

import sys
from contextlib import closing
from pathlib import Path

from load_lab import READER, Server, source_of

from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_copy import Source
from helpers.load_postgres_extract import Change, Extract
from helpers.load_postgres_ledger import lock_dataset, prepare_schemas
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_sweep import drop_dead_loads, find_shown
from helpers.load_postgres_types import make_columns


def load_numbers(server: Server, dataset: str, rows: int, shift: int, give_up: float = 30.0) -> bool:
    """Load `rows` numbers from `shift` on, with a key and an index; return whether that changed anything."""
    lines = "".join(f'"{number}","{number % 7}"\n' for number in range(shift, shift + rows))
    source = source_of(f"id,rest\n{lines}".encode())
    rules = LoadRules(key=("id",), indexes=(("rest",),), required=frozenset({"id"}))
    columns = make_columns({"id": "int", "rest": "int"}, {}, rules.required)
    extract = Extract(dataset, source.place, columns, (str(rows),), rules=rules)
    return _load(server, source, extract, give_up)


def upsert_in_place(server: Server, dataset: str, rows: int, shift: int) -> bool:
    """Give each of `rows` numbers the value `shift`, in the published table itself where there is one."""
    source = source_of(("id,value\n" + "".join(f'"{number}","{shift}"\n' for number in range(rows))).encode())
    rules = LoadRules("upsert", key=("id",), required=frozenset({"id"}), in_place=True, partition="value")
    columns = make_columns({"id": "int", "value": "int"}, {}, rules.required)
    with closing(server.connect()) as connection:
        change = Change((str(shift),), ()) if find_shown(connection, dataset) else None
    extract = Extract(dataset, source.place, columns, (str(rows),), 0, rules, change, {"all": str(shift)})
    return _load(server, source, extract)


def _load(server: Server, source: Source, extract: Extract, give_up: float = 30.0) -> bool:
    job = LoadJob(extract.relation, "worker", server.connect, lambda place: source, READER, give_up, 2)
    with closing(server.connect()) as keeper, closing(server.connect()) as connection:
        prepare_schemas(connection)
        lock_dataset(keeper, job.dataset)
        drop_dead_loads(connection, job.dataset)
        return load_extracts(connection, job, [extract])[1]


if __name__ == "__main__":
    home, dataset, rows, shift, *mode = sys.argv[1:]
    load = upsert_in_place if mode else load_numbers
    print(load(Server(Path(home)), dataset, int(rows), int(shift)))
