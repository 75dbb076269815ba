"""The stack's secrets: one AWS key a role, one PostgreSQL password a role, random, in files that only we may read."""

from __future__ import annotations

import json
import os
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from local_aws.errors import StackError
from local_aws.home import write_file

AWS_ROLES = ("admin", "notebook", "glue", "crawler", "lambda", "s3front")
POSTGRES_ROLES = ("superuser", "loader", "reader")
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class AwsKeys:
    """What a request of one role is signed with."""

    access_key_id: str
    secret_access_key: str


def ensure_secrets(home: Path) -> None:
    """Write each secret that is missing; those that are there stay, and only their owner may read them."""
    folder = home / "secrets"
    for role in AWS_ROLES:
        # The role's name in the key makes logs of signed requests readable.
        keys = {"access_key_id": f"WB{role.upper()}{_random(12).upper()}", "secret_access_key": _random(40)}
        _ensure(folder / f"aws-{role}.json", json.dumps(keys))
    for role in POSTGRES_ROLES:
        _ensure(folder / f"postgres-{role}", _random(32))


def aws_keys(home: Path, role: str) -> AwsKeys:
    """Return the key of a role. Raises StackError where it is missing."""
    try:
        return AwsKeys(**json.loads(_read(home, f"aws-{role}.json")))
    except (TypeError, ValueError) as error:
        path = home / "secrets" / f"aws-{role}.json"
        raise StackError(f"{path} is no key: delete it, then `workbench down` and `workbench up`") from error


def postgres_password(home: Path, role: str) -> str:
    """Return the password of a PostgreSQL role. Raises StackError where it is missing."""
    return _read(home, f"postgres-{role}")


def _read(home: Path, name: str) -> str:
    path = home / "secrets" / name
    try:
        return path.read_text()
    except OSError as error:
        raise StackError(f"{path} cannot be read ({error.strerror}): start the stack with `workbench up`") from error


def _ensure(path: Path, content: str) -> None:
    if path.exists():
        if path.stat().st_mode & 0o077:
            os.chmod(path, 0o600)
    else:
        write_file(path, content.encode())


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
