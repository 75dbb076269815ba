"""What a run of the Glue job reports, as tables that a notebook shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from helpers.objects import S3Object
from helpers.say_numbers import say_number, say_share

_TABLE_ROWS = 10
_HISTORY_ROWS = 10
_PUBLISHED = "published"
_LOST = ("duplicates_removed", "superseded", "quarantined")
_FATES = {
    "readable": "readable in raw",
    "curated": "kept as curated",
    "duplicates_removed": "removed as duplicates",
    "superseded": "superseded by a later version",
    "quarantined": "quarantined",
}


@dataclass(frozen=True)
class TransformResult:
    """What the job reports of the whole dataset (`report`, see docs/data.md), and of this run.

    Attributes:
        job_run_id: the Glue job run that wrote the report.
        token: names the run's report and its quarantine.
        report_uri: where the report is.
        raw_bucket: where the objects are that the report names by key.
        adopted: whether an upload had begun the run.
    """

    dataset: str
    job_run_id: str
    token: str
    report_uri: str
    raw_bucket: str
    report: dict[str, Any]
    seconds: float
    adopted: bool = False

    @property
    def rows(self) -> dict[str, int]:
        """Rows by what became of them: readable, curated, duplicates_removed, superseded, quarantined."""
        return {name: int(count) for name, count in self.report["rows"].items()}

    @property
    def accounted(self) -> int:
        """The rows whose whereabouts are known; equal to the readable ones, or something was lost."""
        return sum(count for name, count in self.rows.items() if name != "readable")

    def has(self, listed: Iterable[S3Object]) -> bool:
        """Say whether the run read exactly these raw objects; hidden ones, which the job passes over, aside."""
        wanted = {(found.key, found.etag) for found in listed if found.name[:1] not in ("", "_", ".")}
        return {(entry["key"], entry["etag"]) for entry in self.report["objects"]} == wanted

    @property
    def totals(self) -> pd.DataFrame:
        """One line for each thing that can become of a readable row."""
        rows = [[said, self.rows[name]] for name, said in _FATES.items()]
        return pd.DataFrame(rows, columns=["rows", "number"])

    @property
    def remark(self) -> str:
        """What to notice, in one sentence."""
        rows, reasons = self.rows, self.report["quarantined_by_reason"]
        share = say_share(rows["curated"], rows["readable"])
        empty = "The table has no rows: what came was kept out, taken out again, or could not be read.\n"
        return (
            f"{'' if rows['curated'] else empty}"
            f"{rows['curated']:,} of {rows['readable']:,} readable rows are curated ({share}).\n"
            f"Quarantined rows: {rows['quarantined']:,}, different reasons: {len(reasons)}, "
            f"unreadable files: {len(self.report['unreadable_files'])}."
        )

    @property
    def summary(self) -> pd.DataFrame:
        """What the job left behind, in numbers."""
        rows = [
            ["raw objects read", len(self.report["objects"])],
            ["files that could not be read", len(self.report["unreadable_files"])],
            ["columns of the curated table", len(self.report["columns"])],
            ["partitions of the curated table", len(self._partition_rows())],
            ["rows of the curated table", self.rows["curated"]],
            ["rows in quarantine", self.rows["quarantined"]],
        ]
        return pd.DataFrame(rows, columns=["the job left", "number"])

    @property
    def reasons(self) -> pd.DataFrame:
        """Quarantined rows by reason, the most frequent first, at most ten; a row may have several reasons."""
        counts = sorted(self.report["quarantined_by_reason"].items(), key=lambda item: (-item[1], item[0]))
        return pd.DataFrame(counts, columns=["reason", "rows"])[:_TABLE_ROWS]

    def broken(self, severity: str) -> list[str]:
        """Return the rules of a severity, `error` or `warning`, that the table breaks."""
        return [
            entry["rule"] for entry in self.report["rules"] if not entry["passed"] and entry["severity"] == severity
        ]

    @property
    def rules(self) -> pd.DataFrame:
        """The contract's quality rules with what was found, what it was before, and whether they hold; at most ten.

        Broken ones come first where there are more.
        """
        entries = self.report["rules"]
        if len(entries) > _TABLE_ROWS:
            entries = sorted(entries, key=lambda entry: bool(entry["passed"]))[:_TABLE_ROWS]
        past = _drop_repeated(self.report["history"])[:-1]
        before = past[-1]["figures"] if past else {}
        rows = [
            [
                entry["rule"],
                entry["severity"],
                _say_figure(entry["figure"], entry["unit"]),
                _say_figure(before[entry["rule"]], entry["unit"]) if entry["rule"] in before else "",
                entry["must"],
                "holds" if entry["passed"] else "is broken",
            ]
            for entry in entries
        ]
        return pd.DataFrame(rows, columns=["rule", "severity", "found", "before", "it must", "so it"])

    @property
    def history(self) -> pd.DataFrame:
        """What became of the rows that are not in the table, in percent of the readable ones, by run.

        The last ten that differ from the one before: a run that changed no figure adds no line. Runs that a gate
        refused, and of which nothing was published, say so with what they broke; a limit of rejected rows refuses
        before anything else is counted. Times are in UTC.
        """
        published = [line | {"outcome": _PUBLISHED} for line in self.report["history"]]
        refused = [line | {"outcome": f"refused: {_list(line['broken'])}"} for line in self.report.get("refused", ())]
        rows = []
        for line in _drop_repeated(sorted(published + refused, key=lambda line: str(line["at"])))[-_HISTORY_ROWS:]:
            counts, whole = line["rows"], line["rows"]["readable"] or 1
            shares = (_percent(counts[name], whole) if name in counts else "" for name in _LOST)
            rows.append([line["at"].replace("T", " ")[:16], line["outcome"], counts["readable"], *shares])
        return pd.DataFrame(rows, columns=["run (UTC)", "outcome", "readable rows", *(_name(name) for name in _LOST)])

    @property
    def shares(self) -> pd.DataFrame:
        """The history for a chart of percentages: without the numbers of rows, and refused runs named as such."""
        found = self.history
        refused = found["outcome"] != _PUBLISHED
        found["run (UTC)"] = found["run (UTC)"].mask(refused, found["run (UTC)"] + "\nrefused")
        return found.drop(columns=["outcome", "readable rows"])

    @property
    def unreadable(self) -> pd.DataFrame:
        """Files that could not be read at all, by name, with the reason."""
        found = sorted((entry["key"].rpartition("/")[2], entry["reason"]) for entry in self.report["unreadable_files"])
        return pd.DataFrame(found, columns=["file", "reason"])[:_TABLE_ROWS]

    @property
    def partitions(self) -> pd.DataFrame:
        """Rows of the curated table by partition: the ten smallest, the smallest first."""
        found = sorted(self._partition_rows().items(), key=lambda item: (item[1], item[0]))
        return pd.DataFrame(found[:_TABLE_ROWS], columns=["partition", "rows"])

    @property
    def partition_rows(self) -> int:
        """The rows of all partitions together."""
        return sum(self._partition_rows().values())

    def _partition_rows(self) -> dict[str, int]:
        """Return rows by partition; a large partition has several objects."""
        rows: dict[str, int] = {}
        for entry in self.report["partitions"]:
            prefix = entry["key"].rpartition("/")[0] if entry["key"].endswith(".parquet") else entry["key"].rstrip("/")
            name = prefix.rpartition("/")[2]
            rows[name] = rows.get(name, 0) + int(entry["rows"])
        return rows

    def figures(self) -> dict[str, Any]:
        """Return what the run's record keeps."""
        bucket = self.report_uri.removeprefix("s3://").partition("/")[0]
        return {
            "rows_in": self.rows["readable"],
            "rows_out": self.rows["curated"],
            "rows_quarantined": self.rows["quarantined"],
            "inputs": [
                {"uri": f"s3://{self.raw_bucket}/{entry['key']}", "etag": entry["etag"], "bytes": entry["bytes"]}
                for entry in self.report["objects"]
            ],
            "outputs": [self.report_uri, f"s3://{bucket}/data/{self.dataset}/"],
            "cost": {"glue_seconds": self.report["seconds"]},
            "job_run_id": self.job_run_id,
            "adopted": self.adopted,
            "quarantined_by_reason": self.report["quarantined_by_reason"],
            "rules": self.report["rules"],
            "warnings": self.broken("warning"),
        }


def _drop_repeated(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines that differ from the one before in rows, figures or outcome."""
    found: list[dict[str, Any]] = []
    for line in lines:
        if not found or any(line.get(name) != found[-1].get(name) for name in ("rows", "figures", "outcome")):
            found.append(line)
    return found


def _list(names: list[str]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if names[2:] else "")


def _say_figure(figure: float | None, unit: str) -> str:
    """Return a rule's figure with its unit."""
    return "no number" if figure is None else f"{say_number(figure)} {unit}".rstrip()


def _percent(part: int, whole: int) -> float:
    """Return a share in percent with two decimals, or four where two would make nothing of it."""
    return round(100 * part / whole, 2) or round(100 * part / whole, 4)


def _name(fate: str) -> str:
    return f"{fate.replace('_', ' ')} (%)"
