"""Regular expressions in Java's syntax, on Python's engine: what both read alike is taken over, all else refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from local_aws.athena.dialect.runtime.failure import invalid, unsupported

# Escapes outside and inside character classes that mean the same (with re.ASCII) on ASCII text.
_SAME = frozenset("dDwWsStnrfvaAbB.\\*+?()[]{}|^$/-\"'<>=!@#%&_~`,;: ")
_IN_CLASS = frozenset("dDwWsStnrfv.\\*+?()[]{}|^$/-\"'<>=!@#%&_~`,;: ")
# Escape -> what of a character beyond ASCII makes its meaning a matter of the engine's settings.
_UNSURE = {
    **dict.fromkeys("dD", str.isdecimal), **dict.fromkeys("sS", str.isspace), **dict.fromkeys("wWbB", str.isalnum),
}  # fmt: skip


def _has_case(character: str) -> bool:
    return character.lower() != character.upper()


class _Translator:
    """Walk a Java pattern once and write Python's."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.written: list[str] = []
        self.flags = re.ASCII
        self.unsure: set[Callable[[str], bool]] = set()

    def run(self) -> str:
        while self.at < len(self.pattern):
            character = self.pattern[self.at]
            if character == "\\":
                self.escape(_SAME)
            elif character == "[":
                self.character_class()
            elif character == "(":
                self.group()
            else:
                self.written.append(character)
                self.at += 1
        return "".join(self.written)

    def escape(self, allowed: frozenset[str]) -> None:
        letter = self.pattern[self.at + 1 : self.at + 2]
        rest = self.pattern[self.at + 1 :]
        if letter == "Q":
            end = self.pattern.find("\\E", self.at)
            quoted = self.pattern[self.at + 2 : end if end >= 0 else len(self.pattern)]
            self.written.append(re.escape(quoted))
            self.at += 2 + len(quoted) + (2 if end >= 0 else 0)
            return
        if found := re.match(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})", rest):
            self.written.append(re.escape(chr(int(found[1] or found[2], 16))))
            self.at += 1 + found.end()
            return
        if found := re.match(r"[1-9]", rest):
            self.written.append(f"(?:\\{found[0]})")
            if rest[1:2].isdigit():
                unsupported(f"the regular expression {self.pattern} (a reference to a group beyond 9)")
        elif found := re.match(r"k<([A-Za-z]\w*)>", rest):
            self.written.append(f"(?P={found[1]})")
        elif letter == "z" and allowed is _SAME:
            self.written.append(r"\Z")
            found = re.match("z", rest)
        elif letter in allowed:
            self.unsure |= {_UNSURE[letter]} if letter in _UNSURE else set()
            self.written.append("\\" + letter)
            found = re.match(".", rest, re.DOTALL)
        if not found:
            unsupported(f"the regular expression {self.pattern} (\\{letter})")
        self.at += 1 + found.end()

    def character_class(self) -> None:
        self.written.append("[")
        self.at += 1
        if self.pattern[self.at : self.at + 1] == "^":
            self.written.append("^")
            self.at += 1
        first = True
        while self.pattern[self.at : self.at + 1] != "]" or first:
            character = self.pattern[self.at : self.at + 1]
            if not character:
                invalid(f"premature end of char-class: {self.pattern}")
            if character in "[]" or self.pattern.startswith("&&", self.at):
                unsupported(f"the regular expression {self.pattern} (a class within a class)")
            if character == "\\":
                self.escape(_IN_CLASS)
            else:
                self.written.append("\\" + character if character in "~|&" else character)
                self.at += 1
            first = False
        self.written.append("]")
        self.at += 1

    def group(self) -> None:
        rest = self.pattern[self.at :]
        if found := re.match(r"\(\?([imsx]+)\)", rest):
            if self.at or "x" in found[1]:
                unsupported(f"the regular expression {self.pattern} (flags after its start)")
            for letter in found[1]:
                self.flags |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[letter]
            self.unsure |= {_has_case} if "i" in found[1] else set()
        elif found := re.match(r"\(\?<([A-Za-z]\w*)>", rest):
            self.written.append(f"(?P<{found[1]}>")
        elif found := re.match(r"\(\?(:|=|!|<=|<!|>|i:)|\((?!\?)", rest):
            self.unsure |= {_has_case} if "i:" in found[0] else set()
            self.written.append(found[0])
        else:
            unsupported(f"the regular expression {self.pattern} ({rest[:4]})")
        self.at += found.end()


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str], frozenset[Callable[[str], bool]]]:
    translator = _Translator(pattern)
    written = translator.run()
    try:
        return re.compile(written, translator.flags), frozenset(translator.unsure)
    except (re.error, OverflowError) as error:
        unsupported(f"the regular expression {pattern} ({error})")


def _for(text: str, pattern: str) -> re.Pattern[str]:
    expression, unsure = _compiled(pattern)
    if unsure and not text.isascii() and any(test(c) for test in unsure for c in text if c > "\x7f"):
        unsupported(f"the regular expression {pattern} on letters, digits or spaces beyond ASCII")
    if "\r" in text and re.search(r"(?<!\\)[.$]", pattern):
        unsupported(f"the regular expression {pattern} on text with carriage returns")
    return expression


