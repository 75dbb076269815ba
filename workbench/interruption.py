"""Signals that end a run from outside, and the time limit that ends it from inside."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = 5.0  # seconds until what was raised, and swallowed by code that lets no exception out, is raised again
_LEAST = 0.05  # what an outer limit that is over leaves for saying that an inner one is


class OutOfTime(KeyboardInterrupt):
    """The time limit is over; a KeyboardInterrupt, since nothing on the way may catch it."""


@contextmanager
def stoppable(seconds: float) -> Iterator[Callable[[], None]]:
    """Let SIGTERM and SIGHUP end the block like Ctrl-C, and the time limit as OutOfTime. May be nested.

    A SIGHUP that nohup has this process ignore stays ignored. Where what is raised is swallowed, as in a destructor or
    by a library that tries what it imports, it is raised again; the block is given what raises it at once.
    """
    heard: list[type[KeyboardInterrupt]] = []

    def insist() -> None:
        if heard:
            raise heard[0]

    def stop(number: int, frame: FrameType | None) -> None:
        heard[:] = [KeyboardInterrupt]
        signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        insist()

    def end(number: int, frame: FrameType | None) -> None:
        heard[:] = heard or [OutOfTime]
        insist()

    numbers = [each for each in _NUMBERS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
    earlier = {number: signal.signal(number, stop) for number in numbers}
    earlier[signal.SIGALRM] = signal.signal(signal.SIGALRM, end)
    begun, outer = time.monotonic(), signal.setitimer(signal.ITIMER_REAL, 0)[0]
    signal.setitimer(signal.ITIMER_REAL, max(min(seconds, outer or seconds), 0.001), _AGAIN)
    try:
        yield insist
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _hear(earlier, outer, begun)


@contextmanager
def deaf(ends: bool = False) -> Iterator[None]:
    """Hear no Ctrl-C, SIGTERM, SIGHUP or end of time while the block tidies up; `ends`: no limit goes on behind it."""
    begun, outer = time.monotonic(), signal.setitimer(signal.ITIMER_REAL, 0)[0]
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in (*_NUMBERS, signal.SIGALRM)}
    try:
        yield
    finally:
        _hear(earlier, 0.0 if ends else outer, begun)


def _hear(handlers: Mapping[signal.Signals, Any], outer: float, begun: float) -> None:
    """Set the handlers as they were, and let the limit of a block around this one go on."""
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if outer:
        signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - begun), _LEAST), _AGAIN)
