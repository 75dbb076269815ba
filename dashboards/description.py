"""What a dashboard shows: `datasets/<name>/dashboard.yaml`, read and checked against the contract.

The format is told in docs/dashboards.md. A mistake is named with file and key before anything reaches Superset.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dashboards.errors import DescriptionError
from helpers.contract import Contract
from helpers.errors import nearest

FILE = "dashboard.yaml"
# kind -> (keys that it must have, keys that it may have), beside name, kind, title, width and note
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "number": (("metrics",), ()),
    "distribution": (("by",), ("split", "known")),
    "trend": (("metrics",), ("split", "known")),
    "bars": (("by", "metrics"), ("split", "sort", "known")),
    "boxes": (("by", "metrics", "over"), ("known",)),
    "heat": (("by", "split", "metrics"), ("known",)),
    "table": (("by", "metrics"), ("known",)),
}
_SHARED = ("name", "kind", "title", "width", "note")
_COLUMN_KEYS = ("by", "split", "over")


@dataclass(frozen=True)
class Metric:
    """A figure: SQL over the dataset's relation, and how it is written (d3-format)."""

    name: str
    label: str
    sql: str
    format: str = ",.1f"
    description: str = ""


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        name: makes its uuid; the title may change, this may not.
        kind: one of KINDS.
        by: what it is broken down by: one column (a table, any number); for a heat map, the columns.
        split: the column that makes the series; for a heat map, the rows.
        over: for boxes, whose averages one box spreads.
        sort: bars in the order of "value" or of the "category"; "" for the category's where it has an order.
        known: leave out rows whose `by` or `split` is empty.
        note: under a figure; behind the sign of information elsewhere.
        width: of the row's twelve columns; 0 for an even share.
    """

    name: str
    kind: str
    title: str
    metrics: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    split: str = ""
    over: str = ""
    sort: str = ""
    known: bool = False
    note: str = ""
    width: int = 0


@dataclass(frozen=True)
class Row:
    """Charts side by side, `height` units of 8 pixels high."""

    height: int
    charts: tuple[Chart, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Return each chart's width; where none is given, twelve columns are shared as evenly as they can be."""
        if any(chart.width for chart in self.charts):
            return tuple(chart.width for chart in self.charts)
        each, left = divmod(12, len(self.charts))
        return tuple(each + (number < left) for number in range(len(self.charts)))


@dataclass(frozen=True)
class Description:
    """A dashboard. `bands` gives the width of the bands that a measure's distribution is drawn in."""

    title: str
    description: str
    date: str
    bands: Mapping[str, float]
    metrics: tuple[Metric, ...]
    filters: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Return all charts, from the top left to the bottom right."""
        return tuple(chart for row in self.rows for chart in row.charts)


def find_description(contract: Contract) -> Path | None:
    """Return the dataset's dashboard.yaml, or that of the dataset whose contract it extends."""
    places = (contract.path.parent / FILE, contract.queries_folder.parent / FILE)
    return next((place for place in places if place.is_file()), None)


