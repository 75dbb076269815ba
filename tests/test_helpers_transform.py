"""Step 02 with real job runs: a gate that refuses, a job that fails, two callers at once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers.config import build_config
from helpers.contract import compile_contract, load_contract
from helpers.errors import ContractError, QualityGateError, StepError, WorkbenchError
from helpers.ingest import ingest_files
from helpers.objects import list_objects
from helpers.session import Session, open_session
from helpers.transform import renew_code, run_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The session of a stack of this module's own: its raw bucket gets bad data."""
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_HOME", str(tmp_path_factory.mktemp("transform") / "home"))
    yield open_session()
    subprocess.run([sys.executable, "-m", "workbench", "down"], check=True, timeout=60, stdin=subprocess.DEVNULL)
    patch.undo()


def published(session: Session, dataset: str) -> list[str]:
    """Return the keys of the dataset's curated table."""
    return [
        found.key for found in list_objects(session.client("s3"), session.outputs.curated_bucket, f"data/{dataset}/")
    ]


def test_a_gate_refuses_and_nothing_is_published(session: Session, tmp_path: Path) -> None:
    """More rejected rows than the contract allows: exit code 3, the figure and the log named, no table."""
    names = [column.name for column in load_contract("tennessee_star").raw_columns]
    lines = [names, *[["x" if name == "pupil_id" else "" for name in names] for _ in range(2)]]
    (tmp_path / "bad.csv").write_text("".join(",".join(cells) + "\n" for cells in lines))
    cfg = build_config("tennessee_star", files=str(tmp_path / "bad.csv"))
    ingest_files(cfg)
    renew_code(cfg)
    with pytest.raises(QualityGateError, match=r"2 of 2 rows .*nothing was published; log: .*jobs/jr_") as caught:
        run_job(cfg)
    assert caught.value.exit_code == 3
    assert published(session, "tennessee_star") == []


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"operator": "mustBeLessThan", "threshold": [10]}, QualityGateError, "1916 rows, and it must be less than 10"),
        ({"metric": "sql", "query": "SELECT nonsense(1) FROM {table}"}, ContractError, "cannot be evaluated"),
    ],
)
def test_a_rule_stops_a_run(session: Session, change: dict[str, Any], kind: type[WorkbenchError], said: str) -> None:
    """A broken rule is a gate's refusal (exit code 3), one that Spark refuses a mistake of the contract (2)."""
    cfg = build_config("student_sample")
    ingest_files(cfg)
    renew_code(cfg)
    contract = compile_contract(load_contract("student_sample"))
    contract["quality"][0] |= change
    bucket, key = session.outputs.curated_bucket, "_contracts/student_sample.json"
    session.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(contract).encode())
    before = published(session, "student_sample")
    with pytest.raises(kind, match=rf'rule "the table has rows" .*{said}.*nothing was published; log: ') as caught:
        run_job(cfg)
    assert caught.value.exit_code == (3 if kind is QualityGateError else 2)
    assert published(session, "student_sample") == before


def test_a_job_that_fails_is_named_with_its_log(session: Session) -> None:
    """The exception of the script stands in the error, and the log that it names is there; renewed code runs again."""
    cfg = build_config("student_sample")
    ingest_files(cfg)
    bucket = session.outputs.curated_bucket
    session.client("s3").put_object(Bucket=bucket, Key="_code/job.py", Body=b"raise ValueError('no such luck')\n")
    with pytest.raises(StepError, match=r"FAILED: ValueError: no such luck; log: ") as caught:
        run_job(cfg)
    assert Path(str(caught.value).rpartition("log: ")[2]).is_file()
    renew_code(cfg)
    assert run_job(cfg).rows["readable"] == 2000


def test_two_callers_with_one_run_id_follow_one_run(session: Session) -> None:
    """A repeated call while the run is under way takes it over; one with another id waits and runs after it."""
    cfg = build_config("student_sample", run_id="shared")
    ingest_files(cfg)
    renew_code(cfg)
    other = build_config("student_sample", run_id="another")
    with ThreadPoolExecutor(3) as threads:
        first, second, third = threads.map(run_job, [cfg, cfg, other])
    runs = session.client("glue").get_job_runs(JobName=session.outputs.job)["JobRuns"]
    tokens = [run["Arguments"]["--RUN_TOKEN"] for run in runs]
    assert first.rows == second.rows == third.rows
    assert tokens.count("another") == 1
    assert sum(token.startswith("shared") for token in tokens) == len({first.job_run_id, second.job_run_id})
