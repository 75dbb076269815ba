"""Parts of addresses, as RFC 3986 splits them; a text that is no address has none."""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote, unquote_plus

from local_aws.athena.dialect.runtime.failure import invalid, unsupported

# The expression of RFC 3986, appendix B.
_PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?|\d{{1,3}}(?:\.\d{{1,3}}){{3}}|\[[0-9A-Fa-f:.]+\]"
_AUTHORITY = re.compile(rf"(?:[^@]*@)?({_HOST})(?::(\d*))?")
_Parts = tuple[str, str, str, str | None, str | None]


def _parts(url: str) -> _Parts | None:
    """Split an address into scheme, authority, path, query and fragment; None if Java's URI would not take it."""
    if not url.isascii():
        unsupported("an address with other letters than ASCII's")
    if any(ord(c) <= 32 or c in '"<>\\^`{|}\x7f' for c in url) or re.search(r"%(?![0-9A-Fa-f]{2})", url):
        return None
    found = _PARTS.fullmatch(url)
    if not found:
        return None
    scheme, authority, path, query, fragment = found.groups()
    if scheme is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return None
    if ((scheme is not None or authority is not None) and not (authority or path)) or re.search(r"[\[\]]", path):
        return None
    if scheme is not None and authority is None and not path.startswith("/"):
        return scheme, "", "", None, fragment  # opaque, such as mailto:
    return scheme or "", authority or "", path, query, fragment


def _decoded(text: str | None) -> str:
    decoded = unquote(text or "")
    if "\ufffd" in decoded:
        unsupported("an escape in an address that is not UTF-8")
    return decoded


def _authority(url: str) -> tuple[str | None, str | None]:
    parts = _parts(url)
    if parts is None or not parts[1]:
        return (None if parts is None else ""), None
    found = _AUTHORITY.fullmatch(parts[1])
    if found is None:
        unsupported(f"the authority {parts[1]} of an address")
    return found[1], found[2]


def host(url: str) -> str | None:
    """Give the host; empty if the address has none."""
    return _authority(url)[0]


def port(url: str) -> int | None:
    """Give the port, if the address has one."""
    number = _authority(url)[1]
    return int(number) if number else None


def protocol(url: str) -> str | None:
    """Give the scheme; empty if the address has none."""
    parts = _parts(url)
    return parts[0] if parts else None


def path(url: str) -> str | None:
    """Give the path."""
    parts = _parts(url)
    return _decoded(parts[2]) if parts else None


def query(url: str) -> str | None:
    """Give the query; empty if the address has none."""
    parts = _parts(url)
    return _decoded(parts[3]) if parts else None


def fragment(url: str) -> str | None:
    """Give the fragment; empty if the address has none."""
    parts = _parts(url)
    return _decoded(parts[4]) if parts else None


def parameter(url: str, name: str) -> str | None:
    """Give the first value of a parameter of the query; None if there is no such parameter."""
    parts = _parts(url)
    if parts is None or parts[3] is None:
        return None
    for pair in parts[3].split("&"):
        key, _, value = pair.partition("=")
        if key == name:
            return _decoded(value.replace("+", " "))
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
