"""HTTP/1.1 on a blocking socket: what the S3 front needs of it, and no more (RFC 9112).

A body is read in large pieces straight from the socket, and a file is answered with sendfile, so that a stream costs
few steps of Python per megabyte.
"""

import os
import re
import socket
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import unquote

from local_aws.errors import ServiceError

PIECE = 1 << 20
LONGEST_HEAD = 64 << 10
LONGEST_LINE = 8 << 10
DRAINED_AT_MOST = 8 << 20
LINGER_SECONDS = 5.0


class HangUp(Exception):
    """The peer has gone, or sent less than it announced; no error of the service: there is nobody left to tell."""


@dataclass
class Reply:
    """An answer: `body` in memory, or `length` bytes of the open file `descriptor` from `offset` (then closed)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    descriptor: int | None = None
    offset: int = 0
    length: int = 0

    def close(self) -> None:
        """Close the descriptor, if there is one."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class Connection:
    """One client's connection: reads requests, writes replies."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read_request(self) -> "Request | None":
        """Read the next request's head, or return None where the client has closed."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > LONGEST_HEAD:
                raise ServiceError("RequestHeaderSectionTooLarge", "The request's headers are over 64 KiB.", 400)
            if not self._fill():
                return None
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        try:
            method, target, version = lines[0].split(" ")
        except ValueError:
            raise ServiceError("InvalidRequest", "The request line is not one of HTTP.", 400) from None
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise ServiceError("InvalidRequest", "A header line has no name.", 400)
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        path, _, query = target.partition("?")
        if not re.fullmatch("[0-9]{1,18}", headers.get("content-length", "0")):
            raise ServiceError("InvalidRequest", "Content-Length is not a number.", 400)
        keep = headers.get("connection", "").lower() != "close" and version == "HTTP/1.1"
        return Request(method, path, query, headers, keep, self)

    def send(self, reply: Reply, request: "Request | None") -> None:
        """Write `reply`; close its descriptor whatever happens."""
        try:
            head_only = request is not None and request.method == "HEAD"
            size = reply.length if reply.descriptor is not None else len(reply.body)
            lines = [f"HTTP/1.1 {reply.status} {_reason(reply.status)}"]
            lines += [f"{name}: {value}" for name, value in reply.headers.items()]
            if reply.status not in (204, 304) and "Content-Length" not in reply.headers:
                lines.append(f"Content-Length: {size}")
            if request is None or not request.keep:
                lines.append("Connection: close")
            head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
            if head_only or not size:  # behind MSG_MORE an empty file would hold the head back for 200 ms
                self.sock.sendall(head)
            elif reply.descriptor is None:
                self.sock.sendall(head + reply.body)
            else:
                self.sock.sendall(head, socket.MSG_MORE)
                self._send_file(reply.descriptor, reply.offset, reply.length)
        except OSError as error:
            raise HangUp from error
        finally:
            reply.close()

    def _send_file(self, descriptor: int, offset: int, left: int) -> None:
        while left:
            sent = os.sendfile(self.sock.fileno(), descriptor, offset, left)
            if not sent:
                raise HangUp  # another process has cut the file short
            offset, left = offset + sent, left - sent

    def close(self) -> None:
        """Close; a client that is still sending gets a while to come to reading the answer."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(LINGER_SECONDS)
            ends = time.monotonic() + LINGER_SECONDS
            while self.sock.recv(PIECE) and time.monotonic() < ends:
                pass
        except OSError:
            pass
        finally:
            self.sock.close()

    def _fill(self) -> bool:
        try:
            data = self.sock.recv(64 << 10)
        except OSError as error:
            raise HangUp from error
        self._buffer += data
        return bool(data)

    def read_into(self, view: memoryview) -> None:
        """Fill `view` whole."""
        ready = min(len(self._buffer), len(view))
        if ready:
            view[:ready] = self._buffer[:ready]
            del self._buffer[:ready]
        while ready < len(view):
            try:
                got = self.sock.recv_into(view[ready:])
            except OSError as error:
                raise HangUp from error
            if not got:
                raise HangUp
            ready += got

    def read_line(self) -> bytes:
        """Read a line of a chunked body, without its CRLF."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > LONGEST_LINE:
                raise ServiceError("InvalidRequest", "A line of the chunked body is over 8 KiB.", 400)
            if not self._fill():
                raise HangUp
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


@dataclass
class Request:
    """A request's head; `pieces()` reads its body."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep: bool
    connection: Connection
    parameters: dict[str, str] = field(default_factory=dict)
    _source: "Source | None" = None

    def __post_init__(self) -> None:
        for item in self.query.split("&") if self.query else []:
            name, _, value = item.replace("+", " ").partition("=")
            self.parameters[_text(name)] = _text(value)

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def length(self) -> int:
        """The body's length on the wire, in bytes; 0 where it is not announced."""
        return int(self.headers.get("content-length", "0"))

    def source(self) -> "Source":
        """Return the body as it comes on the wire; asks for it first where the client waits to be asked."""
        if self._source is None:
            self._source = Source(self.connection, None if self.chunked else self.length)
            if self._waits:
                try:
                    self.connection.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                except OSError as error:
                    raise HangUp from error
        return self._source

    @property
    def _waits(self) -> bool:
        return self.headers.get("expect", "").lower() == "100-continue"

    def drain(self) -> None:
        """Pass over what was not read of the body; where that is much, the connection ends with this request."""
        if not (self.chunked or self.length):
            return
        if self._source is None and self._waits:
            self.keep = False  # it may or may not send the body after all (RFC 9110, 10.1.1)
            return
        buffer = memoryview(bytearray(64 << 10))
        source, left = self.source(), DRAINED_AT_MOST
        try:
            while left > 0 and (size := source.read(buffer)):
                left -= size
        except ServiceError:
            left = 0
        self.keep = self.keep and left > 0


class Source:
    """A body on the wire: `length` bytes, or (None) chunks with the transfer encoding."""

    def __init__(self, connection: Connection, length: int | None) -> None:
        self._connection = connection
        self._chunked = length is None
        self._left = length or 0
        self._ended = False

    @property
    def expected(self) -> int:
        """How many bytes are to come; a piece's size where that is not known."""
        return PIECE if self._chunked else self._left

    def read(self, view: memoryview) -> int:
        """Fill `view` as far as the body goes; return the number of bytes, 0 at the end."""
        if not self._chunked:
            size = min(self._left, len(view))
            self._connection.read_into(view[:size])
            self._left -= size
            return size
        done = 0
        while done < len(view) and not self._ended:
            if not self._left:
                self._next_chunk()
                continue
            size = min(self._left, len(view) - done)
            self._connection.read_into(view[done : done + size])
            self._left -= size
            done += size
            if not self._left:
                self._connection.read_line()
        return done

    def _next_chunk(self) -> None:
        try:
            self._left = int(self._connection.read_line().partition(b";")[0], 16)
        except ValueError:
            raise ServiceError("InvalidRequest", "The chunked body has a chunk without a size.", 400) from None
        if not self._left:
            while self._connection.read_line():
                pass
            self._ended = True


def _text(encoded: str) -> str:
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "A parameter of the query is not UTF-8.", 400) from None


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
