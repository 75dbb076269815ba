"""Compare what Athena holds with what arrived in PostgreSQL: the same figures, computed once by each.

Whole numbers, decimals, dates and timestamps are summed exactly. Doubles are compared by their finite values: minimum
and maximum to the last digit, sums within what the order of adding changes. Texts are compared by code point. With
`full` each cell's MD5 goes into a sum, so that one changed cell changes it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg2 import sql

from helpers.errors import LoadError
from helpers.load_postgres_types import VersionColumn, split_type

_SHOWN = 60
_SUM_TOLERANCE = 1e-9
# Sums of more digits could overflow Athena's decimal(38).
_SUMMED_DIGITS = 28
_MODERATE = "1e290"


@dataclass(frozen=True)
class Figure:
    """One figure of a column: its name, how each side computes it as text ({c} is the column), how it is compared."""

    name: str
    athena: str
    postgres: str
    compare: str = "exact"


@dataclass(frozen=True)
class Check:
    """One figure as both sides have it."""

    relation: str
    column: str
    figure: str
    athena: str | None
    postgres: str | None
    agrees: bool

    def as_row(self) -> list[Any]:
        """Return it as a line of a table, long texts cut."""
        return [self.relation, self.column, self.figure, _cut(self.athena), _cut(self.postgres), self.agrees]


def _cut(value: str | None) -> str | None:
    return value if value is None or len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"


_ROWS = Figure("rows", "count(*)", "count(*)")
_COUNT = Figure("not null", "count({c})", "count({c})")
_MD5 = "sum(CAST(from_base(substr(lower(to_hex(md5({bytes}))), 1, 15), 16) AS decimal(38,0)))"
_PG_MD5 = "sum(('x' || substr(md5({text}), 1, 15))::bit(60)::bigint::numeric)"


def list_figures(column: VersionColumn, full: bool = False) -> list[Figure]:
    """Return the figures by which a column is compared, by its Athena type."""
    base, digits = split_type(column.kind)
    figures = [_COUNT, *_FIGURES.get(base, _text_figures)(digits)]
    if full and base in _CELLS:
        athena, postgres = _CELLS[base]
        figures.append(Figure("checksum", _MD5.format(bytes=athena), _PG_MD5.format(text=postgres)))
    return figures


def _least_and_greatest(athena: str, postgres: str, compare: str = "exact") -> list[Figure]:
    names = (("min", "min"), ("max", "max"))
    return [Figure(n, athena.format(f=f, c="{c}"), postgres.format(f=f, c="{c}"), compare) for n, f in names]


def _whole_figures(digits: list[int]) -> list[Figure]:
    total = Figure("sum", "sum(CAST({c} AS decimal(38,0)))", "sum({c})", "number")
    return [total, *_least_and_greatest("{f}({c})", "{f}({c})", "number")]


def _decimal_figures(digits: list[int]) -> list[Figure]:
    extremes = _least_and_greatest("{f}({c})", "{f}({c})", "number")
    return extremes if digits[0] > _SUMMED_DIGITS else [Figure("sum", "sum({c})", "sum({c})", "number"), *extremes]


def _double_figures(digits: list[int]) -> list[Figure]:
    finite, moderate = "is_finite(CAST({c} AS double))", f"abs(CAST({{c}} AS double)) < {_MODERATE}"
    here = "FILTER (WHERE {c} > '-Infinity' AND {c} < 'Infinity')"
    bounded = f"FILTER (WHERE {{c}} > -{_MODERATE}::float8 AND {{c}} < {_MODERATE}::float8)"
    extreme = f"{{f}}(CASE WHEN {finite} THEN CAST({{c}} AS double) END)"
    sums = [
        Figure(
            name,
            f"sum(CASE WHEN {moderate} THEN {wrap.format(c='CAST({c} AS double)')} END)",
            f"sum({wrap.format(c='{c}::float8')}) {bounded}",
            "near",
        )
        for name, wrap in (("sum of sizes", "abs({c})"), ("sum", "{c}"))
    ]
    return [
        Figure("finite", f"count_if({finite})", f"count({{c}}) {here}"),
        *sums,
        *_least_and_greatest(extreme, f"{{f}}({{c}}::float8) {here}", "float"),
    ]


def _boolean_figures(digits: list[int]) -> list[Figure]:
    return [Figure("true", "count_if({c})", "count(*) FILTER (WHERE {c})")]


def _date_figures(digits: list[int]) -> list[Figure]:
    total = "sum(date_diff('day', DATE '1970-01-01', {c}))"
    return [
        Figure("sum of days", total, "sum({c} - DATE '1970-01-01')", "number"),
        *_least_and_greatest("CAST({f}({c}) AS varchar)", "to_char({f}({c}), 'YYYY-MM-DD')"),
    ]


def _timestamp_figures(digits: list[int], zone: str = "") -> list[Figure]:
    athena = f"date_diff('millisecond', TIMESTAMP '1970-01-01 00:00:00.000{zone}', {{c}})"
    # as a double an epoch has its milliseconds exactly; as numeric it would take five times as long
    postgres = "(date_part('epoch', {c}) * 1000)::bigint"
    kind = "timestamp(3) with time zone" if zone else "timestamp(3)"
    finer = (
        f"count_if({{c}} <> CAST({{c}} AS {kind}))",
        "count(*) FILTER (WHERE date_trunc('milliseconds', {c}) <> {c})",
    )
    return [
        Figure("finer than milliseconds", *finer),  # the column would round them
        Figure("sum of ms", f"sum(CAST({athena} AS decimal(38,0)))", f"sum({postgres})", "number"),
        *_least_and_greatest(athena.replace("{c}", "{f}({c})"), postgres.replace("{c}", "{f}({c})"), "number"),
    ]


def _zoned_figures(digits: list[int]) -> list[Figure]:
    return _timestamp_figures(digits, " UTC")


def _text_figures(digits: list[int]) -> list[Figure]:
    return [
        Figure("sum of lengths", "sum(length({c}))", "sum(length({c}))", "number"),
        *_least_and_greatest("{f}({c})", '{f}({c} COLLATE "C")'),
    ]


def _binary_figures(digits: list[int]) -> list[Figure]:
    return [
        Figure("sum of lengths", "sum(length({c}))", "sum(length({c}))", "number"),
        *_least_and_greatest("{f}(to_hex({c}))", "upper({f}(encode({c}, 'hex')))"),
    ]


def _label_figures(digits: list[int]) -> list[Figure]:
    return _least_and_greatest("{f}(CAST({c} AS varchar))", '{f}({c}::text COLLATE "C")')


def _no_figures(digits: list[int]) -> list[Figure]:
    """PostgreSQL keeps JSON in its own spelling: only how many there are can be compared."""
    return []


_WHOLE = ("tinyint", "smallint", "int", "integer", "bigint")
_NESTED = ("array", "map", "row", "struct", "json")
_FIGURES = {
    **dict.fromkeys(_WHOLE, _whole_figures),
    **dict.fromkeys(("float", "real", "double"), _double_figures),
    **dict.fromkeys(("binary", "varbinary"), _binary_figures),
    **dict.fromkeys(_NESTED, _no_figures),
    "decimal": _decimal_figures,
    "boolean": _boolean_figures,
    "date": _date_figures,
    "timestamp": _timestamp_figures,
    "timestamp with time zone": _zoned_figures,
    "time": _label_figures,
    "uuid": _label_figures,
}
# How a cell becomes bytes that are the same on both sides; a double's by its whole part and 53 bits of the rest.
_DOUBLE_CELL = (
    "to_utf8(CASE WHEN abs(CAST({c} AS double)) < 9e18 THEN "
    "CAST(CAST(floor(CAST({c} AS double)) AS bigint) AS varchar) || '/' || CAST(CAST(floor("
    "(CAST({c} AS double) - floor(CAST({c} AS double))) * 9007199254740992e0) AS bigint) AS varchar) END)",
    "CASE WHEN abs({c}::float8) < 9e18::float8 THEN floor({c}::float8)::bigint::text || '/' || "
    "floor(({c}::float8 - floor({c}::float8)) * 9007199254740992::float8)::bigint::text END",
)
_TEXT_CELL = ("to_utf8({c})", "{c}")
_CAST_CELL = ("to_utf8(CAST({c} AS varchar))", "{c}::text")
_CELLS = {
    **dict.fromkeys((*_WHOLE, "decimal", "boolean", "date", "time", "uuid"), _CAST_CELL),
    **dict.fromkeys(("string", "varchar", "char"), _TEXT_CELL),
    **dict.fromkeys(("float", "real", "double"), _DOUBLE_CELL),
    **dict.fromkeys(("binary", "varbinary"), ("{c}", "{c}")),
    "timestamp": ("to_utf8(CAST({c} AS varchar))", "to_char({c}, 'YYYY-MM-DD HH24:MI:SS.MS')"),
}


def figure_query(columns: Sequence[VersionColumn], source: str, full: bool = False) -> str:
    """Return the statement by which Athena computes all figures of `source`, a table or a query in parentheses."""
    chosen = [_ROWS.athena]
    for column in columns:
        name = '"' + column.name.replace('"', '""') + '"'
        chosen += [figure.athena.replace("{c}", name) for figure in list_figures(column, full)]
    return f"SELECT {', '.join(f'{one} AS f{place}' for place, one in enumerate(chosen))} FROM {source}"


def read_figures(cursor: Any, table: sql.Composable, columns: Sequence[VersionColumn], full: bool) -> list[Any]:
    """Compute the same figures over a table of PostgreSQL, as texts."""
    chosen = [_ROWS.postgres]
    for column in columns:
        name = sql.Identifier(column.name).as_string(cursor)
        chosen += [figure.postgres.replace("{c}", name) for figure in list_figures(column, full)]
    cursor.execute(f"SELECT {', '.join(f'({one})::text' for one in chosen)} FROM {table.as_string(cursor)}")
    return list(cursor.fetchone())


def compare_figures(
    relation: str, columns: Sequence[VersionColumn], full: bool, athena: Sequence[Any], postgres: Sequence[Any]
) -> list[Check]:
    """Set both sides' figures against each other, in the order in which both were computed.

    Where only the rows are known of one side, only they are compared.
    """
    named = [("", _ROWS)] + [(column.name, figure) for column in columns for figure in list_figures(column, full)]
    checks: list[Check] = []
    scale = 0.0
    for (column, figure), ours, theirs in zip(named, athena, postgres, strict=len(athena) > 1):
        if figure.name == "sum of sizes" and ours is not None:
            scale = float(ours)
        agrees = _agree(figure.compare, ours, theirs, scale)
        checks.append(Check(relation, column, figure.name, ours, theirs, agrees))
    return checks


def _agree(compare: str, ours: str | None, theirs: str | None, scale: float) -> bool:
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if compare == "number":
        return Decimal(ours) == Decimal(theirs)
    if compare == "float":
        return float(ours) == float(theirs)
    if compare == "near":
        return math.isclose(float(ours), float(theirs), rel_tol=_SUM_TOLERANCE, abs_tol=_SUM_TOLERANCE * scale)
    return ours == theirs


def refuse_differences(checks: Sequence[Check]) -> None:
    """Stop where a figure differs.

    Raises:
        LoadError: the first differences, with relation, column and both values.
    """
    wrong = [check for check in checks if not check.agrees]
    if wrong:
        first = wrong[0]
        where = f"{first.relation}.{first.column}" if first.column else first.relation
        more = f", and {len(wrong) - 1} more figures differ" if len(wrong) > 1 else ""
        raise LoadError(
            f"{where}: {first.figure} is {_cut(first.athena)} in Athena and {_cut(first.postgres)} in PostgreSQL"
            f"{more}; nothing was published: run 03_catalog_query again"
        )
