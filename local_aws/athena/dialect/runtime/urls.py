"""Parts of addresses, as RFC 3986 splits them; a text that is no address has none."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote_plus

from local_aws.athena.dialect.runtime.failure import invalid, unsupported

# The expression of RFC 3986, appendix B.
_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:[^@]*@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d*))?")


def _parts(url: str) -> tuple[str | None, ...] | None:
    if not url.isascii():
        unsupported("an address with other letters than ASCII's")
    if any(ord(c) <= 32 or c in '"<>\\^`{|}\x7f' for c in url) or re.search(r"%(?![0-9A-Fa-f]{2})", url):
        return None
    found = _PARTS.fullmatch(url)
    return found.groups() if found else None


def _decoded(text: str | None, what: str) -> str | None:
    if text is not None and "%" in text:
        unsupported(f"an escaped {what}")
    return text


def _absent(parts: tuple[str | None, ...] | None) -> str | None:
    """Give what stands for a part that is not there: an empty text, or None where the whole is no address."""
    if parts and parts[1]:
        unsupported(f"the authority {parts[1]} of an address")
    return None if parts is None else ""


def host(url: str) -> str | None:
    """Give the host."""
    parts = _parts(url)
    found = _AUTHORITY.fullmatch(parts[1]) if parts and parts[1] else None
    return found[1] if found else _absent(parts)


def port(url: str) -> int | None:
    """Give the port, if the address has one."""
    parts = _parts(url)
    found = _AUTHORITY.fullmatch(parts[1]) if parts and parts[1] else None
    return int(found[2]) if found and found[2] else None


def protocol(url: str) -> str | None:
    """Give the scheme."""
    parts = _parts(url)
    return parts[0] or "" if parts else None


def path(url: str) -> str | None:
    """Give the path."""
    parts = _parts(url)
    return _decoded(parts[2], "path") if parts else None


def query(url: str) -> str | None:
    """Give the query."""
    parts = _parts(url)
    return _decoded(parts[3] or "", "query") if parts else None


def fragment(url: str) -> str | None:
    """Give the fragment."""
    parts = _parts(url)
    return _decoded(parts[4] or "", "fragment") if parts else None


def parameter(url: str, name: str) -> str | None:
    """Give the first value of a parameter of the query."""
    parts = _parts(url)
    for pair in (parts[3] or "").split("&") if parts else ():
        key, _, value = pair.partition("=")
        if "%" in key or (key == name and ("%" in value or "+" in value)):
            unsupported("an escaped parameter")
        if key == name:
            return value
    return None


def encode(text: str) -> str:
    """Encode a text as a form does: letters, digits and -_.* stay, a space becomes +."""
    return quote_plus(text, safe="*").replace("~", "%7E")


def decode(text: str) -> str:
    """Decode a text that a form encoded."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        invalid("URLDecoder: Illegal hex characters in escape (%) pattern")
    return unquote_plus(text)


_TEXT = "VARCHAR"
REFUSING = tuple(f"trino_url_{part}" for part in ("host", "path", "port", "protocol", "query", "fragment", "parameter"))
FUNCTIONS = [
    ("trino_url_host", host, [_TEXT], _TEXT),
    ("trino_url_path", path, [_TEXT], _TEXT),
    ("trino_url_port", port, [_TEXT], "BIGINT"),
    ("trino_url_protocol", protocol, [_TEXT], _TEXT),
    ("trino_url_query", query, [_TEXT], _TEXT),
    ("trino_url_fragment", fragment, [_TEXT], _TEXT),
    ("trino_url_parameter", parameter, [_TEXT] * 2, _TEXT),
    ("trino_url_encode", encode, [_TEXT], _TEXT),
    ("trino_url_decode", decode, [_TEXT], _TEXT),
]
