"""From the curated table in Athena to the published one, by the contract's settings, and back by a command."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awswrangler as wr
import pytest

from helpers.config import ROOT
from helpers.session import Session, open_session

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: {name}
version: 1.0.0
customProperties:
  - {{property: ordering, value: [at desc]}}
  - {{property: load, value: {mode}}}
  - {{property: inPlace, value: {in_place}}}
  - {{property: verify, value: full}}
  - {{property: indexes, value: [[month, at]]}}
schema:
  - name: {name}
    description: Notes by number.
    properties:
      - name: id
        description: Its number.
        logicalType: integer
        physicalType: int
        primaryKey: true
        required: true
      - {{name: note, logicalType: string, physicalType: string}}
      - {{name: at, logicalType: integer, physicalType: int}}
      - {{name: month, logicalType: string, physicalType: string, required: true, partitioned: true}}
"""
PACKAGES = ("helpers", "workbench", "local_aws", "infra", "glue", "lambdas", "dashboards")
FIRST = [(1, "a", 1, "jan"), (2, "b", 1, "jan"), (3, 'it\'s "c"', 1, "it's feb")]
MODES = [(mode, in_place) for mode in ("replace", "append", "upsert") for in_place in (False, True)][1:]


@dataclass(frozen=True)
class Chain:
    """A checkout with datasets of the test's own, step 04 in it as a process, and the stack's services."""

    session: Session
    worker: "subprocess.Popen[str]"

    def do(self, *arguments: str) -> dict[str, Any]:
        """Load a dataset, or run a command, in the worker."""
        assert self.worker.stdin and self.worker.stdout
        self.worker.stdin.write(json.dumps(arguments) + "\n")
        self.worker.stdin.flush()
        found: dict[str, Any] = json.loads(self.worker.stdout.readline())
        return found

    def ask(self, statement: str) -> None:
        """Run a statement in Athena."""
        outputs, session = self.session.outputs, self.session.boto3_session
        started = wr.athena.start_query_execution(
            statement, database=outputs.database, workgroup=outputs.workgroup, boto3_session=session
        )
        wr.athena.wait_query(started, boto3_session=session, athena_query_wait_polling_delay=0.05)

    def make_table(self, name: str) -> None:
        """Make a curated table of FIRST, as steps 02 and 03 would have left it."""
        values = ", ".join(
            f"({i}, '{note.replace(chr(39), chr(39) * 2)}', {at}, '{m.replace(chr(39), chr(39) * 2)}')"
            for i, note, at, m in FIRST
        )
        self.ask(
            f"CREATE TABLE {name} WITH (format = 'PARQUET', partitioned_by = ARRAY['month']) AS "
            f"SELECT id, CAST(note AS varchar) AS note, at, CAST(month AS varchar) AS month "
            f"FROM (VALUES {values}) t(id, note, at, month)"
        )
        bucket = self.session.outputs.results_bucket
        self.session.client("s3").put_object(Bucket=bucket, Key=f"_answers/{name}.json", Body=b'{"answers": []}')

    def read(self, relation: str) -> list[tuple[Any, ...]]:
        """Return what readers see."""
        with closing(self.session.connect_postgres(role="reader")) as reader, reader.cursor() as cursor:
            cursor.execute(f"SELECT * FROM analytics.{relation} ORDER BY id")
            return list(cursor.fetchall())


def name_dataset(mode: str, in_place: bool) -> str:
    """Return the dataset of a mode."""
    return f"chain_{mode}{'_in_place' if in_place else ''}"


@pytest.fixture(scope="module")
def chain(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A copy of the packages beside one dataset a mode, and the worker that loads them."""
    checkout = tmp_path_factory.mktemp("checkout")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    for mode, in_place in MODES:
        name = name_dataset(mode, in_place)
        (checkout / "datasets" / name).mkdir(parents=True)
        text = CONTRACT.format(name=name, mode=mode, in_place=str(in_place).lower())
        (checkout / "datasets" / name / "contract.yaml").write_text(text)
    command, pipe = [sys.executable, str(ROOT / "tests" / "load_chain_worker.py")], subprocess.PIPE
    worker = subprocess.Popen(command, cwd=checkout, stdin=pipe, stdout=pipe, text=True)
    yield Chain(open_session("local"), worker)
    worker.communicate(timeout=60)
    assert worker.returncode == 0


def change_table(chain: Chain, name: str) -> None:
    """Add to one partition, add another with a newer row of a key that is there, and take one away."""
    chain.ask(f"INSERT INTO {name} VALUES (5, 'e', 1, 'it''s feb'), (2, 'late', 5, 'mar'), (9, NULL, 1, 'mar')")
    chain.ask(f"ALTER TABLE {name} DROP PARTITION (month = 'jan')")


APPENDED = [(2, "late", 5, "mar"), FIRST[2], (5, "e", 1, "it's feb"), (9, None, 1, "mar")]
UPSERTED = [FIRST[0], *APPENDED]
EXPECTED = {"replace": APPENDED, "append": APPENDED, "upsert": UPSERTED}


@pytest.mark.parametrize(("mode", "in_place"), MODES)
def test_a_mode_goes_from_athena_to_readers_and_back(chain: Chain, mode: str, in_place: bool) -> None:
    """What changed is loaded and verified, the same again is no load, and going back shows what was there before."""
    name = name_dataset(mode, in_place)
    in_place = in_place and mode != "replace"
    chain.make_table(name)
    assert chain.do("load", name) == {"changed": True, "rows": {name: 3, f"{name}__quarantine": 0}, "verified": True}
    assert chain.read(name) == FIRST
    change_table(chain, name)
    rows = {name: len(EXPECTED[mode]), f"{name}__quarantine": 0}
    assert chain.do("load", name) == {"changed": True, "rows": rows, "verified": True}
    assert chain.read(name) == EXPECTED[mode]
    assert chain.do("load", name) == {"changed": False, "rows": rows, "verified": True}
    back = chain.do("rollback", name)
    if in_place:
        assert back["code"] == 2 and "loaded in place" in back["said"]
        assert chain.read(name) == EXPECTED[mode]
        return
    assert back["code"] == 0 and f"back to analytics.{name}: 3 rows" in back["said"]
    assert f"dashboard of {name} not refreshed: Superset is not set up" in back["said"]
    assert chain.read(name) == FIRST
    assert chain.do("publish", f"analytics.{name}")["code"] == 0
    assert chain.read(name) == EXPECTED[mode]
    chain.do("rollback", name)
    assert chain.do("load", name)["changed"]  # what is kept ready is published without loading it again
    assert chain.read(name) == EXPECTED[mode]


def test_a_mistyped_table_is_wrong_usage(chain: Chain) -> None:
    """`workbench rollback` and `publish` of what was never loaded: code 2, in one line that names it."""
    for command in ("rollback", "publish"):
        done = chain.do(command, "analytics.chain_apend")
        assert done["code"] == 2 and len(done["said"].splitlines()) == 1
        assert 'table "analytics.chain_apend"' in done["said"]
