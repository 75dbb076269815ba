"""The kernel of the next notebook, forked while this one works: one at most, and only where it fits is it taken.

A kernel takes a tenth of a second to set itself up. A spare one has done so when its notebook's turn comes. It was
forked with the very command, folder and environment that the notebook is going to ask for; where these turn out to be
others (a retry, say), it is ended unused, and a kernel is forked as ever.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from jupyter_client.connect import KernelConnectionInfo, write_connection_file

from workbench.kernel_leases import ForkedKernel
from workbench.warm_kernels import fork_kernel

_END_SECONDS = 5.0
_SPARE: list[SpareKernel] = []


@dataclass(frozen=True)
class SpareKernel:
    """A kernel that runs and waits: how it was asked for, and how to speak to it; its sockets are in `folder`."""

    kernel: ForkedKernel
    folder: Path
    file: str
    connection: KernelConnectionInfo
    asked: tuple[Any, ...]
    environment: dict[str, str]  # the runner's, when the kernel's turn comes

    def fits(self, command: list[str], settings: dict[str, Any]) -> bool:
        """Say whether it is what is asked for, and still runs."""
        return self.asked == _name(command, settings) and self.kernel.poll() is None

    def end(self) -> None:
        """Kill it, and see it gone: another may be about to take its sockets."""
        self.kernel.kill()
        self.kernel.wait(_END_SECONDS)


def make_folder() -> Path:
    """Make the folder of a kernel's sockets, whose paths must be short; the pid tells later whose it was."""
    return Path(tempfile.mkdtemp(prefix=f"wb-kernel-{os.getpid()}-"))


def prepare(command: list[str], settings: dict[str, Any], changes: dict[str, str]) -> None:
    """Fork the next kernel like the one that was asked for so, but for `changes` of its environment."""
    drop()
    folder = make_folder()
    try:
        place, key = str(folder / "kernel.json"), token_hex(32).encode()
        file, connection = write_connection_file(place, transport="ipc", ip=str(folder / "k"), key=key)
        own = [*command[: command.index("-f") + 1], file, *command[command.index("-f") + 2 :]]
        settings = {**settings, "env": {**settings["env"], **changes}}
        kernel = fork_kernel(own, settings, leased=False)
    except (OSError, ValueError, EOFError):
        kernel = None
    if kernel is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    expected = {**os.environ, **changes}
    _SPARE.append(SpareKernel(kernel, folder, file, connection, _name(own, settings), expected))


def waits() -> bool:
    """Say whether a spare kernel is there that can be used, as far as can be seen; one that cannot is ended."""
    if _SPARE and (_SPARE[0].environment != dict(os.environ) or _SPARE[0].kernel.poll() is not None):
        drop()
    return bool(_SPARE)


def take() -> SpareKernel | None:
    """Return the spare kernel, for its taker to use or to end; one that can be seen not to fit is ended here.

    So what is started instead has sockets of its own.
    """
    return _SPARE.pop() if waits() else None


def drop() -> None:
    """End the spare kernel, if there is one."""
    while _SPARE:
        spare = _SPARE.pop()
        spare.end()
        shutil.rmtree(spare.folder, ignore_errors=True)


def _name(command: list[str], settings: dict[str, Any]) -> tuple[Any, ...]:
    return (tuple(command), str(settings.get("cwd") or os.getcwd()), dict(settings["env"]))
