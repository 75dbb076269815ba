"""What is asked of the running Superset over its REST API, as the one account, on loopback without any proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any

from workbench.dashboards.errors import DashboardsError

ADMIN = "admin"
_TIMEOUT = 60


class Superset:
    """A session with the Superset at `url`; it logs in when it is made.

    Raises:
        DashboardsError: Superset does not answer, or refuses.
    """

    def __init__(self, url: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )
        self._headers = {"Content-Type": "application/json", "Referer": f"{self._url}/"}
        account = {"username": ADMIN, "password": password, "provider": "db", "refresh": False}
        token = self.ask("POST", "/api/v1/security/login", account)["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"
        self._headers["X-CSRFToken"] = self.ask("GET", "/api/v1/security/csrf_token/")["result"]

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send one request and return the JSON that it is answered with."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers, method=method)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            said = " ".join(error.read().decode(errors="replace").split())[:200]
            raise DashboardsError(f"Superset answers {method} {path} with {error.code}: {said}") from error
        except OSError as error:
            raise DashboardsError(f"Superset at {self._url} does not answer: {error}") from error
        try:
            document = json.loads(content or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def find_datasets(self) -> dict[str, int]:
        """Return the datasets that Superset knows: relation -> its number."""
        answer = self.ask("GET", "/api/v1/dataset/?q=(page_size:1000)")
        return {entry["table_name"]: int(entry["id"]) for entry in answer["result"]}

    def find_columns(self, dataset: int) -> set[str]:
        """Return the names of a dataset's columns, the calculated ones aside."""
        columns = self.ask("GET", f"/api/v1/dataset/{dataset}")["result"]["columns"]
        return {column["column_name"] for column in columns if not column.get("expression")}

    def read_columns_again(self, dataset: int) -> None:
        """Have Superset look which columns the relation has now."""
        self.ask("PUT", f"/api/v1/dataset/{dataset}/refresh")

    def forget_results(self, *datasets: int) -> None:
        """Drop every cached result of these datasets."""
        uids = [f"{dataset}__table" for dataset in datasets]
        self.ask("POST", "/api/v1/cachekey/invalidate", {"datasource_uids": uids})
