"""The front's server: a thread for each connection, every request signed, every error one line in the log."""

import contextlib
import os
import secrets
import socket
import sqlite3
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from local_aws.errors import LocalAwsError, ServiceError
from local_aws.keys import KeyRing
from local_aws.s3.documents import error_reply, http_time
from local_aws.s3.routes import Service
from local_aws.s3.wire import Connection, HangUp, Reply, Request
from local_aws.signing import Signature, SignedRequest, verify_request

_BACKLOG = 256
_FINISH_SECONDS = 3.0
_TOUCH_SECONDS = 60
_ORDINARY = (404, 412, 416)  # answers that clients ask for; any other error is worth a line


class Front:
    """A listening server over one state folder; `serve` returns after `stop`."""

    def __init__(self, home: Path, port: int, rclone_port: int) -> None:
        self._service = Service(home, rclone_port)
        self._service.sweep()
        self._keys = KeyRing(home / "secrets")
        self._activity = home / "activity"
        self._touched = 0.0
        self._busy = 0
        self._idle = threading.Condition()
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Accept connections until `stop`, then let requests under way finish, for some seconds."""
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                break
            threading.Thread(target=self._converse, args=(sock,), daemon=True).start()
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, _FINISH_SECONDS)

    def stop(self) -> None:
        """Accept no more; safe in a signal handler."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _converse(self, sock: socket.socket) -> None:
        connection = Connection(sock)
        try:
            while not self._stopping.is_set() and self._exchange(connection):
                pass
        except (HangUp, OSError):
            pass
        finally:
            connection.close()

    def _exchange(self, connection: Connection) -> bool:
        """Read and answer one request; say whether another may follow."""
        request: Request | None = None
        try:
            request = connection.read_request()
            if request is None:
                return False
        except ServiceError as error:
            connection.send(error_reply(error, "", ""), None)
            return False
        with self._idle:
            self._busy += 1
        try:
            reply = self._answer(request)
            try:
                request.drain()
            except BaseException:
                reply.close()
                raise
            connection.send(reply, request)
            return request.keep
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def _answer(self, request: Request) -> Reply:
        request_id = secrets.token_hex(8).upper()
        try:
            reply = self._service.answer(request, self._verified(request))
        except HangUp:
            raise
        except ServiceError as error:
            reply = error_reply(error, request.path, request_id)
            if error.status not in _ORDINARY:
                log(request, error.code, str(error))
        except sqlite3.OperationalError as error:
            reply = error_reply(_index_error(error), request.path, request_id)
            log(request, "InternalError", str(error))
        except Exception as error:
            ours = isinstance(error, LocalAwsError)
            message = str(error) if ours else f"{type(error).__name__}: {error}; see logs/s3.log"
            reply = error_reply(ServiceError("InternalError", message, 500), request.path, request_id)
            log(request, "InternalError", f"{type(error).__name__}: {error} ({_place(error)})")
        reply.headers |= {"x-amz-request-id": request_id, "Date": http_time(time.time_ns()), "Server": "workbench-s3"}
        return reply

    def _verified(self, request: Request) -> Signature:
        signed = SignedRequest(request.method, request.path, request.query, request.headers)
        signature = verify_request(signed, self._keys)
        if signature.service != "s3":
            raise ServiceError("AuthorizationHeaderMalformed", "The signature's scope is not the service s3.", 400)
        self._touch()
        return signature

    def _touch(self) -> None:
        """Tell the supervisor, once a minute, that somebody is at work."""
        now = time.monotonic()
        if not self._touched or now - self._touched > _TOUCH_SECONDS:
            self._touched = now
            with contextlib.suppress(OSError):
                self._activity.touch()


def log(request: Request, code: str, message: str) -> None:
    """Write one line on stderr, which the supervisor sends to logs/s3.log."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{moment} {request.method} {request.path} {code}: {message}".replace("\n", " ")
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _index_error(error: sqlite3.OperationalError) -> ServiceError:
    full = "full" in str(error) or "disk I/O" in str(error)
    message = f"no space left for objects.sqlite ({error})" if full else f"objects.sqlite cannot be written ({error})"
    return ServiceError("InternalError", f"{message}; nothing was changed: free some space and try again", 507)


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
