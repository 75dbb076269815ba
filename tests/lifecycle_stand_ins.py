"""Small servers in place of the stack's own, so that the supervisor is tested in seconds."""

import sys
from pathlib import Path

from local_aws.postgres import postgres_server
from local_aws.servers import Command, Server


def _http(home: Path, name: str) -> Server:
    argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")
    return Server(name, lambda ports: Command((*argv, str(ports[name])), folder=home / "lake"))


def http_servers(home: Path) -> list[Server]:
    """Two servers that answer HTTP."""
    return [_http(home, "s3"), _http(home, "api")]


def with_postgres(home: Path) -> list[Server]:
    """PostgreSQL and a server that answers HTTP."""
    return [postgres_server(home), _http(home, "api")]


def broken(home: Path) -> list[Server]:
    """A server that says why it cannot run, and ends."""
    script = "import sys; sys.exit('no room in the inn')"
    return [_http(home, "s3"), Server("api", lambda ports: Command((sys.executable, "-c", script)))]
