"""A run at set times: a systemd timer of the user's, or a line of the crontab where there is no systemd.

Both call `workbench run --wait`, so that the runner's own lock holds, with a log of their own and no environment but
what is written down here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import CommandError, UsageError
from workbench.record import ROOT, replace_file
from workbench.runs import runs_folder

_CLOCK = re.compile(r"(?:(mon|tue|wed|thu|fri|sat|sun)\s+)?([01]?\d|2[0-3]):([0-5]\d)", re.IGNORECASE)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_KEPT = ("PATH", "LANG", "WORKBENCH_HOME", "WORKBENCH_RUNS", "WORKBENCH_STACK", "WORKBENCH_SETTINGS", "OPENLINEAGE_URL")


class ScheduleError(CommandError):
    """The scheduler of the system refused; the message says what it said."""

    exit_code = 4


@dataclass(frozen=True)
class Schedule:
    """When (`HH:MM`, or `mon HH:MM`) what is run (arguments of `workbench run`)."""

    at: str
    dataset: str
    arguments: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the timer: one per dataset."""
        return f"workbench-{self.dataset.replace('_', '-')}"

    @property
    def command(self) -> list[str]:
        """The command that is run."""
        return [sys.executable, "-m", "workbench", "run", "--wait", "--dataset", self.dataset, *self.arguments]

    @property
    def environment(self) -> dict[str, str]:
        """What the command needs of today's environment; no secret is among it."""
        return {name: os.environ[name] for name in _KEPT if os.environ.get(name)}

    @property
    def log(self) -> Path:
        """Where the command's output goes."""
        return runs_folder() / f"schedule-{self.dataset}.log"

    def __post_init__(self) -> None:
        """Raise UsageError where an argument would end a line of a crontab or of a unit."""
        if broken := [part for part in self.arguments if not part.isprintable()]:
            raise UsageError(f"{broken[0]!r} holds a character that no line of a schedule can hold")

    def moment(self) -> tuple[int | None, int, int]:
        """Return weekday (0 = Sunday, None for daily), hour and minute.

        Raises:
            UsageError: `at` is no time.
        """
        found = _CLOCK.fullmatch(self.at.strip())
        if not found:
            raise UsageError(f"--at {self.at}: expected HH:MM, or a weekday and a time such as 'mon 06:30'")
        day = _DAYS.index(found[1].lower()) if found[1] else None
        return day, int(found[2]), int(found[3])


def describe_units(schedule: Schedule) -> dict[str, str]:
    """Return the systemd units, file name -> content."""
    day, hour, minute = schedule.moment()
    when = f"{_DAYS[day].capitalize()} " if day is not None else ""
    environment = "".join(f"Environment={_unit_quote(f'{k}={v}')}\n" for k, v in schedule.environment.items())
    command = " ".join(_unit_quote(part) for part in schedule.command)
    service = (
        f"[Unit]\nDescription=Analytics Workbench: {schedule.dataset}\n\n"
        f"[Service]\nType=oneshot\nWorkingDirectory={_percent(str(ROOT))}\n{environment}ExecStart={command}\n"
        f"StandardOutput=append:{_percent(str(schedule.log))}\nStandardError=inherit\nKillMode=mixed\nTimeoutStopSec=60\n"
    )
    timer = (
        f"[Unit]\nDescription=Analytics Workbench: {schedule.dataset} at {schedule.at}\n\n"
        f"[Timer]\nOnCalendar={when}*-*-* {hour:02d}:{minute:02d}:00\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    return {f"{schedule.name}.service": service, f"{schedule.name}.timer": timer}


def describe_crontab_line(schedule: Schedule) -> str:
    """Return the line of a crontab, marked with the schedule's name so that it can be found again."""
    day, hour, minute = schedule.moment()
    told = " ".join(f"{name}={shlex.quote(value)}" for name, value in schedule.environment.items())
    command = f"cd {shlex.quote(str(ROOT))} && {told + ' ' if told else ''}{shlex.join(schedule.command)}"
    line = f"{command} >> {shlex.quote(str(schedule.log))} 2>&1".replace("%", r"\%")
    return f"{minute} {hour} * * {'*' if day is None else day} {line} # {schedule.name}"


def has_systemd() -> bool:
    """Say whether the user's systemd answers."""
    if shutil.which("systemctl") is None:
        return False
    done = subprocess.run(["systemctl", "--user", "show-environment"], stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0


def install(schedule: Schedule, systemd: bool) -> str:
    """Install the timer or the crontab line, replacing the dataset's earlier one; return what was done.

    Raises:
        ScheduleError: systemd or cron refused, or there is no crontab command.
    """
    schedule.log.parent.mkdir(parents=True, exist_ok=True)
    if not systemd:
        lines = [*_other_lines(schedule.name), describe_crontab_line(schedule)]
        _crontab(["-"], "\n".join(lines) + "\n")
        return f"added to the crontab; log: {schedule.log}"
    folder = _unit_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in describe_units(schedule).items():
        replace_file(folder / name, content)
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", f"{schedule.name}.timer")
    return f"timer {schedule.name}.timer is enabled; log: {schedule.log}"


def remove(schedule: Schedule, systemd: bool) -> str:
    """Remove what `install` made for the dataset; return what was done."""
    if not systemd:
        _crontab(["-"], "".join(f"{line}\n" for line in _other_lines(schedule.name)))
        return f"removed {schedule.name} from the crontab"
    _systemctl("disable", "--now", f"{schedule.name}.timer")
    for suffix in ("service", "timer"):
        (_unit_folder() / f"{schedule.name}.{suffix}").unlink(missing_ok=True)
    _systemctl("daemon-reload")
    return f"removed {schedule.name}.timer"


def _unit_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _other_lines(name: str) -> list[str]:
    """Return the lines of the crontab but for the one of `name`."""
    _require_cron()
    done = subprocess.run(
        ["crontab", "-l"],
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode and "no crontab" not in done.stderr:  # writing then would wipe what could not be read
        raise ScheduleError(f"crontab refused: {done.stderr.strip() or 'no message'}")
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [line for line in lines if not line.endswith(f"# {name}")]


def _require_cron() -> None:
    if shutil.which("crontab") is None:
        raise ScheduleError("there is neither a systemd of the user's nor a crontab command: install cron")


def _crontab(arguments: list[str], content: str) -> None:
    _require_cron()
    done = subprocess.run(["crontab", *arguments], input=content, capture_output=True, text=True)
    if done.returncode:
        raise ScheduleError(f"crontab refused: {done.stderr.strip() or 'no message'}")


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", "--user", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise ScheduleError(f"systemctl {' '.join(arguments)} refused: {done.stderr.strip() or 'no message'}")


def _unit_quote(value: str) -> str:
    """Return a word as a unit file takes it: quoted, with % and $ doubled."""
    escaped = _percent(value).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s\"\\']", escaped) else escaped


def _percent(value: str) -> str:
    return value.replace("%", "%%")
