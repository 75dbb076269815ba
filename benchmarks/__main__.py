"""Run the benchmarks (`make bench`, `make bench ONLY=name`): a table here, objects in benchmarks/out/latest.json."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from workbench.console import Output

# Each module has measure(): a list of objects as Comparison.as_dict() makes them.
BENCHMARKS = {
    "run_vs_script": "benchmarks.run_vs_script",
    "load1_vs_psql": "benchmarks.load_vs_psql",  # load2_vs_psql, publish_vs_psql and load_memory_mb, too
    "load_vs_source_cpu": "benchmarks.load_vs_source",  # load_vs_awswrangler, load_vs_adbc and load_vs_pgpq, too
    "job_cpu_vs_duckdb": "benchmarks.job_vs_duckdb",
    "s3": "benchmarks.s3",
}
OUT = Path(__file__).resolve().parent / "out" / "latest.json"


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and write and print what they measured."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"benchmark {unknown[0]} is unknown; known: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    output = Output()
    measured = []
    for name in names or list(BENCHMARKS):
        with output.step(name):
            measured += importlib.import_module(BENCHMARKS[name]).measure()
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(measured, indent=2) + "\n")
    rows = [
        [m["name"], m["ratio"], m["ours"], m["theirs"], m["unit"], m["runs"], m["peak_rss_mb"], m["size"]]
        for m in measured
    ]
    output.table("ours over theirs", ["benchmark", "ratio", "ours", "theirs", "unit", "runs", "peak MB", "size"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
