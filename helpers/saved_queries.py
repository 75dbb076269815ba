"""The saved queries of a dataset, `queries/NN_name.sql`: headers that say what is asked and drawn, then Trino SQL."""

import re
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import ContractError

CHART_KINDS = ("bar", "line", "none")
_HEADER = re.compile(r"--\s*(title|question|chart|unit):\s*(.+?)\s*")


@dataclass(frozen=True)
class SavedQuery:
    """A question that is asked of a dataset each time: `queries/NN_name.sql` (format: docs/contract.md).

    Attributes:
        name: the file's stem.
        title, question: of one line each.
        sql: Trino SQL, the table's name filled in; `:as_of` stands for the run's logical date.
        kind: bar, line or none.
        x, y: the columns of the chart; several y stand side by side.
        unit: of the y values.
    """

    name: str
    title: str
    question: str
    sql: str
    kind: str = "none"
    x: str = ""
    y: tuple[str, ...] = ()
    unit: str = ""


def name_answer(query: str) -> str:
    """Return a saved query's name without the number that orders its file: so its answer is called in PostgreSQL."""
    return query.lstrip("0123456789_")


def list_queries(folder: Path) -> list[Path]:
    """Return the files of the saved queries, in the order of their names.

    Raises:
        ContractError: two answers would have one name, or one has none or that of the quarantine.
    """
    paths = sorted(folder.glob("*.sql"))
    taken: dict[str, Path] = {}
    for path in paths:
        name = name_answer(path.stem)
        if not name:
            raise ContractError(f"{path}: only a number: name the query too, such as {path.stem}_scores.sql")
        if name == "quarantine":
            raise ContractError(f'{path}: the relation "quarantine" counts the rejected rows: choose another name')
        if name in taken:
            raise ContractError(
                f'{taken[name]} and {path} would be one relation "{name}" in PostgreSQL: '
                "rename one of them, the number in front only orders them"
            )
        taken[name] = path
    return paths


def read_query(path: Path, table: str) -> SavedQuery:
    """Read a saved query; `{table}` becomes the table's name.

    Raises:
        ContractError: a header line that is missing or cannot be understood, with file and line.
    """
    headers: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    body = 0
    for number, line in enumerate(lines, start=1):
        if not line.startswith("--"):
            body = number - 1
            break
        found = _HEADER.fullmatch(line)
        if not found:
            raise ContractError(f"{path}:{number}: not a header; write -- title:, -- question:, -- chart: or -- unit:")
        headers[found[1]] = found[2]
    missing = [name for name in ("title", "question") if name not in headers]
    if missing:
        raise ContractError(f"{path}:1: no `-- {missing[0]}:` line at the top")
    kind, *axes = headers.get("chart", "none").split()
    chart = dict(axis.partition("=")[::2] for axis in axes)
    if kind not in CHART_KINDS or (kind != "none" and set(chart) != {"x", "y"}):
        raise ContractError(f"{path}: chart: write `bar x=column y=column`, `line x=… y=…,…` or `none`")
    sql = "\n".join(lines[body:]).strip().rstrip(";")
    y = tuple(chart["y"].split(",")) if "y" in chart else ()
    return SavedQuery(
        name=path.stem,
        title=headers["title"],
        question=headers["question"],
        sql=sql.replace("{table}", table),
        kind=kind,
        x=chart.get("x", ""),
        y=y,
        unit=headers.get("unit", ""),
    )