def read_description(path: Path, contract: Contract) -> Description:
    """Read a dashboard.yaml.

    Raises:
        DescriptionError: a mistake, with file and key.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise DescriptionError(f"{_where(path)}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    return Reader(path, contract).read(document)


def _where(path: Path) -> str:
    return "/".join(path.parts[-3:])


class Reader:
    """Turn a document into a Description; what it refuses, it names by its place."""

    def __init__(self, path: Path, contract: Contract) -> None:
        self.path = path
        self.columns = {column.name for column in contract.columns}

    def read(self, document: Any) -> Description:
        """Read the whole document."""
        self._keys(document, "", ("title", "rows", "metrics"), ("description", "date", "bands", "filters"))
        metrics = tuple(self._metric(entry, f"metrics[{at}]") for at, entry in enumerate(document["metrics"]))
        names = {metric.name for metric in metrics}
        rows = tuple(self._row(entry, f"rows[{at}]", names) for at, entry in enumerate(document["rows"]))
        filters = tuple(str(name) for name in document.get("filters") or ())
        self._known(filters, "filters", self.columns, "column")
        date = str(document.get("date") or "")
        self._known([date] if date else [], "date", self.columns, "column")
        bands = document.get("bands") or {}
        self._known(bands, "bands", self.columns, "column")
        for name, width in bands.items():
            if not isinstance(width, int | float) or width <= 0:
                self.fail(f"bands.{name}", f"{width} is no width of a band: write a number above 0")
        made = Description(
            str(document["title"]),
            str(document.get("description") or ""),
            date,
            bands,
            metrics,
            filters,
            rows,
        )
        self._check_whole(made)
        return made

    def fail(self, place: str, problem: str) -> NoReturn:
        """Refuse the description for what stands at `place`."""
        raise DescriptionError(f"{_where(self.path)}: {place or 'the document'}: {problem}")

    def _keys(self, entry: Any, place: str, needed: Iterable[str], allowed: Iterable[str] = ()) -> None:
        known = (*needed, *allowed)
        if not isinstance(entry, dict):
            self.fail(place, f"write keys such as `{known[0]}:`")
        for key in entry:
            if key not in known:
                self.fail(f"{place}.{key}".strip("."), f"is not read here; {nearest(str(key), known)}")
        for key in needed:
            if entry.get(key) in (None, "", [], {}):
                self.fail(f"{place}.{key}".strip("."), "is missing")

    def _known(self, names: Iterable[str], place: str, known: Iterable[str], what: str) -> None:
        for name in names:
            if name not in known:
                self.fail(place, f'no {what} "{name}"; {nearest(str(name), known)}')

    def _metric(self, entry: Any, place: str) -> Metric:
        self._keys(entry, place, ("name", "label", "sql"), ("format", "description"))
        return Metric(**{key: " ".join(str(value).split()) for key, value in entry.items()})

    def _row(self, entry: Any, place: str, metrics: set[str]) -> Row:
        self._keys(entry, place, ("charts",), ("height",))
        charts = [self._chart(chart, f"{place}.charts[{at}]", metrics) for at, chart in enumerate(entry["charts"])]
        given = sum(chart.width for chart in charts)
        if any(not chart.width for chart in charts) and given:
            self.fail(place, "give every chart of a row a width, or none")
        if given > 12 or len(charts) > 12:
            self.fail(place, f"its charts are {given or len(charts)} columns wide; a row has 12")
        return Row(int(entry.get("height") or 46), tuple(charts))

    def _chart(self, entry: Any, place: str, metrics: set[str]) -> Chart:
        if not isinstance(entry, dict) or "kind" not in entry:
            self.fail(f"{place}.kind", f"is missing; known: {', '.join(KINDS)}")
        self._known([entry["kind"]], f"{place}.kind", KINDS, "kind")
        needed, allowed = KINDS[entry["kind"]]
        self._keys(entry, place, ("name", "title", *needed), (*_SHARED, *allowed))
        several = {key: _as_tuple(entry.get(key)) for key in ("metrics", "by")}
        self._known(several["metrics"], f"{place}.metrics", metrics, "metric")
        for key in _COLUMN_KEYS:
            self._known(_as_tuple(entry.get(key)), f"{place}.{key}", self.columns, "column")
        self._known(_as_tuple(entry.get("sort")), f"{place}.sort", ("value", "category"), "order")
        return Chart(**{**entry, **several})

    def _check_whole(self, made: Description) -> None:
        names = [chart.name for chart in made.charts]
        for name in names:
            if names.count(name) > 1:
                self.fail("rows", f'two charts are named "{name}"')
        for chart in made.charts:
            if chart.kind == "distribution" and chart.by[0] not in made.bands:
                self.fail("bands", f'"{chart.by[0]}" is missing, which {chart.name} is drawn in')
            if chart.kind == "trend" and not made.date:
                self.fail("date", f"is missing, which {chart.name} is drawn over")


def _as_tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)
