"""Trino's grammar of expressions: operators in their order, predicates, literals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect.lexer import Place, Token
from local_aws.athena.dialect.reader import Reader
from local_aws.athena.errors import ParseError, QueryError

COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")
LITERAL_KINDS = {"integer": "integer", "decimal": "decimal", "double": "double", "string": "string",
                 "unicode": "string", "binary": "binary"}  # fmt: skip
INTERVAL_UNITS = ("year", "month", "day", "hour", "minute", "second")


class ExpressionGrammar(Reader):
    """Expressions down to the operands; calls and special forms follow in the next room."""

    if TYPE_CHECKING:

        def query(self) -> q.Query: ...

        def primary(self) -> n.Expression: ...

    def expression(self) -> n.Expression:
        """Read any expression."""
        return self._disjunction()

    def expressions(self) -> tuple[n.Expression, ...]:
        """Read expressions between commas."""
        found = [self.expression()]
        while self.accept_symbol(","):
            found.append(self.expression())
        return tuple(found)

    def _disjunction(self) -> n.Expression:
        place, terms = self.place, [self._conjunction()]
        while self.accept("OR"):
            terms.append(self._conjunction())
        return n.Logical(place, "OR", tuple(terms)) if len(terms) > 1 else terms[0]

    def _conjunction(self) -> n.Expression:
        place, terms = self.place, [self._negation()]
        while self.accept("AND"):
            terms.append(self._negation())
        return n.Logical(place, "AND", tuple(terms)) if len(terms) > 1 else terms[0]

    def _negation(self) -> n.Expression:
        place = self.place
        if self.accept("NOT"):
            return n.Not(place, self._negation())
        return self._predicate(self.value())

    def _predicate(self, left: n.Expression) -> n.Expression:
        place, operator = self.place, self.token.text
        if self.token.kind == "symbol" and operator in COMPARISONS:
            self.at += 1
            return self._comparison(place, "<>" if operator == "!=" else operator, left)
        if self.accept("IS"):
            return self._is(place, left)
        negated = self.is_word("NOT") and self.ahead().upper in ("IN", "LIKE", "BETWEEN")
        if negated:
            self.at += 1
        found: n.Expression | None = None
        if self.accept("BETWEEN"):
            low = self.value()
            self.expect("AND")
            found = n.Between(place, left, low, self.value())
        elif self.accept("IN"):
            found = self._in(place, left)
        elif self.accept("LIKE"):
            pattern = self.value()
            found = n.Like(place, left, pattern, self.value() if self.accept("ESCAPE") else None)
        if found is None:
            return left
        return n.Not(place, found) if negated else found

    def _comparison(self, place: Place, operator: str, left: n.Expression) -> n.Expression:
        if self.token.upper in ("ALL", "ANY", "SOME") and self.is_symbol("(", 1):
            quantifier = "ALL" if self.token.upper == "ALL" else "ANY"
            self.at += 2
            query = self.query()
            self.expect_symbol(")")
            return n.Quantified(place, operator, quantifier, left, query)
        return n.Comparison(place, operator, left, self.value())

    def _is(self, place: Place, left: n.Expression) -> n.Expression:
        negated = self.accept("NOT")
        if self.accept("NULL"):
            found: n.Expression = n.IsNull(place, left)
            return n.Not(place, found) if negated else found
        self.expect("DISTINCT", "FROM")
        return n.Comparison(place, "IS NOT DISTINCT FROM" if negated else "IS DISTINCT FROM", left, self.value())

    def _in(self, place: Place, left: n.Expression) -> n.Expression:
        self.expect_symbol("(")
        if self.starts_query():
            mark = self.at
            try:
                query = self.query()
                self.expect_symbol(")")
                return n.InQuery(place, left, query)
            except ParseError:
                if not self.tokens[mark].text == "(":
                    raise
                self.at = mark
        options = self.expressions()
        self.expect_symbol(")")
        return n.InList(place, left, options)

    def starts_query(self) -> bool:
        """Say whether a query may begin here, perhaps behind parentheses."""
        count = 0
        while self.is_symbol("(", count):
            count += 1
        return self.ahead(count).upper in ("SELECT", "WITH", "VALUES", "TABLE")

    def value(self) -> n.Expression:
        """Read an operand of a predicate: everything that binds closer than comparisons."""
        return self._chain(self._sum, ("||",))

    def _sum(self) -> n.Expression:
        return self._chain(self._product, ("+", "-"))

    def _product(self) -> n.Expression:
        return self._chain(self._sign, ("*", "/", "%"))

    def _chain(self, operand, operators: tuple[str, ...]) -> n.Expression:  # type: ignore[no-untyped-def]
        left: n.Expression = operand()
        while self.token.kind == "symbol" and self.token.text in operators:
            place, operator = self.place, self.token.text
            self.at += 1
            left = n.Arithmetic(place, operator, left, operand())
        return left

    def _sign(self) -> n.Expression:
        place, operator = self.place, self.token.text
        if self.token.kind == "symbol" and operator in ("-", "+"):
            self.at += 1
            if operator == "-" and self.token.kind in ("integer", "decimal", "double"):
                number = n.Literal(place, self.token.kind, "-" + self.token.text)
                self.at += 1
                return self._postfix(number)
            return n.Unary(place, operator, self._sign())
        return self._zoned()

    def _zoned(self) -> n.Expression:
        operand = self._postfix(self.primary())
        while self.is_word("AT", "TIME", "ZONE"):
            place = self.place
            self.at += 3
            if self.is_word("INTERVAL"):
                self.unsupported("a time zone that is an interval")
            zone = n.Literal(self.place, "string", self.string())
            operand = n.AtTimeZone(place, operand, zone)
        return operand

    def _postfix(self, base: n.Expression) -> n.Expression:
        while True:
            place = self.place
            if self.accept_symbol("["):
                index = self.value()
                self.expect_symbol("]")
                base = n.Subscript(place, base, index)
            elif self.is_symbol(".") and not self.is_symbol("*", 1):
                self.at += 1
                base = n.Field(place if not isinstance(base, n.Name | n.Field) else base.place, base, self.name())
            else:
                return base

    def literal(self) -> n.Expression | None:
        """Read a literal if one comes next."""
        token = self.token
        if token.kind in LITERAL_KINDS:
            self.at += 1
            if token.kind == "unicode" and self.is_word("UESCAPE"):
                self.unsupported("UESCAPE")
            return n.Literal(token.place, LITERAL_KINDS[token.kind], token.text)
        if token.upper in ("NULL", "TRUE", "FALSE"):
            self.at += 1
            kind = "null" if token.upper == "NULL" else "boolean"
            return n.Literal(token.place, kind, token.text.lower())
        if token.upper == "INTERVAL" and (self.ahead().kind == "string" or self.ahead().text in ("-", "+")):
            self.at += 1
            return self._interval(token.place)
        if token.kind in ("word", "quoted") and self.is_name() and self.ahead().kind in ("string", "unicode"):
            self.at += 1
            return self._typed(token)
        if token.upper == "DOUBLE" and self.ahead().upper == "PRECISION" and self.ahead(2).kind == "string":
            self.at += 2
            return self._typed(token)
        return None

    def _typed(self, token: Token) -> n.Expression:
        if token.kind == "quoted":
            raise QueryError("TYPE_MISMATCH", f"{token.place}: Unknown type: {token.text}")
        return n.TypedLiteral(token.place, token.text.lower(), self.string())

    def _interval(self, place: Place) -> n.Expression:
        sign = -1 if self.accept_symbol("-") else 1
        if sign == 1:
            self.accept_symbol("+")
        text = self.string()
        start = self._unit()
        return n.IntervalLiteral(place, sign, text, start, self._unit() if self.accept("TO") else None)

    def _unit(self) -> str:
        unit = self.token.text.lower()
        if unit not in INTERVAL_UNITS:
            self.fail("'DAY', 'HOUR', 'MINUTE', 'MONTH', 'SECOND', 'YEAR'")
        self.at += 1
        return unit
