"""Run the Glue job and its peers over the same raw files, with CPU, memory, and a fingerprint of what they made.

The job is measured from StartJobRun to its end, by its own processes; a peer as a process. No warm Spark is taken: its
start would be in nobody's account.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psutil

from benchmarks.measure import Sample, run_process
from benchmarks.stack import bench_stack, forget_dataset

DATASET = "student_performance"
ROOT = Path(__file__).resolve().parent.parent
ARCHIVE_SECONDS = 240.0


@contextmanager
def job_stack() -> Iterator[Path]:
    """Start a stack without a warm Spark; yield a folder that is removed with it."""
    earlier = os.environ.get("WORKBENCH_SPARK_WARM")
    os.environ["WORKBENCH_SPARK_WARM"] = "off"
    try:
        with bench_stack() as folder:
            yield folder
    finally:
        os.environ.pop("WORKBENCH_SPARK_WARM")
        if earlier is not None:
            os.environ["WORKBENCH_SPARK_WARM"] = earlier


def make_raw(folder: Path, rows: int) -> Path:
    """Generate the dataset's raw files with so many rows; return their folder."""
    raw = folder / f"raw-{rows}"
    source = ROOT / "datasets" / DATASET / "source.py"
    subprocess.run([sys.executable, str(source), "--rows", str(rows), "--out", str(raw)], check=True)
    return raw


def run_all(raw: Path) -> Sample:
    """Forget the dataset, ingest the files anew and run the job over all of them."""
    forget_dataset(DATASET)
    return run_new(raw)


def run_new(raw: Path) -> Sample:
    """Ingest the files and run the job over what is new."""
    from helpers.config import build_config
    from helpers.ingest import ingest_files
    from helpers.session import open_session
    from helpers.transform import renew_code

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
    bucket = session.outputs.curated_bucket
    report = json.loads(
        session.client("s3").get_object(Bucket=bucket, Key=f"_reports/{DATASET}/{token}.json")["Body"].read()
    )
    files = Path(os.environ["WORKBENCH_HOME"]) / "lake" / bucket / "data" / DATASET
    rejected = (report["rows"]["quarantined"], report["quarantined_by_reason"])
    return Sample(wall, cpu, peak, (hash_rows(files), *rejected))


def await_archive() -> None:
    """Let the class archive that the first run of a machine builds in the background be finished."""
    deadline = time.monotonic() + ARCHIVE_SECONDS
    while time.monotonic() < deadline:
        if not any("-Xshare:dump" in " ".join(_command(process)) for process in psutil.process_iter()):
            return
        time.sleep(1)


def run_duckdb(raw: Path) -> Sample:
    """Run the peer in DuckDB (benchmarks/peers/job_duckdb.py)."""
    code = (
        "import json, sys; from pathlib import Path; from benchmarks.peers.job_duckdb import run; "
        "from helpers.contract import compile_contract, load_contract; "
        f"print(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]), compile_contract(load_contract('{DATASET}')))))"
    )
    with tempfile.TemporaryDirectory(prefix="wb-bench-peer-") as folder:
        sample = run_process([sys.executable, "-c", code, str(raw), folder])
        told = json.loads(sample.result.splitlines()[-1])
        made = (hash_rows(Path(folder) / "curated"), told["rows"]["quarantined"], told["quarantined_by_reason"])
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, made)


def run_script(raw: Path) -> Sample:
    """Run the peer in plain Spark (benchmarks/peers/job_spark_script.py) on the job's JVM options and settings."""
    from local_aws.glue import spark

    folder = Path(tempfile.mkdtemp(prefix="wb-bench-peer-"))
    try:
        (folder / "tmp").mkdir()
        options = spark.choose_jvm_options(sum(path.stat().st_size for path in raw.iterdir()))
        properties = spark.spark_properties(folder, folder, options, {})
        properties["spark.driver.extraJavaOptions"] = " ".join(options.flags[1:])  # the heap is a property
        environment = {
            "SPARK_CONF_DIR": str(spark.write_configuration(folder, properties)),
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "JAVA_HOME": str(spark.java_home()),
            "PYSPARK_PYTHON": sys.executable,
        }
        script = ROOT / "benchmarks" / "peers" / "job_spark_script.py"
        sample = run_process([sys.executable, str(script), str(raw), str(folder / "out")], environment)
        told = json.loads(sample.result.splitlines()[-1])
        made = (hash_rows(folder / "out"), told["quarantined"], told["reasons"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Sample(sample.wall, sample.cpu, sample.peak_rss_mb, made)


def hash_rows(folder: Path) -> tuple[int, int]:
    """Return the number of curated rows under a folder and the sum of their hashes: the same in any order of rows."""
    months = str(folder / "exam_month=[0-9]*" / "*.parquet")
    with duckdb.connect() as connection:
        table = connection.from_parquet(months, hive_partitioning=True)
        cells = ", ".join(
            f"coalesce(\"{name}\"::VARCHAR, '\\N')" for name in sorted(table.columns) if name != "reasons"
        )
        [found] = table.aggregate(f"count(*), sum(hash(concat_ws(chr(31), {cells}))::HUGEINT)").fetchall()
    return int(found[0]), int(found[1] or 0)


def _watch(glue: Any, job: str, run_id: str) -> tuple[float, float]:
    """Return CPU seconds and peak resident MB of the run's processes (those that carry its id)."""
    seen: dict[int, float] = {}
    ours: dict[int, psutil.Process] = {}
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


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
