"""The fork server of kernels: one process that has imported what notebooks import, and forks a kernel for each.

    python -P kernel_server.py SOCKET IDLE_SECONDS

Started by path and importing nothing of this project, so that a kernel always imports the project's modules as they
are now. It must have one thread when it forks; docs/adr/0022-kernels.md has the reasons for each precaution here.
A connection is the lease on a kernel: when the client closes it, or dies, the kernel is killed with its group.
"""

import os
import sys

# before numpy and pyarrow are imported: both start threads, and a forked process would have locks without owners
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import selectors
import signal
import socket
import struct
import time
import traceback
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_REQUEST_SECONDS = 5.0


def _import_all() -> None:
    """Import by the module that lies beside this one, found by its path, too."""
    place = Path(__file__).with_name("kernel_imports.py")
    spec = importlib.util.spec_from_file_location("workbench_kernel_imports", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.import_all()


def main(path: str, idle: float) -> int:
    """Serve kernels on the socket until none was wanted for `idle` seconds."""
    _import_all()
    # python -P leaves the working directory out; what a kernel wants on the path comes with its request
    sys.path[:] = [entry for entry in sys.path if entry]
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        print(f"{threads} threads in the server: it cannot fork safely", file=sys.stderr)
        return 1
    gc.collect()
    gc.disable()
    gc.freeze()  # collected objects would be written to, and so copied into each kernel
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Server(path, idle).serve()
    return 0


class Server:
    """The socket, the kernels, and who holds them."""

    def __init__(self, path: str, idle: float) -> None:
        self.path = path
        self.idle = idle
        self.kernels: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.me = os.getpid()
        earlier = os.umask(0o177)
        self.listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of a server that was killed: the caller holds the lock that keeps a second one away
        self.listener.bind(path)
        os.umask(earlier)
        self.listener.listen(16)
        self.selector.register(self.listener, selectors.EVENT_READ, ("listen", 0))

    def serve(self) -> None:
        """Fork kernels until the server has been idle for long enough, or its socket is gone."""
        used = time.monotonic()
        while True:
            events = self.selector.select(timeout=5.0)
            if events or self.kernels:
                used = time.monotonic()
            if not self.kernels and (time.monotonic() - used > self.idle or not os.path.exists(self.path)):
                break
            for key, _ in events:
                kind, pid = key.data
                if kind == "listen":
                    self._accept()
                elif kind == "lease":
                    self._check_lease(key.fileobj, pid)  # type: ignore[arg-type]
                else:
                    self._reap(key.fd, pid)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        uid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if uid != os.getuid():
            connection.close()
            return
        connection.settimeout(_REQUEST_SECONDS)
        try:
            request, descriptors = receive(connection)
        except (OSError, ValueError, EOFError):
            connection.close()
            return
        if request.get("word") == "stop":
            os.unlink(self.path)
            connection.close()
            return
        try:
            pid = os.fork()
        except OSError:  # no memory or no number for one more: its client starts a cold one, the others live on
            pid = -1
        if pid == 0:
            self._become_kernel(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid < 0:
            connection.close()
            return
        handle = os.pidfd_open(pid)
        try:
            socket.send_fds(connection, [json.dumps({"pid": pid}).encode() + b"\n"], [handle])
        except OSError:  # the client is gone: its lease is found closed in the next round
            pass
        connection.settimeout(None)
        self.kernels[pid] = connection
        self.selector.register(handle, selectors.EVENT_READ, ("end", pid))
        self.selector.register(connection, selectors.EVENT_READ, ("lease", pid))

    def _check_lease(self, connection: socket.socket, pid: int) -> None:
        try:
            held = bool(connection.recv(64))
        except OSError:
            held = False
        if not held:
            self.selector.unregister(connection)
            _kill_group(pid)

    def _reap(self, handle: int, pid: int) -> None:
        """Take a kernel's exit code; its group is killed first, while the dead leader still keeps the number."""
        _kill_group(pid)
        _, status = os.waitpid(pid, 0)
        self.selector.unregister(handle)
        os.close(handle)
        connection = self.kernels.pop(pid)
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(connection)
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
        connection.close()

    def _become_kernel(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Turn the forked process into a kernel; it never returns."""
        code = 1
        try:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() == self.me:
                become(request, descriptors, self.me)
                code = 0
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return one request (four bytes of length, then JSON) and the descriptors that came with it."""
    head, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    if len(head) < 4:
        raise EOFError("no request")
    (length,) = struct.unpack("I", head)
    content = b""
    while len(content) < length:
        block = connection.recv(length - len(content))
        if not block:
            raise EOFError("half a request")
        content += block
    request: dict[str, Any] = json.loads(content)
    return request, list(descriptors)


def become(request: dict[str, Any], descriptors: list[int], parent: int) -> None:
    """Take over the requester's descriptors, folder and environment, forget the server's state, and run the kernel."""
    os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        mode = "r" if name == "stdin" else "w"
        stream = open(number, mode, buffering=1, closefd=False, errors="backslashreplace")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    places = [entry for entry in request["env"].get("PYTHONPATH", "").split(os.pathsep) if entry]
    # as `python -m ipykernel_launcher` leaves it: PYTHONPATH, the standard library, the installed packages
    sys.path[:0] = [entry for entry in places if entry not in sys.path]
    sys.argv = ["ipykernel_launcher.py", *request["argv"], f"--IPKernelApp.parent_handle={parent}"]
    importlib.import_module("numpy").random.seed()
    importlib.import_module("random").seed()
    backend = os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # the setting alone: switching would import the backend, which must find the kernel's shell first
    dict.__setitem__(importlib.import_module("matplotlib").rcParams, "backend", backend)
    sys.modules["matplotlib.pyplot"]._backend_mod = None  # type: ignore[attr-defined]
    gc.enable()
    importlib.import_module("ipykernel.kernelapp").IPKernelApp.launch_instance()


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    Path(sys.argv[1]).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
