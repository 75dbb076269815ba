"""Athena's API of saved statements: named queries and prepared statements."""

import uuid
from typing import Any, ClassVar

from local_aws.athena.paging import take_page
from local_aws.athena.prepared import PreparedStatements
from local_aws.athena.workgroups import PRIMARY, Workgroups, invalid
from local_aws.errors import ServiceError
from local_aws.server.operations import Operation
from local_aws.store import Store

NAMED = "athena_named_query"
Json = dict[str, Any]


def _real(method: str, members: str) -> Operation:
    return Operation(method, "real", frozenset(members.split()))


class StatementOperations:
    """Answer for named queries and prepared statements."""

    STATEMENT_OPERATIONS: ClassVar[dict[str, Operation]] = {
        "CreateNamedQuery": _real(
            "create_named_query", "Name Description Database QueryString ClientRequestToken WorkGroup"
        ),
        "GetNamedQuery": _real("get_named_query", "NamedQueryId"),
        "BatchGetNamedQuery": _real("batch_get_named_query", "NamedQueryIds"),
        "ListNamedQueries": _real("list_named_queries", "NextToken MaxResults WorkGroup"),
        "UpdateNamedQuery": _real("update_named_query", "NamedQueryId Name Description QueryString"),
        "DeleteNamedQuery": _real("delete_named_query", "NamedQueryId"),
        "CreatePreparedStatement": _real(
            "create_prepared_statement", "StatementName WorkGroup QueryStatement Description"
        ),
        "GetPreparedStatement": _real("get_prepared_statement", "StatementName WorkGroup"),
        "BatchGetPreparedStatement": _real("batch_get_prepared_statement", "PreparedStatementNames WorkGroup"),
        "ListPreparedStatements": _real("list_prepared_statements", "WorkGroup NextToken MaxResults"),
        "UpdatePreparedStatement": _real(
            "update_prepared_statement", "StatementName WorkGroup QueryStatement Description"
        ),
        "DeletePreparedStatement": _real("delete_prepared_statement", "StatementName WorkGroup"),
    }

    store: Store
    workgroups: Workgroups
    prepared: PreparedStatements

    def create_named_query(self, request: Json) -> Json:
        workgroup = self.workgroups.get(request.get("WorkGroup", PRIMARY))["Name"]
        members = ("Name", "Description", "Database", "QueryString")
        content = {name: request[name] for name in members if name in request}
        token = request.get("ClientRequestToken")
        for key, found in self.store.list(NAMED):
            if token and found["token"] == token:
                if {name: found[name] for name in members if name in found} != content:
                    raise invalid("Idempotent parameters do not match")
                return {"NamedQueryId": key}
        key = str(uuid.uuid4())
        self.store.put(NAMED, key, {**content, "NamedQueryId": key, "WorkGroup": workgroup, "token": token})
        return {"NamedQueryId": key}

    def _named(self, key: str) -> Json:
        found = self.store.get(NAMED, key)
        if found is None:
            raise invalid(f"NamedQuery {key} was not found")
        return {name: value for name, value in found.items() if name != "token"}

    def get_named_query(self, request: Json) -> Json:
        return {"NamedQuery": self._named(request["NamedQueryId"])}

    def batch_get_named_query(self, request: Json) -> Json:
        known = {key for key in request["NamedQueryIds"] if self.store.get(NAMED, key) is not None}
        missing = [
            {"NamedQueryId": key, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"NamedQuery {key} was not found"}
            for key in request["NamedQueryIds"]
            if key not in known
        ]
        found = [self._named(key) for key in request["NamedQueryIds"] if key in known]
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    def list_named_queries(self, request: Json) -> Json:
        workgroup = self.workgroups.get(request.get("WorkGroup", PRIMARY))["Name"]
        keys = [key for key, found in self.store.list(NAMED) if found["WorkGroup"] == workgroup]
        page, more = take_page(keys, str, request)
        return {"NamedQueryIds": page, **more}

    def update_named_query(self, request: Json) -> Json:
        key = request["NamedQueryId"]
        self._named(key)
        changed: Json = {name: request[name] for name in ("Name", "Description", "QueryString") if name in request}
        self.store.put(NAMED, key, {**(self.store.get(NAMED, key) or {}), **changed})
        return {}

    def delete_named_query(self, request: Json) -> Json:
        if not self.store.delete(NAMED, request["NamedQueryId"]):
            raise invalid(f"NamedQuery {request['NamedQueryId']} was not found")
        return {}

    def create_prepared_statement(self, request: Json) -> Json:
        if self.prepared.find(request["WorkGroup"], request["StatementName"]) is not None:
            raise invalid(f"Prepared Statement {request['StatementName']} already exists")
        return self._put_prepared(request)

    def update_prepared_statement(self, request: Json) -> Json:
        self._prepared(request["WorkGroup"], request["StatementName"])
        return self._put_prepared(request)

    def _put_prepared(self, request: Json) -> Json:
        workgroup = self.workgroups.get(request["WorkGroup"])["Name"]
        name, description = request["StatementName"], request.get("Description")
        self.prepared.put(workgroup, name, request["QueryStatement"], description)
        return {}

    def _prepared(self, workgroup: str, name: str) -> Json:
        self.workgroups.get(workgroup)
        found = self.prepared.find(workgroup, name)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"PreparedStatement {name} was not found")
        return found

    def get_prepared_statement(self, request: Json) -> Json:
        return {"PreparedStatement": self._prepared(request["WorkGroup"], request["StatementName"])}

    def batch_get_prepared_statement(self, request: Json) -> Json:
        workgroup = self.workgroups.get(request["WorkGroup"])["Name"]
        names = request["PreparedStatementNames"]
        found = {name: self.prepared.find(workgroup, name) for name in names}
        missing = [
            {"StatementName": name, "ErrorCode": "INVALID_INPUT", "ErrorMessage": f"{name} was not found"}
            for name in names
            if found[name] is None
        ]
        present = [found[name] for name in names if found[name] is not None]
        return {"PreparedStatements": present, "UnprocessedPreparedStatementNames": missing}

    def list_prepared_statements(self, request: Json) -> Json:
        self.workgroups.get(request["WorkGroup"])
        every = self.prepared.list(request["WorkGroup"])
        page, more = take_page(every, lambda statement: str(statement["StatementName"]), request)
        summaries = [{name: found[name] for name in ("StatementName", "LastModifiedTime")} for found in page]
        return {"PreparedStatements": summaries, **more}

    def delete_prepared_statement(self, request: Json) -> Json:
        self._prepared(request["WorkGroup"], request["StatementName"])
        self.prepared.delete(request["WorkGroup"], request["StatementName"])
        return {}
