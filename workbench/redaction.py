"""Keep secrets out of files: whatever a run writes is scanned first, and secrets are replaced by [redacted].

What counts as a secret: values of environment variables with a secret's name, what lies in the state folder's
secrets/, passwords in URLs, AWS keys, and `password=…` in whatever text. Names of parameters are refused elsewhere.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

MARK = "[redacted]"
_SHORTEST = 6  # shorter values are words: redacting them would spoil the text and hide nothing
_NAMES = re.compile(r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIALS?|(API|ACCESS|PRIVATE)_?KEY", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{1,10}[0-9]{0,3}|[0-9]+")  # such a secret is replaced where it stands alone
_FIELD = re.compile(r"[a-z][a-z0-9_]*")
_HARMLESS = re.compile(r"/|true|false|none|null|[0-9]{1,5}", re.IGNORECASE)
# each with what a text must hold, in small letters, for the pattern to be worth looking for
_PATTERNS = (
    (("akia", "asia"), re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MARK),
    (("://",), re.compile(r"(?<=://)([^\s/:@\"'<>\\]+):([^\s/@\"'<>\\]+)(?=@)"), rf"\1:{MARK}"),
    (
        ("password", "passwd", "access_key", "api_key", "apikey", "auth_token", "authtoken"),
        re.compile(
            r"(?i)\b((?:password|passwd|secret_access_key|aws_secret_access_key|api_?key|auth_?token)"
            r"(?:\\?[\"'])?\s*[=:]\s*(?:\\?[\"'])?)(?!\[redacted\])([^\s\"'\\,;&<>(){}\[\]]{6,})"
        ),
        rf"\1{MARK}",
    ),
    (
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL),
        MARK,
    ),
)


def redact(text: str) -> str:
    """Return `text` with every secret replaced, as it is, or as JSON, HTML or a URL would write it."""
    return _redact(text, known_secrets())


def redact_json(text: str) -> str:
    """Return a text in JSON with every secret in its values replaced; one that is no JSON, as any text."""
    try:
        document = json.loads(text)
    except ValueError:
        return redact(text)
    return json.dumps(redact_values(document), indent=1, ensure_ascii=False) if may_hold_secret(document) else text


def may_hold_secret(document: Any) -> bool:
    """Say whether a JSON document may hold a secret: all its texts are searched at once, which most have none of.

    The texts, not the JSON: there a word behind an end of line, or behind another escaped letter, does not stand alone.
    A secret of several lines may be spread over several texts.
    """
    secrets, text = known_secrets(), "\n".join(_list_texts(document))
    return _redact(text, secrets) != text or any("\n" in secret for secret in secrets)


def _list_texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for name, value in document.items():
            yield str(name)
            yield from _list_texts(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _list_texts(value)


def _redact(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret in text:
            text = _alone(secret).sub(MARK, text) if _WORD.fullmatch(secret) else text.replace(secret, MARK)
    small = text.lower()
    for signs, pattern, replacement in _PATTERNS:
        if any(sign in small for sign in signs):
            text = pattern.sub(replacement, text)
    return text


def redact_file(path: Path) -> None:
    """Replace every secret in a file that another process wrote; a file that is not there is no matter."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return
    clean = redact(text)
    if clean != text:
        path.write_text(clean, encoding="utf-8", errors="surrogateescape")


def redact_document(document: Any) -> Any:
    """Return a document as JSON holds it, with texts for what JSON has no type for, and every secret replaced."""
    return redact_values(json.loads(json.dumps(document, default=str)))


@lru_cache(maxsize=256)
def _alone(word: str) -> re.Pattern[str]:
    """Return what finds a word that is no part of a longer one: `postgres` is a common password, and in many names.

    Before it there may be an escaped end of a line, or a colour of the terminal's.
    """
    return re.compile(rf"(?:(?<!\w)|(?<=\\[nrt])|(?<=[0-9]m)){re.escape(word)}(?!\w)")


def redact_values(document: Any) -> Any:
    """Return a JSON document with every secret in its texts replaced; its shape and its fields' names stay."""
    return _redact_values(document, known_secrets())


def _redact_values(document: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(document, str):
        return _redact(document, secrets)
    if isinstance(document, dict):
        return {
            name if _FIELD.fullmatch(str(name)) else _redact_values(name, secrets): _redact_values(value, secrets)
            for name, value in document.items()
        }
    if isinstance(document, list | tuple):
        if len(document) > 1 and all(isinstance(value, str) and value.endswith("\n") for value in document[:-1]):
            if isinstance(document[-1], str):  # a text in lines, as in a notebook: a secret may have several
                return _redact("".join(document), secrets).splitlines(keepends=True)
        return [_redact_values(value, secrets) for value in document]
    return document


def known_secrets() -> tuple[str, ...]:
    """Return the secrets that this process knows of, in all their spellings, the longest first."""
    return _name_secrets(tuple(sorted(os.environ.items())), _stored_secrets(os.environ.get("WORKBENCH_HOME") or ""))


@lru_cache(maxsize=8)
def _name_secrets(environment: tuple[tuple[str, str], ...], stored: tuple[str, ...]) -> tuple[str, ...]:
    named = tuple(value for name, value in environment if _NAMES.search(name))
    urls = tuple(value for _, value in environment if "://" in value and "@" in value)
    return _spell(named, urls, stored)


def _spell(named: tuple[str, ...], urls: tuple[str, ...], stored: tuple[str, ...]) -> tuple[str, ...]:
    passwords = [found[1] for url in urls for found in re.finditer(r"://[^/:@]*:([^@]+)@", url)]
    plain = {value.strip() for value in (*named, *stored, *passwords, *map(unquote, passwords))}
    plain = {value for value in plain if len(value) >= _SHORTEST and not _HARMLESS.fullmatch(value)}
    plain = {value for value in plain if not value.startswith("/")}  # the path of a file that holds the secret
    spelled = set()
    for value in plain:
        spelled |= {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        spelled |= {html.escape(value), html.escape(value, quote=False), quote(value, safe="")}
        spelled.add(json.dumps(json.dumps(value)[1:-1])[1:-1])  # a text within a text, as in a notebook's JSON
    return tuple(sorted(spelled, key=len, reverse=True))


@lru_cache(maxsize=8)
def _read_stored(folder: Path, stamp: float) -> tuple[str, ...]:
    found = []
    for path in sorted(folder.iterdir()):
        try:
            text = path.read_text(encoding="utf-8", errors="ignore").strip()
        except OSError:  # a folder, or what this user may not read: the others are searched for all the same
            continue
        try:
            document = json.loads(text)
        except ValueError:
            document = text
        found += list(document.values()) if isinstance(document, dict) else [text]
    return tuple(value for value in found if isinstance(value, str))


def _stored_secrets(home: str) -> tuple[str, ...]:
    folder = (Path(home) if home else Path(__file__).resolve().parent.parent / ".workbench") / "secrets"
    try:
        return _read_stored(folder, folder.stat().st_mtime)
    except OSError:
        return ()
