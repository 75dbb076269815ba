"""The chain's process: one at a time, its lines read by a thread, its end told to the one who watches."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from workbench.leftovers import RUN_MARK
from workbench.record import ROOT
from workbench.watch_lost import owes_load
from workbench.watch_record import ChainRecord

Json = dict[str, Any]
_END = object()
HISTORY_SECONDS = 10.0


class Chains:
    """Run the chains of ended job runs, in order. `told` hears of each step: (record, line)."""

    def __init__(self, after_job: bool, told: Callable[[ChainRecord, Json], None]) -> None:
        self._after_job = after_job
        self._told = told
        self._waiting: deque[ChainRecord] = deque()
        self._lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._record: ChainRecord | None = None
        self._process: subprocess.Popen[str] | None = None
        self._history: list[subprocess.Popen[bytes]] = []

    @property
    def busy(self) -> bool:
        """Whether a chain runs or waits."""
        return self._record is not None or bool(self._waiting)

    def add(self, record: ChainRecord) -> None:
        """Have a chain run when its turn comes."""
        self._waiting.append(record)

    def tick(self) -> None:
        """Start the next chain, and pass on what the one under way says."""
        if self._record is None and self._waiting:
            self._start(self._waiting.popleft())
        while self._record is not None:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return
            if line is _END:
                self._end()
            else:
                self._pass_on(self._record, line)

    def stop(self) -> None:
        """End the chain under way; it and those that wait are interrupted. What ended is published to the end."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()
            self._process.wait()
        for record in [*([self._record] if self._record else []), *self._waiting]:
            record.end("interrupted")
        self._waiting.clear()
        for process in self._history:
            try:
                process.wait(HISTORY_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, record: ChainRecord) -> None:
        named = {"dataset": record.dataset, "run-id": record.run_id, "job-run": record.job_run_id}
        command = [sys.executable, "-m", "workbench.watch_chain"]
        command += [part for name, value in named.items() for part in (f"--{name}", value)]
        command += [] if self._after_job else ["--trigger-only"]
        command += ["--even-unchanged"] if record.makes_up or owes_load(record.dataset) else []
        with (record.folder / "chain.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, RUN_MARK: record.run_id},  # whoever settles a killed watcher's record ends it, too
                start_new_session=True,  # Ctrl-C reaches it through `stop`
            )
        self._record = record
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._lines.put(line)
        self._lines.put(_END)

    def _pass_on(self, record: ChainRecord, line: str) -> None:
        try:
            facts = json.loads(line)
            record.update(facts["step"], facts["status"], facts)
        except (ValueError, KeyError, TypeError, StopIteration):
            return  # a library's own words
        self._told(record, facts)

    def _end(self) -> None:
        assert self._process is not None and self._record is not None
        code, record = self._process.wait(), self._record
        self._process = self._record = None
        if code == 0:
            record.end("succeeded")
        else:
            said = any(step.error for step in record.manifest.steps)
            place = record.folder / "chain.log"
            record.end("failed", "" if said else f"the chain's process ended with code {code}: see {place}")
        self._told(record, {"step": "", "status": record.manifest.status})
        self.publish(record)

    def publish(self, record: ChainRecord) -> None:
        """Publish the closed record for the data-quality tab; the next chain does not wait for it."""
        self._history = [process for process in self._history if process.poll() is None]
        command = [sys.executable, "-m", "workbench.history", record.dataset]
        with (record.folder / "chain.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
        self._history.append(process)
