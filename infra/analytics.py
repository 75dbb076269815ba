"""Glue databases, jobs and crawlers, Athena workgroups and log groups by ordinary API calls.

Each is created where it is missing, updated where it says something else than the template, and left alone otherwise.
"""

from __future__ import annotations

from typing import Any

from infra.errors import ProvisionError
from infra.properties import Json, Properties, covers

JOB_PROPERTIES = (
    *("Description", "Role", "GlueVersion", "WorkerType", "NumberOfWorkers", "Timeout", "MaxRetries"),
    *("ExecutionProperty", "Command", "DefaultArguments"),
)
CRAWLER_PROPERTIES = (
    *("Description", "Role", "DatabaseName", "Targets", "SchemaChangePolicy", "RecrawlPolicy", "Configuration"),
)
WORKGROUP_SETTINGS = (
    *("EnforceWorkGroupConfiguration", "PublishCloudWatchMetricsEnabled", "BytesScannedCutoffPerQuery"),
    "EngineVersion",
)


def make_database(glue: Any, properties: Properties) -> str:
    """Create or update the database. Returns its name."""
    wanted: Json = properties.take("DatabaseInput")
    properties.finish()
    try:
        found = glue.get_database(Name=wanted["Name"])["Database"]
    except glue.exceptions.EntityNotFoundException:
        glue.create_database(DatabaseInput=wanted)
    else:
        if not covers(found, wanted):
            glue.update_database(Name=wanted["Name"], DatabaseInput=wanted)
    return str(wanted["Name"])


def make_job(glue: Any, properties: Properties) -> str:
    """Create or update the job. Returns its name."""
    name: str = properties.take("Name")
    wanted = properties.take_all(*JOB_PROPERTIES)
    properties.finish()
    try:
        found = glue.get_job(JobName=name)["Job"]
    except glue.exceptions.EntityNotFoundException:
        glue.create_job(Name=name, **wanted)
    else:
        same_arguments = found.get("DefaultArguments", {}) == wanted.get("DefaultArguments", {})
        if not same_arguments or not covers(found, wanted):
            glue.update_job(JobName=name, JobUpdate=wanted)
    return name


def make_crawler(glue: Any, properties: Properties) -> str:
    """Create or update the crawler. Returns its name."""
    name: str = properties.take("Name")
    wanted = properties.take_all(*CRAWLER_PROPERTIES)
    properties.finish()
    try:
        found = glue.get_crawler(Name=name)["Crawler"]
    except glue.exceptions.EntityNotFoundException:
        glue.create_crawler(Name=name, **wanted)
        return name
    # Glue gives a role back by its name, whether it was set by name or ARN.
    same_role = found["Role"].rpartition("/")[2] == wanted["Role"].rpartition("/")[2]
    if not same_role or not covers(found, {key: value for key, value in wanted.items() if key != "Role"}):
        try:
            glue.update_crawler(Name=name, **wanted)
        except glue.exceptions.CrawlerRunningException:
            raise ProvisionError(
                f"crawler {name} is running and cannot be changed: try again when it is done"
            ) from None
    return name


def make_workgroup(athena: Any, properties: Properties) -> str:
    """Create or update the workgroup. Returns its name."""
    name: str = properties.take("Name")
    described = properties.take_all("Description")
    state = properties.take("State", "ENABLED")
    nested = properties.take_nested("WorkGroupConfiguration")
    results = nested.take("ResultConfiguration")
    settings = nested.take_all(*WORKGROUP_SETTINGS)
    nested.finish()
    properties.finish()
    wanted = {**described, "State": state, "Configuration": {**settings, "ResultConfiguration": results}}
    names = [entry["Name"] for entry in athena.list_work_groups()["WorkGroups"]]
    if name not in names:
        athena.create_work_group(Name=name, Configuration=wanted["Configuration"], **described)
    elif covers(athena.get_work_group(WorkGroup=name)["WorkGroup"], wanted):
        return name
    elif state == "ENABLED" or described:
        updates = {**settings, "ResultConfigurationUpdates": results}
        athena.update_work_group(WorkGroup=name, State=state, ConfigurationUpdates=updates, **described)
    return name


def make_log_group(logs: Any, properties: Properties) -> str:
    """Create the log group and set its retention. Returns its name."""
    name: str = properties.take("LogGroupName")
    days = properties.take("RetentionInDays", None)
    properties.finish()
    try:
        logs.create_log_group(logGroupName=name)
    except logs.exceptions.ResourceAlreadyExistsException:
        pass
    if days:
        logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    return name
