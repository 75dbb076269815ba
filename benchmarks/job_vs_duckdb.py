"""The Glue job's CPU, from StartJobRun to its end, over the same job in plain DuckDB with the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Contest, Sample, compare, run_process
from benchmarks.stack import bench_stack, forget_dataset

ROWS = 100_000
DATASET = "student_performance"
ROOT = Path(__file__).resolve().parent.parent


def measure() -> list[dict[str, Any]]:
    """Return `job_cpu_vs_duckdb`."""
    with bench_stack() as folder:
        raw = folder / "raw"
        source = ROOT / "datasets" / DATASET / "source.py"
        subprocess.run([sys.executable, str(source), "--rows", str(ROWS), "--out", str(raw)], check=True)
        _ours(raw)
        _wait_for_archive(folder)
        contest = Contest(
            "job_cpu_vs_duckdb",
            f"{ROWS:,} rows",
            lambda: _ours(raw),
            lambda: _theirs(raw, folder / "duckdb"),
            lambda ours, theirs: bool(ours == theirs),
            measure="cpu",
        )
        return [compare(contest).as_dict()]


def _ours(raw: Path) -> Sample:
    """Ingest the files again and run the job; its CPU is that of its processes, watched to their end."""
    from helpers.config import build_config
    from helpers.ingest import ingest_files
    from helpers.session import open_session
    from helpers.transform import renew_code

    forget_dataset(DATASET)
    cfg = build_config(DATASET, files=str(raw))
    ingest_files(cfg)
    renew_code(cfg)
    session = open_session()
    glue: Any = session.client("glue")
    token = f"bench-{time.monotonic_ns()}"
    begun = time.perf_counter()
    run = glue.start_job_run(JobName=session.outputs.job, Arguments={"--DATASET": DATASET, "--RUN_TOKEN": token})
    cpu, peak = _watch(glue, session.outputs.job, run["JobRunId"])
    wall = time.perf_counter() - begun
    body = session.client("s3").get_object(
        Bucket=session.outputs.curated_bucket, Key=f"_reports/{DATASET}/{token}.json"
    )
    rows = json.loads(body["Body"].read())["rows"]
    return Sample(wall, cpu, peak, {name: rows[name] for name in ("curated", "quarantined")})


def _watch(glue: Any, job: str, run_id: str) -> tuple[float, float]:
    """Return CPU seconds and peak resident MB of the run's processes (those that carry its id)."""
    import psutil

    seen: dict[int, float] = {}
    ours: dict[int, Any] = {}
    checked: set[int] = set()
    peak = 0.0
    while True:
        state = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        for process in psutil.process_iter():
            if process.pid not in checked:
                checked.add(process.pid)
                try:
                    if process.environ().get("WORKBENCH_JOB_RUN") == run_id:
                        ours[process.pid] = process
                except psutil.Error:
                    continue
        resident = 0.0
        for pid, process in ours.items():
            try:
                times = process.cpu_times()
                seen[pid] = times.user + times.system
                resident += process.memory_info().rss / 2**20
            except psutil.Error:
                continue
        peak = max(peak, resident)
        if state["JobRunState"] == "SUCCEEDED":
            return sum(seen.values()), peak
        if state["JobRunState"] not in ("STARTING", "RUNNING"):
            raise RuntimeError(f"job run {run_id} ended {state['JobRunState']}: {state.get('ErrorMessage')}")
        time.sleep(0.02)


def _wait_for_archive(folder: Path) -> None:
    """Let the class archive that the first run of a machine builds in the background be finished."""
    import psutil

    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if not any("-Xshare:dump" in " ".join(_command(process)) for process in psutil.process_iter()):
            return
        time.sleep(1)


def _command(process: Any) -> list[str]:
    import psutil

    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _theirs(raw: Path, out: Path) -> Sample:
    """Run the peer as a process; its CPU is all of it."""
    code = (
        "import json, sys; from pathlib import Path; from benchmarks.peers.job_duckdb import run; "
        "from helpers.contract import compile_contract, load_contract; "
        f"print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), compile_contract(load_contract('{DATASET}')))))"
    )
    sample = run_process([sys.executable, "-c", code, str(raw), str(out)])
    told = json.loads(sample.result.splitlines()[-1])
    rows = told.get("rows", told)
    return Sample(
        sample.wall, sample.cpu, sample.peak_rss_mb, {name: rows[name] for name in ("curated", "quarantined")}
    )
