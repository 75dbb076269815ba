"""A cursor over the words of a statement in Hive's or Trino's spelling, with names, strings and property lists.

Only statements other than queries are read word by word here; the text of a query inside one is handed on as it is.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from local_aws.athena.errors import ParseError, QueryError

WORDS = r"""(?P<space>\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)
    |(?P<string>'(?:{string}|'')*')
    |(?P<quoted>"(?:{quoted}|"")*")
    |(?P<name>`(?:[^`]|``)*`)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<word>[^\W\d]\w*)
    |(?P<symbol>.)"""
TRINO_WORDS = re.compile(WORDS.format(string="[^']", quoted='[^"]'), re.VERBOSE | re.DOTALL)
HIVE_WORDS = re.compile(WORDS.format(string=r"[^'\\]|\\.", quoted=r"[^\"\\]|\\."), re.VERBOSE | re.DOTALL)
HIVE_STATEMENTS = re.compile(
    r"(?:\s+|--[^\n]*\n|/\*.*?\*/)*(CREATE\s+(EXTERNAL|DATABASE|SCHEMA)|ALTER|DROP|MSCK|SHOW|DESC|DESCRIBE)\b",
    re.IGNORECASE | re.DOTALL,
)
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b"}
CATALOG = "awsdatacatalog"


@dataclass(frozen=True)
class Word:
    """One word: `kind` is word, quoted, name, string, number, symbol or end; `start` and `end` are its offsets."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """Keyword text; empty for anything else than a bare word."""
        return self.text.upper() if self.kind == "word" else ""


@dataclass(frozen=True)
class TableName:
    """A table's database and name, both lower-case."""

    database: str
    name: str

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"


class Words:
    """A cursor over a statement."""

    def __init__(self, sql: str, database: str) -> None:
        self.sql = sql
        self.database = database
        self.hive = HIVE_STATEMENTS.match(sql) is not None
        found = (HIVE_WORDS if self.hive else TRINO_WORDS).finditer(sql)
        self.words = [Word(str(w.lastgroup), w.group(), w.start(), w.end()) for w in found if w.lastgroup != "space"]
        while self.words and self.words[-1].text == ";":
            self.words.pop()
        end = self.words[-1].end if self.words else 0
        self.words.append(Word("end", "<EOF>", end, end))
        self.at = 0

    @property
    def word(self) -> Word:
        """The word at hand."""
        return self.words[self.at]

    def fail(self, expecting: str = "") -> NoReturn:
        """Refuse the word at hand as Athena does."""
        before = self.sql[: self.word.start]
        line, column = before.count("\n") + 1, self.word.start - (before.rfind("\n") + 1)
        tail = f" expecting {expecting}" if expecting else ""
        raise ParseError(f"line {line}:{column + 1}: mismatched input '{self.word.text}'{tail}")

    def accept(self, *keywords: str) -> bool:
        """Take these keywords if they come next."""
        following = self.words[self.at : self.at + len(keywords)]
        if [word.upper for word in following] != list(keywords):
            return False
        self.at += len(keywords)
        return True

    def expect(self, *keywords: str) -> None:
        """Take these keywords or fail."""
        for keyword in keywords:
            if not self.accept(keyword):
                self.fail(keyword)

    def accept_symbol(self, symbol: str) -> bool:
        """Take this symbol if it comes next."""
        if self.word.kind != "symbol" or self.word.text != symbol:
            return False
        self.at += 1
        return True

    def expect_symbol(self, symbol: str) -> None:
        """Take this symbol or fail."""
        if not self.accept_symbol(symbol):
            self.fail(f"'{symbol}'")

    def take(self) -> Word:
        """Take the word at hand, whatever it is."""
        word = self.word
        self.at = min(self.at + 1, len(self.words) - 1)
        return word

    def at_end(self) -> bool:
        """Tell whether the statement is read."""
        return self.word.kind == "end"

    def expect_end(self) -> None:
        """Fail where something follows."""
        if not self.at_end():
            self.fail("<EOF>")

    def string(self) -> str:
        """Take a string, in single quotes or (Hive) double quotes, with Hive's escapes undone."""
        if self.word.kind not in ("string", "quoted"):
            self.fail("a string")
        text = self.take().text
        inner = text[1:-1].replace(text[0] * 2, text[0])
        return _unescaped(inner) if self.hive else inner

    def identifier(self) -> str:
        """Take a name, bare or quoted; lower-cased as the catalog does."""
        word = self.word
        if word.kind not in ("word", "quoted", "name"):
            self.fail("a name")
        self.take()
        return (
            word.text.lower()
            if word.kind == "word"
            else word.text[1:-1].replace(word.text[0] * 2, word.text[0]).lower()
        )

    def statement_name(self) -> str:
        """Take the name of a prepared statement, whose case counts."""
        if self.word.kind not in ("word", "quoted"):
            self.fail("a name")
        word = self.take()
        return word.text if word.kind == "word" else word.text[1:-1].replace('""', '"')

    def dotted_name(self) -> list[str]:
        """Take the parts of a qualified name."""
        parts = [self.identifier()]
        while self.accept_symbol("."):
            parts.append(self.identifier())
        return parts

    def table_name(self) -> TableName:
        """Take [catalog.][database.]table."""
        parts = self.dotted_name()
        if len(parts) == 3 and parts[0] != CATALOG:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{parts[0]}' does not exist")
        if len(parts) > 3:
            self.fail("database.table")
        return TableName(parts[-2] if len(parts) > 1 else self.database, parts[-1])

    def database_name(self) -> str:
        """Take [catalog.]database."""
        parts = self.dotted_name()
        if len(parts) > 1 and parts[0] != CATALOG:
            raise QueryError("CATALOG_NOT_FOUND", f"Catalog '{parts[0]}' does not exist")
        return parts[-1]

    def strings(self) -> dict[str, str]:
        """Take ('name' = 'value', ...)."""
        self.expect_symbol("(")
        pairs: dict[str, str] = {}
        while True:
            name = self.string()
            self.expect_symbol("=")
            pairs[name] = self.take().text if self.word.kind == "number" else self.string()
            if not self.accept_symbol(","):
                break
        self.expect_symbol(")")
        return pairs

    def rest(self) -> str:
        """Take everything that is left, as written."""
        text = self.sql[self.word.start : self.words[-1].start]
        self.at = len(self.words) - 1
        return text

    def parenthesised(self) -> str:
        """Take (...) and return what is between, as written."""
        self.expect_symbol("(")
        start, depth = self.word.start, 1
        while depth:
            if self.at_end():
                self.fail("')'")
            word = self.take()
            depth += {"(": 1, ")": -1}.get(word.text, 0) if word.kind == "symbol" else 0
        return self.sql[start : self.words[self.at - 1].start]

    def arguments(self) -> list[str]:
        """Take everything that is left as a list separated by commas outside of brackets."""
        parts, depth, start = [], 0, self.word.start
        while not self.at_end():
            word = self.take()
            if word.kind == "symbol":
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word.text, 0)
                if word.text == "," and depth == 0:
                    parts.append(self.sql[start : word.start].strip())
                    start = word.end
        return [*parts, self.sql[start : self.words[-1].start].strip()]


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        code = found.group(1)
        if len(code) == 1:
            return ESCAPES.get(code, code)
        return chr(int(code[1:], 16)) if code[0] == "u" else chr(int(code, 8))

    return re.sub(r"\\(u[0-9a-fA-F]{4}|[0-3][0-7]{2}|.)", character, text, flags=re.DOTALL)
