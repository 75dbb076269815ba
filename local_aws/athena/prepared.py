"""Prepared statements, and values put in place of a statement's question marks."""

import re
import time
from dataclasses import dataclass
from typing import Any

from local_aws.athena.errors import QueryError
from local_aws.athena.words import TRINO_WORDS
from local_aws.store import Store

KIND = "athena_prepared_statement"
LITERAL = re.compile(
    r"""[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?
    |'([^']|'')*'
    |(true|false|null)
    |(date|timestamp|time|decimal|real|double|bigint|varchar|char|x)\s*'([^']|'')*'""",
    re.VERBOSE | re.IGNORECASE,
)
Json = dict[str, Any]


@dataclass(frozen=True)
class PreparedStatements:
    """The prepared statements of every workgroup."""

    store: Store

    def find(self, workgroup: str, name: str) -> Json | None:
        """Return a PreparedStatement in the API's shape, or None."""
        return self.store.get(KIND, _key(workgroup, name))

    def statement(self, workgroup: str, name: str) -> str:
        """Return the text of a statement that must exist."""
        found = self.find(workgroup, name)
        if found is None:
            raise QueryError("NOT_FOUND", f"Prepared statement not found: {name}")
        return str(found["QueryStatement"])

    def put(self, workgroup: str, name: str, sql: str, description: str | None = None) -> None:
        """Write a statement, also over an old one."""
        document: Json = {"StatementName": name, "QueryStatement": sql, "WorkGroupName": workgroup}
        document |= {"LastModifiedTime": time.time()} | ({"Description": description} if description else {})
        self.store.put(KIND, _key(workgroup, name), document)

    def delete(self, workgroup: str, name: str) -> None:
        """Delete a statement that must exist."""
        if not self.store.delete(KIND, _key(workgroup, name)):
            raise QueryError("NOT_FOUND", f"Prepared statement not found: {name}")

    def list(self, workgroup: str) -> list[Json]:
        """Return the statements of a workgroup, by name."""
        return [document for _, document in self.store.list(KIND, _key(workgroup, ""))]

    def delete_all(self, workgroup: str) -> None:
        """Delete every statement of a workgroup."""
        self.store.delete_prefix(KIND, _key(workgroup, ""))


def _key(workgroup: str, name: str) -> str:
    return f"{workgroup}\x1f{name}"


def with_values(sql: str, values: list[str]) -> str:
    """Put values in place of the question marks of a statement, outside of strings, names and comments.

    A value that is no literal stands for the string that it spells, as Athena takes it; so a value is never SQL.
    """
    given = iter(values)
    parts = []
    for found in TRINO_WORDS.finditer(sql):
        text = found.group()
        if found.lastgroup == "symbol" and text == "?":
            value = next(given, None)
            if value is None:
                raise _wrong_number(sql, values)
            text = as_literal(value)
        parts.append(text)
    if next(given, None) is not None:
        raise _wrong_number(sql, values)
    return "".join(parts)


def as_literal(value: str) -> str:
    """Return a value as a literal: itself where it is one, else a string of it."""
    if LITERAL.fullmatch(value.strip()):
        return value.strip()
    return "'" + value.replace("'", "''") + "'"


def check_literals(values: list[str]) -> list[str]:
    """Return the values of EXECUTE ... USING, each of which must be a literal."""
    for value in values:
        if not LITERAL.fullmatch(value.strip()):
            raise QueryError("NOT_SUPPORTED", f"USING {value}: only literals are supported by the local Athena")
    return values


def _wrong_number(sql: str, values: list[str]) -> QueryError:
    expected = sum(1 for found in TRINO_WORDS.finditer(sql) if found.lastgroup == "symbol" and found.group() == "?")
    message = f"line 1:1: Incorrect number of parameters: expected {expected} but found {len(values)}"
    return QueryError("INVALID_PARAMETER_USAGE", message)
