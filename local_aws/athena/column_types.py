"""Types of the catalog's columns, and which stored types can be read as them without loss."""

import re
from collections.abc import Iterable
from functools import lru_cache

from local_aws.athena.dialect.types import UNBOUNDED, TrinoType
from local_aws.athena.errors import QueryError

INTEGERS = ("tinyint", "smallint", "integer", "bigint")
COLUMN_TYPES = frozenset(
    [*INTEGERS, "boolean", "real", "double", "decimal", "varchar", "varbinary", "date", "timestamp"]
)
NESTED_TYPES = frozenset(["array", "map", "row"])


@lru_cache(maxsize=4096)
def column_type(text: str) -> TrinoType:
    """Read the type of a column as the catalog spells it; one that is not stored faithfully here is NOT_SUPPORTED."""
    try:
        type_ = TrinoType.from_hive(text)
    except QueryError as error:
        raise QueryError("NOT_SUPPORTED", f"Column type {text!r} is not supported by the local engine") from error
    _check(type_, text)
    return type_


def _check(type_: TrinoType, text: str) -> None:
    if type_.name not in COLUMN_TYPES | NESTED_TYPES:
        raise QueryError("NOT_SUPPORTED", f"Column type {text!r} is not supported by the local engine")
    for element in type_.elements:
        _check(element, text)


def is_bounded(type_: TrinoType) -> bool:
    """Tell whether a varchar has a length that cuts longer text."""
    return type_.name == "varchar" and bool(type_.numbers) and type_.precision != UNBOUNDED


def readable_as(stored: TrinoType, wanted: TrinoType) -> bool:
    """Tell whether every value of the stored type is one of the wanted type: equal, or widened without loss."""
    if stored.elements or wanted.elements:
        same = (stored.name, stored.names, len(stored.elements)) == (wanted.name, wanted.names, len(wanted.elements))
        return same and all(map(readable_as, stored.elements, wanted.elements))
    if stored.name in INTEGERS and wanted.name in INTEGERS:
        return INTEGERS.index(stored.name) <= INTEGERS.index(wanted.name)
    if stored.name == wanted.name == "decimal":
        whole, wider = stored.precision - stored.scale, wanted.precision - wanted.scale
        return stored.scale <= wanted.scale and whole <= wider
    if stored.name == wanted.name == "varchar":
        return not is_bounded(wanted) or (is_bounded(stored) and stored.precision <= wanted.precision)
    return stored == wanted or (stored.name, wanted.name) == ("real", "double")


def quoted(name: str) -> str:
    """Quote an identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def file_pattern(path: str) -> str:
    """Return what DuckDB, which takes the name of a file for a pattern, reads as this file alone."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def path_list(paths: Iterable[str]) -> str:
    """Return a list of paths for DuckDB."""
    return "[" + ", ".join(map(literal, paths)) + "]"
