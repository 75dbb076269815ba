"""`workbench run` on 100,000 rows, over the same steps as one plain Python script, on the same warm stack."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, forget_dataset

DATASET = "student_performance"


def measure() -> list[dict[str, Any]]:
    """Return `run_vs_script`, a ratio of wall seconds."""
    with bench_stack():
        _ours()  # the first run of a stack builds caches that both sides then have
        contest = Contest("run_vs_script", "100,000 rows", _ours, _theirs, lambda ours, theirs: bool(ours == theirs))
        return [compare(contest).as_dict()]


def _ours() -> Sample:
    forget_dataset(DATASET)
    sample = run_process([sys.executable, "-m", "workbench", "run", "--dataset", DATASET])
    manifest = json.loads((Path(os.environ["WORKBENCH_RUNS"]) / "latest" / "manifest.json").read_text())
    step = manifest["steps"][3]
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, step["rows_out"])


def _theirs() -> Sample:
    forget_dataset(DATASET)
    sample = run_process([sys.executable, "-m", "benchmarks.peers.script", DATASET])
    loaded = json.loads(sample.result.splitlines()[-1])
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, sum(loaded.values()))
