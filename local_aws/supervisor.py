"""The process that keeps the stack's servers running: `python -m local_aws.supervisor --home HOME`.

It leaves its starter at once (a session of its own, no terminal, no pipe), holds the state folder's lock as long as
it lives, starts the servers side by side, starts a dead one again, and ends with them: at SIGTERM, or when nothing was
asked of the stack for hours. SIGUSR1 asks it to look again: retry what waits, replace what hangs.

It has one thread: Linux kills a child when the *thread* that started it ends, and a fork among threads may hang.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import runpy
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from local_aws import home as state
from local_aws.child import Child
from local_aws.endpoints import describe_endpoints
from local_aws.probes import pick_port
from local_aws.processes import ProcessRef, end_leftovers, lock_holder
from local_aws.servers import STACK, Server

IDLE_HOURS = 8.0
STOP_SECONDS = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD)


class Supervisor:
    """Run the servers of one state folder until told to stop."""

    def __init__(self, home: Path, servers: list[Server], idle_hours: float = IDLE_HOURS) -> None:
        self._home = home
        self._code = state.stamp_code()
        self._me = ProcessRef.of(os.getpid())
        self._idle_seconds = idle_hours * 3600
        self._next_idle_check = 0.0
        self._stopping = False
        self._hurry = False
        self._published: dict[str, Any] = {}
        self._ports: dict[str, int] = {}
        earlier = state.read_json(home / state.SERVERS).get("ports", {})
        for server in servers:
            self._ports[server.name] = pick_port(earlier.get(server.name), self._ports.values())
        self.children = [Child(server, home, self._ports, say) for server in servers]

    def run(self, lock: int) -> None:
        """Sweep what an earlier supervisor left, then keep the servers running; return when all are stopped.

        `lock` is the open lock file, into which the supervisor writes who it is once it takes signals.
        """
        self._listen()
        os.pwrite(lock, json.dumps(self._identity()).encode().ljust(64), 0)
        end_leftovers(self._home, state.read_json(self._home / state.SERVERS), STOP_SECONDS)
        (self._home / state.ACTIVITY).touch(0o600)
        self._choose_database()
        self._record()
        say(f"supervisor started: pid {self._me.pid}, {self._home}")
        while not self._stopping:
            self._look_after()
            self._stop_when_idle()
            starting = any(child.state in ("starting", "waiting") for child in self.children)
            select.select([self._wakeup], [], [], 0.03 if starting else 1.0)
            self._drain()
        self._shut_down()

    def _look_after(self) -> None:
        if self._hurry:
            self._hurry = False
            self._choose_database()
            for child in self.children:
                if child.state != "off":
                    child.hurry()
        ports = dict(self._ports)
        changed = [child.step() for child in self.children if child.state != "off"]
        moved = {name for name, port in self._ports.items() if ports[name] != port}
        for child in self.children:
            if moved & set(child.server.uses) and child.state in ("starting", "running"):
                child.stop(STOP_SECONDS)
                child.hurry()
        if any(changed) or moved:
            self._record()
        if all(child.state in ("running", "off") for child in self.children):
            self._publish()

    def _choose_database(self) -> None:
        """Stop our PostgreSQL where another server was named, start it where none is."""
        external = (self._home / state.DATABASE_MODE).exists()
        for child in self.children:
            if child.server.name == "postgres" and external != (child.state == "off"):
                if external:
                    child.stop(STOP_SECONDS)
                else:
                    child.hurry()

    def _record(self) -> None:
        state.write_json(
            self._home / state.SERVERS,
            {
                "schema": 1,
                "version": state.VERSION,
                "checkout": str(state.CHECKOUT),
                "code": self._code,
                "idle_hours": self._idle_seconds / 3600,
                "supervisor": self._identity(),
                "ports": self._ports,
                "servers": {child.server.name: child.describe() for child in self.children},
            },
        )

    def _identity(self) -> dict[str, Any]:
        return {"pid": self._me.pid, "started": self._me.started}

    def _publish(self) -> None:
        """Write endpoints.json; what `workbench up` added to ours (the outputs) stays."""
        processes = {
            child.server.name: {"pid": described["pid"], "started": described["started"]}
            for child in self.children
            if (described := child.describe())["state"] == "running"
        }
        processes["supervisor"] = self._identity()
        new = describe_endpoints(self._ports, processes)
        if new == self._published:
            return

        def change(document: dict[str, Any]) -> dict[str, Any]:
            ours = document.get("processes", {}).get("supervisor") == processes["supervisor"]
            return new | ({"outputs": document["outputs"]} if ours and "outputs" in document else {})

        self._record()
        state.update_endpoints(self._home, change)
        if not self._published:
            (self._home / state.ACTIVITY).touch()  # idle counts from here, however long the start took
            say("all servers answer")
        self._published = new

    def _stop_when_idle(self) -> None:
        if time.monotonic() < self._next_idle_check:
            return
        self._next_idle_check = time.monotonic() + min(60.0, self._idle_seconds / 4)
        activity = self._home / state.ACTIVITY
        if not self._home.exists():
            say("the state folder is gone: stopping")
            self._stopping = True
        elif time.time() - activity.stat().st_mtime > self._idle_seconds:
            if any(_is_in_use(child) for child in self.children):
                activity.touch()
            else:
                say(f"nothing was asked for {self._idle_seconds / 3600:g} hours: stopping")
                self._stopping = True

    def _shut_down(self) -> None:
        for child in reversed(self.children):
            child.stop(STOP_SECONDS)
        end_leftovers(self._home, {})
        if self._home.exists():
            state.update_endpoints(self._home, lambda document: None)
            (self._home / state.ENDPOINTS).unlink(missing_ok=True)
            self._record()
        say("all servers are stopped")

    def _listen(self) -> None:
        self._wakeup, write_end = os.pipe()
        for end in (self._wakeup, write_end):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stopping |= number in (signal.SIGTERM, signal.SIGINT)
        self._hurry |= number == signal.SIGUSR1

    def _drain(self) -> None:
        try:
            os.read(self._wakeup, 4096)
        except BlockingIOError:
            pass


def _is_in_use(child: Child) -> bool:
    return child.state == "starting" or (child.state == "running" and child.server.busy(child.port))


def say(text: str) -> None:
    """Write a line of the supervisor's log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def leave_starter() -> None:
    """Go on as a daemon: the starter's call returns, and nothing of its terminal or pipes is held."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.closerange(3, 1024)  # what a shell or make handed down, a pipe among it


def load_servers(name: str) -> Callable[[Path], list[Server]]:
    """Return the function named as MODULE:FUNCTION or FILE.py:FUNCTION."""
    where, function = name.rsplit(":", 1)
    if where.endswith(".py"):
        return runpy.run_path(where)[function]  # type: ignore[no-any-return]
    return getattr(importlib.import_module(where), function)  # type: ignore[no-any-return]


def supervise(home: Path, servers: Callable[[Path], list[Server]]) -> int:
    """Hold the folder's lock and run its servers. Returns 0 at the end, or where another one holds it."""
    deadline = time.monotonic() + 1.0
    while True:
        with state.hold_lock(home) as lock:
            if lock is not None:
                Supervisor(home, servers(home), float(os.environ.get("WORKBENCH_IDLE_HOURS") or IDLE_HOURS)).run(lock)
                return 0
        # A starter holds the lock for an instant, only to see whether it is free.
        if lock_holder(home) or time.monotonic() > deadline:
            say(f"another supervisor holds {home}: leaving")
            return 0
        time.sleep(0.02)


def main(argv: list[str] | None = None) -> int:
    """Run the supervisor; as a daemon unless --foreground."""
    parser = argparse.ArgumentParser(description="Keep the servers of the embedded stack running.")
    parser.add_argument("--home", type=Path, required=True, help="the state folder")
    parser.add_argument("--servers", default=STACK, help="what lists the servers (default: %(default)s)")
    parser.add_argument("--foreground", action="store_true", help="stay with the starter")
    arguments = parser.parse_args(argv)
    servers = load_servers(arguments.servers)  # what cannot be imported fails before the starter is left
    if not arguments.foreground:
        leave_starter()
    try:
        return supervise(arguments.home, servers)
    except psutil.Error as error:
        say(f"the system does not tell about processes: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
