"""Glue's operations on crawlers. A crawl runs in a thread; its state and outcome are written down as they happen."""

import statistics
import threading
import time
from typing import Any, ClassVar
from uuid import uuid4

from local_aws.errors import ServiceError
from local_aws.glue.catalog import SEPARATOR
from local_aws.glue.crawler import CrawlResult, crawl
from local_aws.glue.crawler_catalog import Totals
from local_aws.glue.crawler_settings import DELETE, UPDATE, read_settings
from local_aws.server.context import Context
from local_aws.server.operations import Operation
from local_aws.server.pages import take_page

Json = dict[str, Any]

STOPPED_WITH_STACK = "control plane was stopped while the crawler ran"
_DEFINITION = (
    "Name Role DatabaseName Description Targets Classifiers TablePrefix SchemaChangePolicy RecrawlPolicy Configuration"
)
_HISTORY = {"SUCCEEDED": "COMPLETED", "FAILED": "FAILED", "CANCELLED": "STOPPED"}


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class CrawlerOperations:
    """Answer Glue's operations on crawlers; a crawl that a killed control plane left under way becomes FAILED."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateCrawler": _real("create_crawler", f"{_DEFINITION} Tags", "built-in classifiers only; no schedule"),
        "UpdateCrawler": _real("update_crawler", _DEFINITION),
        "DeleteCrawler": _real("delete_crawler", "Name"),
        "GetCrawler": _real("get_crawler", "Name"),
        "GetCrawlers": _real("get_crawlers", "NextToken MaxResults"),
        "BatchGetCrawlers": _real("batch_get_crawlers", "CrawlerNames"),
        "ListCrawlers": _real("list_crawlers", "NextToken MaxResults"),
        "StartCrawler": _real("start_crawler", "Name"),
        "StopCrawler": _real("stop_crawler", "Name"),
        "GetCrawlerMetrics": _real("get_crawler_metrics", "CrawlerNameList NextToken MaxResults"),
        "ListCrawls": _real("list_crawls", "CrawlerName NextToken MaxResults"),
    }

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._stops: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closing = False
        for name, crawler in self._store.list("crawler"):
            if crawler["State"] != "READY":
                self._finish(name, crawler["CrawlId"], CrawlResult("FAILED", Totals(), STOPPED_WITH_STACK))

    def close(self) -> None:
        """Cancel the crawls under way and wait for them."""
        self._closing = True
        for stop in list(self._stops.values()):
            stop.set()
        for thread in list(self._threads.values()):
            thread.join(timeout=30)

    def create_crawler(self, request: Json) -> Json:
        """Define a crawler."""
        name = request["Name"]
        if not name or any(ord(character) < 32 for character in name):
            raise ServiceError("InvalidInputException", f"{name!r} is no name of a crawler.")
        definition = {key: value for key, value in request.items() if key != "Tags"}
        read_settings(definition)
        with self._store.transaction():
            if self._store.get("crawler", name) is not None:
                raise ServiceError("AlreadyExistsException", f"Crawler {name} already exists.")
            now = _now()
            stamps = {"State": "READY", "CreationTime": now, "LastUpdated": now, "Version": 1, "CrawlElapsedTime": 0}
            self._store.put("crawler", name, {**_defaults(), **definition, **stamps})
        return {}

    def update_crawler(self, request: Json) -> Json:
        """Change the given members of a crawler that does not run."""
        with self._store.transaction():
            old = self._ready(request["Name"])
            new = {**old, **request}
            read_settings(new)
            self._store.put("crawler", old["Name"], {**new, "LastUpdated": _now(), "Version": old["Version"] + 1})
        return {}

    def delete_crawler(self, request: Json) -> Json:
        """Delete a crawler that does not run, and its history; the tables that it made stay."""
        with self._store.transaction():
            name = self._ready(request["Name"])["Name"]
            self._store.delete("crawler", name)
            self._store.delete_prefix("crawl", name + SEPARATOR)
        return {}

    def get_crawler(self, request: Json) -> Json:
        """Return one crawler with its state and last crawl."""
        return {"Crawler": _shown(self._crawler(request["Name"]))}

    def get_crawlers(self, request: Json) -> Json:
        """Return every crawler, by name, in pages."""
        page, more = take_page(self._all(), lambda crawler: str(crawler["Name"]), request, 1000)
        return {"Crawlers": [_shown(crawler) for crawler in page], **more}

    def batch_get_crawlers(self, request: Json) -> Json:
        """Return the crawlers that exist and the names of those that do not."""
        found = {name: self._store.get("crawler", name) for name in request["CrawlerNames"]}
        return {
            "Crawlers": [_shown(crawler) for crawler in found.values() if crawler],
            "CrawlersNotFound": [name for name, crawler in found.items() if not crawler],
        }

    def list_crawlers(self, request: Json) -> Json:
        """Return the crawlers' names, in pages."""
        page, more = take_page((str(crawler["Name"]) for crawler in self._all()), str, request, 1000)
        return {"CrawlerNames": page, **more}

    def start_crawler(self, request: Json) -> Json:
        """Start a crawl in the background."""
        with self._store.transaction():
            crawler = self._ready(request["Name"])
            name, crawl_id = crawler["Name"], str(uuid4())
            self._stops[name] = threading.Event()
            started = {"State": "RUNNING", "CrawlId": crawl_id, "StartedOn": _now()}
            self._store.put("crawler", name, {**crawler, **started})
            record = {"CrawlId": crawl_id, "State": "RUNNING", "StartTime": started["StartedOn"]}
            self._store.put("crawl", f"{name}{SEPARATOR}{crawl_id}", {**record, **self._log_place(crawl_id)})
        thread = threading.Thread(target=self._perform, args=({**crawler, **started},), daemon=True)
        self._threads[name] = thread
        thread.start()
        return {}

    def stop_crawler(self, request: Json) -> Json:
        """Ask a crawl to stop; it ends as CANCELLED before its next table."""
        with self._store.transaction():
            crawler = self._crawler(request["Name"])
            name = crawler["Name"]
            if crawler["State"] == "READY":
                raise ServiceError("CrawlerNotRunningException", f"Crawler {name} is not running.")
            if crawler["State"] == "STOPPING":
                raise ServiceError("CrawlerStoppingException", f"Crawler {name} is being stopped already.")
            self._store.put("crawler", name, {**crawler, "State": "STOPPING"})
        self._stops[name].set()
        return {}

    def get_crawler_metrics(self, request: Json) -> Json:
        """Return what the crawls of each crawler took and did."""
        names = request.get("CrawlerNameList") or [str(crawler["Name"]) for crawler in self._all()]
        page, more = take_page(names, str, request, 1000)
        return {"CrawlerMetricsList": [self._metrics(self._crawler(name)) for name in page], **more}

    def list_crawls(self, request: Json) -> Json:
        """Return a crawler's crawls, the newest first, in pages."""
        crawls = self._crawls(self._crawler(request["CrawlerName"])["Name"])
        order = {crawl["CrawlId"]: 10**8 - index for index, crawl in enumerate(reversed(crawls))}
        page, more = take_page(crawls, lambda crawl: f"{order[crawl['CrawlId']]:09d}", request, 1000)
        return {"Crawls": [{key: value for key, value in crawl.items() if key != "Totals"} for crawl in page], **more}

    def _perform(self, crawler: Json) -> None:
        name, crawl_id = crawler["Name"], crawler["CrawlId"]
        path = self._context.home / "logs" / "crawlers" / f"{crawl_id}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", buffering=1) as file:

                def log(line: str) -> None:
                    file.write(f"[{time.strftime('%H:%M:%S', time.gmtime())}] {line}\n")

                log(f"crawler {name}, crawl {crawl_id}, database {crawler['DatabaseName']}")
                result = crawl(self._context, read_settings(crawler), log, self._stops[name].is_set)
                totals = result.totals
                log(f"{result.status}: {totals.created} created, {totals.updated} updated, {totals.deleted} deleted")
        except Exception as error:  # a crawler must never stay RUNNING: this thread is all that could end it
            result = CrawlResult("FAILED", Totals(), f"{type(error).__name__}: {error}")
        if self._closing and result.status == "CANCELLED":
            result = CrawlResult("FAILED", result.totals, STOPPED_WITH_STACK)
        self._finish(name, crawl_id, result)

    def _finish(self, name: str, crawl_id: str, result: CrawlResult) -> None:
        """Write down how a crawl ended, and make the crawler READY again."""
        with self._store.transaction():
            crawler = self._crawler(name)
            place = self._log_place(crawl_id)
            error = {"ErrorMessage": result.error[:2048]} if result.error else {}
            last = {"Status": result.status, "StartTime": crawler["StartedOn"], **place, **error}
            key = f"{name}{SEPARATOR}{crawl_id}"
            record = self._store.get("crawl", key) or {"CrawlId": crawl_id, "StartTime": crawler["StartedOn"], **place}
            ended = {"State": _HISTORY[result.status], "EndTime": _now(), "Totals": vars(result.totals), **error}
            self._store.put("crawl", key, {**record, **ended})
            self._store.put("crawler", name, {**crawler, "State": "READY", "LastCrawl": last})

    def _metrics(self, crawler: Json) -> Json:
        ended = [crawl for crawl in self._crawls(crawler["Name"]) if "EndTime" in crawl]
        seconds = [crawl["EndTime"] - crawl["StartTime"] for crawl in ended]
        totals = ended[0]["Totals"] if ended else vars(Totals())
        return {
            "CrawlerName": crawler["Name"],
            "TimeLeftSeconds": 0.0,
            "StillEstimating": crawler["State"] != "READY",
            "LastRuntimeSeconds": round(seconds[0], 3) if seconds else 0.0,
            "MedianRuntimeSeconds": round(statistics.median(seconds), 3) if seconds else 0.0,
            "TablesCreated": totals["created"],
            "TablesUpdated": totals["updated"],
            "TablesDeleted": totals["deleted"],
        }

    def _crawls(self, name: str) -> list[Json]:
        crawls = [crawl for _, crawl in self._store.list("crawl", name + SEPARATOR)]
        return sorted(crawls, key=lambda crawl: float(crawl["StartTime"]), reverse=True)

    def _all(self) -> list[Json]:
        return [crawler for _, crawler in self._store.list("crawler")]

    def _crawler(self, name: str) -> Json:
        crawler = self._store.get("crawler", name)
        if crawler is None:
            raise ServiceError("EntityNotFoundException", f"Crawler {name} not found.")
        return crawler

    def _ready(self, name: str) -> Json:
        crawler = self._crawler(name)
        if crawler["State"] != "READY":
            raise ServiceError("CrawlerRunningException", f"Crawler {name} is {crawler['State']}: wait, or stop it.")
        return crawler

    def _log_place(self, crawl_id: str) -> dict[str, str]:
        folder = str(self._context.home / "logs" / "crawlers")
        return {"LogGroup": folder, "LogStream": f"{crawl_id}.log", "MessagePrefix": crawl_id}


def _defaults() -> Json:
    return {
        "Classifiers": [],
        "SchemaChangePolicy": {"UpdateBehavior": UPDATE[0], "DeleteBehavior": DELETE[0]},
        "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
        "LineageConfiguration": {"CrawlerLineageSettings": "DISABLE"},
    }


def _shown(crawler: Json) -> Json:
    """Return the Crawler of the API; a crawl under way shows how long it has taken, in milliseconds."""
    shown = {key: value for key, value in crawler.items() if key not in ("CrawlId", "StartedOn")}
    if crawler["State"] != "READY":
        shown["CrawlElapsedTime"] = round((_now() - crawler["StartedOn"]) * 1000)
    return shown


def _now() -> float:
    return round(time.time(), 3)
