"""Pages of long lists: NextToken and MaxResults, as the APIs of AWS have them."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from local_aws.errors import ServiceError

Item = TypeVar("Item")


def take_page(
    items: Iterable[Item], key: Callable[[Item], str], request: dict[str, Any], most: int = 100
) -> tuple[list[Item], dict[str, str]]:
    """Return one page of `items`, sorted by `key`, and {"NextToken": …} where there is more, else {}.

    `key` must be unique: the token holds the last one given out, so that what is added or removed between two pages
    makes no other item come twice or not at all. Raises ServiceError for a token or MaxResults that cannot be.
    """
    limit = request.get("MaxResults", most)
    if not 1 <= limit <= most:
        raise ServiceError("ValidationException", f"MaxResults is {limit}, it must be between 1 and {most}.")
    token = request.get("NextToken")
    rest = sorted(items, key=key)
    if token:
        last = _read_token(token)
        rest = [item for item in rest if key(item) > last]
    page = rest[:limit]
    return page, {"NextToken": _write_token(key(page[-1]))} if len(rest) > limit else {}


def _write_token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ServiceError("InvalidInputException", "NextToken is not one that an earlier answer gave.") from None
