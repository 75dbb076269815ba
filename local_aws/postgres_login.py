"""Connect to the embedded PostgreSQL as one of its roles, and set a role's password without telling it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from local_aws.secrets import postgres_password


@contextmanager
def open_cursor(home: Path, secret: str, application: str, **where: Any) -> Iterator[Any]:
    """Connect with the password `secret` of a state folder, and give a cursor whose statements each commit.

    Args:
        where: host, port, dbname and user.

    Raises:
        psycopg2.Error: the server cannot be reached or refuses; the caller says what that means.
    """
    import psycopg2

    password = postgres_password(home, secret)
    connection = psycopg2.connect(password=password, connect_timeout=10, application_name=application, **where)
    with closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def ensure_role(home: Path, role: str, secret: str, cursor: Any, rights: str = "") -> None:
    """Make a role that may log in, where it is missing, and set the password that the secret holds.

    Args:
        rights: what CREATE ROLE and ALTER ROLE take, such as NOSUPERUSER.
    """
    from psycopg2.extensions import encrypt_password

    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    # The verifier is computed here: the password itself reaches neither the server nor its log.
    verifier = encrypt_password(postgres_password(home, secret), role, cursor.connection, "scram-sha-256")
    cursor.execute(f"{verb} ROLE {role} LOGIN {rights} PASSWORD %s", (verifier,))
