"""The servers of the stack: for each one its command, how to know that it answers, and how it is stopped.

`python -m local_aws.supervisor --servers MODULE:FUNCTION` (or FILE.py:FUNCTION) takes another list, which is how the
supervisor is tested.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_aws.home import CHECKOUT
from local_aws.probes import answers_http
from local_aws.processes import MARK

Ports = Mapping[str, int]
STACK = "local_aws.servers:stack_servers"
_OUTSIDE = ("AWS_", "PG", "BOTO")
_LOOPBACK_NAMES = "127.0.0.1,localhost,::1"


@dataclass(frozen=True)
class Command:
    """A program, what is added to its environment, and the user that it runs as (None: ours)."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None
    folder: Path = CHECKOUT


def _nothing() -> None:
    """Prepare nothing."""


def _no_port(port: int) -> None:
    """Finish nothing."""


def _idle(port: int) -> bool:
    return False


@dataclass(frozen=True)
class Server:
    """One server that the supervisor keeps running.

    `before` runs before each start, `ready` once in a supervisor's life, when the server first answers; both may
    raise StackError. `uses` names servers whose port stands in the command. `patience` is how many seconds a server
    may keep failing before it counts as one that cannot start.
    """

    name: str
    command: Callable[[Ports], Command]
    answers: Callable[[int], bool] = answers_http
    before: Callable[[], None] = _nothing
    ready: Callable[[int], None] = _no_port
    busy: Callable[[int], bool] = _idle
    stop_signal: int = signal.SIGTERM
    uses: tuple[str, ...] = ()
    patience: float = 0.0


def stack_servers(home: Path) -> list[Server]:
    """Return the servers of the embedded stack; they are started in this order and stopped in the reverse one."""
    from local_aws.postgres import postgres_server

    return [
        Server("rclone", lambda ports: _rclone(home, ports["rclone"])),
        Server("s3", lambda ports: _python(home, "local_aws.s3", ports, "s3", "rclone"), uses=("rclone",)),
        Server("api", lambda ports: _python(home, "local_aws.server", ports, "api")),
        postgres_server(home),  # last: initdb takes a while, and the others start meanwhile
    ]


def child_environment(home: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of every server: nothing in it can lead a client to AWS, or away from loopback."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OUTSIDE)}
    around = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), _LOOPBACK_NAMES]))
    return kept | {
        MARK: str(home),
        "WORKBENCH_HOME": str(home),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": around,
        "no_proxy": around,
        "PYTHONUNBUFFERED": "1",
    }


def _python(home: Path, module: str, ports: Ports, name: str, behind: str = "") -> Command:
    argv = [sys.executable, "-m", module, "--home", str(home), "--port", str(ports[name])]
    return Command((*argv, f"--{behind}-port", str(ports[behind])) if behind else tuple(argv))


def _rclone(home: Path, port: int) -> Command:
    from local_aws.s3.rclone import build_command

    argv, environment = build_command(home, port)
    return Command(tuple(argv), environment)