def _group(expression: re.Pattern[str], group: int) -> int:
    if group < 0 or group > expression.groups:
        invalid(f"Pattern has {expression.groups} groups. Cannot access group {group}")
    return group


def _matches(expression: re.Pattern[str], text: str, at: int = 0) -> Iterator[re.Match[str]]:
    """Find one match after the other as Trino does: behind an empty match it goes on one character further."""
    while at <= len(text) and (found := expression.search(text, at)):
        yield found
        at = found.end() + (found.start() == found.end())


_QUANTIFIER = r"(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??(?![*+?{])"
_CLASS = r"\[\^?(?:\\[dDwWsS.\\/-]|\w-\w|[\w ,;:.@%#/=])+\]"
_ATOM = rf"\\[dDwWsS.\\*+?()\[\]{{}}|^$/-]|[^\\\[\](){{}}*+?|^$]|{_CLASS}|\)"
_PLAIN = re.compile(rf"(?:(?:{_ATOM})(?:{_QUANTIFIER})?|\((?:\?:)?|[|^$])*", re.ASCII)


def plain(pattern: str) -> bool:
    """Say whether DuckDB's own regular expressions read a pattern as Java does, on one line of ASCII text."""
    return _PLAIN.fullmatch(pattern) is not None and "()" not in pattern


def like(text: str, pattern: str) -> bool:
    """Say whether the pattern is found anywhere."""
    return _for(text, pattern).search(text) is not None


def extract(text: str, pattern: str, group: int) -> str | None:
    """Give a group of the first match; None if nothing matches."""
    expression = _for(text, pattern)
    _group(expression, group)
    found = expression.search(text)
    return found[group] if found else None


def extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """Give a group of each match."""
    expression = _for(text, pattern)
    _group(expression, group)
    return [found[group] for found in _matches(expression, text)]


def replace(text: str, pattern: str, replacement: str) -> str:
    """Replace each match; $1 and ${name} stand for groups, a backslash takes away a character's meaning."""
    expression = _for(text, pattern)
    pieces = _pieces(expression, replacement)
    written, at = [], 0
    for found in _matches(expression, text):
        written.append(text[at : found.start()])
        written += (piece if isinstance(piece, str) else found[piece[0]] or "" for piece in pieces)
        at = found.end()
    return "".join([*written, text[at:]])


def _pieces(expression: re.Pattern[str], replacement: str) -> list[str | tuple[int | str]]:
    pieces: list[str | tuple[int | str]] = []
    at = 0
    while at < len(replacement):
        character = replacement[at]
        if character == "\\":
            if at + 1 >= len(replacement):
                invalid(f"Illegal replacement sequence: {replacement}")
            pieces.append(replacement[at + 1])
            at += 2
        elif character == "$":
            reference, at = _reference(expression, replacement, at + 1)
            pieces.append((reference,))
        else:
            pieces.append(character)
            at += 1
    return pieces


def _reference(expression: re.Pattern[str], replacement: str, at: int) -> tuple[int | str, int]:
    if named := re.compile(r"\{(\w+)\}").match(replacement, at):
        if named[1] not in expression.groupindex:
            invalid(f"Illegal replacement sequence: unknown group {{ {named[1]} }}")
        return named[1], named.end()
    digits = ""
    while replacement[at : at + 1].isdigit() and int(digits + replacement[at]) <= expression.groups:
        digits += replacement[at]
        at += 1
    if not digits:
        invalid(f"Illegal replacement sequence: unknown group in {replacement}")
    return int(digits), at


def split(text: str, pattern: str) -> list[str]:
    """Split at each match."""
    parts, at = [], 0
    for found in _matches(_for(text, pattern), text):
        parts.append(text[at : found.start()])
        at = found.end()
    return [*parts, text[at:]]


def count(text: str, pattern: str) -> int:
    """Count the matches."""
    return sum(1 for _ in _matches(_for(text, pattern), text))


def position(text: str, pattern: str, start: int, occurrence: int) -> int:
    """Give where the n-th match from a position on begins, counted from 1; -1 if there is none."""
    if start < 1:
        invalid("start position cannot be smaller than 1")
    if occurrence < 1:
        invalid("occurrence cannot be smaller than 1")
    expression = _for(text, pattern)
    if start > len(text):
        return -1
    for number, found in enumerate(_matches(expression, text, start - 1), start=1):
        if number == occurrence:
            return found.start() + 1
    return -1


_TEXT = "VARCHAR"
REFUSING = tuple(
    f"trino_regexp_{name}" for name in ("like", "extract_all", "extract", "replace", "split", "count", "position")
)
FUNCTIONS = [
    ("trino_regexp_like", like, [_TEXT] * 2, "BOOLEAN"),
    ("trino_regexp_extract", extract, [_TEXT, _TEXT, "BIGINT"], _TEXT),
    ("trino_regexp_extract_all", extract_all, [_TEXT, _TEXT, "BIGINT"], "VARCHAR[]"),
    ("trino_regexp_replace", replace, [_TEXT] * 3, _TEXT),
    ("trino_regexp_split", split, [_TEXT] * 2, "VARCHAR[]"),
    ("trino_regexp_count", count, [_TEXT] * 2, "BIGINT"),
    ("trino_regexp_position", position, [_TEXT, _TEXT, "BIGINT", "BIGINT"], "INTEGER"),
]
