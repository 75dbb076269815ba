"""What a loading peer tells of its work: one JSON line, without what its imports cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from benchmarks.memory import read_memory, start_watching


def tell(load: Callable[[str, str], int], csv: str, table: str) -> None:
    """Load, and print {"rows", "seconds", "cpu", "before_mb", "peak_mb"}."""
    before = start_watching()
    begun, cpu = time.perf_counter(), time.process_time()
    rows = load(csv, table)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    told = {"rows": rows, "seconds": seconds, "cpu": cpu, "before_mb": before, "peak_mb": read_memory("VmHWM")}
    print(json.dumps(told))
