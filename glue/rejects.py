"""Find what the quarantine says of a rejected row: record number, line, and its text byte for byte.

Only files that have such rows are looked into a second time (docs/adr/0012-job-and-publication.md).
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import raw_files
import raw_json
import raw_parquet
import raw_records
import transform

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def collect_rejects(cleaned: "DataFrame") -> list[Any]:
    """Return what each rejected row has of its file, its position, and the reasons against it."""
    rejected = cleaned.where(f"{transform.REASONS} IS NOT NULL")
    return list(rejected.selectExpr(transform.FILE, transform.ROW, transform.REASONS).collect())


def find_rejects(rejected: Iterable[Any], counts: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, list[str]]]:
    """Return the reasons against each rejected record by file and number: its row's, less the file's lowest."""
    first: dict[str, int] = {}
    for count in counts:
        first[count["file"]] = min(count["first"], first.get(count["file"], count["first"]))
    keys = {count[transform.FILE]: count["file"] for count in counts}
    reasons: dict[str, dict[int, list[str]]] = {}
    for file, row, found in rejected:
        reasons.setdefault(keys[file], {})[row - first[keys[file]] + 1] = found
    return reasons


def place_rejects(
    fetch: Callable[[str], bytes], form: Mapping[str, str], reasons: Mapping[str, Mapping[int, list[str]]]
) -> list[dict[str, Any]]:
    """Find line and text of every rejected record, reading only the files that have some.

    A text that does not tell the record's bytes, which are not UTF-8, has them in `raw_base64`. A row of Parquet has no
    line.
    """
    found = []
    for key in sorted(reasons):
        content, wanted = raw_files.decompress(key, fetch(key)), set(reasons[key])
        kind = raw_files.find_kind(key, content, form.get("kind", raw_files.CSV))
        if kind == raw_files.PARQUET:
            places: Mapping[int, tuple[int | None, bytes]]
            places = {number: (None, row) for number, row in raw_parquet.locate(content, wanted).items()}
            encoding = "UTF-8"
        else:
            decoded, encoding = raw_files.decode(content, form.get("encoding", "UTF-8"))
            places = (
                raw_json.locate(decoded, wanted)
                if kind == raw_files.JSON
                else raw_records.locate(decoded, wanted, form)
            )
        for record, why in sorted(reasons[key].items()):
            line, raw = places[record]
            text, whole = raw.decode("utf-8", "replace"), raw_files.restore(raw, content, encoding)
            reject: dict[str, Any] = {"file": key, "record": record, "line": line, "raw": text}
            if whole != text.encode():
                reject["raw_base64"] = base64.b64encode(whole).decode()
            found.append(reject | {"reasons": why})
    return found
