"""Kernels that have their imports already, from the fork server, by jupyter_client's seam: a kernel provisioner.

Wherever the server is missing or cannot be had, the same provisioner starts a cold kernel. WORKBENCH_KERNELS=cold does
without the server. The server is named by a hash of the lock, the Python, the state folder and what it imports, so
that an upgraded environment gets one of its own; one that nobody needs for a quarter of an hour ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, cast

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from workbench import kernel_server
from workbench.kernel_leases import ForkedKernel
from workbench.record import hash_lock

NAME = "workbench-fork"
IDLE_SECONDS = 900.0
KEPT_SECONDS = 86_400.0  # what a server that ended has written, before it is swept away
_START_SECONDS = 30.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_STARTED: list[subprocess.Popen[bytes]] = []  # kept, since one that is let go complains that it still runs


class ForkProvisioner(LocalProvisioner):
    """Ask the fork server for a kernel; start a cold one where there is no server."""

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel's group, never to a group whose leader has been reaped."""
        process: Any = self.process
        if process and process.poll() is None:
            try:
                os.killpg(process.pid, signum)
            except OSError:
                process.send_signal(signum)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start a kernel and return its connection information."""
        manager: Any = self.parent
        forked = manager.take_spare(cmd, kwargs)
        try:
            forked = forked or fork_kernel(cmd, kwargs)
        except (OSError, ValueError, EOFError):
            forked = None
        manager.kinds.append("forked" if forked else "cold")
        manager.asked = (cmd, kwargs)
        if forked is None:
            if sys.platform.startswith("linux"):
                kwargs["preexec_fn"] = _end_with_parent
            return await super().launch_kernel(cmd, **kwargs)
        self.process = cast(Any, forked)
        self.pid = self.pgid = forked.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info


def _end_with_parent() -> None:
    """In a cold kernel, before it starts: have the system kill it when its runner dies, however that comes."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def fork_kernel(cmd: list[str], settings: dict[str, Any], leased: bool = True) -> ForkedKernel | None:
    """Have a kernel forked with this environment, folder and output; None where no server answers."""
    if not _is_wanted() or "ipykernel_launcher" not in cmd or not (server := server_socket()).exists():
        return None
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    try:
        connection.connect(str(server))
        mask = os.umask(0o077)
        os.umask(mask)
        request = {
            "argv": cmd[cmd.index("ipykernel_launcher") + 1 :],
            "cwd": str(settings.get("cwd") or os.getcwd()),
            "env": dict(settings["env"]),
            "umask": mask,
        }
        _send(connection, request, [settings.get("stdout"), settings.get("stderr")])
        answer, handles, _, _ = socket.recv_fds(connection, 256, 1)
        pid = int(json.loads(answer)["pid"])
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    kernel = ForkedKernel(connection, pid, handles[0])
    if leased:
        kernel.lease()
    return kernel


def _send(connection: socket.socket, request: dict[str, Any], streams: list[Any]) -> None:
    content = json.dumps(request).encode()
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        descriptors = [stream.fileno() if hasattr(stream, "fileno") else nothing for stream in streams]
        socket.send_fds(connection, [struct.pack("I", len(content))], [nothing, *descriptors])
        connection.sendall(content)
    finally:
        os.close(nothing)


def register() -> None:
    """Make the provisioner known to jupyter_client in this process."""
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:ForkProvisioner", factory.GROUP_NAME)


def server_socket() -> Path:
    """Return where the server of this environment listens: a folder of the user's own, mode 0700, with a short path.

    Raises:
        OSError: the folder is not ours alone.
    """
    from local_aws.home import default_home

    folder = Path(tempfile.gettempdir()) / f"workbench-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077:
        raise PermissionError(f"{folder} is not this user's alone: remove it")
    place = Path(kernel_server.__file__)
    sources = [path.read_text(encoding="utf-8") for path in (place, place.with_name("kernel_imports.py"))]
    told = "\0".join((hash_lock(), sys.executable, sys.version, str(default_home()), *sources))
    return folder / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.sock"


def start_server(wait: bool = False) -> bool:
    """Start the fork server where none runs; say whether one is there (or starting, unless `wait`)."""
    if not _is_wanted():
        return False
    try:
        place = server_socket()
        lock = _take_lock(place.with_suffix(".lock"))
    except BlockingIOError:  # a server holds it, ready or starting
        return _await(place) if wait else True
    except OSError:
        return False
    sweep_files(place.parent)
    try:
        with place.with_suffix(".log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-P", kernel_server.__file__, str(place), str(IDLE_SECONDS)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lock],  # the server holds the lock as long as it lives
                env=_server_environment(),
            )
        _STARTED.append(server)
    finally:
        os.close(lock)
    return _await(place) if wait else True


def _take_lock(path: Path) -> int:
    """Return the descriptor of a lock that nobody sweeps away any more. Raises BlockingIOError where it is held."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(lock)
            raise
        if os.fstat(lock).st_nlink:
            return lock
        os.close(lock)


def sweep_files(folder: Path) -> None:
    """Remove the files of servers that are no more: their lock is free. What one said lately is kept for its reader."""
    for path in folder.glob("*.lock"):
        try:
            lock = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            log = path.with_suffix(".log")
            said = log.stat() if log.exists() else None
            if said is None or said.st_size == 0 or time.time() - said.st_mtime > KEPT_SECONDS:
                for left in (path.with_suffix(".sock"), log, path):  # the lock last: it is what tells
                    left.unlink(missing_ok=True)
        except OSError:  # it is held, or gone already
            continue
        finally:
            os.close(lock)


def _server_environment() -> dict[str, str]:
    """Return what the server starts with: nothing of a run's own; a kernel's environment comes with its request."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "MPLCONFIGDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _await(place: Path) -> bool:
    """Wait until the server listens; its lock is free again where it ended instead."""
    deadline = time.monotonic() + _START_SECONDS
    with place.with_suffix(".lock").open("r+b") as lock:
        while time.monotonic() < deadline:
            if place.exists():
                return True
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return place.exists()
            except BlockingIOError:
                time.sleep(0.02)
    return False


def _is_wanted() -> bool:
    return os.environ.get("WORKBENCH_KERNELS") != "cold" and sys.platform.startswith("linux")


def stop_server() -> bool:
    """Ask the server of this environment to end when its kernels have; say whether there was one."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(server_socket()))
        _send(connection, {"word": "stop"}, [])
    except OSError:
        return False
    finally:
        connection.close()
    return True
