"""`workbench schedule`: what it prints is what it installs, and what it installs is what cron and systemd take."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import UsageError
from workbench.schedule import Schedule, describe_crontab_line, describe_units

CRONTAB = """#!/bin/sh
# a crontab as cron's own: -l prints the table or fails, - replaces it by what comes in
case "$1" in
  -l) [ -f "$0.table" ] || { echo "no crontab" >&2; exit 1; }; cat "$0.table" ;;
  -) cat > "$0.table" ;;
  *) exit 2 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$0.log"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH with a crontab and a systemctl."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def schedule(programs: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with those programs first on PATH and a home folder of its own."""
    own = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(programs.parent)}
    own |= {"XDG_CONFIG_HOME": "", "WORKBENCH_RUNS": str(programs.parent / "runs of 100 %")}
    return subprocess.run(
        [sys.executable, "-m", "workbench", "schedule", *arguments],
        env={**os.environ, **own, **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def test_a_crontab_line_is_installed_once_and_removed_alone(programs: Path) -> None:
    """What is installed is what was printed; a second time replaces it; another's lines stay as they were."""
    table = programs / "crontab.table"
    table.write_text("5 4 * * * backup # mine\n")
    told = ("--cron", "--dataset", "student_sample", "--at", "mon 06:30")
    printed = schedule(programs, *told).stdout.splitlines()[0]
    assert table.read_text() == "5 4 * * * backup # mine\n"
    for _ in range(2):
        done = schedule(programs, *told, "--install")
        assert done.returncode == 0 and "added to the crontab" in done.stdout, done.stderr
    assert table.read_text().splitlines() == ["5 4 * * * backup # mine", printed]
    assert printed.startswith("30 6 * * 1 cd ") and r"100 \%" in printed
    assert schedule(programs, *told, "--remove").returncode == 0
    assert table.read_text() == "5 4 * * * backup # mine\n"


def test_a_timer_is_installed_and_removed(programs: Path) -> None:
    """Two units below the user's folder, systemd told of them; nothing of them is left after --remove."""
    done = schedule(programs, "--dataset", "student_sample", "--install")
    assert done.returncode == 0, done.stderr
    units = programs.parent / ".config" / "systemd" / "user"
    timer, service = (units / f"workbench-student-sample.{kind}" for kind in ("timer", "service"))
    assert "OnCalendar=*-*-* 06:00:00" in timer.read_text() and "100 %%" in service.read_text()
    assert schedule(programs, "--dataset", "student_sample", "--remove").returncode == 0
    asked = (programs / "systemctl.log").read_text()
    assert "enable --now workbench-student-sample.timer" in asked and "disable --now" in asked
    assert not list(units.iterdir())


def test_what_the_scheduler_says_is_told(programs: Path) -> None:
    """A crontab that refuses, and none at all, end with code 4 and the reason."""
    (programs / "crontab").write_text("#!/bin/sh\necho 'you may not' >&2; exit 1\n")
    done = schedule(programs, "--cron", "--install")
    assert (done.returncode, "crontab refused: you may not" in done.stderr) == (4, True)
    unreadable = CRONTAB.replace('cat "$0.table" ;;', 'echo "permission denied" >&2; exit 1 ;;', 1)
    (programs / "crontab").write_text(unreadable)
    (programs / "crontab.table").write_text("5 4 * * * backup\n")
    for action in ("--install", "--remove"):  # what cannot be read is not written over
        assert schedule(programs, "--cron", action).returncode == 4
    assert (programs / "crontab.table").read_text() == "5 4 * * * backup\n"
    done = schedule(programs, "--cron", "--install", PATH=str(programs.parent))
    assert (done.returncode, "install cron" in done.stderr) == (4, True)


@pytest.mark.parametrize(
    "arguments", [("--at", "25:00"), ("-p", "files=a\nb"), ("--at", "noon"), ("--dataset", "studnt"), ("-p", "row=1")]
)
def test_wrong_usage_installs_nothing(programs: Path, arguments: tuple[str, str]) -> None:
    """A time that is none, an unknown dataset and an unknown parameter end with code 2."""
    assert schedule(programs, *arguments, "--cron", "--install").returncode == 2
    assert not (programs / "crontab.table").exists()


def test_no_secret_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment only what says where things are is in the units and in the line."""
    monkeypatch.setenv("PGPASSWORD", "planted-secret")
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://me:planted-secret@host/db")
    entry = Schedule("06:00", "student_sample", ["-p", "note=100 %"])
    texts = [describe_crontab_line(entry), *describe_units(entry).values()]
    assert not [text for text in texts if "planted" in text]
    with pytest.raises(UsageError, match="expected HH:MM"):
        Schedule("6", "student_sample").moment()


@pytest.mark.slow
def test_cron_runs_the_line(stack: Path, programs: Path) -> None:
    """What cron does with the installed line, in the little environment that it gives, is a recorded run."""
    told = ("--cron", "--dataset", "student_sample", "--at", "06:30", "--install")
    runs = Path(os.environ["WORKBENCH_RUNS"])
    assert schedule(programs, *told, WORKBENCH_RUNS=str(runs)).returncode == 0
    line = (programs / "crontab.table").read_text().strip()
    command = re.sub(r"^30 6 \* \* \* ", "", line).replace(r"\%", "%")
    before = {path.parent.name for path in runs.glob("*/manifest.json")}
    bare = {"HOME": str(programs.parent), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", command], env=bare, cwd="/", stdin=subprocess.DEVNULL, timeout=300)
    log = (runs / "schedule-student_sample.log").read_text()
    assert done.returncode == 0 and "student_sample: succeeded" in log, log
    assert {path.parent.name for path in runs.glob("*/manifest.json")} - before
