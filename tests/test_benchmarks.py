"""The benchmarks: each name has a measure, and one that runs small tells of both sides what it should."""

import importlib
import inspect
import json
import os
import subprocess
import sys

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from helpers.config import ROOT


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_is_found_by_its_name(name: str) -> None:
    """Its module measures; one that stands for several names is told which of them are wanted."""
    module = importlib.import_module(BENCHMARKS[name])
    several = list(BENCHMARKS.values()).count(BENCHMARKS[name]) > 1
    assert ("wanted" in inspect.signature(module.measure).parameters) == several
    assert name in (ROOT / (BENCHMARKS[name].replace(".", "/") + ".py")).read_text()


def test_an_unknown_benchmark_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The names that there are stand in the message."""
    assert main(["load3_vs_psql"]) == 2
    assert "load3_vs_psql is unknown" in capsys.readouterr().err


def test_a_load_tells_ratio_and_memory_of_both_sides() -> None:
    """Ours from S3 and psql's from a file fill the same table with as many rows, each on a server of their own."""
    code = "from benchmarks.load_vs_psql import measure; import json; print(json.dumps(measure(['load2_vs_psql'])))"
    environment = {**os.environ, "WORKBENCH_BENCH_ROWS": "5000"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout.splitlines()[-1])
    assert (found["name"], found["runs"]) == ("load2_vs_psql", 3)
    assert found["ratio"] == pytest.approx(found["ours"] / found["theirs"], rel=0.1)
    assert 0 < found["grown_mb"]["ours"] < found["peak_rss_mb"]
    assert 0 <= found["grown_mb"]["theirs"] < found["peer_rss_mb"]
