"""`workbench dashboards`: what it refuses, and what it says, before anything is installed or started."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dashboards.assets import ASSETS, read_assets, write_assets
from helpers.contract import load_contract
from helpers.run_history import QUARANTINE, RELATIONS, RUNS
from workbench.dashboards import refresh, status, stop
from workbench.dashboards.collect import collect_assets
from workbench.dashboards.errors import AssetsError, DashboardsError
from workbench.dashboards.install import ensure_environment, is_installed
from workbench.dashboards.server import choose_port, make_environment
from workbench.history import lacks_history

ROOT = Path(__file__).resolve().parent.parent
CHART = "charts/student_sample/trend.yaml"


def quiet(line: str) -> None:
    """Show nothing."""


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A folder with the assets of student_sample."""
    write_assets([load_contract("student_sample")], tmp_path / "assets")
    return tmp_path / "assets"


@pytest.fixture(scope="module")
def published() -> dict[str, set[str]]:
    """What PostgreSQL holds after a run of student_sample."""
    return tables("student_sample")


def tables(dataset: str) -> dict[str, set[str]]:
    """Return the relations that a run of the dataset leaves in PostgreSQL: name -> columns."""
    history = {name: set(relation.columns) for name, relation in RELATIONS.items()}
    columns = {column.name for column in load_contract(dataset).columns}
    return {dataset: columns, f"{dataset}__quarantine": set(QUARANTINE), **history}


def command(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `workbench dashboards` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "workbench", "dashboards", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "WORKBENCH_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def test_status_of_nothing_says_how_to_start(home: Path) -> None:
    """Where Superset was never set up, status says so, the code is 4, and no file is made."""
    done = command(home, "--status")
    assert done.returncode == 4
    assert "absent" in done.stdout and "`workbench dashboards`" in " ".join(done.stdout.split())
    assert not list(home.iterdir())


def test_stopping_nothing_is_harmless(home: Path) -> None:
    """There is nothing to stop, and nothing is made."""
    assert not stop(home)
    assert command(home, "--stop").stdout == "Superset was not running\n"
    assert status(home).state == "absent" and not list(home.iterdir())


def test_a_run_goes_on_without_superset(home: Path) -> None:
    """What a run is told where there is no Superset is one line, and nothing is started."""
    said = refresh(home, "student_sample")
    assert "Superset is not set up; `workbench dashboards` starts it" in said and "\n" not in said
    assert not list(home.iterdir())


def test_a_database_of_the_users_is_left_alone(home: Path) -> None:
    """With WORKBENCH_DATABASE_URL nothing is installed or started: one line, code 4."""
    done = command(home, WORKBENCH_DATABASE_URL="postgresql://someone:secret@192.0.2.1/mine")
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 1
    assert "WORKBENCH_DATABASE_URL" in done.stderr and "secret" not in done.stderr
    assert not list(home.iterdir())


def test_a_taken_port_is_named(home: Path) -> None:
    """A wanted port that somebody listens on is refused; without a wish another one is found."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(DashboardsError, match=f"port {port} is taken") as caught:
            choose_port(home, port)
        assert caught.value.exit_code == 4
        assert choose_port(home, None) != port


def test_a_lock_that_cannot_be_installed_is_one_line(tmp_path: Path) -> None:
    """A package that cannot be had stops the installation, says so, and leaves nothing that looks installed."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"superset @ file://{tmp_path}/superset-1-py3-none-any.whl --hash=sha256:{'0' * 64}\n")
    with pytest.raises(
        DashboardsError, match=r"requirements.lock failed: .*superset.*`workbench dashboards` again"
    ) as no:
        ensure_environment(quiet, tmp_path / "venv", lock)
    assert no.value.exit_code == 4 and "\n" not in str(no.value)
    assert not is_installed(tmp_path / "venv", lock)


def test_supersets_processes_get_no_secret_and_no_setting_of_the_user(home: Path) -> None:
    """The environment of Superset is paths alone, with the stack's mark, so that `workbench down` stops it."""
    environment = make_environment(home, 8088)
    assert environment["WORKBENCH_STACK"] == str(home)
    assert not {name for name in environment if "PASSWORD" in name or "SECRET" in name or name.startswith("AWS_")}
    assert environment["SCARF_ANALYTICS"] == "false"


def test_assets_of_published_datasets_are_collected(assets: Path, published: dict[str, set[str]]) -> None:
    """Only what readers see in PostgreSQL gets a dashboard; what is missing is said."""
    said: list[str] = []
    found = collect_assets(published, said.append, assets)
    assert found.datasets == ("student_sample",) and dict(found.files) == read_assets(assets)
    assert any("no dashboard of tennessee_star yet: `workbench run --dataset tennessee_star`" in line for line in said)


def test_a_dataset_without_reviewed_assets_is_generated(assets: Path) -> None:
    """A new dataset's dashboard comes from its contract at once."""
    found = collect_assets(tables("tennessee_star"), quiet, assets)
    assert found.datasets == ("tennessee_star",)
    assert {path: text for path, text in read_assets(ASSETS).items() if path in found.files} == dict(found.files)


def test_reviewed_assets_win_and_their_difference_is_said(assets: Path, published: dict[str, set[str]]) -> None:
    """An asset that was changed by hand is imported as it is, and how to renew it is said."""
    changed = (assets / CHART).read_text().replace("slice_name: ", "slice_name: My ")
    (assets / CHART).write_text(changed)
    said: list[str] = []
    assert collect_assets(published, said.append, assets).files[CHART] == changed
    assert any("`workbench dashboards --write` renews it" in line for line in said)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slice_name: [", r"trend.yaml:\d+: not YAML"),
        ("slice_name: 'a\n", r"trend.yaml:\d+: not YAML"),
        ("just words", r"trend.yaml:1: write keys"),
        ("slice_name: x\n", r"trend.yaml: uuid is missing"),
    ],
)
def test_an_asset_with_a_mistake_is_named(text: str, says: str, assets: Path, published: dict[str, set[str]]) -> None:
    """File and key of a broken asset are named before Superset sees anything; the code is 2."""
    (assets / CHART).write_text(text)
    with pytest.raises(AssetsError, match=says) as caught:
        collect_assets(published, quiet, assets)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)


def test_a_column_that_postgres_lacks_is_named(assets: Path, published: dict[str, set[str]]) -> None:
    """A dashboard over a column that was not loaded is refused, with what loads it; the code is 4."""
    less = {**published, "student_sample": published["student_sample"] - {"attendance_rate"}}
    with pytest.raises(DashboardsError, match=r"no column attendance_rate.*`workbench run --dataset") as caught:
        collect_assets(less, quiet, assets)
    assert caught.value.exit_code == 4


def test_a_history_that_lacks_a_relation_or_column_is_known(published: dict[str, set[str]]) -> None:
    """What the data-quality tab draws is looked for before it is imported, so that it can be published first."""
    assert not lacks_history(published)
    assert lacks_history({name: columns for name, columns in published.items() if name != RUNS})
    assert lacks_history({**published, RUNS: published[RUNS] - {"recency"}})
