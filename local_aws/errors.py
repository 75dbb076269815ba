"""The errors of the embedded AWS.

    LocalAwsError
    ├── ServiceError          an AWS service's own answer: error code, message, HTTP status
    ├── StackError            the stack cannot be started, reached or stopped
    │   ├── HomeLockedError   another stack holds the state folder
    │   └── ServerDownError   one server is down: which, and how to restart it
    └── LakeError             a file of the lake cannot be read or written (no space, no permission)

A message is one line: what happened, where, and what to do next.
"""


class LocalAwsError(Exception):
    """Anything that the embedded AWS refuses or cannot do."""


class ServiceError(LocalAwsError):
    """Answer a request with the service's own error `code` (such as EntityNotFoundException)."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class StackError(LocalAwsError):
    """The stack cannot be started, reached or stopped."""


class HomeLockedError(StackError):
    """Another running stack holds the state folder."""


class ServerDownError(StackError):
    """One server of the stack does not answer."""


class LakeError(LocalAwsError):
    """A file of the lake cannot be read or written."""
