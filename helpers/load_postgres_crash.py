"""Named points of the load's protocol at which tests end or stop the process; nobody else sets the variable.

WORKBENCH_CRASH_AT=<point>         the process is killed there, as by `kill -9`
WORKBENCH_CRASH_AT=<point>:stop    it is stopped there, so that a test can kill the server before it goes on
"""

import os
import signal

POINTS = (
    "opened",  # the ledger has the load
    "created",  # the new tables are there, empty
    "copying",  # some blocks were handed to COPY
    "copied",  # the rows are committed
    "indexed",  # keys and indexes are there
    "verified",  # the figures agree
    "ready",  # the ledger says that the version could be published
    "switching",  # views point to it in a transaction that is not committed
    "published",  # it is committed
    "dropped",  # versions before the previous one are gone
)


def crash_point(name: str) -> None:
    """Die or stop here if a test says so."""
    wanted, _, act = os.environ.get("WORKBENCH_CRASH_AT", "").partition(":")
    if wanted == name:
        os.kill(os.getpid(), signal.SIGSTOP if act == "stop" else signal.SIGKILL)
