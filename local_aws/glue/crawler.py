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
    writer = CatalogWriter(context, settings, log)
    problems: list[str] = []
    try:
        context.catalog.get_database(settings.database)
        for target in settings.targets:
            log(f"target {target}")
            tables = find_tables(context.lake, target, settings.level, log)
            if not tables:
                log(f"WARN target {target}: no data files")
            if not _crawl_tables(context, tables, writer, problems, log, cancelled):
                return CrawlResult("CANCELLED", writer.totals)
        writer.remove_vanished()
    except (TargetError, ServiceError, OSError) as error:
        problems.append(str(error))
    for problem in problems:
        log(f"ERROR {problem}")
    if problems:
        return CrawlResult("FAILED", writer.totals, "; ".join(problems))
    return CrawlResult("SUCCEEDED", writer.totals)


def _crawl_tables(
    context: Context,
    tables: list[TableFolder],
    writer: CatalogWriter,
    problems: list[str],
    log: Remark,
    cancelled: Callable[[], bool],
) -> bool:
    """Read and write one target's tables; say whether the crawl may go on."""
    found: list[FoundTable] = []
    for table in tables:
        if cancelled():
            return False
        started = time.monotonic()
        schema = read_table(table, lambda path: "s3://" + path.relative_to(context.lake).as_posix(), log)
        if schema is None:
            log(f"WARN {table.folder.relative_to(context.lake)}: no file of a known format, so no table")
            continue
        seconds = time.monotonic() - started
        log(f"{table.folder.relative_to(context.lake)}: {len(schema.partitions)} partitions read in {seconds:.2f} s")
        found.append(schema)
        try:
            writer.write(schema)
        except TableProblemError as error:
            writer.keep(table.folder)
            problems.append(str(error))
    _warn_of_similar(found, log)
    return True


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
