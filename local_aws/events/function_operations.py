"""Lambda's API, for what provisioning needs: functions, who may invoke them, and what feeds them.

The code is kept; `workbench watch` runs it, in a process with the Lambda role's key. Invoke is not answered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import time
import uuid
import zipfile
from typing import Any, ClassVar

from local_aws.errors import ServiceError
from local_aws.server.context import Context
from local_aws.server.operations import Operation

Json = dict[str, Any]
_SETTINGS = "FunctionName Role Handler Runtime Timeout MemorySize Description Environment LoggingConfig"
_MAPPING = "FunctionName Enabled BatchSize MaximumBatchingWindowInSeconds FunctionResponseTypes ScalingConfig"


def _real(method: str, members: str, note: str = "") -> Operation:
    return Operation(method, "real", frozenset(members.split()), note)


class FunctionOperations:
    """Answer Lambda's operations. Owner of the kinds `function`, `function_policy` and `event_source_mapping`."""

    OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateFunction": _real(
            "create_function", f"{_SETTINGS} Code Architectures", "run by `workbench watch`, with this machine's Python"
        ),
        "UpdateFunctionCode": _real("update_function_code", "FunctionName ZipFile Architectures"),
        "UpdateFunctionConfiguration": _real("update_function_configuration", _SETTINGS),
        "GetFunction": _real("get_function", "FunctionName"),
        "GetFunctionConfiguration": _real("get_function_configuration", "FunctionName"),
        "ListFunctions": _real("list_functions", ""),
        "DeleteFunction": _real("delete_function", "FunctionName"),
        "AddPermission": _real("add_permission", "FunctionName StatementId Action Principal SourceArn SourceAccount"),
        "RemovePermission": _real("remove_permission", "FunctionName StatementId"),
        "GetPolicy": _real("get_policy", "FunctionName"),
        "CreateEventSourceMapping": _real("create_mapping", f"EventSourceArn {_MAPPING}", "queues only"),
        "UpdateEventSourceMapping": _real("update_mapping", f"UUID {_MAPPING}"),
        "GetEventSourceMapping": _real("get_mapping", "UUID"),
        "ListEventSourceMappings": _real("list_mappings", "EventSourceArn FunctionName"),
        "DeleteEventSourceMapping": _real("delete_mapping", "UUID"),
    }

    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._arn = f"arn:aws:lambda:{context.region}:{context.account_id}:"

    def create_function(self, request: Json) -> Json:
        """Keep a function and its code."""
        name = _name(request)
        code = _read_code(request["Code"])
        with self._store.transaction():
            if self._store.get("function", name) is not None:
                raise ServiceError("ResourceConflictException", f"Function already exist: {name}", 409)
            settings = {key: value for key, value in request.items() if key != "Code"}
            return self._put(name, {"Timeout": 3, "MemorySize": 128, **settings}, code)

    def update_function_code(self, request: Json) -> Json:
        """Replace the code."""
        name = _name(request)
        with self._store.transaction():
            return self._put(name, self._function(name)["Settings"], _read_code(request))

    def update_function_configuration(self, request: Json) -> Json:
        """Replace the settings that are given."""
        name = _name(request)
        with self._store.transaction():
            function = self._function(name)
            return self._put(name, {**function["Settings"], **request}, function["Code"])

    def get_function(self, request: Json) -> Json:
        """Return a function's settings; its code is not given for download."""
        return {"Configuration": self._describe(self._function(_name(request)))}

    def get_function_configuration(self, request: Json) -> Json:
        """Return a function's settings."""
        return self._describe(self._function(_name(request)))

    def list_functions(self, request: Json) -> Json:
        """Return all functions' settings."""
        return {"Functions": [self._describe(function) for _, function in self._store.list("function")]}

    def delete_function(self, request: Json) -> Json:
        """Delete a function and who may invoke it."""
        name = _name(request)
        self._function(name)
        self._store.delete("function", name)
        self._store.delete("function_policy", name)
        return {}

    def add_permission(self, request: Json) -> Json:
        """Let a service invoke a function."""
        name, sid = _name(request), request["StatementId"]
        self._function(name)
        statement: Json = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"Service": request["Principal"]},
            "Action": request["Action"],
            "Resource": f"{self._arn}function:{name}",
        }
        if "SourceArn" in request:
            statement["Condition"] = {"ArnLike": {"AWS:SourceArn": request["SourceArn"]}}
        if "SourceAccount" in request:
            statement.setdefault("Condition", {})["StringEquals"] = {"AWS:SourceAccount": request["SourceAccount"]}
        with self._store.transaction():
            policy = self._store.get("function_policy", name) or {}
            if sid in policy:
                raise ServiceError("ResourceConflictException", f"The statement id ({sid}) already exists.", 409)
            self._store.put("function_policy", name, {**policy, sid: statement})
        return {"Statement": json.dumps(statement)}

    def remove_permission(self, request: Json) -> Json:
        """Take a permission away."""
        name, sid = _name(request), request["StatementId"]
        with self._store.transaction():
            policy = self._store.get("function_policy", name) or {}
            if sid not in policy:
                raise ServiceError("ResourceNotFoundException", f"Statement {sid} is not found.", 404)
            self._store.put("function_policy", name, {key: value for key, value in policy.items() if key != sid})
        return {}

    def get_policy(self, request: Json) -> Json:
        """Return who may invoke a function."""
        policy = self._store.get("function_policy", _name(request))
        if not policy:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": list(policy.values())})}

    def create_mapping(self, request: Json) -> Json:
        """Let a queue feed a function."""
        if request.get("EventSourceArn", "").split(":")[2:3] != ["sqs"]:
            raise ServiceError("InvalidParameterValueException", "Only queues feed functions here.")
        name = _name(request)
        with self._store.transaction():
            for _, mapping in self._store.list("event_source_mapping"):
                if (mapping["EventSourceArn"], mapping["FunctionName"]) == (request["EventSourceArn"], name):
                    message = f"An event source mapping with them already exists: {mapping['UUID']}."
                    raise ServiceError("ResourceConflictException", message, 409)
            made = {"Enabled": True, "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}
            return self._put_mapping({**made, **request, "FunctionName": name, "UUID": str(uuid.uuid4())})

    def update_mapping(self, request: Json) -> Json:
        """Change what is given of a mapping."""
        with self._store.transaction():
            changed = {**self._mapping(request["UUID"]), **request}
            return self._put_mapping({**changed, "FunctionName": _name(changed)})

    def get_mapping(self, request: Json) -> Json:
        """Return one mapping."""
        return self._describe_mapping(self._mapping(request["UUID"]))

    def list_mappings(self, request: Json) -> Json:
        """Return the mappings, of one queue or function where that is asked for."""
        found = [mapping for _, mapping in self._store.list("event_source_mapping")]
        if "FunctionName" in request:
            found = [mapping for mapping in found if mapping["FunctionName"] == _name(request)]
        if "EventSourceArn" in request:
            found = [mapping for mapping in found if mapping["EventSourceArn"] == request["EventSourceArn"]]
        return {"EventSourceMappings": [self._describe_mapping(mapping) for mapping in found]}

    def delete_mapping(self, request: Json) -> Json:
        """Delete a mapping."""
        mapping = self._mapping(request["UUID"])
        self._store.delete("event_source_mapping", request["UUID"])
        return {**self._describe_mapping(mapping), "State": "Deleting"}

    def _put(self, name: str, settings: Json, code: str) -> Json:
        digest = base64.b64encode(hashlib.sha256(base64.b64decode(code)).digest()).decode()
        modified = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
        function = {"Settings": {**settings, "FunctionName": name}, "Code": code}
        function |= {"CodeSha256": digest, "LastModified": modified}
        self._store.put("function", name, function)
        return self._describe(function)

    def _describe(self, function: Json) -> Json:
        settings, code = function["Settings"], base64.b64decode(function["Code"])
        facts = {"CodeSha256": function["CodeSha256"], "CodeSize": len(code), "LastModified": function["LastModified"]}
        states = {"State": "Active", "LastUpdateStatus": "Successful", "PackageType": "Zip", "Version": "$LATEST"}
        return {**settings, "FunctionArn": f"{self._arn}function:{settings['FunctionName']}", **facts, **states}

    def _put_mapping(self, mapping: Json) -> Json:
        window, size = mapping["MaximumBatchingWindowInSeconds"], mapping["BatchSize"]
        if not 0 <= window <= 300 or not 1 <= size <= 10000 or (size > 10 and not window):
            message = "A batch has 1 to 10000 messages (over 10 only with a window), a window 0 to 300 seconds."
            raise ServiceError("InvalidParameterValueException", message)
        self._function(mapping["FunctionName"])
        self._store.put("event_source_mapping", mapping["UUID"], {**mapping, "LastModified": time.time()})
        return self._describe_mapping(self._mapping(mapping["UUID"]))

    def _describe_mapping(self, mapping: Json) -> Json:
        shown = {key: value for key, value in mapping.items() if key not in ("Enabled", "FunctionName")}
        state = "Enabled" if mapping["Enabled"] else "Disabled"
        return {**shown, "State": state, "FunctionArn": f"{self._arn}function:{mapping['FunctionName']}"}

    def _function(self, name: str) -> Json:
        function = self._store.get("function", name)
        if function is None:
            raise ServiceError("ResourceNotFoundException", f"Function not found: {self._arn}function:{name}", 404)
        return function

    def _mapping(self, name: str) -> Json:
        mapping = self._store.get("event_source_mapping", name)
        if mapping is None:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return mapping


def _name(request: Json) -> str:
    """Return a function's name, which a request may give as an ARN."""
    return str(request["FunctionName"]).rpartition(":")[2]


def _read_code(code: Json) -> str:
    """Return the zip archive in base64. Raises InvalidParameterValueException for what is none."""
    text = code.get("ZipFile")
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(text or "", validate=True))) as archive:
            if not archive.namelist():
                raise zipfile.BadZipFile
    except (zipfile.BadZipFile, binascii.Error, ValueError):
        message = "The code must be a zip archive in ZipFile: other places are not supported locally."
        raise ServiceError("InvalidParameterValueException", message) from None
    return str(text)
