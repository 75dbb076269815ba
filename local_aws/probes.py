"""Questions to a port of the loopback interface: is it free, and does the right kind of server answer on it?"""

from __future__ import annotations

import socket
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"
_PROTOCOL_3 = 196608


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def pick_port(earlier: int | None, taken: Iterable[int] = ()) -> int:
    """Return the earlier port if it is free, else another free one that is none of `taken`."""
    avoid = set(taken)
    if earlier and earlier not in avoid and is_free(earlier):
        return earlier
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.bind((LOOPBACK, 0))
            port = int(listener.getsockname()[1])
        if port not in avoid:
            return port


def answers_http(port: int, timeout: float = 1.0) -> bool:
    """Say whether an HTTP server answers on the port, whatever it answers."""
    request = f"HEAD / HTTP/1.0\r\nHost: {LOOPBACK}:{port}\r\n\r\n".encode()
    return _ask(port, request, timeout).startswith(b"HTTP/1.")


def answers_postgres(port: int, timeout: float = 1.0) -> bool:
    """Say whether PostgreSQL takes clients on the port: it answers a start-up packet with a request to log in.

    Format: https://www.postgresql.org/docs/current/protocol-message-formats.html (StartupMessage,
    AuthenticationSASL); a server that starts, stops or recovers answers with an ErrorResponse instead.
    """
    body = _PROTOCOL_3.to_bytes(4, "big") + b"user\0wb\0database\0postgres\0\0"
    return _ask(port, (len(body) + 4).to_bytes(4, "big") + body, timeout).startswith(b"R")


def _ask(port: int, request: bytes, timeout: float) -> bytes:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(request)
            return connection.recv(4096)
    except OSError:
        return b""
