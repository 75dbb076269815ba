"""`workbench watch`: the local half of the event path, and the rest of the chain after each job run.

local_aws.events does what AWS does by itself: events, rules, queue, functions, schedule. Here its stack is found again
after a restart, what happens is shown, and a chain with a record is run for each job run that an upload began.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.endpoints import Endpoints, read_endpoints
from local_aws.errors import LocalAwsError
from local_aws.events.function_process import Outcome
from local_aws.events.landing import Landed
from local_aws.events.service import LocalEvents
from workbench.console import Output
from workbench.errors import BusyError
from workbench.stack import bring_up
from workbench.watch_lost import LOST_CHAIN, UNDER_WAY, close_killed_chains, find_lost_chains
from workbench.watch_process import Chains
from workbench.watch_record import ChainRecord
from workbench.watch_retry import Retries
from workbench.watch_uploads import find_live_run

Json = dict[str, Any]
TRIGGERED = "trigger-"
TICK_SECONDS = 0.1
LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class WatchConfig:
    """Which stack to watch, and whether to stop after the job."""

    home: Path
    trigger_only: bool = False


class Watch:
    """Hear what local_aws.events tells, show it, and keep records and chains."""

    def __init__(self, config: WatchConfig, output: Output) -> None:
        self._config = config
        self._output = output
        self._records: dict[str, ChainRecord] = {}  # by job run, while it runs
        self._met: set[str] = set()  # job runs that were seen to begin
        self._keys: dict[str, list[str]] = {}  # new keys by dataset, since its last run began
        self._waiting = ""
        self.endpoints: Endpoints | None = None
        self._given: Json = {"trigger_only": True} if config.trigger_only else {}
        self.chains = Chains(not config.trigger_only, self._told)
        self._retries = Retries()

    def line(self, text: str) -> None:
        """Show one line with the time."""
        self._output.line(f"{time.strftime('%H:%M:%S')} {text}")

    def said(self, text: str) -> None:
        """Show what the service says."""
        self.line(text)

    def landed(self, objects: Sequence[Landed]) -> None:
        """Show new objects, a line for each, or one for many."""
        for found in objects:
            self._keys.setdefault(found.key.partition("/")[0], []).append(found.key)
        for found in objects[:3] if len(objects) > 4 else objects:
            self.line(f"landed: s3://{found.bucket}/{found.key} ({found.size:,} bytes)")
        if len(objects) > 4:
            self.line(f"landed: {len(objects) - 3} more, {sum(found.size for found in objects):,} bytes in all")

    def invoked(self, function: str, outcome: Outcome) -> None:
        """Show what a function printed, and its error."""
        name = function.rpartition("local-")[2]
        for line in [_read_log(text) for text in outcome.printed]:
            if line != self._waiting:  # a batch that waits for a busy job comes again and again
                self.line(f"{name}: {line}")
            self._waiting = line
        if outcome.error:
            self.line(f"{name} failed: {outcome.error}; it is tried again (log: logs/lambda-{function}.log)")

    def run_changed(self, run: Json) -> None:
        """Show a job run's state; keep the record of one that an upload began, and have its chain follow."""
        state, token = run["JobRunState"], run.get("Arguments", {}).get("--RUN_TOKEN", "")
        dataset = run.get("Arguments", {}).get("--DATASET", "")
        seconds = f" after {run['ExecutionTime']} s" if state not in UNDER_WAY else ""
        self.line(f"job run {run['Id'][:11]} of {dataset}: {state}{seconds}")
        if token.startswith(TRIGGERED) and run["Id"] not in self._met and state in UNDER_WAY[:2]:
            self._met.add(run["Id"])
            self._open(run, dataset)
        record = self._records.get(run["Id"])
        if record is None or state in UNDER_WAY:
            return
        del self._records[run["Id"]]
        if state == "SUCCEEDED":
            self._retries.forget(dataset)
            self.chains.add(record)
        else:
            message = f"job run {run['Id']} ended {state}: {run.get('ErrorMessage', 'no message')}"
            record.end("failed", message)
            self.chains.publish(record)
            self.line(f"{message}; log: {self._config.home}/logs/jobs/{run['Id']}.log")

    def make_up(self, job_runs: Sequence[Json]) -> None:
        """Have the chains follow that an earlier watching process did not bring to their end."""
        for run_id in close_killed_chains():
            self.line(f"run {run_id} was interrupted: the watching process was killed")
        for run in find_lost_chains(job_runs, TRIGGERED):
            dataset = run["Arguments"]["--DATASET"]
            self.line(
                f"job run {run['Id'][:11]} of {dataset}: what follows it did not come to its end, and is made up for"
            )
            self._met.add(run["Id"])
            record = ChainRecord(dataset, run, [], {"started_by": LOST_CHAIN, **self._given})
            if run["JobRunState"] in UNDER_WAY:
                self._records[run["Id"]] = record
            else:
                self.chains.add(record)

    def tick(self) -> None:
        """Go on with chains, and try those again whose pause is over."""
        for dataset, job_run in self._retries.take_due():
            self.line(f"{dataset}: what follows job run {job_run['Id'][:11]} is tried again")
            self.chains.add(ChainRecord(dataset, job_run, [], {"started_by": LOST_CHAIN, **self._given}))
        self.chains.tick()

    def forget_runs(self, known: set[str]) -> None:
        """Close the records of job runs that a reset of the stack took away."""
        for run_id in set(self._records) - known:
            self._records.pop(run_id).end("failed", f"job run {run_id} is gone: the stack was reset")

    def close(self) -> bool:
        """Stop the chains; say whether anything was interrupted."""
        interrupted = self.chains.busy or bool(self._records)
        self.chains.stop()
        for record in self._records.values():
            record.end("interrupted")
        return interrupted

    def _open(self, run: Json, dataset: str) -> None:
        keys = self._keys.pop(dataset, [])
        other = find_live_run(self.endpoints, keys) if self.endpoints else None
        if other:
            self.line(f"the files are those of run {other}, which goes on with them itself")
            return
        self._records[run["Id"]] = ChainRecord(dataset, run, keys, self._given)

    def _told(self, record: ChainRecord, facts: Json) -> None:
        step, status = facts["step"], facts["status"]
        if not step:
            manifest = record.manifest
            again = self._retries.note(record)
            later = f"; tried again in {again:.0f} s" if again else ""
            self.line(f"{record.dataset}: chain {status} in {manifest.seconds:.1f} s, record {record.folder}{later}")
        elif status == "failed":
            self.line(f"{record.dataset}: {step} failed: {facts['error']['message']}")
        elif status != "running":
            self.line(f"{record.dataset}: {step} {_describe_step(facts)}")


