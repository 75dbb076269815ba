"""Pages of Athena's lists, in the order in which they are given."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from local_aws.errors import ServiceError

Item = TypeVar("Item")


def take_page(
    items: Sequence[Item], key: Callable[[Item], str], request: dict[str, Any], most: int = 50
) -> tuple[list[Item], dict[str, str]]:
    """Return a page and {"NextToken": ...} where there is more; the token names the last item that was given out."""
    start, token = 0, request.get("NextToken")
    if token:
        last = _read(token)
        start = next((number + 1 for number, item in enumerate(items) if key(item) == last), -1)
        if start < 0:
            raise ServiceError("InvalidRequestException", "The NextToken is not valid: start again without one.")
    limit = min(int(request.get("MaxResults", most)), most) or most
    page = list(items[start : start + limit])
    more = start + limit < len(items)
    return page, {"NextToken": base64.urlsafe_b64encode(key(page[-1]).encode()).decode()} if more else {}


def _read(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ServiceError("InvalidRequestException", "The NextToken is not valid: start again without one.") from error
