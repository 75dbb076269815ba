"""Words of a statement, with their places. What is no word of Trino's grammar is refused here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_aws.athena.errors import ParseError

RESERVED = frozenset(
    """ALTER AND AS BETWEEN BY CASE CAST CONSTRAINT CREATE CROSS CUBE CURRENT_CATALOG CURRENT_DATE CURRENT_PATH
    CURRENT_ROLE CURRENT_SCHEMA CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DEALLOCATE DELETE DESCRIBE DISTINCT DROP
    ELSE END ESCAPE EXCEPT EXECUTE EXISTS EXTRACT FALSE FOR FROM FULL GROUP GROUPING HAVING IN INNER INSERT INTERSECT
    INTO IS JOIN JSON_ARRAY JSON_EXISTS JSON_OBJECT JSON_QUERY JSON_TABLE JSON_VALUE LEFT LIKE LISTAGG LOCALTIME
    LOCALTIMESTAMP NATURAL NORMALIZE NOT NULL ON OR ORDER OUTER PREPARE RECURSIVE RIGHT ROLLUP SELECT SKIP TABLE THEN
    TRIM TRUE UESCAPE UNION UNNEST USING VALUES WHEN WHERE WITH""".split()
)


@dataclass(frozen=True)
class Place:
    """Line and column of a word, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}:{self.column}"


@dataclass(frozen=True)
class Token:
    """A word: `kind` is word, quoted, string, unicode, binary, integer, decimal, double, symbol or end."""

    kind: str
    text: str
    place: Place

    @property
    def upper(self) -> str:
        """Keyword text; empty for anything else than a bare word."""
        return self.text.upper() if self.kind == "word" else ""


_WORDS = re.compile(
    r"""(?P<space>\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)
    |(?P<unicode>[uU]&'(?:[^']|'')*')
    |(?P<binary>[xX]'[^']*')
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<double>(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+(?!\w))
    |(?P<decimal>(?:\d+\.\d*|\.\d+)(?!\w))
    |(?P<integer>\d+(?!\w))
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><>|!=|<=|>=|\|\||->|=>|[=<>+\-*/%()\[\],.?;{}|$^])""",
    re.VERBOSE | re.DOTALL,
)


def tokenize(sql: str) -> list[Token]:
    """Split a statement into words; the last is of kind `end`, a final semicolon is dropped."""
    tokens: list[Token] = []
    at, line, line_start = 0, 1, 0
    while at < len(sql):
        place = Place(line, at - line_start + 1)
        found = _WORDS.match(sql, at)
        if not found:
            raise ParseError(f"{place}: mismatched input '{sql[at : at + 20].split()[0]}'. Expecting: <expression>")
        kind = str(found.lastgroup)
        text = found.group()
        if kind != "space":
            tokens.append(Token(kind, _value(kind, text, place), place))
        at = found.end()
        if "\n" in text:
            line += text.count("\n")
            line_start = found.start() + text.rindex("\n") + 1
    if tokens and tokens[-1].text == ";" and tokens[-1].kind == "symbol":
        tokens.pop()
    return [*tokens, Token("end", "<EOF>", Place(line, len(sql) - line_start + 1))]


def _value(kind: str, text: str, place: Place) -> str:
    if kind == "string":
        return text[1:-1].replace("''", "'")
    if kind == "quoted":
        if text == '""':
            raise ParseError(f"{place}: Zero-length delimited identifier not allowed")
        return text[1:-1].replace('""', '"')
    if kind == "unicode":
        return _unicode(text[3:-1].replace("''", "'"), place)
    if kind == "binary":
        digits = re.sub(r"\s", "", text[2:-1])
        if len(digits) % 2 or re.search(r"[^0-9a-fA-F]", digits):
            raise ParseError(f"{place}: Binary literal must contain an even number of digits")
        return digits
    return text


def _unicode(text: str, place: Place) -> str:
    def character(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2)
        if code is None:
            if found.group() == "\\\\":
                return "\\"
            raise ParseError(f"{place}: Incomplete escape sequence in a unicode string")
        return chr(int(code, 16))

    return re.sub(r"\\\\|\\([0-9a-fA-F]{4})|\\\+([0-9a-fA-F]{6})|\\", character, text)
