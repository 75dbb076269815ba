"""Reading words one after the other, and the two things that every part of the grammar needs: names and types."""

from __future__ import annotations

from typing import NoReturn

from local_aws.athena.dialect import types
from local_aws.athena.dialect.lexer import RESERVED, Place, Token, tokenize
from local_aws.athena.errors import ParseError, QueryError


class Reader:
    """A cursor over a statement's words."""

    def __init__(self, sql: str) -> None:
        self.tokens = tokenize(sql)
        self.at = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def place(self) -> Place:
        return self.token.place

    def ahead(self, count: int = 1) -> Token:
        """Look at a later word."""
        return self.tokens[min(self.at + count, len(self.tokens) - 1)]

    def fail(self, expecting: str, token: Token | None = None) -> NoReturn:
        """Refuse the word at hand as Athena does."""
        token = token or self.token
        raise ParseError(f"{token.place}: mismatched input '{token.text}'. Expecting: {expecting}")

    def unsupported(self, what: str, place: Place | None = None) -> NoReturn:
        """Refuse what Trino's grammar has and the local Athena has not."""
        raise QueryError("NOT_SUPPORTED", f"{place or self.place}: {what} is not supported locally")

    def is_word(self, *words: str) -> bool:
        """Say whether the next words are these keywords."""
        return all(self.ahead(count).upper == word for count, word in enumerate(words))

    def accept(self, *words: str) -> bool:
        """Take these keywords if they come next."""
        if self.is_word(*words):
            self.at += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Take these keywords or fail."""
        for word in words:
            if not self.accept(word):
                self.fail(f"'{word}'")

    def is_symbol(self, text: str, count: int = 0) -> bool:
        """Say whether a symbol comes next, or `count` words later."""
        token = self.ahead(count)
        return token.kind == "symbol" and token.text == text

    def accept_symbol(self, text: str) -> bool:
        """Take a symbol if it comes next."""
        if self.is_symbol(text):
            self.at += 1
            return True
        return False

    def expect_symbol(self, text: str) -> None:
        """Take a symbol or fail."""
        if not self.accept_symbol(text):
            self.fail(f"'{text}'")

    def is_name(self, count: int = 0) -> bool:
        """Say whether an identifier comes next, or `count` words later."""
        token = self.ahead(count)
        return token.kind == "quoted" or (token.kind == "word" and token.upper not in RESERVED)

    def name(self) -> str:
        """Take an identifier; lower case, since Trino's names have no case."""
        if not self.is_name():
            self.fail("<identifier>")
        self.at += 1
        return self.tokens[self.at - 1].text.lower()

    def names(self) -> tuple[str, ...]:
        """Take identifiers in parentheses."""
        self.expect_symbol("(")
        found = [self.name()]
        while self.accept_symbol(","):
            found.append(self.name())
        self.expect_symbol(")")
        return tuple(found)

    def string(self) -> str:
        """Take a string literal."""
        if self.token.kind not in ("string", "unicode"):
            self.fail("<string>")
        self.at += 1
        return self.tokens[self.at - 1].text

    def whole_number(self) -> int:
        """Take a number without sign or point."""
        if self.token.kind != "integer":
            self.fail("<integer>")
        self.at += 1
        return int(self.tokens[self.at - 1].text)

    def type(self) -> types.TrinoType:
        """Take a type."""
        place = self.place
        kind = self._base_type()
        while self.accept("ARRAY"):
            kind = types.array(kind)
        try:
            kind.to_duckdb()
        except QueryError as error:
            raise QueryError(error.kind, f"{place}: {error.message}") from None
        return kind

    def _base_type(self) -> types.TrinoType:
        place = self.place
        name = self.name()
        numbers: list[int] = []
        elements: list[types.TrinoType] = []
        names: list[str | None] = []
        if name == "double":
            self.accept("PRECISION")
        if name == "interval":
            name = self._interval_name()
        closing = {"(": ")", "<": ">"}.get(self.token.text if self.token.kind == "symbol" else "")
        if closing == ">" and name not in ("array", "map"):
            closing = None
        if closing:
            self.at += 1
            while True:
                if self.token.kind == "integer":
                    numbers.append(self.whole_number())
                else:
                    names.append(self._field_name() if name == "row" else None)
                    elements.append(self.type())
                if not self.accept_symbol(","):
                    break
            self.expect_symbol(closing)
        if name in ("time", "timestamp"):
            if self.accept("WITH", "TIME", "ZONE"):
                name += " with time zone"
            elif self.accept("WITHOUT", "TIME", "ZONE"):
                pass
        try:
            return types.build(name, numbers, elements, names)
        except QueryError as error:
            raise QueryError(error.kind, f"{place}: {error.message}") from None

    def _interval_name(self) -> str:
        start = self.name()
        self.expect("TO")
        return f"interval {start} to {self.name()}"

    def _field_name(self) -> str | None:
        following = self.ahead()
        plain = following.kind == "symbol" and following.text in (",", ")", "(", "<")
        if plain or following.upper in ("WITH", "WITHOUT", "PRECISION") or not self.is_name():
            return None
        return self.name()
