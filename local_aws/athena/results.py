"""Result objects as Athena writes them, and the pages that GetQueryResults cuts from them.

A query's CSV has a header, every value in quotes, NULL as nothing at all, lines ended by LF. DDL and utility statements
write text, cells divided by tabs. Beside each lies `<name>.metadata`, which says the columns (here as JSON).
Objects appear whole: they are written outside of the lake and moved in by os.replace.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from local_aws.athena.column_types import literal
from local_aws.athena.dialect.types import UNBOUNDED, TrinoType
from local_aws.athena.engine import Session, names_of
from local_aws.athena.lake import Lake
from local_aws.athena.rendering import rendered
from local_aws.errors import ServiceError

CELL = re.compile(r'(?:"((?:[^"]|"")*)")?(,|$)')
PRECISIONS = {
    "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "double": 17, "real": 17, "timestamp": 3, "time": 3,
    "timestamp with time zone": 3, "varbinary": 1_073_741_824, "varchar": UNBOUNDED,
}  # fmt: skip
NAMES = {"real": "float"}


@dataclass(frozen=True)
class ResultColumn:
    """A column as GetQueryResults describes it."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0

    @classmethod
    def of(cls, name: str, type_: TrinoType) -> "ResultColumn":
        """Describe a column of a query by its Trino type."""
        if type_.name == "decimal":
            return cls(name, "decimal", type_.precision, type_.scale)
        precision = PRECISIONS.get(type_.name, 0)
        if type_.name in ("varchar", "char") and type_.numbers:
            precision = type_.precision
        return cls(name, NAMES.get(type_.name, type_.name), precision)

    def info(self) -> dict[str, Any]:
        """Return the column in the API's shape."""
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": self.type,
            "Precision": self.precision,
            "Scale": self.scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": self.type in ("varchar", "char", "string"),
        }


ROWS_WRITTEN = (ResultColumn("rows", "bigint", 19),)


def text_columns(*names: str) -> tuple[ResultColumn, ...]:
    """Describe the columns of a utility statement."""
    return tuple(ResultColumn(name, "string") for name in names)


def write_csv(
    session: Session, sql: str, columns: Sequence[tuple[str, TrinoType]], path: Path, check: Callable[[], None]
) -> int:
    """Run a translated query into a CSV of Athena's form, in constant memory; return the number of rows.

    `check` is asked before the finished file moves to `path`; what it raises leaves nothing behind.
    """
    cells = ", ".join(rendered(f"c{number}", type_) for number, (_, type_) in enumerate(columns))
    header = ",".join('"' + name.replace('"', '""') + '"' for name, _ in columns)
    part = session.folder / "result.csv"
    # The names may repeat, which DuckDB's own header would not: ours goes before as a prefix.
    written = session.execute(
        f"COPY (SELECT {cells} FROM ({sql}) AS result({names_of(columns)})) TO {literal(str(part))} "
        f"(FORMAT csv, HEADER false, PREFIX {literal(header + chr(10))}, SUFFIX {literal(chr(10))}, "
        "DELIMITER ',', QUOTE '\"', ESCAPE '\"', FORCE_QUOTE *, NULLSTR '')"
    )
    rows = int(written[0][0])
    if rows == 0:  # the suffix stands in for the last row's line end
        part.write_text(header + "\n", encoding="utf-8")
    check()
    move(part, path)
    return rows


def write_text(session: Session, rows: Sequence[Sequence[str]], path: Path) -> None:
    """Write the rows of a DDL or utility statement."""
    part = session.folder / "result.txt"
    part.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    move(part, path)


def write_metadata(session: Session, columns: Sequence[ResultColumn], path: Path) -> None:
    """Write the metadata object that lies beside a result."""
    part = session.folder / "metadata"
    part.write_text(json.dumps({"columns": [asdict(column) for column in columns]}), encoding="utf-8")
    move(part, path)


def move(part: Path, path: Path) -> None:
    """Move a finished file into the lake, where it appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, path)


def read_page(lake: Lake, uri: str, token: str | None, limit: int) -> tuple[list[list[str | None]], str | None]:
    """Read up to `limit` rows of a result object from `token` (a byte offset); return them and the next token."""
    path = lake.path(uri)
    if token is not None and not token.isdigit():
        raise ServiceError("InvalidRequestException", "The NextToken is not valid: start again without one.")
    try:
        with path.open("rb") as file:
            file.seek(int(token or 0))
            rows = _csv_rows(file) if path.suffix == ".csv" else _text_rows(file)
            page = [row for _, row in zip(range(limit), rows, strict=False)]
            at = file.tell()
            return page, str(at) if file.read(1) else None
    except FileNotFoundError as error:
        message = f"Could not find results at {uri}: the object was deleted; run the query again."
        raise ServiceError("InvalidRequestException", message) from error


def _csv_rows(file: IO[bytes]) -> Iterator[list[str | None]]:
    while line := file.readline():
        while line.count(b'"') % 2:  # a newline inside a value
            line += file.readline()
        text = line.decode("utf-8").removesuffix("\n")
        row: list[str | None] = []
        for found in CELL.finditer(text):
            value = found[1]
            row.append(None if value is None else value.replace('""', '"'))
            if not found[2]:
                break
        yield row


def _text_rows(file: IO[bytes]) -> Iterator[list[str | None]]:
    while line := file.readline():
        yield [*line.decode("utf-8").removesuffix("\n").split("\t")]
