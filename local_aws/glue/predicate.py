"""The Expression of GetPartitions: a condition on a table's partition keys.

The grammar is the one that the Glue API reference gives for GetPartitions: `=`, `<>`, `!=`, `<`, `>`, `<=`, `>=`,
AND, OR, NOT, IN, BETWEEN, LIKE and parentheses, on keys of type string, date, timestamp, int, bigint, long, tinyint,
smallint and decimal. Conditions are those of SQL: a key without a value (Hive's default partition) satisfies neither
a condition nor its NOT.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from local_aws.errors import ServiceError

Truth = bool | None
Values = Sequence[str]
Condition = Callable[[Values], Truth]

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
LONGEST = 2048  # the API's own limit
DEEPEST = 50

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>"[^"]+"|`[^`]+`)|(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))
    |(?P<word>[A-Za-z_]\w*)|(?P<sign><>|!=|<=|>=|[=<>(),]))""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}
_MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_KEYWORDS = frozenset({"and", "or", "not", "in", "between", "like"})
_END = ("end", "")


def compile_predicate(expression: str, keys: Sequence[dict[str, Any]]) -> Callable[[Values], bool]:
    """Return whether partition values satisfy `expression`; `keys` are the table's PartitionKeys.

    An empty expression takes every partition. Raises ServiceError (InvalidInputException), here for a wrong
    expression, and when called for a value that is not of its key's type.
    """
    if not expression.strip():
        return lambda values: True
    condition = _Parser(expression, keys).parse()
    return lambda values: condition(values) is True


@dataclass(frozen=True)
class _Column:
    """A partition key: where its value stands, and how texts become comparable values of its type."""

    name: str
    position: int
    read: Callable[[str], Any]
    is_text: bool

    def value(self, values: Values) -> Any:
        text = values[self.position]
        return None if text == HIVE_NULL else self.read(text)


@dataclass(frozen=True)
class _Literal:
    text: str
    is_number: bool


class _Parser:
    """A parser by recursive descent: or, and, not, then one condition."""

    def __init__(self, expression: str, keys: Sequence[dict[str, Any]]) -> None:
        if len(expression) > LONGEST:
            raise _wrong(f"it is longer than {LONGEST} characters")
        self._tokens = _tokenize(expression)
        self._keys = {key["Name"].lower(): (position, key) for position, key in enumerate(keys)}
        self._depth = 0

    def parse(self) -> Condition:
        condition = self._any()
        if self._tokens[0] != _END:
            raise _wrong(f"{self._tokens[0][1]!r} was not expected")
        return condition

    def _any(self) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _wrong(f"it nests more than {DEEPEST} deep")
        parts = [self._all()]
        while self._take("word", "or"):
            parts.append(self._all())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else lambda values: _or(part(values) for part in parts)

    def _all(self) -> Condition:
        parts = [self._negatable()]
        while self._take("word", "and"):
            parts.append(self._negatable())
        return parts[0] if len(parts) == 1 else lambda values: _not(_or(_not(part(values)) for part in parts))

    def _negatable(self) -> Condition:
        negations = 0
        while self._take("word", "not"):
            negations += 1
        if self._take("sign", "("):
            condition = self._any()
            self._expect("sign", ")")
        else:
            condition = self._one()
        return _negate(condition) if negations % 2 else condition

    def _one(self) -> Condition:
        left = self._operand()
        if isinstance(left, _Literal):
            sign = self._sign()
            return _comparison(self._column(self._operand()), _MIRROR.get(sign, sign), left)
        negated = self._take("word", "not")
        if self._take("word", "in"):
            condition = self._in(left)
        elif self._take("word", "between"):
            low = self._literal()
            self._expect("word", "and")
            condition = _between(left, low, self._literal())
        elif self._take("word", "like"):
            condition = _like(left, self._literal())
        elif negated:
            raise _wrong("NOT after a column goes with IN, BETWEEN or LIKE")
        else:
            return _comparison(left, self._sign(), self._literal())
        return _negate(condition) if negated else condition

    def _in(self, column: _Column) -> Condition:
        self._expect("sign", "(")
        parts = [_comparison(column, "=", self._literal())]
        while self._take("sign", ","):
            parts.append(_comparison(column, "=", self._literal()))
        self._expect("sign", ")")
        return lambda values: _or(part(values) for part in parts)

    def _operand(self) -> "_Column | _Literal":
        kind, text = self._tokens.pop(0) if self._tokens[0] != _END else _END
        if kind == "text":
            return _Literal(text[1:-1].replace("''", "'"), False)
        if kind == "number":
            return _Literal(text, True)
        name = text.strip('"`').lower()
        if kind == "quoted" or (kind == "word" and name not in _KEYWORDS):
            if name not in self._keys:
                raise _wrong(f"{name!r} is no partition key; the keys are {', '.join(self._keys) or 'none'}")
            position, key = self._keys[name]
            return _column(position, key)
        raise _wrong(f"a column or value was expected, not {text!r}" if text else "it ends too early")

    def _column(self, operand: "_Column | _Literal") -> _Column:
        if isinstance(operand, _Literal):
            raise _wrong("it compares two values: name a partition key on one side")
        return operand

    def _literal(self) -> _Literal:
        operand = self._operand()
        if isinstance(operand, _Column):
            raise _wrong("it compares two columns: give a value on one side")
        return operand

    def _sign(self) -> str:
        kind, text = self._tokens[0]
        if kind != "sign" or text not in _COMPARE:
            raise _wrong(f"a comparison was expected, not {text!r}" if text else "it ends too early")
        self._tokens.pop(0)
        return text

    def _take(self, kind: str, text: str) -> bool:
        if self._tokens[0][0] == kind and self._tokens[0][1].lower() == text:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise _wrong(f"{text.upper()} was expected before {self._tokens[0][1]!r}")


def _tokenize(expression: str) -> list[tuple[str, str]]:
    tokens, position, text = [], 0, expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _wrong(f"{text[position:].strip()[:20]!r} cannot be read")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        position = match.end()
    return [*tokens, _END]


def _column(position: int, key: dict[str, Any]) -> _Column:
    name, kind = key["Name"], re.split(r"[(\s]", key.get("Type", "string").strip().lower())[0]
    if kind not in _READERS:
        raise _wrong(f"{name!r} is of type {kind}, which no expression may use")
    reader = _READERS[kind]

    def read(text: str) -> Any:
        try:
            return reader(text)
        except ValueError:
            raise _wrong(f"{text!r} is no {kind}, the type of {name!r}") from None

    return _Column(name, position, read, reader is str)


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(text)
    return Decimal(text.strip())


_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("string", "char", "varchar"), str),
    **dict.fromkeys(("int", "integer", "bigint", "long", "tinyint", "smallint", "decimal"), _number),
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


def _comparison(column: _Column, sign: str, literal: _Literal) -> Condition:
    right, compare = _of_type(column, literal), _COMPARE[sign]

    def condition(values: Values) -> Truth:
        left = column.value(values)
        return None if left is None else compare(left, right)

    return condition


def _between(column: _Column, low: _Literal, high: _Literal) -> Condition:
    above, below = _comparison(column, ">=", low), _comparison(column, "<=", high)
    return lambda values: _not(_or(_not(part(values)) for part in (above, below)))


def _like(column: _Column, literal: _Literal) -> Condition:
    if not column.is_text or literal.is_number:
        raise _wrong(f"LIKE takes a string column and a quoted pattern, {column.name!r} is none")
    parts = {"%": ".*", "_": "."}
    pattern = re.compile("".join(parts.get(letter, re.escape(letter)) for letter in literal.text), re.DOTALL)

    def condition(values: Values) -> Truth:
        text = column.value(values)
        return None if text is None else pattern.fullmatch(text) is not None

    return condition


def _of_type(column: _Column, literal: _Literal) -> Any:
    """Return the literal as a value of the column's type."""
    if column.is_text and literal.is_number:
        # As texts '10' < '9', and '01' is not '1': what was meant cannot be known.
        raise _wrong(f"{column.name!r} is a string: quote the value {literal.text}")
    return column.read(literal.text)


def _or(truths: Any) -> Truth:
    unknown = False
    for truth in truths:
        if truth:
            return True
        unknown = unknown or truth is None
    return None if unknown else False


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _negate(condition: Condition) -> Condition:
    return lambda values: _not(condition(values))


def _wrong(reason: str) -> ServiceError:
    return ServiceError("InvalidInputException", f"The partition expression is wrong: {reason}.")
