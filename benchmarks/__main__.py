"""Run the benchmarks (`make bench`, `make bench ONLY=name`): a table here, objects in benchmarks/out/latest.json."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from workbench.console import Output

# Each module has measure(): a list of objects as Comparison.as_dict() makes them. One that stands here under several
# names takes those that are asked for.
BENCHMARKS = {
    "run_vs_script": "benchmarks.run_vs_script",  # small_job_warm, too
    **dict.fromkeys(("load1_vs_psql", "load2_vs_psql", "publish_vs_psql", "load_memory_mb"), "benchmarks.load_vs_psql"),
    **dict.fromkeys(
        ("load_vs_source_cpu", "load_vs_awswrangler", "load_vs_adbc", "load_vs_pgpq"), "benchmarks.load_vs_source"
    ),
    **dict.fromkeys(
        ("job_cpu_vs_spark_script", "job_cpu_vs_duckdb", "job_growth", "job_incremental_vs_full"), "benchmarks.job_cpu"
    ),
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
    measured: list[dict[str, Any]] = []
    for place, wanted in _group_by_module(names or list(BENCHMARKS)).items():
        measure = importlib.import_module(place).measure
        with output.step(", ".join(wanted)):
            measured += measure(wanted) if list(BENCHMARKS.values()).count(place) > 1 else measure()
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(measured, indent=2) + "\n")
    output.table("ours over theirs", list(_COLUMNS), [_as_row(one) for one in measured])
    return 0


_COLUMNS = ("benchmark", "ratio", "ours", "theirs", "unit", "runs", "peak MB", "of it grown", "size")


def _group_by_module(names: list[str]) -> dict[str, list[str]]:
    """Return module -> the benchmarks of it, so that those of one module share its stack."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(BENCHMARKS[name], []).append(name)
    return found


def _as_row(one: dict[str, Any]) -> list[Any]:
    """Return a line of the table; memory is told of both sides where both are known."""
    peak, grown = f"{one['peak_rss_mb']:.0f}", ""
    if "peer_rss_mb" in one:
        peak += f" / {one['peer_rss_mb']:.0f}"
    if "grown_mb" in one:
        grown = f"{one['grown_mb']['ours']:.0f} / {one['grown_mb']['theirs']:.0f}"
    figures = [one[field] for field in ("name", "ratio", "ours", "theirs", "unit", "runs")]
    return [*figures, peak, grown, one["size"]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
