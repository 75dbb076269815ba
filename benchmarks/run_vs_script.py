"""`workbench run` on 100,000 rows, over the same steps as one plain Python script, on the same warm stack.

And one small job on the Spark process that stands ready, over the same job in a cold process.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import await_warm_spark, bench_stack, forget_dataset

DATASET = "student_performance"
SMALL = "student_sample"
ACTIVE = ("WAITING", "STARTING", "RUNNING")
POLL_SECONDS = 0.25
RUNS = 5  # a machine whose speed changes tells little by three


def measure() -> list[dict[str, Any]]:
    """Return `run_vs_script` and `small_job_warm`, each a ratio of wall seconds."""
    with bench_stack():
        begun = time.time()
        _run()  # the first run of a stack builds caches that both sides then have
        whole = Contest("run_vs_script", "100,000 rows", _Warmed(_run, begun), _Warmed(_script, begun), _same, RUNS)
        small = Contest("small_job_warm", SMALL, _warm_job, lambda: _job("spark.bench=cold"), _same)
        return [compare(whole).as_dict(), compare(small).as_dict()]


def _same(ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs)


class _Warmed:
    """A side that begins when a Spark process stands ready that no other side has used."""

    used = 0.0

    def __init__(self, side: Any, since: float) -> None:
        self._side = side
        self._since = since

    def __call__(self) -> Sample:
        if not await_warm_spark(max(self._since, _Warmed.used)):
            print("no Spark process stood ready: this side starts cold", file=sys.stderr)
        _Warmed.used = time.time()
        sample: Sample = self._side()
        return sample


def _run() -> Sample:
    forget_dataset(DATASET)
    sample = run_process([sys.executable, "-m", "workbench", "run", "--dataset", DATASET])
    manifest = json.loads((Path(os.environ["WORKBENCH_RUNS"]) / "latest" / "manifest.json").read_text())
    step = manifest["steps"][3]
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, step["rows_out"])


def _script() -> Sample:
    forget_dataset(DATASET)
    sample = run_process([sys.executable, "-m", "benchmarks.peers.script", DATASET])
    loaded = json.loads(sample.result.splitlines()[-1])
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, sum(loaded.values()))


def _warm_job() -> Sample:
    """Run the job twice and measure the second: the process that stands ready is one like the last run's."""
    begun = time.time()
    _job()
    return _Warmed(_job, begun)()


def _job(conf: str | None = None) -> Sample:
    """Run the job on a small dataset from StartJobRun to SUCCEEDED; with `conf` no ready process fits it.

    The end is what the run's record says: asking for it often takes the cores that the job wants.
    """
    from helpers.config import build_config
    from helpers.ingest import ingest_files, profile_files
    from helpers.session import open_session
    from helpers.transform import read_job_run, run_job

    forget_dataset(SMALL)
    cfg = build_config(SMALL)
    ingest_files(cfg, profile_files(cfg))
    session = open_session()
    glue: Any = session.client("glue")
    runs = [run["Arguments"] for run in glue.get_job_runs(JobName=session.outputs.job)["JobRuns"]]
    told = next((arguments for arguments in runs if arguments.get("--DATASET") == SMALL), None)
    if told is None:  # what the helper tells the job is asked of it once
        run_job(cfg)
        return _job(conf)
    arguments = {**told, "--RUN_TOKEN": f"bench-{uuid.uuid4().hex[:12]}", **({"--conf": conf} if conf else {})}
    begun = time.time()
    run_id = glue.start_job_run(JobName=session.outputs.job, Arguments=arguments)["JobRunId"]
    while (run := glue.get_job_run(JobName=session.outputs.job, RunId=run_id)["JobRun"])["JobRunState"] in ACTIVE:
        time.sleep(POLL_SECONDS)
    wall = run["CompletedOn"].timestamp() - begun
    return Sample(wall, 0.0, 0.0, read_job_run(cfg, run_id).figures()["rows_out"])
