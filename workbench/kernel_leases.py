"""Kernels that the fork server forked for this process, each held by a connection: let it go, and the kernel ends."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket

_LEASES: dict[int, socket.socket] = {}  # pid -> the connection that keeps the kernel alive


class ForkedKernel:
    """What jupyter_client takes for a subprocess.Popen: a kernel that another process forked."""

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket, pid: int, handle: int) -> None:
        self.connection = connection
        self.pid = pid
        self.handle = handle
        self.returncode: int | None = None

    def lease(self) -> None:
        """Have `end_leases` end it, too."""
        _LEASES[self.pid] = self.connection

    def poll(self) -> int | None:
        """Return the exit code, or None while the kernel runs."""
        if self.returncode is None and select.select([self.handle], [], [], 0)[0]:
            self.connection.settimeout(2)
            try:
                self.returncode = int(json.loads(self.connection.makefile().readline())["code"])
            except (OSError, ValueError, KeyError):
                self.returncode = -signal.SIGKILL  # the server died, and its kernels with it
            _LEASES.pop(self.pid, None)
            self.connection.close()
            os.close(self.handle)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit code; None where `timeout` seconds were not enough."""
        if self.poll() is None:
            select.select([self.handle], [], [], timeout)
        return self.poll()

    async def ended(self) -> None:
        """Return as soon as the kernel has ended."""
        if self.poll() is not None:
            return
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        handle = os.dup(self.handle)  # ours is closed by whoever polls first
        loop.add_reader(handle, told.set)
        try:
            await told.wait()
        finally:
            loop.remove_reader(handle)
            os.close(handle)

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel, if it still runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self.handle, number)

    def kill(self) -> None:
        """Kill the kernel."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)


def end_leases() -> int:
    """Give up every kernel that this process still holds, which kills it; return how many there were."""
    count = len(_LEASES)
    for pid in list(_LEASES):
        _LEASES.pop(pid).close()
    return count
