"""A crawler's definition, read into what a crawl needs; what would not be honoured is refused."""

import json
from dataclasses import dataclass
from typing import Any

from local_aws.errors import ServiceError

Json = dict[str, Any]

UPDATE = ("UPDATE_IN_DATABASE", "LOG")
DELETE = ("DEPRECATE_IN_DATABASE", "DELETE_FROM_DATABASE", "LOG")  # the first of each is Glue's default


@dataclass(frozen=True)
class CrawlerSettings:
    """What to crawl and what to do with what is found. `level` is TableLevelConfiguration, the bucket being 1."""

    name: str
    database: str
    targets: tuple[str, ...]
    prefix: str
    update: str
    delete: str
    inherit_from_table: bool
    merge_new_columns: bool
    level: int | None


def read_settings(definition: Json) -> CrawlerSettings:
    """Read a CreateCrawler request (or a stored crawler). Raises InvalidInputException."""
    name = definition["Name"]
    if definition.get("Classifiers"):
        raise _invalid(name, "Classifiers are not supported: the built-in ones read Parquet, CSV and JSON lines")
    recrawl = definition.get("RecrawlPolicy", {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
    if recrawl != "CRAWL_EVERYTHING":
        raise _invalid(name, f"RecrawlBehavior {recrawl} is not supported, CRAWL_EVERYTHING is")
    if not definition.get("DatabaseName"):
        raise _invalid(name, "DatabaseName is missing")
    policy = definition.get("SchemaChangePolicy", {})
    configuration = _read_configuration(name, definition.get("Configuration", ""))
    output, grouping = configuration.get("CrawlerOutput", {}), configuration.get("Grouping", {})
    return CrawlerSettings(
        name=name,
        database=definition["DatabaseName"].lower(),
        targets=_read_targets(name, definition.get("Targets", {})),
        prefix=definition.get("TablePrefix", ""),
        update=policy.get("UpdateBehavior", UPDATE[0]),
        delete=policy.get("DeleteBehavior", DELETE[0]),
        inherit_from_table=output.get("Partitions", {}).get("AddOrUpdateBehavior") == "InheritFromTable",
        merge_new_columns=output.get("Tables", {}).get("AddOrUpdateBehavior") == "MergeNewColumns",
        level=grouping.get("TableLevelConfiguration"),
    )


def _read_targets(name: str, targets: Json) -> tuple[str, ...]:
    others = sorted(kind for kind, listed in targets.items() if kind != "S3Targets" and listed)
    if others:
        raise _invalid(name, f"{', '.join(others)} are not supported, S3Targets are")
    paths = []
    for target in targets.get("S3Targets", []):
        more = sorted(key for key, value in target.items() if key != "Path" and value)
        if more:
            raise _invalid(name, f"S3Targets: {', '.join(more)} is not supported, only Path is")
        path = str(target.get("Path", ""))
        if not path:
            raise _invalid(name, "S3Targets: Path is missing")
        paths.append(path if path.startswith("s3://") else f"s3://{path}")
    if not paths:
        raise _invalid(name, "Targets names no S3Targets")
    return tuple(paths)


def _read_configuration(name: str, text: str) -> Json:
    """Read the Configuration's JSON; every key of it must be one that is honoured."""
    if not text.strip():
        return {}
    try:
        configuration = json.loads(text)
    except ValueError as error:
        raise _invalid(name, f"Configuration is no JSON: {error}") from None
    if not isinstance(configuration, dict):
        raise _invalid(name, "Configuration is no JSON object")
    honoured = {
        ("Version",): (1, 1.0),
        ("CreatePartitionIndex",): (True, False),
        ("CrawlerOutput", "Partitions", "AddOrUpdateBehavior"): ("InheritFromTable",),
        ("CrawlerOutput", "Tables", "AddOrUpdateBehavior"): ("MergeNewColumns",),
        ("Grouping", "TableGroupingPolicy"): ("CombineCompatibleSchemas",),
        ("Grouping", "TableLevelConfiguration"): range(1, 64),
    }
    for path, value in _leaves(configuration, ()):
        if path not in honoured or value not in honoured[path]:
            raise _invalid(name, f"Configuration: {'.'.join(path)} = {value!r} is not supported")
    return configuration


def _leaves(value: Any, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]
    return [(path, value)]


def _invalid(name: str, what: str) -> ServiceError:
    return ServiceError("InvalidInputException", f"Crawler {name}: {what}.")
