"""What a process holds in memory before its work and at the peak, as it tells itself or the system of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TICK = 0.02


def start_watching() -> float:
    """Forget the peak of memory so far, where the system can; return what is resident now, in MB."""
    place = Path(f"/proc/{os.getpid()}/clear_refs")
    if place.exists():
        place.write_text("5")
    return read_memory("VmRSS")


def read_memory(field: str) -> float:
    """Return VmRSS or VmHWM of this process in MB; elsewhere than on Linux its peak so far."""
    place = Path("/proc/self/status")
    if not place.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    [line] = [line for line in place.read_text().splitlines() if line.startswith(f"{field}:")]
    return round(int(line.split()[1]) / 1024, 1)


@contextmanager
def watch_peak(pid: int) -> Iterator[list[float]]:
    """Follow another process's peak in MB, the last value of the list; on Linux alone, elsewhere the list stays empty.

    What wait4 says of a process begins with what its parent held when it forked, which may be more than it ever needs.
    """
    peaks: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            with suppress(OSError, ValueError, IndexError):
                status = Path(f"/proc/{pid}/status").read_text()
                peaks.append(round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1))
            done.wait(_TICK)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()
