"""After a publication: the dashboard of a new dataset is imported, new columns appear, and cached figures go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from workbench.dashboards.server import find_server, place

Progress = Callable[[str], None]


def refresh(home: Path, dataset: str) -> str:
    """Have a running Superset show what was published of the dataset just now. Returns one line; never raises.

    A run must not fail because nobody looks at its dashboard: whatever is wrong is said in the line.
    """
    try:
        return _refresh(home.resolve(), dataset)
    except Exception as error:  # see above
        said = " ".join(str(error).split()) or type(error).__name__
        return f"dashboard of {dataset} not refreshed: {said[:300]}; `workbench dashboards` mends it"


def forget_history(home: Path, dataset: str) -> None:
    """Have a running Superset draw the data-quality tab of a dataset anew; never raises, as `refresh` does not."""
    from dashboards.quality import list_relations
    from workbench.dashboards.client import Superset
    from workbench.dashboards.control import ADMIN_SECRET

    with contextlib.suppress(Exception):
        home = home.resolve()
        if server := find_server(home):
            superset = Superset(server.url, (home / "secrets" / ADMIN_SECRET).read_text())
            known = superset.find_datasets()
            superset.forget_results(*(known[name] for name in list_relations(dataset) if name in known))


def _refresh(home: Path, dataset: str) -> str:
    from dashboards.quality import list_relations
    from workbench.dashboards.client import Superset
    from workbench.dashboards.collect import collect_assets, find_published
    from workbench.dashboards.control import ADMIN_SECRET, alone, import_where_changed, require_endpoints
    from workbench.dashboards.database import ensure_database

    server = find_server(home)
    if not server:
        known = "is down" if (place(home) / "server.json").exists() else "is not set up"
        return f"dashboard of {dataset} not refreshed: Superset {known}; `workbench dashboards` starts it"
    endpoints, done = require_endpoints(home), ""
    with alone(home):
        published = find_published(endpoints, _quiet)
        assets = collect_assets(published, _quiet)
        if import_where_changed(home, assets, ensure_database(endpoints), _quiet):
            done = ", imported anew"
        superset = Superset(server.url, (home / "secrets" / ADMIN_SECRET).read_text())
        numbers = superset.find_datasets()
        number = numbers.get(dataset)
        if number is None:
            return f"dashboard of {dataset}: none, since analytics.{dataset} is not published"
        new = published.get(dataset, set()) - superset.find_columns(number)
        if new:
            superset.read_columns_again(number)
            done += f", with new columns {', '.join(sorted(new))}"
        superset.forget_results(number, *(numbers[name] for name in list_relations(dataset) if name in numbers))
    address = f"{server.url}/superset/dashboard/{dataset.replace('_', '-')}/"
    return f"dashboard of {dataset} shows the new figures{done}: {address}"


def _quiet(line: str) -> None:
    """Show nothing: the answer is one line."""
