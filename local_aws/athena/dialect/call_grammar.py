"""Trino's grammar of operands: names, calls with their clauses, special forms, constructors."""

from __future__ import annotations

from dataclasses import replace

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect.expression_grammar import ExpressionGrammar
from local_aws.athena.dialect.lexer import RESERVED, Place
from local_aws.athena.errors import ParseError

CURRENT = ("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_USER",
           "CURRENT_CATALOG", "CURRENT_SCHEMA", "CURRENT_PATH")  # fmt: skip
RESERVED_CALLS = ("GROUPING", "NORMALIZE", "TRIM", "EXTRACT", "CAST", "LISTAGG", "JSON_VALUE", "JSON_QUERY",
                  "JSON_EXISTS", "JSON_ARRAY", "JSON_OBJECT", "JSON_TABLE")  # fmt: skip


class CallGrammar(ExpressionGrammar):
    """Operands of expressions."""

    def primary(self) -> n.Expression:
        """Read an operand, without what may follow it in brackets or behind a point."""
        place, word = self.place, self.token.upper
        found = self.literal()
        if found is not None:
            return found
        if self.is_symbol("("):
            return self._parenthesis(place)
        if word == "CASE":
            return self._case(place)
        if word in ("CAST", "TRY_CAST") and self.is_symbol("(", 1):
            return self._cast(place, word == "TRY_CAST")
        if word == "EXISTS":
            self.at += 1
            return n.Exists(place, self.parenthesised_query())
        if word == "ARRAY" and self.is_symbol("[", 1):
            return self._array(place)
        if word in CURRENT:
            self.at += 1
            return n.Call(place, word.lower(), self._precision())
        if self.is_name() and self.is_symbol("->", 1):
            parameter = self.name()
            self.at += 1
            return n.Lambda(place, (parameter,), self.expression())
        if (self.is_name() or word in RESERVED_CALLS) and self.is_symbol("(", 1):
            return self.call(place)
        if self.token.text == "?" and self.token.kind == "symbol":
            raise ParseError(f"{place}: Incorrect number of parameters: a value for each ? must be given")
        if self.is_name():
            quoted = self.token.kind == "quoted"
            return n.Name(place, self.name(), quoted)
        self.fail("<expression>")

    def parenthesised_query(self) -> q.Query:
        """Read a query in its parentheses."""
        self.expect_symbol("(")
        query = self.query()
        self.expect_symbol(")")
        return query

    def _precision(self) -> tuple[n.Expression, ...]:
        if not self.accept_symbol("("):
            return ()
        found = n.Literal(self.place, "integer", str(self.whole_number()))
        self.expect_symbol(")")
        return (found,)

    def _parenthesis(self, place: Place) -> n.Expression:
        parameters = self._lambda_parameters()
        if parameters is not None:
            return n.Lambda(place, parameters, self.expression())
        mark = self.at
        if self.starts_query():
            try:
                return n.Subquery(place, self.parenthesised_query())
            except ParseError:
                if not self.is_symbol_at(mark + 1, "("):
                    raise
                self.at = mark
        self.expect_symbol("(")
        items = self.expressions()
        self.expect_symbol(")")
        return n.RowOf(place, items) if len(items) > 1 else items[0]

    def is_symbol_at(self, at: int, text: str) -> bool:
        """Say whether a given word of the statement is this symbol."""
        return self.tokens[at].kind == "symbol" and self.tokens[at].text == text

    def _lambda_parameters(self) -> tuple[str, ...] | None:
        count, found = 1, []
        while self.is_name(count):
            found.append(self.ahead(count).text.lower())
            count += 1
            if not self.is_symbol(",", count):
                break
            count += 1
        if not (self.is_symbol(")", count) and self.is_symbol("->", count + 1)):
            return None
        self.at += count + 2
        return tuple(found)

    def _case(self, place: Place) -> n.Expression:
        self.expect("CASE")
        operand = None if self.is_word("WHEN") else self.expression()
        branches: list[tuple[n.Expression, n.Expression]] = []
        while self.accept("WHEN"):
            condition = self.expression()
            self.expect("THEN")
            branches.append((condition, self.expression()))
        if not branches:
            self.fail("'WHEN'")
        otherwise = self.expression() if self.accept("ELSE") else None
        self.expect("END")
        return n.Case(place, operand, tuple(branches), otherwise)

    def _cast(self, place: Place, safe: bool) -> n.Expression:
        self.at += 2
        operand = self.expression()
        self.expect("AS")
        target = self.type()
        self.expect_symbol(")")
        return n.Cast(place, operand, target, safe)

    def _array(self, place: Place) -> n.Expression:
        self.at += 2
        items = () if self.is_symbol("]") else self.expressions()
        self.expect_symbol("]")
        return n.ArrayOf(place, items)

    def call(self, place: Place) -> n.Expression:
        """Read a call, whose name comes next."""
        word, name = self.token.upper, self.token.text.lower()
        special = {"EXTRACT": self._extract, "TRIM": self._trim, "POSITION": self._position, "LISTAGG": self._listagg,
                   "SUBSTRING": self._substring, "NORMALIZE": self._normalize}.get(word)  # fmt: skip
        self.at += 2
        if word in RESERVED and word in ("JSON_ARRAY", "JSON_OBJECT", "JSON_TABLE"):
            self.unsupported(name, place)
        if special:
            return special(place)
        if word == "ROW":
            items = self.expressions()
            self.expect_symbol(")")
            return n.RowOf(place, items)
        star = self.accept_symbol("*")
        distinct = not star and self.accept("DISTINCT")
        if not star and not distinct:
            self.accept("ALL")
        args = () if star or self.is_symbol(")") or self.is_word("ORDER") else self.expressions()
        order = self.order_by()
        if not self.is_symbol(")") and word.startswith("JSON_"):
            self.unsupported(f"{name} with clauses", place)
        self.expect_symbol(")")
        return self._clauses(n.Call(place, name, args, star, distinct, order))

    def _clauses(self, call: n.Call) -> n.Expression:
        if self.is_word("WITHIN"):
            self.unsupported("WITHIN GROUP")
        if self.accept("FILTER"):
            self.expect_symbol("(")
            self.expect("WHERE")
            call = replace(call, filter=self.expression())
            self.expect_symbol(")")
        if self.is_word("IGNORE", "NULLS") or self.is_word("RESPECT", "NULLS"):
            call = replace(call, ignore_nulls=self.is_word("IGNORE"))
            self.at += 2
        if self.accept("OVER"):
            if self.is_symbol("("):
                call = replace(call, window=self.window())
            else:
                place = self.place
                call = replace(call, window=n.Window(place, self.name(), (), (), None))
        return call

    def _extract(self, place: Place) -> n.Expression:
        part = self.name()
        self.expect("FROM")
        operand = self.value()
        self.expect_symbol(")")
        return n.Extract(place, part, operand)

    def _trim(self, place: Place) -> n.Expression:
        side = self.token.upper if self.token.upper in ("LEADING", "TRAILING", "BOTH") else ""
        if side:
            self.at += 1
        characters: n.Expression | None = None
        if not self.is_word("FROM"):
            characters = self.value()
        if side or self.is_word("FROM"):
            self.expect("FROM")
            args: tuple[n.Expression, ...] = (self.value(),)
            args = (*args, characters) if characters else args
        elif characters is not None and self.accept_symbol(","):
            args = (characters, self.value())
        else:
            args = (characters,) if characters is not None else ()
        self.expect_symbol(")")
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side, "trim")
        return n.Call(place, name, args)

    def _position(self, place: Place) -> n.Expression:
        part = self.value()
        self.expect("IN")
        whole = self.value()
        self.expect_symbol(")")
        return n.Call(place, "strpos", (whole, part))

    def _substring(self, place: Place) -> n.Expression:
        args = [self.expression()]
        if self.accept("FROM"):
            args.append(self.value())
            if self.accept("FOR"):
                args.append(self.value())
        else:
            while self.accept_symbol(","):
                args.append(self.expression())
        self.expect_symbol(")")
        return n.Call(place, "substr", tuple(args))

    def _normalize(self, place: Place) -> n.Expression:
        operand = self.value()
        form = "NFC"
        if self.accept_symbol(","):
            form = self.token.upper
            if form not in ("NFC", "NFD", "NFKC", "NFKD"):
                self.fail("'NFC', 'NFD', 'NFKC', 'NFKD'")
            self.at += 1
        self.expect_symbol(")")
        return n.Call(place, "normalize", (operand,), option=form)

    def _listagg(self, place: Place) -> n.Expression:
        distinct = self.accept("DISTINCT")
        args = self.expressions()
        if self.accept("ON", "OVERFLOW") and not self.accept("ERROR"):
            self.unsupported("LISTAGG with TRUNCATE", place)
        self.expect_symbol(")")
        self.expect("WITHIN", "GROUP")
        self.expect_symbol("(")
        order = self.order_by()
        if not order:
            self.fail("'ORDER'")
        self.expect_symbol(")")
        return self._clauses(n.Call(place, "listagg", args, distinct=distinct, order=order))

    def order_by(self) -> tuple[n.SortItem, ...]:
        """Read an ORDER BY clause if one comes next."""
        if not self.is_word("ORDER"):
            return ()
        self.expect("ORDER", "BY")
        items = [self._sort_item()]
        while self.accept_symbol(","):
            items.append(self._sort_item())
        return tuple(items)

    def _sort_item(self) -> n.SortItem:
        place, expression = self.place, self.expression()
        descending = self.accept("DESC")
        if not descending:
            self.accept("ASC")
        nulls_first = False
        if self.accept("NULLS"):
            nulls_first = self.accept("FIRST")
            if not nulls_first:
                self.expect("LAST")
        return n.SortItem(place, expression, descending, nulls_first)

    def window(self) -> n.Window:
        """Read a window's definition in its parentheses."""
        place = self.place
        self.expect_symbol("(")
        reference = None
        if self.is_name() and self.token.upper not in ("PARTITION", "ROWS", "RANGE", "GROUPS"):
            reference = self.name()
        partition: tuple[n.Expression, ...] = ()
        if self.accept("PARTITION", "BY"):
            partition = self.expressions()
        order = self.order_by()
        frame = self._frame() if self.token.upper in ("ROWS", "RANGE", "GROUPS") else None
        self.expect_symbol(")")
        return n.Window(place, reference, partition, order, frame)

    def _frame(self) -> n.Frame:
        place, unit = self.place, self.token.upper
        self.at += 1
        if not self.accept("BETWEEN"):
            return n.Frame(place, unit, self._bound(), None)
        start = self._bound()
        self.expect("AND")
        return n.Frame(place, unit, start, self._bound())

    def _bound(self) -> tuple[str, n.Expression | None]:
        for words in (("UNBOUNDED", "PRECEDING"), ("UNBOUNDED", "FOLLOWING"), ("CURRENT", "ROW")):
            if self.accept(*words):
                return " ".join(words), None
        distance = self.expression()
        if self.accept("PRECEDING"):
            return "PRECEDING", distance
        self.expect("FOLLOWING")
        return "FOLLOWING", distance
