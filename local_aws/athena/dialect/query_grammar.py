"""Trino's grammar of queries: WITH, SELECT, set operations, relations."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import query_nodes as q
from local_aws.athena.dialect.call_grammar import CallGrammar
from local_aws.athena.dialect.lexer import Place
from local_aws.athena.errors import ParseError

# Words that may be names, and yet begin a clause where a relation's alias could stand: the word and what follows it.
CLAUSES = {"LIMIT": ("ALL", "?"), "OFFSET": ("?",), "FETCH": ("FIRST", "NEXT"), "TABLESAMPLE": ("BERNOULLI", "SYSTEM")}


class QueryGrammar(CallGrammar):
    """Whole queries."""

    def statement(self) -> q.Query:
        """Read the whole statement, which must be a query."""
        query = self.query()
        if self.token.kind != "end":
            self.fail("<EOF>")
        return query

    def query(self) -> q.Query:
        """Read a query with its WITH, ORDER BY and LIMIT."""
        place = self.place
        with_ = self._with() if self.is_word("WITH") else None
        body = self._body()
        order = self.order_by()
        offset = limit = None
        ties = False
        if self.accept("OFFSET"):
            offset = self.whole_number()
            self.accept("ROWS") or self.accept("ROW")
        if self.accept("LIMIT"):
            limit = None if self.accept("ALL") else self.whole_number()
        elif self.accept("FETCH"):
            limit, ties = self._fetch()
        return q.Query(place, with_, body, order, offset, limit, ties)

    def _fetch(self) -> tuple[int, bool]:
        if not self.accept("FIRST"):
            self.expect("NEXT")
        limit = self.whole_number() if self.token.kind == "integer" else 1
        if not self.accept("ROWS"):
            self.expect("ROW")
        if self.accept("ONLY"):
            return limit, False
        self.expect("WITH", "TIES")
        return limit, True

    def _with(self) -> q.With:
        place = self.place
        self.expect("WITH")
        recursive = self.accept("RECURSIVE")
        queries = []
        while True:
            name = self.name()
            columns = self.names() if self.is_symbol("(") else ()
            self.expect("AS")
            queries.append((name, columns, self.parenthesised_query()))
            if not self.accept_symbol(","):
                return q.With(place, recursive, tuple(queries))

    def _body(self) -> q.Body:
        left = self._intersection()
        while self.token.upper in ("UNION", "EXCEPT"):
            place, operator = self.place, self.token.upper
            self.at += 1
            left = q.SetOperation(place, operator, self._distinct(), left, self._intersection())
        return left

    def _intersection(self) -> q.Body:
        left = self._body_part()
        while self.is_word("INTERSECT"):
            place = self.place
            self.at += 1
            left = q.SetOperation(place, "INTERSECT", self._distinct(), left, self._body_part())
        return left

    def _distinct(self) -> bool:
        if self.accept("ALL"):
            return False
        self.accept("DISTINCT")
        return True

    def _body_part(self) -> q.Body:
        place = self.place
        if self.is_word("SELECT"):
            return self._select()
        if self.accept("VALUES"):
            return q.Values(place, self.expressions())
        if self.accept("TABLE"):
            return q.Table(place, self._qualified())
        if self.is_symbol("("):
            return self.parenthesised_query()
        self.fail("'(', 'SELECT', 'TABLE', 'VALUES', 'WITH'")

    def _select(self) -> q.Select:
        place = self.place
        self.expect("SELECT")
        distinct = self.accept("DISTINCT")
        if not distinct:
            self.accept("ALL")
        items = [self._item()]
        while self.accept_symbol(","):
            items.append(self._item())
        relation = self._relations() if self.accept("FROM") else None
        where = self.expression() if self.accept("WHERE") else None
        grouping, grouping_distinct = None, False
        if self.is_word("GROUP"):
            self.expect("GROUP", "BY")
            grouping_distinct = self.accept("DISTINCT")
            if not grouping_distinct:
                self._group_all()
            grouping = self._groupings()
        having = self.expression() if self.accept("HAVING") else None
        windows = self._windows()
        return q.Select(place, distinct, tuple(items), relation, where, grouping, grouping_distinct, having, windows)

    def _group_all(self) -> None:
        following = self.ahead()
        if self.accept("ALL") and (following.kind == "end" or following.text in (")", ";")):
            self.fail("<expression>", following)

    def _windows(self) -> tuple[tuple[str, n.Window], ...]:
        if not (self.is_word("WINDOW") and self.is_name(1) and self.ahead(2).upper == "AS"):
            return ()
        self.at += 1
        windows = []
        while True:
            name = self.name()
            self.expect("AS")
            windows.append((name, self.window()))
            if not self.accept_symbol(","):
                return tuple(windows)

    def _item(self) -> q.SelectItem | q.AllColumns:
        place = self.place
        if self.accept_symbol("*"):
            return q.AllColumns(place, None)
        expression = self.expression()
        if self.is_symbol(".") and self.is_symbol("*", 1):
            self.at += 2
            aliases = self.names() if self.accept("AS") else ()
            return q.AllColumns(place, expression, aliases)
        if self.accept("AS"):
            return q.SelectItem(place, expression, self.name())
        return q.SelectItem(place, expression, self.name() if self._is_alias() else None)

    def _is_alias(self) -> bool:
        if not self.is_name():
            return False
        word, following = self.token.upper, self.ahead()
        if word == "WINDOW":
            return not (self.is_name(1) and self.ahead(2).upper == "AS")
        if word in CLAUSES:
            return not (following.kind == "integer" or following.upper in CLAUSES[word] or following.text == "?")
        return True

    def _groupings(self) -> tuple[q.Grouping, ...]:
        found = [self._grouping()]
        while self.accept_symbol(","):
            found.append(self._grouping())
        return tuple(found)

    def _grouping(self) -> q.Grouping:
        place = self.place
        for kind in ("ROLLUP", "CUBE"):
            if self.accept(kind):
                self.expect_symbol("(")
                sets = () if self.is_symbol(")") else self._sets()
                self.expect_symbol(")")
                return q.Grouping(place, kind, sets)
        if self.accept("GROUPING", "SETS"):
            self.expect_symbol("(")
            sets = self._sets()
            self.expect_symbol(")")
            return q.Grouping(place, "SETS", sets)
        return q.Grouping(place, "SIMPLE", (self._set(),))

    def _sets(self) -> tuple[tuple[n.Expression, ...], ...]:
        sets = [self._set()]
        while self.accept_symbol(","):
            sets.append(self._set())
        return tuple(sets)

    def _set(self) -> tuple[n.Expression, ...]:
        if self.is_symbol("(") and self.is_symbol(")", 1):
            self.at += 2
            return ()
        expression = self.expression()
        return expression.items if isinstance(expression, n.RowOf) else (expression,)

    def _relations(self) -> q.Relation:
        relation = self._joined()
        while self.is_symbol(","):
            place = self.place
            self.at += 1
            relation = q.Join(place, "CROSS", relation, self._joined())
        return relation

    def _joined(self) -> q.Relation:
        relation = self._sampled()
        while True:
            place, kind = self.place, self.token.upper
            if kind == "NATURAL":
                self.unsupported("NATURAL JOIN")
            if kind == "CROSS":
                self.expect("CROSS", "JOIN")
                relation = q.Join(place, "CROSS", relation, self._sampled())
                continue
            if kind not in ("JOIN", "INNER", "LEFT", "RIGHT", "FULL"):
                return relation
            if kind != "JOIN":
                self.at += 1
            if kind in ("LEFT", "RIGHT", "FULL"):
                self.accept("OUTER")
            self.expect("JOIN")
            relation = self._criteria(place, "INNER" if kind == "JOIN" else kind, relation, self._joined())

    def _criteria(self, place: Place, kind: str, left: q.Relation, right: q.Relation) -> q.Relation:
        if self.accept("ON"):
            return q.Join(place, kind, left, right, self.expression())
        self.expect("USING")
        self.expect_symbol("(")
        names = [n.Name(self.place, self.name())]
        while self.accept_symbol(","):
            names.append(n.Name(self.place, self.name()))
        self.expect_symbol(")")
        return q.Join(place, kind, left, right, using=tuple(names))

    def _sampled(self) -> q.Relation:
        relation = self._aliased()
        place = self.place
        if self.is_word("TABLESAMPLE"):
            method = self.ahead().upper
            if method not in ("BERNOULLI", "SYSTEM"):
                self.fail("'BERNOULLI', 'SYSTEM'", self.ahead())
            self.at += 2
            self.expect_symbol("(")
            percentage = self.expression()
            self.expect_symbol(")")
            relation = q.Sample(place, relation, method, percentage)
        return relation

    def _aliased(self) -> q.Relation:
        place, relation = self.place, self._primary_relation()
        if self.is_word("MATCH_RECOGNIZE") and self.is_symbol("(", 1):
            self.unsupported("MATCH_RECOGNIZE")
        if self.is_word("FOR"):
            self.unsupported("FOR TIMESTAMP or VERSION AS OF")
        if not self.accept("AS") and not self._is_alias():
            return relation
        alias = self.name()
        return q.Aliased(place, relation, alias, self.names() if self.is_symbol("(") else ())

    def _primary_relation(self) -> q.Relation:
        place = self.place
        if self.accept("LATERAL"):
            return q.QueryRelation(place, self.parenthesised_query(), lateral=True)
        if self.accept("UNNEST"):
            self.expect_symbol("(")
            expressions = self.expressions()
            self.expect_symbol(")")
            return q.Unnest(place, expressions, self.accept("WITH", "ORDINALITY"))
        if self.is_word("TABLE") and self.is_symbol("(", 1):
            self.unsupported("a table function")
        if self.is_symbol("("):
            return self._parenthesised_relation(place)
        return q.Table(place, self._qualified())

    def _parenthesised_relation(self, place: Place) -> q.Relation:
        mark = self.at
        if self.starts_query():
            try:
                return q.QueryRelation(place, self.parenthesised_query())
            except ParseError:
                if not self.is_symbol_at(mark + 1, "("):
                    raise
                self.at = mark
        self.expect_symbol("(")
        relation = self._joined()
        self.expect_symbol(")")
        return relation

    def _qualified(self) -> tuple[str, ...]:
        parts = [self.name()]
        while self.accept_symbol("."):
            parts.append(self.name())
        return tuple(parts)


def parse(sql: str) -> q.Query:
    """Parse one query; ParseError with the place if it is none."""
    return QueryGrammar(sql).statement()
