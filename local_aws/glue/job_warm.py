"""The one Spark process that stands ready, warmed up, for the next job run: so a small job need not wait for a JVM.

It is launched as the last run was, some seconds after that ended, rehearses it, serves one run, and is replaced. It
serves only a run whose launch has the same fingerprint; another gets a cold process. It is released when no run wanted
it for a while, and when memory is short. WORKBENCH_SPARK_WARM=off does without. docs/adr/0024-warm-spark.md has the
reasons.
"""

import hashlib
import os
import shutil
import threading
import time
from secrets import token_hex

import psutil

from local_aws.glue.job_attempt import Standby, start_process
from local_aws.glue.job_preparation import Launch, Wanted, add_rehearsal, prepare_launch
from local_aws.glue.job_sessions import end_session
from local_aws.server.context import Context

SETTING = "WORKBENCH_SPARK_WARM"
AFTER_SECONDS = 12.0  # the steps that follow a job in a run want the cores first
IDLE_SECONDS = 1800.0
FREE_BYTES = 1536 * 2**20
_TICK_SECONDS = 1.0


class WarmSpark:
    """Keep at most one process ready; `take` gives it away, `want` says what the next one should be."""

    def __init__(self, context: Context, after: float = AFTER_SECONDS, idle: float = IDLE_SECONDS) -> None:
        self._context = context
        self._after = after
        self._idle = idle
        self._lock = threading.Condition()
        self._standby: Standby | None = None
        self._heard: set[str] = set()
        self._fingerprint = ""
        self._since = 0.0
        self._wanted: tuple[Wanted, float] | None = None
        self._keeper: threading.Thread | None = None
        self._closed = False
        self.mark = "warm-" + hashlib.sha256(str(context.home).encode()).hexdigest()[:16]

    def want(self, wanted: Wanted) -> None:
        """Have a process ready soon for a run like this; an archive on the Python path cannot be known beforehand."""
        if os.environ.get(SETTING) == "off" or wanted.launch.archives:
            return
        with self._lock:
            if self._closed:
                return
            self._wanted = (wanted, time.monotonic() + self._after)
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = threading.Thread(target=self._keep, name="warm-spark", daemon=True)
                self._keeper.start()
            self._lock.notify_all()

    def take(self, launch: Launch) -> Standby | None:
        """Return the process if it is ready and fits the launch; else None.

        One that is still warming up is ended: its compilers have only begun, and a cold process is faster.
        """
        with self._lock:
            self._wanted = None  # none is started beside a run
            if self._standby is None:
                return None
            fits = not launch.archives and self._fingerprint == launch.fingerprint(self._context)
            ready = fits and self._is_ready()
            standby, self._standby = self._standby, None
        if ready:
            return standby
        self._release(standby)
        return None

    def close(self) -> None:
        """End the process that stands ready."""
        with self._lock:
            self._closed, self._wanted = True, None
            standby, self._standby = self._standby, None
            self._lock.notify_all()
        if standby is not None:
            self._release(standby)
        if self._keeper is not None:
            self._keeper.join(timeout=30)

    def is_ready(self) -> bool:
        """Say whether a process stands ready now, warmed up."""
        with self._lock:
            return self._is_ready()

    def _is_ready(self) -> bool:
        if self._standby is None:
            return False
        self._heard |= self._standby.hear()
        return "ready" in self._heard and self._standby.process.poll() is None

    def _keep(self) -> None:
        """Start what is wanted when its time has come; release what stands idle, or where memory is short."""
        while True:
            with self._lock:
                self._lock.wait(_TICK_SECONDS)
                if self._closed or (self._wanted is None and self._standby is None):
                    return
                now, short = time.monotonic(), psutil.virtual_memory().available < FREE_BYTES
                standby = self._standby
                over = standby is not None and (
                    short or now - self._since > self._idle or standby.process.poll() is not None
                )
                if over:
                    self._standby, self._wanted = None, None
                elif standby is None and self._wanted and now >= self._wanted[1] and not short:
                    self._start(self._wanted[0])
                    self._wanted = None
            if over and standby is not None:
                self._release(standby)

    def _start(self, wanted: Wanted) -> None:
        work = self._context.home / "jobs" / f"{self.mark}-{token_hex(4)}"
        log = self._context.home / "logs" / "warm-spark.log"
        try:
            prepared = prepare_launch(self._context, wanted.launch.with_c2, self.mark, work)
            add_rehearsal(self._context, wanted, prepared)
            with log.open("wb") as stream:
                self._standby = start_process(prepared, "standby", stream)
        except OSError:  # a full disk: runs go on with cold processes
            shutil.rmtree(work, ignore_errors=True)
            return
        self._fingerprint = wanted.launch.fingerprint(self._context)
        self._since, self._heard = time.monotonic(), set()

    def _release(self, standby: Standby) -> None:
        end_session(standby.process.pid)
        standby.end()
        shutil.rmtree(standby.prepared.specification.parent, ignore_errors=True)
