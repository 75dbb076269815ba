"""Measure two ways of doing the same work, alternately, and compare their medians."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.memory import watch_peak


@dataclass(frozen=True)
class Sample:
    """One execution: wall and CPU seconds (own and waited-for children), peak resident set in MB, and its result.

    `before_mb` is what the process held before the work, where that is known: imports are no part of it then.
    """

    wall: float
    cpu: float
    peak_rss_mb: float
    result: Any = None
    before_mb: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """A ratio of medians, ours over theirs; `spread` holds the least and greatest of each side.

    `peak_rss_mb` is ours, `peer_rss_mb` the peer's; `grown_mb` is by how much each grew from what it held before.
    """

    name: str
    ratio: float
    ours: float
    theirs: float
    unit: str
    runs: int
    peak_rss_mb: float
    size: str
    spread: dict[str, list[float]]
    peer_rss_mb: float
    grown_mb: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as the object that benchmarks/out/latest.json lists."""
        return asdict(self)


def run_process(command: Sequence[str], environment: dict[str, str] | None = None, alone: bool = False) -> Sample:
    """Run a command to its end and measure it with all its waited-for children; the peak of it `alone`, if asked.

    Raises:
        subprocess.CalledProcessError: the command failed; a benchmark of a failure means nothing.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        with watch_peak(process.pid) if alone else nullcontext([]) as peaks:
            printed = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # Ctrl-C or SIGTERM: what was started ends first
        process.terminate()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command), printed)
    return Sample(wall, usage.ru_utime + usage.ru_stime, max(peaks, default=usage.ru_maxrss / 1024), printed)


def call_function(function: Callable[[], Any]) -> Sample:
    """Call a function and measure it in this process; the peak is that of the process so far."""
    before, begun = os.times(), time.perf_counter()
    result = function()
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Sample(time.perf_counter() - begun, cpu, peak, result)


@dataclass(frozen=True)
class Contest:
    """Two sides of a benchmark; `same` must hold for their results, or the benchmark refuses."""

    name: str
    size: str
    ours: Callable[[], Sample]
    theirs: Callable[[], Sample]
    same: Callable[[Any, Any], bool]
    runs: int = 3
    measure: str = "wall"


def compare(contest: Contest) -> Comparison:
    """Run both sides alternately, `runs` times each, and return the ratio of their medians.

    Raises:
        ValueError: the two sides' results differ.
    """
    ours: list[Sample] = []
    theirs: list[Sample] = []
    for _ in range(contest.runs):
        ours.append(contest.ours())
        theirs.append(contest.theirs())
        if not contest.same(ours[-1].result, theirs[-1].result):
            raise ValueError(f"{contest.name}: the peer's result differs from ours; the figures would mean nothing")
    mine = [getattr(sample, contest.measure) for sample in ours]
    peer = [getattr(sample, contest.measure) for sample in theirs]
    return Comparison(
        name=contest.name,
        ratio=round(statistics.median(mine) / statistics.median(peer), 3),
        ours=round(statistics.median(mine), 3),
        theirs=round(statistics.median(peer), 3),
        unit=f"{contest.measure} s",
        runs=contest.runs,
        peak_rss_mb=round(max(sample.peak_rss_mb for sample in ours), 1),
        size=contest.size,
        spread={
            "ours": [round(min(mine), 3), round(max(mine), 3)],
            "theirs": [round(min(peer), 3), round(max(peer), 3)],
        },
        peer_rss_mb=round(max(sample.peak_rss_mb for sample in theirs), 1),
        grown_mb={"ours": _most_grown(ours), "theirs": _most_grown(theirs)},
    )


def _most_grown(samples: Sequence[Sample]) -> float:
    return round(max(sample.peak_rss_mb - sample.before_mb for sample in samples), 1)
