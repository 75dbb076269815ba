"""Superset's database and role in the stack's PostgreSQL, and what the pipeline has published beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.endpoints import Endpoints
from local_aws.home import write_file
from local_aws.postgres_login import ensure_role, open_cursor
from local_aws.postgres_roles import SUPERUSER
from workbench.dashboards.errors import DashboardsError

DATABASE = "superset"
ROLE = "workbench_superset"
SCHEMA = "analytics"


def ensure_database(endpoints: Endpoints) -> str:
    """Make role and database where they are missing. Returns what names this very database among all servers.

    Raises:
        DashboardsError: PostgreSQL cannot be asked.
    """
    with _connect(endpoints, "postgres", SUPERUSER, "superuser") as cursor:
        ensure_role(endpoints.home, ROLE, "superset", cursor, "NOSUPERUSER NOCREATEDB NOCREATEROLE")
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        cursor.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        cursor.execute(
            "SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = %s) "
            "FROM pg_control_system()",
            (DATABASE,),
        )
        return str(cursor.fetchone()[0])


def read_published(endpoints: Endpoints) -> dict[str, set[str]]:
    """Return the relations that readers see: name -> its columns, asked as the role that Superset reads with.

    Raises:
        DashboardsError: PostgreSQL cannot be asked.
    """
    published: dict[str, set[str]] = {}
    with _connect(endpoints, str(endpoints.postgres["dbname"]), str(endpoints.postgres["reader"]), "reader") as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s", (SCHEMA,)
        )
        for relation, column in cursor.fetchall():
            published.setdefault(relation, set()).add(column)
    return published


def write_secret(home: Path, name: str, content: str) -> bool:
    """Write a secret that is missing, readable by its owner alone. Says whether it was."""
    path = home / "secrets" / name
    if path.exists():
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return False
    write_file(path, content.encode())
    return True


@contextmanager
def _connect(endpoints: Endpoints, database: str, user: str, secret: str) -> Iterator[Any]:
    import psycopg2

    host, port = str(endpoints.postgres["host"]), int(endpoints.postgres["port"])
    where = {"host": host, "port": port, "dbname": database, "user": user}
    try:
        with open_cursor(endpoints.home, secret, "workbench dashboards", **where) as cursor:
            yield cursor
    except psycopg2.Error as error:
        said = " ".join(str(error).split())
        raise DashboardsError(
            f"PostgreSQL on {host}:{port} cannot be asked as {user}: {said}; "
            f"its password is in {endpoints.home / 'secrets' / f'postgres-{secret}'}: "
            "`workbench down`, then `workbench dashboards` sets it again"
        ) from error
