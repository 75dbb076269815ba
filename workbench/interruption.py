"""Signals that end a run from outside, and the time limit that ends it from inside."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class OutOfTime(KeyboardInterrupt):
    """The time limit is over; a KeyboardInterrupt, since nothing on the way may catch it."""


@contextmanager
def stoppable(seconds: float) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block like Ctrl-C, and the time limit as OutOfTime. May be nested."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def end(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    begun = time.monotonic()
    earlier = {number: signal.signal(number, stop) for number in _NUMBERS}
    earlier[signal.SIGALRM] = signal.signal(signal.SIGALRM, end)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_REAL, max(min(seconds, outer or seconds), 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if outer:  # the limit of a block around this one goes on
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - begun), 0.001))


@contextmanager
def deaf() -> Iterator[None]:
    """Hear no further Ctrl-C, SIGTERM or SIGHUP while the block tidies up."""
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
