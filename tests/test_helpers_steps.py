"""The four steps one after the other on the local stack: what they hand on, and that a second run changes nothing."""

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from helpers.catalog_query import Answers, crawl_table, run_saved_queries
from helpers.catalog_query_table import CatalogTable
from helpers.config import ROOT, build_config
from helpers.errors import StepError
from helpers.ingest import IngestResult, ingest_files, profile_files
from helpers.load_postgres import LoadResult, load_tables, preview_relation
from helpers.session import open_session
from helpers.transform import renew_code, run_job
from helpers.transform_report import TransformResult

DATASET = "student_sample"


@dataclass(frozen=True)
class Chain:
    """What the steps returned."""

    raw: IngestResult
    result: TransformResult
    table: CatalogTable
    answers: Answers
    loaded: LoadResult


def run_steps(dataset: str) -> Chain:
    """Run the four steps as the notebooks do."""
    cfg = build_config(dataset)
    raw = ingest_files(cfg, profile_files(cfg))
    renew_code(cfg)
    return Chain(raw, run_job(cfg), crawl_table(cfg), run_saved_queries(cfg), load_tables(cfg))


@pytest.fixture(scope="module")
def chain(stack: Path) -> Chain:
    """One pass over the small dataset, after each step has said which one is missing before it."""
    cfg = build_config(DATASET)
    for step, missing in ((run_job, "01_ingest"), (crawl_table, "02_transform"), (load_tables, "03_catalog_query")):
        with pytest.raises(StepError, match=f"run {missing} "):
            step(cfg)
    return run_steps(DATASET)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the generator planted."""
    folder = tmp_path_factory.mktemp("truth")
    script = ROOT / "datasets" / "student_performance" / "source.py"
    command = [sys.executable, str(script), "--out", str(folder / "raw"), "--rows", "2000", "--seed", "7"]
    subprocess.run([*command, "--truth", str(folder / "truth.json")], check=True, timeout=60)
    found: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return found


def test_the_job_found_what_was_planted(chain: Chain, truth: dict[str, Any]) -> None:
    """Rows and reasons of the report are those of the generator, and every row is accounted for."""
    assert chain.result.rows == truth["rows"]
    assert chain.result.report["quarantined_by_reason"] == truth["quarantined_by_reason"]
    assert chain.result.accounted == truth["rows"]["readable"]
    assert [row[1] for row in chain.result.unreadable.to_numpy().tolist()] == ["empty"]


def test_the_catalog_has_the_contracts_columns_and_all_partitions(chain: Chain, truth: dict[str, Any]) -> None:
    """The crawler's table has each partition that the job wrote, and the types that the job reported."""
    assert chain.table.partitions == len(truth["partitions"])
    reported = {column["name"]: column["type"] for column in chain.result.report["columns"]}
    assert chain.table.columns == reported


def test_athena_counts_what_the_job_reported(chain: Chain) -> None:
    """Two engines agree on the rows; each answer has the columns that its chart asks for."""
    assert chain.answers.table_rows == chain.answers.reported == chain.result.rows["curated"]
    for answer in chain.answers.answers:
        assert {answer.query.x, *answer.query.y} <= set(answer.frame.columns)
    assert chain.answers.scanned > 0


def test_every_relation_has_the_rows_that_athena_counted(chain: Chain) -> None:
    """The table and each answer are in PostgreSQL, typed, and the reader's role reads them."""
    assert chain.loaded.verified
    assert chain.loaded.loaded[DATASET] == chain.result.rows["curated"]
    read = preview_relation(build_config(DATASET), chain.loaded.first_answer, rows=100)
    assert read.to_numpy().tolist() == chain.answers.first.frame.to_numpy().tolist()


def test_postgresql_has_types_and_descriptions(chain: Chain) -> None:
    """Decimals stay decimals, dates dates, and columns carry the contract's description."""
    query = (
        "SELECT column_name, data_type, numeric_scale, col_description(format('analytics.%%I', table_name)::regclass, "
        "ordinal_position) FROM information_schema.columns WHERE table_schema = 'analytics' AND table_name = %s"
    )
    with open_session().connect_postgres() as connection, connection.cursor() as cursor:
        cursor.execute(query, (DATASET,))
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    connection.close()
    assert found["final_percentage"][:2] == ("numeric", 2)
    assert found["exam_date"][0] == "date"
    assert found["student_id"][2].startswith("The pupil's number")


def test_a_second_pass_changes_nothing(chain: Chain) -> None:
    """Nothing is uploaded, the totals are the same, and the load finds its content already there."""
    again = run_steps(DATASET)
    assert again.raw.uploaded == 0
    assert again.result.rows == chain.result.rows
    # The job describes a table's columns once the crawler has made it: in the second pass.
    assert replace(again.table, comments={}) == replace(chain.table, comments={}) and again.table.comments
    assert [a.frame.to_csv() for a in again.answers.answers] == [a.frame.to_csv() for a in chain.answers.answers]
    assert again.loaded.loaded == chain.loaded.loaded
    assert not again.loaded.changed


def test_figures_are_json_with_uris_and_an_answer(chain: Chain) -> None:
    """What each step gives to the run's record is plain JSON: URIs, counts, costs, the first answer."""
    figures = [chain.raw.figures(), chain.result.figures(), chain.answers.figures(), chain.loaded.figures()]
    text = json.dumps(figures)
    assert json.loads(text)[2]["answer"]["columns"] == ["gender", "average_percentage"]
    assert all(entry["uri"].startswith("s3://") for entry in figures[1]["inputs"])
    assert f"postgresql:analytics/{DATASET}" in figures[3]["outputs"]
    assert figures[1]["cost"]["glue_seconds"] > 0
