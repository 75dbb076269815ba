"""One crawl: the targets listed, schemas read, the catalog brought to what was found, every step in the log."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_aws.errors import ServiceError
from local_aws.glue.crawler_catalog import CatalogWriter, TableProblemError, Totals
from local_aws.glue.crawler_layout import Remark, TableFolder, TargetError, find_tables
from local_aws.glue.crawler_schema import FoundTable, read_table
from local_aws.glue.crawler_settings import CrawlerSettings
from local_aws.server.context import Context

SIMILAR = 0.7  # the share of equal columns from which on Glue takes folders for partitions of one table


@dataclass(frozen=True)
class CrawlResult:
    """How a crawl ended: SUCCEEDED, FAILED (with the reason) or CANCELLED, and what it changed until then."""

    status: str
    totals: Totals
    error: str | None = None


def crawl(context: Context, settings: CrawlerSettings, log: Remark, cancelled: Callable[[], bool]) -> CrawlResult:
    """Crawl every target. Files are only read; what a cancelled or failed crawl wrote before stays written."""
    return _Crawl(context, settings, log, cancelled).run()


class _Crawl:
    """One crawl under way."""

    def __init__(self, context: Context, settings: CrawlerSettings, log: Remark, cancelled: Callable[[], bool]) -> None:
        self._context = context
        self._settings = settings
        self._log = log
        self._cancelled = cancelled
        self._writer = CatalogWriter(context, settings, log)
        self._problems: list[str] = []

    def run(self) -> CrawlResult:
        try:
            finished = self._crawl_targets()
        except (TargetError, ServiceError, OSError) as error:
            self._problems.append(str(error))
            finished = True
        totals = self._writer.totals
        if not finished:
            return CrawlResult("CANCELLED", totals)
        for problem in self._problems:
            self._log(f"ERROR {problem}")
        if self._problems:
            return CrawlResult("FAILED", totals, "; ".join(self._problems))
        return CrawlResult("SUCCEEDED", totals)

    def _crawl_targets(self) -> bool:
        """Crawl one target after the other; say whether the crawl came to its end."""
        self._context.catalog.get_database(self._settings.database)
        for target in self._settings.targets:
            self._log(f"target {target}")
            tables = find_tables(self._context.lake, target, self._settings.level, self._log)
            if not tables:
                self._log(f"WARN target {target}: no data files")
            found: list[FoundTable] = []
            for table in tables:
                if self._cancelled():
                    return False
                found += self._crawl_table(table)
            _warn_of_similar(found, self._log)
        self._writer.remove_vanished()
        return True

    def _crawl_table(self, table: TableFolder) -> list[FoundTable]:
        """Read and write one table; return it, or nothing where no file of it is of a known format."""
        name = table.folder.relative_to(self._context.lake)
        started = time.monotonic()
        schema = read_table(table, self._uri, self._log)
        if schema is None:
            self._log(f"WARN {name}: no file of a known format, so no table")
            self._writer.keep(table.folder)
            return []
        seconds = time.monotonic() - started
        self._log(f"{name}: {len(schema.partitions)} partitions read in {seconds:.2f} s")
        try:
            self._writer.write(schema)
        except TableProblemError as error:
            self._writer.keep(table.folder)
            self._problems.append(str(error))
        return [schema]

    def _uri(self, path: Path) -> str:
        return "s3://" + path.relative_to(self._context.lake).as_posix()


def _warn_of_similar(found: list[FoundTable], log: Remark) -> None:
    """Say where Glue might make one table of two folders that are two here."""
    for index, first in enumerate(found):
        for second in found[index + 1 :]:
            names = [{column.name for column in each.columns} for each in (first, second)]
            if len(names[0] & names[1]) >= SIMILAR * len(names[0] | names[1]):
                log(
                    f"WARN {_name(first.folder)} and {_name(second.folder)} are so alike that Glue may take them for "
                    "partitions of one table: set TableLevelConfiguration"
                )


def _name(folder: Path) -> str:
    return folder.name
