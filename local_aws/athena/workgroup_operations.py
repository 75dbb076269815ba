"""Athena's API of workgroups, tags and engine versions."""

from typing import Any, ClassVar

from local_aws.athena.paging import take_page
from local_aws.athena.prepared import PreparedStatements
from local_aws.athena.workgroups import Workgroups, invalid
from local_aws.errors import ServiceError
from local_aws.server.operations import Operation
from local_aws.store import Store

TAGS = "athena_tags"
Json = dict[str, Any]


class WorkGroupOperations:
    """Answer for workgroups and their tags."""

    WORKGROUP_OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateWorkGroup": Operation(
            "create_work_group",
            "real",
            frozenset({"Name", "Configuration", "Description", "Tags"}),
            "encryption, metrics and requester pays are recorded; managed results and Spark are refused",
        ),
        "GetWorkGroup": Operation("get_work_group", "real", frozenset({"WorkGroup"})),
        "ListWorkGroups": Operation("list_work_groups", "real", frozenset({"NextToken", "MaxResults"})),
        "UpdateWorkGroup": Operation(
            "update_work_group", "real", frozenset({"WorkGroup", "Description", "ConfigurationUpdates", "State"})
        ),
        "DeleteWorkGroup": Operation("delete_work_group", "real", frozenset({"WorkGroup", "RecursiveDeleteOption"})),
        "TagResource": Operation("tag_resource", "record", frozenset({"ResourceARN", "Tags"})),
        "UntagResource": Operation("untag_resource", "record", frozenset({"ResourceARN", "TagKeys"})),
        "ListTagsForResource": Operation(
            "list_tags_for_resource", "record", frozenset({"ResourceARN", "NextToken", "MaxResults"})
        ),
        "ListEngineVersions": Operation("list_engine_versions", "real", frozenset({"NextToken", "MaxResults"})),
    }

    store: Store
    workgroups: Workgroups
    prepared: PreparedStatements
    arn_prefix: str

    def create_work_group(self, request: Json) -> Json:
        self.workgroups.create(request["Name"], request.get("Configuration", {}), request.get("Description"))
        if request.get("Tags"):
            self.store.put(TAGS, f"{self.arn_prefix}workgroup/{request['Name']}", {"Tags": request["Tags"]})
        return {}

    def get_work_group(self, request: Json) -> Json:
        return {"WorkGroup": self.workgroups.get(request["WorkGroup"])}

    def list_work_groups(self, request: Json) -> Json:
        page, more = take_page(self.workgroups.list(), lambda group: str(group["Name"]), request)
        members = ("Name", "State", "Description", "CreationTime")
        summaries = [
            {**{name: group[name] for name in members}, "EngineVersion": group["Configuration"]["EngineVersion"]}
            for group in page
        ]
        return {"WorkGroups": summaries, **more}

    def update_work_group(self, request: Json) -> Json:
        self.workgroups.update(request)
        return {}

    def delete_work_group(self, request: Json) -> Json:
        name = request["WorkGroup"]
        if self.prepared.list(name) and not request.get("RecursiveDeleteOption"):
            raise invalid(f"WorkGroup {name} is not empty: use RecursiveDeleteOption to delete what it holds.")
        self.workgroups.delete(name)
        self.prepared.delete_all(name)
        self.store.delete(TAGS, f"{self.arn_prefix}workgroup/{name}")
        return {}

    def tag_resource(self, request: Json) -> Json:
        tags = {tag["Key"]: tag for tag in [*self._tags(request["ResourceARN"]), *request["Tags"]]}
        self.store.put(TAGS, request["ResourceARN"], {"Tags": list(tags.values())})
        return {}

    def untag_resource(self, request: Json) -> Json:
        kept = [tag for tag in self._tags(request["ResourceARN"]) if tag["Key"] not in request["TagKeys"]]
        self.store.put(TAGS, request["ResourceARN"], {"Tags": kept})
        return {}

    def list_tags_for_resource(self, request: Json) -> Json:
        page, more = take_page(self._tags(request["ResourceARN"]), lambda tag: str(tag["Key"]), request, 200)
        return {"Tags": page, **more}

    def _tags(self, arn: str) -> list[Json]:
        kind, _, name = arn.removeprefix(self.arn_prefix).partition("/")
        if not arn.startswith(self.arn_prefix) or kind not in ("workgroup", "datacatalog") or not name:
            raise ServiceError("ResourceNotFoundException", f"Resource {arn} is not found.")
        if kind == "workgroup":
            self.workgroups.get(name)
        return list((self.store.get(TAGS, arn) or {}).get("Tags", []))

    def list_engine_versions(self, request: Json) -> Json:
        version = "Athena engine version 3"
        versions = [(selected, version) for selected in ("AUTO", version)]
        page, more = take_page(versions, lambda pair: pair[0], request, 10)
        listed = [{"SelectedEngineVersion": name, "EffectiveEngineVersion": effective} for name, effective in page]
        return {"EngineVersions": listed, **more}
