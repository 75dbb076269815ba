"""What the endpoint answers: each operation is listed, with what stands behind it and which members it reads."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["real", "record"]


@dataclass(frozen=True)
class Operation:
    """Describe one operation of an AWS API as a handler class answers it.

    `method` names the handler's method. `kind` is "real" where the work is done and "record" where the request is
    only written down and given back. `accepts` are the top-level members of the request that the method honours:
    a request with any other member is refused, since ignoring it would be a false "succeeded".
    """

    method: str
    kind: Kind
    accepts: frozenset[str] = frozenset()
    note: str = ""
