"""Kernels that talk over sockets in a private folder: no port that another user of the machine could connect to."""

from __future__ import annotations

import asyncio
import copy
import os
import shutil
import time
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_path
from jupyter_core.utils import run_sync
from traitlets import default

from workbench import spare_kernels
from workbench.kernel_leases import ForkedKernel
from workbench.warm_kernels import NAME, register

_ASK_SECONDS = 1.0
_SPARE_SECONDS = 0.3  # after a kernel's start, which it must not slow down
_NO_HISTORY = "--HistoryManager.hist_file=:memory:"  # as nbclient tells each kernel
_RECONNECT_MS = 10  # the client is there before the kernel listens; the default waits 100 ms more


class SocketKernelClient(AsyncKernelClient):
    """A client that is ready as soon as the kernel is, where jupyter_client's own waits 0.2 s more for silence."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)  # of the sockets that it will make

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers and its published messages reach us.

        Raises:
            RuntimeError: it died, or `timeout` seconds (default: no limit) are over.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            asked = self.kernel_info()
            try:
                reply = await self.shell_channel.get_msg(timeout=_ASK_SECONDS)
                while reply["parent_header"].get("msg_id") != asked:  # the answer to an earlier question
                    reply = await self.shell_channel.get_msg(timeout=_ASK_SECONDS)
                self._handle_kernel_info_reply(reply)
                while not await self._is_idle_after(asked):
                    pass
                return
            except Empty:  # not up, or its messages are not yet published to us: ask again
                pass
            if not await self._async_is_alive():
                raise RuntimeError("the kernel died before it answered")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the kernel did not answer within {timeout:g} s")

    async def _is_idle_after(self, asked: str) -> bool:
        """Take the next published message, and say whether it ends what `asked` began."""
        message = await self.iopub_channel.get_msg(timeout=0.2)
        ends = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
        return bool(ends and message["parent_header"].get("msg_id") == asked)


class SocketKernelManager(AsyncKernelManager):
    """Start a kernel on Unix sockets below a folder of its own, mode 0700, removed with the kernel.

    What the kernel's process itself prints (libraries in C, warnings at its end) goes to `printed`; `kinds` is told
    how each kernel was started, `forked` or `cold`; `following` is what the next notebook's kernel has in its
    environment instead, which is then forked beforehand.
    """

    printed = Path(os.devnull)
    kinds: ClassVar[list[str]] = []
    following: ClassVar[dict[str, str]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        register()
        self.client_factory = SocketKernelClient
        self.asked: tuple[list[str], dict[str, Any]] | None = None
        self.transport = "ipc"
        self._spare = spare_kernels.take()
        if self._spare is not None:
            self.folder = self._spare.folder
            self.load_connection_info(self._spare.connection)
            self.connection_file = self._spare.file
            self._connection_file_written = True  # the spare kernel has read it, or is about to
        else:
            self.folder = spare_kernels.make_folder()
            self.ip = str(self.folder / "k")  # the kernel appends -1 … -5

    @default("kernel_spec_manager")
    def _look_for_kernels(self) -> KernelSpecManager:
        """Look where Jupyter looks, which imports all of IPython to learn the last of these folders."""
        own = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()
        return KernelSpecManager(parent=self, kernel_dirs=[*jupyter_path("kernels"), str(own / "kernels")])

    @property
    def kernel_spec(self) -> KernelSpec | None:
        """The notebook's kernelspec, with the provisioner that asks the fork server first."""
        found = super().kernel_spec
        if found is None or "ipykernel_launcher" not in found.argv:
            return found
        spec = copy.copy(found)
        spec.metadata = {**found.metadata, "kernel_provisioner": {"provisioner_name": NAME}}
        return spec

    async def _async_start_kernel(self, **settings: Any) -> None:
        with self.printed.open("ab") as stream:
            await super()._async_start_kernel(**{**settings, "stdout": stream, "stderr": stream})
        if self.following:
            asyncio.get_running_loop().call_later(_SPARE_SECONDS, self._prepare_spare)

    start_kernel = _async_start_kernel

    def take_spare(self, command: list[str], settings: dict[str, Any]) -> ForkedKernel | None:
        """Return the spare kernel whose connection this manager has, if it is what is asked for now; else end it."""
        spare, self._spare = self._spare, None
        if spare is None:
            return None
        if spare.fits(command, settings):
            spare.kernel.lease()
            return spare.kernel
        spare.end()
        return None

    def _prepare_spare(self) -> None:
        """Have the next notebook's kernel forked, which then sets itself up while this one works."""
        if self.asked is not None and self.has_kernel:
            command, settings = self.asked
            with self.printed.open("ab") as stream:
                spare_kernels.prepare(command, {**settings, "stdout": stream, "stderr": stream}, self.following)

    async def _async_wait(self, pollinterval: float = 0.1) -> None:
        """Wait for the kernel's end; jupyter_client's own way looks for it only now and then."""
        process: Any = getattr(self.provisioner, "process", None)
        if isinstance(process, ForkedKernel):
            await process.ended()
        await super()._async_wait(pollinterval)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:
        await super()._async_cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self.folder, ignore_errors=True)

    cleanup_resources = _async_cleanup_resources


def prepare_kernel(name: str, folder: Path, printed: Path) -> None:
    """Have the kernel forked that papermill is about to ask for, unless one waits: it sets itself up meanwhile.

    Where that fails, papermill's own start of a kernel says why.

    Args:
        name: of the kernelspec.
        folder: where the kernel works.
        printed: what its process prints is added to.
    """
    if spare_kernels.waits():
        return
    manager = SocketKernelManager(kernel_name=name)
    manager.connection_file = str(manager.folder / "kernel.json")
    try:
        ask = run_sync(manager._async_pre_start_kernel)
        command, settings = ask(extra_arguments=[_NO_HISTORY], cwd=str(folder))
        with printed.open("ab") as stream:
            spare_kernels.prepare(command, {**settings, "stdout": stream, "stderr": stream}, {})
    except Exception:
        return
    finally:
        shutil.rmtree(manager.folder, ignore_errors=True)


def log_kernels(path: Path, kinds: list[str], following: dict[str, str]) -> type[SocketKernelManager]:
    """Return the manager whose kernels' own output is added to `path`, and which tells `kinds` how each was started.

    Args:
        following: what the next notebook's kernel has in its environment instead; empty where none follows.
    """
    return type(
        "LoggedKernelManager", (SocketKernelManager,), {"printed": path, "kinds": kinds, "following": following}
    )
