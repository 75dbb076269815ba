"""The assets that are to be imported: those of datasets that have been published, checked before Superset sees them.

dashboards/assets/ holds them as they were reviewed; a dataset that has none there gets its automatic dashboard.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.endpoints import Endpoints
from workbench.dashboards.errors import AssetsError, DashboardsError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Assets:
    """What is to be imported: the files, path -> YAML, and the datasets that they show."""

    files: Mapping[str, str]
    datasets: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Return what changes with any file."""
        digest = hashlib.sha256()
        for path, text in sorted(self.files.items()):
            digest.update(f"{path}\0{text}\0".encode())
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Put the files, and nothing else, under `folder`."""
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")


def find_published(endpoints: Endpoints, progress: Progress) -> dict[str, set[str]]:
    """Return the relations that readers see; the history of runs is published first where there is none yet.

    Raises:
        DashboardsError: PostgreSQL cannot be asked.
    """
    from workbench.dashboards.database import read_published
    from workbench.history import lacks_history, publish_runs

    published = read_published(endpoints)
    if lacks_history(published) and publish_runs(progress, "local"):
        published = read_published(endpoints)
    return published


def collect_assets(published: Mapping[str, set[str]], progress: Progress, folder: Path | None = None) -> Assets:
    """Return the assets of every dataset whose relation is published; `folder` stands for dashboards/assets/.

    Raises:
        AssetsError: a file that is not YAML, with its line.
        DashboardsError: a column that an asset needs is not in PostgreSQL.
    """
    from dashboards.assets import ASSETS, dataset_of, read_assets
    from dashboards.quality import QUARANTINE

    committed = read_assets(folder or ASSETS)
    reviewed = {dataset_of(path) for path in committed} - {""}
    generated = _generate(progress)
    # what all dashboards share, so that an import has what it needs where no dataset is published yet
    files = {path: text for path, text in committed.items() if not dataset_of(path) and "workbench_" not in path}
    shown, missing = [], []
    for dataset in sorted(reviewed | set(generated)):
        if not {dataset, f"{dataset}{QUARANTINE}"} <= set(published):
            missing.append(dataset)
            continue
        shown.append(dataset)
        made = generated.get(dataset, {})
        chosen = {path: text for path, text in committed.items() if dataset_of(path) in (dataset, "")}
        if dataset not in reviewed:
            chosen = made
        elif made and chosen != made:
            progress(
                f"dashboards/assets differs from what {dataset}'s contract and description give: "
                "`workbench dashboards --write` renews it"
            )
        files.update(chosen)
    for dataset in missing:
        progress(f"no dashboard of {dataset} yet: `workbench run --dataset {dataset}` publishes its table")
    parsed = {path: _parse(path, text) for path, text in files.items()}
    for path, document in parsed.items():
        if path.startswith("datasets/"):
            _check_columns(path, document, published)
    return Assets(files, tuple(shown))


def _generate(progress: Progress) -> dict[str, dict[str, str]]:
    """Return the files of each dataset as its contract gives them now."""
    from dashboards.assets import build_assets
    from dashboards.errors import DescriptionError
    from helpers.contract import list_datasets, load_contract
    from helpers.errors import ContractError

    made = {}
    for dataset in list_datasets():
        try:
            made[dataset] = build_assets(load_contract(dataset))
        except (ContractError, DescriptionError) as error:
            progress(f"{dataset} is left as it is: {error}")
    return made


def _parse(path: str, text: str) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise AssetsError(
            f"dashboards/assets/{path}{line}: not YAML: {getattr(error, 'problem', error)}; nothing was imported"
        ) from error
    if not isinstance(document, dict):
        raise AssetsError(f"dashboards/assets/{path}:1: write keys such as `uuid:`; nothing was imported")
    if "uuid" not in document and path != "metadata.yaml":
        raise AssetsError(f"dashboards/assets/{path}: uuid is missing; nothing was imported")
    return document


def _check_columns(path: str, document: Mapping[str, Any], published: Mapping[str, set[str]]) -> None:
    from dashboards.quality import loaded_by

    relation = str(document.get("table_name"))
    if relation not in published:
        raise AssetsError(f"dashboards/assets/{path}: table_name: PostgreSQL has no analytics.{relation}")
    for column in document.get("columns") or []:
        name = column.get("column_name") if isinstance(column, dict) else None
        if name and not column.get("expression") and name not in published[relation]:
            raise DashboardsError(
                f"dashboards/assets/{path}: analytics.{relation} has no column {name} in PostgreSQL: "
                f"`{loaded_by(relation)}` loads it; nothing was imported"
            )
