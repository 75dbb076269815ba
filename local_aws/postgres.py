"""The embedded PostgreSQL: made once, started in the foreground under the supervisor, mended after a kill.

It listens on loopback alone (no Unix socket: its path may be at most 103 bytes on macOS), asks for SCRAM passwords,
and compares text by code point with full Unicode letters (locale provider `builtin`, C.UTF-8), the same everywhere.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import psutil

from local_aws.errors import StackError
from local_aws.home import last_line
from local_aws.postgres_place import Place, find_place, major_version, run_as
from local_aws.postgres_roles import SUPERUSER, count_clients, ensure_roles
from local_aws.probes import LOOPBACK, answers_postgres
from local_aws.secrets import postgres_password
from local_aws.servers import Command, Ports, Server

INITDB_SECONDS = 120
ORPHAN_SECONDS = 10.0
# After a kill -9 the next start must wait until the old server's processes have let go of its memory.
PATIENCE = 20.0
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "log_statement": "none",  # statements may hold passwords
    "log_min_error_statement": "panic",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def postgres_server(home: Path) -> Server:
    """Describe PostgreSQL to the supervisor."""

    @cache
    def place() -> Place:
        return find_place(home)

    def before() -> None:
        prepare_data(place(), home)

    def command(ports: Ports) -> Command:
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        argv = [str(place().programs / "postgres"), "-D", str(place().data), "-p", str(ports["postgres"]), *settings]
        return Command(tuple(argv), {"LC_ALL": "C"}, place().uid, Path("/"))

    return Server(
        "postgres",
        command,
        answers=answers_postgres,
        before=before,
        ready=lambda port: ensure_roles(home, port),
        busy=lambda port: count_clients(home, port) > 0,
        stop_signal=signal.SIGINT,  # fast shutdown: open sessions are ended, what they committed is kept
        patience=PATIENCE,
    )


def prepare_data(place: Place, home: Path) -> None:
    """Make the data folder if there is none, and clear away what a killed server left. Raises StackError."""
    if not (place.data / "PG_VERSION").exists():
        _initialise(place, home)
    version, programs = (place.data / "PG_VERSION").read_text().strip(), major_version(place.programs, place.uid)
    if version != str(programs):
        raise StackError(
            f"{place.data} was made by PostgreSQL {version}, the installed one is {programs}: install that version "
            "again and dump what you need, or `workbench reset` and run the notebooks again"
        )
    _clear_stale_pid(place.data)


def _initialise(place: Place, home: Path) -> None:
    """Run initdb into a folder beside the data's place, and rename it when whole: a killed initdb leaves no half."""
    for leftover in place.data.parent.glob(".postgres-*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    unfinished = Path(tempfile.mkdtemp(prefix=".postgres-", dir=place.data.parent))
    handle, password_file = tempfile.mkstemp(prefix=".postgres-", dir=place.data.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(postgres_password(home, "superuser") + "\n")
        if place.uid is not None:
            os.chown(unfinished, place.uid, place.uid)
            os.chown(password_file, place.uid, place.uid)
        log = home / "logs" / "postgres.log"
        with open(log, "ab") as output:
            done = subprocess.run(
                _initdb_command(place, unfinished, password_file),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                timeout=INITDB_SECONDS,
                **run_as(place.uid),  # type: ignore[call-overload]
            )
        if done.returncode != 0:
            raise StackError(f"initdb failed: {last_line(log)}")
        unfinished.rename(place.data)
    except subprocess.TimeoutExpired as error:
        raise StackError(f"initdb did not end within {INITDB_SECONDS} s (log: {home / 'logs/postgres.log'})") from error
    finally:
        os.unlink(password_file)
        shutil.rmtree(unfinished, ignore_errors=True)


def _initdb_command(place: Place, folder: Path, password_file: str) -> list[str]:
    argv = [str(place.programs / "initdb"), "-D", str(folder), "-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8"]
    argv += ["--pwfile", password_file, "--locale=C", "--no-instructions"]
    if major_version(place.programs, place.uid) >= 17:
        return [*argv, "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return argv


def _clear_stale_pid(data: Path) -> None:
    """End a server that outlived its supervisor; drop the pid file of one whose pid now is another program's."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    try:
        process = psutil.Process(pid)
        ours = process.cwd() == str(data.resolve())
    except psutil.Error:
        ours = False
    if not ours:
        pid_file.unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        try:
            process.send_signal(number)
            process.wait(ORPHAN_SECONDS)
        except psutil.TimeoutExpired:
            continue
        except psutil.Error:
            return
