"""The database `analytics` and its roles; and the check of a server that the user names instead of ours.

wb                 superuser; only the stack itself uses it
workbench_loader   owns the schemas that it makes in `analytics`
workbench_reader   reads what the loader lets it read, and cannot write
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.endpoints import DATABASE, LOADER, READER
from local_aws.errors import StackError
from local_aws.postgres_login import ensure_role, open_cursor
from local_aws.postgres_place import OLDEST
from local_aws.probes import LOOPBACK

SUPERUSER = "wb"
DATABASE_URL = "WORKBENCH_DATABASE_URL"


def ensure_roles(home: Path, port: int) -> None:
    """Make the database and the roles where they are missing, and set the passwords that the secrets hold."""
    with _connect(home, port, "postgres") as cursor:
        for role, secret in ((LOADER, "loader"), (READER, "reader")):
            ensure_role(home, role, secret, cursor)
        cursor.execute(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE DATABASE {DATABASE}")
        cursor.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        cursor.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {DATABASE} TO {LOADER}")
        cursor.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {READER}")
        # so that a load can say since when a reader is in its way
        cursor.execute(f"GRANT pg_read_all_stats TO {LOADER}")


def count_clients(home: Path, port: int) -> int:
    """Return how many clients are connected, this question aside; 1 where the server cannot be asked."""
    try:
        with _connect(home, port, "postgres") as cursor:
            clients = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
            cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {clients}")
            return int(cursor.fetchone()[0])
    except StackError:
        return 1


def check_named_server(url: str) -> None:
    """Raise StackError where the server of WORKBENCH_DATABASE_URL cannot be reached or is too old."""
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=10)
    except (psycopg2.Error, ValueError) as error:
        said = " ".join(str(error).split())
        if isinstance(error, psycopg2.ProgrammingError):
            said = "it is not of the form postgresql://user:password@host:port/database"
        raise StackError(
            f"the PostgreSQL of {DATABASE_URL} cannot be reached: {_without_password(said, url)}; "
            f"mend the variable, or unset it for the embedded server"
        ) from None
    version = connection.server_version
    where = f"{connection.info.host or 'localhost'}:{connection.info.port}"
    connection.close()
    if version < OLDEST * 10_000:
        raise StackError(
            f"{DATABASE_URL}: {where} is PostgreSQL {version // 10_000}, {OLDEST} or newer is needed: "
            f"name a newer server, or unset {DATABASE_URL} for the embedded one"
        )


def _without_password(text: str, url: str) -> str:
    from urllib.parse import unquote, urlsplit

    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    for secret in filter(None, (url, password, unquote(password) if password else None)):
        text = text.replace(secret, "***")
    return text


@contextmanager
def _connect(home: Path, port: int, database: str) -> Iterator[Any]:
    import psycopg2

    where = {"host": LOOPBACK, "port": port, "dbname": database, "user": SUPERUSER}
    try:
        with open_cursor(home, "superuser", "workbench stack", **where) as cursor:
            yield cursor
    except psycopg2.Error as error:
        said = " ".join(str(error).split())
        raise StackError(f"PostgreSQL on port {port} cannot be asked as {SUPERUSER}: {said}") from error