def watch(config: WatchConfig, output: Output) -> int:
    """Watch until Ctrl-C or SIGTERM; return 0, or 130 where a chain was cut short.

    Raises:
        BusyError: another process watches this stack.
        StackError, InfraError: the stack cannot be started or provisioned.
    """
    bring_up(config.home, output.line)
    with _hold(config.home), _terminable():
        watched, events, checked = Watch(config, output), None, 0.0
        states: dict[str, str] = {}
        try:
            while True:
                if time.monotonic() - checked >= LOOK_SECONDS:
                    checked = time.monotonic()
                    events = _follow_stack(watched, config, events, states)
                events = _tick(watched, events)
                watched.tick()
                time.sleep(TICK_SECONDS)
        except KeyboardInterrupt:
            output.line("")
        finally:
            interrupted = watched.close()
            if events is not None:
                events.close()
        watched.line("stopped; what lands meanwhile is found at the next `workbench watch`")
        return 130 if interrupted else 0


def _follow_stack(
    watched: Watch, config: WatchConfig, events: LocalEvents | None, states: dict[str, str]
) -> LocalEvents | None:
    """Return the service of the stack as it runs now: the same, a new one after a restart, None while it is down."""
    found = read_endpoints(config.home)
    usable = found if found and found.outputs else None
    if events is not None and usable and _same(watched.endpoints, usable):
        return events
    if events is not None:
        states |= events.states
        events.close()
        watched.line("the stack stopped: waiting for it (`workbench up`)")
    watched.endpoints = usable
    if usable is None:
        return None
    try:
        events = LocalEvents(usable, watched, after_job=not config.trigger_only, states=states or None)
        buckets = events.start()
    except (LocalAwsError, BotoCoreError, ClientError, OSError) as error:
        watched.line(f"the stack cannot be watched yet: {error}")
        watched.endpoints = None
        return None
    watched.forget_runs(set(events.list_runs()))
    if not states:
        watched.make_up(events.read_runs())
    if buckets:
        watched.line(f"watching s3://{', s3://'.join(buckets)} ({config.home}/lake); Ctrl-C stops")
    else:
        watched.line("no bucket tells EventBridge of its objects: is infra/template.yaml as it was?")
    return events


def _tick(watched: Watch, events: LocalEvents | None) -> LocalEvents | None:
    if events is not None:
        try:
            events.tick()
        except (LocalAwsError, BotoCoreError, ClientError, OSError) as error:
            watched.line(f"{error}; trying again")
            time.sleep(LOOK_SECONDS)
    return events


def _same(before: Endpoints | None, now: Endpoints) -> bool:
    if before is None:
        return False
    places = [(one.s3, one.aws, one.processes.get("supervisor"), dict(one.outputs)) for one in (before, now)]
    return places[0] == places[1]


def _read_log(text: str) -> str:
    """Return a function's line of JSON in words; any other as it is."""
    try:
        facts = json.loads(text)
        said = facts.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return text
    return (
        f"{said} ({', '.join(f'{name} {str(value)[:200]}' for name, value in facts.items())})" if facts else str(said)
    )


def _describe_step(facts: Json) -> str:
    figures = facts.get("figures", {})
    if facts["status"] == "skipped":
        return f"skipped: {facts['reason']}"
    if "said" in figures:
        return str(figures["said"])
    return f"{facts['seconds']:.1f} s, {figures.get('rows_in', 0):,} rows in, {figures.get('rows_out', 0):,} out"


@contextmanager
def _hold(home: Path) -> Iterator[None]:
    """Be the only one who watches this stack; the system frees the lock with its holder."""
    descriptor = os.open(home / "logs" / "watch.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode() or "unknown"
            raise BusyError(f"{home} is watched already (pid {pid}): stop that one with Ctrl-C first") from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _terminable() -> Iterator[None]:
    """End at SIGTERM as at Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    earlier = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
