"""The four steps as one plain Python script: the same helper entries, in one process, on the same stack.

python -m benchmarks.peers.script DATASET          prints the rows of each relation in PostgreSQL as JSON
"""

import json
import sys

from helpers.catalog_query import crawl_table, run_saved_queries
from helpers.config import build_config
from helpers.ingest import ingest_files, profile_files
from helpers.load_postgres import load_tables
from helpers.transform import renew_code, run_job


def run_steps(dataset: str) -> dict[str, int]:
    """Do what the four notebooks do, without plots, and return relation -> rows."""
    cfg = build_config(dataset)
    profile = profile_files(cfg)
    ingest_files(cfg, profile)
    renew_code(cfg)
    run_job(cfg)
    crawl_table(cfg)
    run_saved_queries(cfg)
    return dict(load_tables(cfg).loaded)


if __name__ == "__main__":
    print(json.dumps(run_steps(sys.argv[1])))
