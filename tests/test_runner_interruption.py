"""Signals and time limits: what ends a run, and what must not disturb its last record."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.interruption import OutOfTime, deaf, stoppable

ROOT = Path(__file__).resolve().parent.parent


def test_the_end_of_time_waits_for_what_is_being_tidied_up() -> None:
    """A limit that is over inside the block ends what comes behind it, and no signal ends the block itself."""
    tidied = False
    with pytest.raises(OutOfTime), stoppable(0.2):
        with deaf():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
            time.sleep(0.4)
            tidied = True
        time.sleep(5)
    assert tidied


def test_after_the_last_record_nothing_ends_the_run() -> None:
    """What is over then is over: the limit does not turn a run that was written down as ended into another."""
    with stoppable(0.2):
        with deaf(ends=True):
            time.sleep(0.3)
        time.sleep(0.2)


def test_an_outer_limit_ends_what_an_inner_one_did_not() -> None:
    """Of two limits the nearer one counts, and the outer one goes on behind the inner block."""
    with pytest.raises(OutOfTime), stoppable(0.5):
        with stoppable(60):
            time.sleep(0.2)
        time.sleep(5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seconds", [0.2, 60])
def test_what_was_heard_is_not_lost_where_it_is_swallowed(seconds: float) -> None:
    """A signal, or the end of time, that comes within a destructor is raised again, at once where that is asked for."""

    class Ending:
        def __del__(self) -> None:
            if seconds > 1:
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)

    expected = KeyboardInterrupt if seconds > 1 else OutOfTime
    with pytest.raises(expected), stoppable(seconds) as insist:
        Ending()
        insist()
    begun = time.monotonic()
    with pytest.raises(expected), stoppable(seconds):
        Ending()
        time.sleep(20)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("ignored", [True, False])
def test_a_run_under_nohup_outlives_its_terminal(ignored: bool) -> None:
    """SIGHUP ends a run like Ctrl-C, except where nohup has it ignored."""
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    ended = False
    try:
        with stoppable(5):
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.1)
    except KeyboardInterrupt:
        ended = True
    finally:
        signal.signal(signal.SIGHUP, earlier)
    assert ended is not ignored


def test_a_cloud_that_cannot_be_reached_does_not_keep_a_run_from_ending(tmp_path: Path) -> None:
    """Without credentials, what a run left under way cannot be looked for: that is said, not raised."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WORKBENCH_"))}
    nowhere = {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    ask = "from workbench.leftovers import stop_services as stop\n"
    ask += "print(*stop('r1', 'student_sample', 'aws', '2024-01-02T00:00:00Z'), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=ROOT,
        env={**kept, **nowhere, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() and all(
        line.startswith("could not look for what is left: ") for line in done.stdout.splitlines()
    )
