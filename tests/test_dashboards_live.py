"""Superset itself: set up from nothing, looked at in a real browser, renewed, imported again, stopped (slow).

Needs chromium at /usr/bin/chromium (or on PATH), and installs Superset into .venv-superset where it is missing.
"""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from dashboards.assets import describe_dataset, stable_uuid
from dashboards.automatic import describe
from dashboards.columns import build_dataset_columns
from dashboards.quality import quality_rows
from helpers.contract import load_contract
from local_aws.endpoints import read_endpoints
from workbench.dashboards import refresh, status
from workbench.dashboards.collect import Assets, collect_assets
from workbench.dashboards.control import import_where_changed, imported_datasets
from workbench.dashboards.database import ensure_database, read_published
from workbench.dashboards.errors import AssetsError
from workbench.dashboards.install import VENV, install_lock
from workbench.stack import environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # the first may install Superset
ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "dashboards" / "screenshots"
SAMPLE, STAR = "student_sample", "tennessee_star"


def quiet(line: str) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class Served:
    """A stack with two published datasets and their dashboards, and what the first start printed."""

    home: Path
    first: str

    def workbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command on this stack."""
        return run_workbench(self.home, *arguments)

    def query(self, statement: str, role: str = "reader", database: str = "analytics") -> list[tuple[Any, ...]]:
        """Ask PostgreSQL as one of its roles."""
        with self.connect(role, database) as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def connect(self, role: str, database: str) -> Iterator[Any]:
        """Open a cursor of one role."""
        place = json.loads((self.home / "endpoints.json").read_text())["postgres"]
        password = (self.home / "secrets" / f"postgres-{role}").read_text()
        connection = psycopg2.connect(
            host=place["host"], port=place["port"], dbname=database, user=f"workbench_{role}", password=password
        )
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def look(self, steps: Sequence[dict[str, Any]], out: Path) -> dict[str, Any]:
        """Do the steps in a browser and return what it saw."""
        with self.browse(steps, out) as process:
            process.wait(400)
        found: dict[str, Any] = json.loads(out.read_text())
        assert not [answer["error"] for answer in found["answers"] if "error" in answer]
        return found

    @contextmanager
    def browse(self, steps: Sequence[dict[str, Any]], out: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Start a browser that does the steps."""
        plan = {
            "url": status(self.home).url,
            "password_file": str(self.home / "secrets" / "superset-admin"),
            "chromium": find_chromium(),
            "out": str(out),
            "steps": list(steps),
        }
        out.with_suffix(".plan").write_text(json.dumps(plan))
        script = ROOT / "tests" / "dashboards_browser.py"
        argv = [str(VENV / "bin" / "python"), str(script), str(out.with_suffix(".plan"))]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
            yield process

    def assets(self) -> Assets:
        """Return what would be imported now."""
        endpoints = read_endpoints(self.home)
        assert endpoints
        return collect_assets(read_published(endpoints), quiet)

    def bring_in(self, assets: Assets) -> None:
        """Import assets into the running Superset's database."""
        endpoints = read_endpoints(self.home)
        assert endpoints
        import_where_changed(self.home, assets, ensure_database(endpoints), quiet)

    def known(self) -> list[tuple[Any, ...]]:
        """Return kind, number and uuid of everything that Superset holds."""
        parts = [
            f"SELECT '{table}' AS kind, id, uuid::text FROM {table}"
            for table in ("dashboards", "slices", "tables", "dbs", "table_columns", "sql_metrics")
        ]
        return self.query(" UNION ALL ".join(parts) + " ORDER BY 1, 2", "superset", "superset")

    def titles(self) -> set[str]:
        """Return the titles of charts and dashboards."""
        rows = self.query(
            "SELECT slice_name FROM slices UNION SELECT dashboard_title FROM dashboards", "superset", "superset"
        )
        return {row[0] for row in rows}


def run_workbench(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the stack of `home`."""
    variables = {**os.environ, "WORKBENCH_HOME": str(home), "WORKBENCH_RUNS": str(home.parent / "runs")}
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        timeout=590,
    )


def runs(pid: int | None) -> bool:
    """Say whether the process runs; one that ended and that nobody asked about does not."""
    assert pid
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def find_chromium() -> str:
    """Return where chromium is; fail saying how to get it where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "no chromium: `apt-get install chromium` (as root), then run the tests again"
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, scrubbed_environment: None) -> Iterator[Served]:
    """A stack with student_sample and tennessee_star published, and Superset set up from nothing."""
    find_chromium()
    home = tmp_path_factory.mktemp("dashboards") / "home"
    for arguments in (["run", "--dataset", SAMPLE], ["run", "--dataset", STAR], ["dashboards"]):
        done = run_workbench(home, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    install_lock(quiet, VENV, ROOT / "dashboards" / "requirements-test.lock")
    SCREENSHOTS.mkdir(exist_ok=True)
    yield Served(home, done.stdout)
    assert run_workbench(home, "down").returncode == 0


def test_the_first_start_shows_the_password_once(served: Served) -> None:
    """The account's random password is printed by the start that made it, and kept for its owner alone."""
    path = served.home / "secrets" / "superset-admin"
    assert f"the password {path.read_text()} (shown this once)" in served.first
    for name in ("superset-admin", "superset-secret-key", "postgres-superset"):
        secret = served.home / "secrets" / name
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600 and len(secret.read_text()) >= 24
    assert "making Superset's tables" in served.first and f"{STAR}: http://127.0.0.1:" in served.first


def test_a_second_start_joins_the_running_one(served: Served) -> None:
    """Starting again changes nothing: the same process, the same address, no password, no import."""
    before, done = status(served.home), served.workbench("dashboards")
    assert done.returncode == 0 and path_of(served).read_text() not in done.stdout
    assert "importing" not in done.stdout and f"Superset: {before.url}" in done.stdout
    assert status(served.home).pid == before.pid
    shown = served.workbench("dashboards", "--status")
    assert shown.returncode == 0 and "running" in shown.stdout and before.url in shown.stdout


def path_of(served: Served) -> Path:
    """Return where the account's password is kept."""
    return served.home / "secrets" / "superset-admin"


@pytest.mark.parametrize("dataset", [SAMPLE, STAR])
def test_every_chart_is_drawn_and_nothing_leaves_the_machine(served: Served, dataset: str, tmp_path: Path) -> None:
    """At 1280 and 1920 pixels each chart is drawn without an error; no request reaches another machine."""
    charts, slug, steps = describe_dataset(load_contract(dataset)).charts, dataset.replace("_", "-"), []
    for width in (1280, 1920):
        steps.append({"do": "open", "slug": slug, "charts": len(charts), "width": width, "height": 2700})
        steps.append({"do": "shot", "path": str(SCREENSHOTS / f"{slug}-{width}.png")})
    found = served.look(steps, tmp_path / "seen.json")
    # Superset's page names one picture elsewhere, to be counted; the browser is told not to ask for it.
    assert set(found["elsewhere"].values()) <= {"csp"}
    assert found["failed"] == []
    assert all("Content Security Policy" in line and "scarf" in line for line in found["console"])
    for answer in found["answers"][::2]:
        assert answer["broken"] == []
        seen = {chart["title"]: chart for chart in answer["charts"]}
        assert set(seen) == {chart.title for chart in charts}
        for chart in charts:
            drawn = seen[chart.title]
            assert not drawn["clipped"], chart.title
            assert drawn["figure"] or drawn["rows"] or drawn["ink"] > 500, chart.title


@pytest.mark.parametrize("dataset", [SAMPLE, STAR])
def test_the_data_quality_tab_tells_of_runs_and_quarantine(served: Served, dataset: str, tmp_path: Path) -> None:
    """At 1280 and 1920 pixels every chart of the second tab is drawn; its figures are those of PostgreSQL."""
    charts, slug = [chart for row in quality_rows() for chart in row.charts], dataset.replace("_", "-")
    first, steps = len(describe_dataset(load_contract(dataset)).charts), list[dict[str, Any]]()
    for width in (1280, 1920):
        steps.append({"do": "open", "slug": slug, "charts": first, "width": width, "height": 2000})
        steps.append({"do": "tab", "name": "Data quality", "charts": len(charts)})
        steps.append({"do": "shot", "path": str(SCREENSHOTS / f"{slug}-quality-{width}.png")})
    steps.append({"do": "table", "chart": "Rows kept out (rows) by reason"})
    answers = served.look(steps, tmp_path / "seen.json")["answers"]
    history = f"SELECT COUNT(*), MAX(rows_quarantined) FROM analytics.workbench_runs WHERE dataset = '{dataset}'"
    [(runs, kept_out)] = served.query(history)
    for answer in answers[1:6:3]:
        assert answer["broken"] == []
        seen = {chart["title"]: chart for chart in answer["charts"]}
        assert set(seen) == {chart.title for chart in charts} and not any(chart["clipped"] for chart in seen.values())
        assert seen["Runs"]["figure"] == f"{runs:,}" and seen["Rows kept out"]["figure"] == f"{kept_out:,}"
        drawn = [
            title for title, chart in seen.items() if chart["figure"] or chart["rows"] or (chart["ink"] or 0) > 500
        ]
        assert set(seen) - set(drawn) == {title for title in seen if seen[title]["empty"]}
        assert kept_out == 0 or not any(chart["empty"] for chart in seen.values())
    reasons = served.query(f'SELECT reason, SUM("rows") FROM analytics.{dataset}__quarantine GROUP BY 1')
    assert {reason: int(count) for reason, count in reasons} == {
        row[0]: int(row[1].replace(",", "")) for row in answers[-1]["rows"]
    }


FIGURES = {
    "Examinations": ("COUNT(*)", "{:,}"),
    "Final percentage (%)": ("AVG(final_percentage)", "{:.1f}"),
    "Pass rate (% of results)": (
        "1.0 * COUNT(*) FILTER (WHERE final_percentage >= 50) / COUNT(final_percentage)",
        "{:.1%}",
    ),
    "Gain by preparation (points)": (
        "AVG(final_percentage) FILTER (WHERE test_preparation = 'completed')"
        " - AVG(final_percentage) FILTER (WHERE test_preparation = 'none')",
        "{:+.1f}",
    ),
}


def figures(served: Served, condition: str = "true") -> list[dict[str, Any]]:
    """Return the steps that read every figure, with what SQL says that it is."""
    steps = []
    for title, (expression, form) in FIGURES.items():
        [(value,)] = served.query(f"SELECT {expression} FROM analytics.{SAMPLE} WHERE {condition}")
        steps.append({"do": "figure", "chart": title, "expected": form.format(value).replace("-", "−")})
    return steps


def test_figures_are_those_of_postgres_and_filters_change_them(served: Served, tmp_path: Path) -> None:
    """Each figure equals SQL over PostgreSQL: of everything, after a native filter, and after a cross filter."""
    page = {"do": "open", "slug": "student-sample", "charts": 12, "width": 1440, "height": 2100}
    native = [{"do": "native", "filter": "Region", "value": "South"}, *figures(served, "region = 'South'")]
    cross = [{"do": "cross", "chart": "Results by region and lunch", "value": "West"}]
    steps = [page, *figures(served), *native, page, *cross, *figures(served, "region = 'West'")]
    steps.append({"do": "shot", "path": str(SCREENSHOTS / "student-sample-west.png"), "charts": 12})
    answers = served.look(steps, tmp_path / "seen.json")["answers"]
    for step, answer in zip(steps, answers, strict=True):
        if step["do"] == "figure":
            assert answer["figure"] == step["expected"], step["chart"]


def test_bands_hold_every_value_once(served: Served) -> None:
    """The bands of a distribution hold exactly the rows that have a value; the maximum is in the last band."""
    document = served.assets().files[f"datasets/warehouse/{SAMPLE}.yaml"]
    [expression] = [line for line in document.split("expression: ") if line.startswith("CASE WHEN final_percentage")]
    sql = " ".join(expression.split("description:")[0].split())
    rows = served.query(
        f"SELECT {sql}, COUNT(*), MIN(final_percentage), MAX(final_percentage) "
        f"FROM analytics.{SAMPLE} WHERE ({sql}) IS NOT NULL GROUP BY 1"
    )
    [(present,)] = served.query(f"SELECT COUNT(final_percentage) FROM analytics.{SAMPLE}")
    assert sum(row[1] for row in rows) == present
    assert all(band <= least and (most < band + 5 or band == 95) for band, _, least, most in rows)


def test_bands_without_bounds_hold_every_value_once(served: Served) -> None:
    """Where a contract has no bounds, PostgreSQL chooses a round width that gives fifteen to forty bands."""
    contract = load_contract(STAR)
    open_ended = replace(contract, columns=tuple(replace(c, minimum=None, maximum=None) for c in contract.columns))
    columns = build_dataset_columns(open_ended, describe(open_ended))
    [sql] = [column["expression"] for column in columns if column["column_name"] == "math_score_band"]
    rows = served.query(
        f"SELECT {sql}, COUNT(*), MAX(math_score) FROM analytics.{STAR} WHERE math_score IS NOT NULL GROUP BY 1"
    )
    [(present,)] = served.query(f"SELECT COUNT(math_score) FROM analytics.{STAR}")
    assert sum(row[1] for row in rows) == present and 12 <= len(rows) <= 40
    assert all(band % 20 == 0 and highest < band + 20 for band, _, highest in rows)


def test_nothing_is_public_and_nothing_listens_beyond_loopback(served: Served) -> None:
    """Without logging in nothing is answered; Superset's processes listen and talk on loopback alone."""
    found = status(served.home)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{found.url}/api/v1/dashboard/", timeout=20)
    with urllib.request.urlopen(f"{found.url}/superset/dashboard/student-sample/", timeout=20) as answer:
        assert "/login" in answer.geturl()
    assert found.pid
    server = psutil.Process(found.pid)
    for process in [server, *server.children(recursive=True)]:
        for connection in process.net_connections(kind="inet"):
            assert connection.laddr.ip == "127.0.0.1" and (not connection.raddr or connection.raddr.ip == "127.0.0.1")
    assert found.memory_mb and found.memory_mb < 500


def test_no_secret_is_in_processes_logs_assets_or_metadata(served: Served) -> None:
    """Passwords and keys stand in their files alone."""
    secrets = {path.name: path.read_text() for path in (served.home / "secrets").glob("[ps]*")}
    texts = {"first start": served.first.replace(secrets.pop("superset-admin"), "")}
    texts |= {path.name: path.read_text(errors="replace") for path in (served.home / "logs").glob("*.log")}
    texts |= {name: text for name, text in served.assets().files.items()}
    texts["processes"] = " ".join(
        " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])
    )
    texts["metadata"] = str(served.query("SELECT * FROM dbs", "superset", "superset"))
    for where, text in texts.items():
        for name, secret in secrets.items():
            assert secret not in text, f"{name} in {where}"
    assert served.query("SELECT password FROM dbs", "superset", "superset") == [(None,)]


def test_superset_reads_as_a_role_that_cannot_write(served: Served) -> None:
    """The role of the dashboards may read what is published, and change nothing."""
    for statement in (f"DELETE FROM analytics.{SAMPLE}", "CREATE TABLE analytics.mine (a int)"):
        with pytest.raises(psycopg2.Error, match=r"read-only transaction|permission denied"):
            served.query(statement)
    uris = served.query("SELECT sqlalchemy_uri FROM dbs", "superset", "superset")
    assert uris == [("postgresql+psycopg2://workbench_reader@127.0.0.1/analytics",)]


def test_importing_again_keeps_numbers_also_after_a_rename(served: Served) -> None:
    """Other titles and another slug change what is there; nothing is doubled, and the numbers stay."""
    assets, before = served.assets(), served.known()
    renamed = {
        path: text.replace("slice_name: ", "slice_name: New ", 1)
        .replace("dashboard_title: ", "dashboard_title: New ", 1)
        .replace("slug: ", "slug: new-", 1)
        for path, text in assets.files.items()
    }
    served.bring_in(replace(assets, files=renamed))
    assert served.known() == before
    assert {title.split()[0] for title in served.titles()} == {"New"}
    served.bring_in(assets)
    assert served.known() == before and not any(title.startswith("New") for title in served.titles())


def test_a_chart_that_is_no_more_is_deleted(served: Served) -> None:
    """What an earlier import made and this one lacks is deleted; what people made themselves stays."""
    assets = served.assets()
    extra = assets.files[f"charts/{STAR}/table.yaml"].replace(
        stable_uuid("chart", STAR, "table"), stable_uuid("chart", STAR, "extra")
    )
    served.bring_in(replace(assets, files={**assets.files, f"charts/{STAR}/extra.yaml": extra}))
    owned = "INSERT INTO slices (slice_name, uuid, is_managed_externally) VALUES ('Mine', gen_random_uuid(), false)"
    served.query(owned, "superset", "superset")
    count = "SELECT COUNT(*) FROM slices"
    [(more,)] = served.query(count, "superset", "superset")
    served.bring_in(assets)
    assert served.query(count, "superset", "superset") == [(more - 1,)] and "Mine" in served.titles()
    served.query("DELETE FROM slices WHERE slice_name = 'Mine'", "superset", "superset")


@pytest.mark.parametrize(
    ("path", "old", "new", "says"),
    [
        (f"charts/{SAMPLE}/trend.yaml", "viz_type: ", "vis_type: ", r"charts/student_sample/trend.yaml: v\w+_type: "),
        (f"dashboards/{SAMPLE}.yaml", "published: true", "published: perhaps", "student_sample.yaml: published: Not a"),
        (f"dashboards/{SAMPLE}.yaml", "slug: student-sample", "slug: tennessee-star", "cannot be imported"),
    ],
)
def test_a_failing_import_leaves_the_old_dashboard(served: Served, path: str, old: str, new: str, says: str) -> None:
    """Whether Superset refuses a file or its database the whole, nothing is changed, and the code is 2."""
    assets, titles = served.assets(), served.titles()
    files = {name: text.replace("slice_name: ", "slice_name: Half ", 1) for name, text in assets.files.items()}
    assert old in files[path]
    files[path] = files[path].replace(old, new, 1)
    with pytest.raises(AssetsError, match=says) as caught:
        served.bring_in(replace(assets, files=files))
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert served.titles() == titles
    assert set(imported_datasets(served.home)) == {SAMPLE, STAR}


def test_a_wrong_password_is_one_line(served: Served) -> None:
    """Where PostgreSQL refuses the stack's password, the command says so with code 4; Superset is still served."""
    path = served.home / "secrets" / "postgres-superuser"
    right = path.read_text()
    path.write_text("wrong")
    try:
        done = served.workbench("dashboards")
    finally:
        path.write_text(right)
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 1
    assert "password authentication failed" in done.stderr and "Traceback" not in done.stderr
    assert status(served.home).healthy


def test_an_upload_reaches_an_open_page(served: Served, tmp_path: Path) -> None:
    """From an upload by any client to the new figure on an open page, without touching anything."""
    opened = tmp_path / "opened"
    [(rows,)] = served.query(f"SELECT COUNT(*) FROM analytics.{SAMPLE}")
    steps: list[dict[str, Any]] = [
        {"do": "open", "slug": "student-sample", "charts": 12, "width": 1440, "height": 2100},
        {"do": "tell", "path": str(opened)},
        {"do": "figure", "chart": "Examinations", "expected": f"{rows + 3:,}", "seconds": 300},
    ]
    with watching(served), served.browse(steps, tmp_path / "seen.json") as process:
        while not opened.exists() and process.poll() is None:
            time.sleep(0.2)
        upload_three_pupils(served)
        process.wait(400)
    assert json.loads((tmp_path / "seen.json").read_text())["answers"][-1]["figure"] == f"{rows + 3:,}"


@contextmanager
def watching(served: Served) -> Iterator[None]:
    """Let files that land start the whole chain inside the block."""
    variables = {**os.environ, "WORKBENCH_HOME": str(served.home), "WORKBENCH_RUNS": str(served.home.parent / "runs")}
    argv = [sys.executable, "-m", "workbench", "watch"]
    with open(served.home.parent / "watch.log", "w") as log:
        process = subprocess.Popen(
            argv, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def upload_three_pupils(served: Served) -> None:
    """Put a file with three new examinations into the raw bucket, as the notebooks' user."""
    import boto3
    from botocore.config import Config

    variables = environment(served.home)
    client = boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL_S3"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    row = "female,group A,high school,standard,none,North,SCH-01,2024-03-08,70,70,70,70.00,,,2024-03-09T10:00:00"
    columns = [column.name for column in load_contract(SAMPLE).raw_columns]
    lines = [",".join(columns), *(f"S900000{number},{row}" for number in (1, 2, 3))]
    endpoints = read_endpoints(served.home)
    assert endpoints
    key = f"{SAMPLE}/ingest_date=2026-01-01/three.csv"
    client.put_object(Bucket=endpoints.outputs["RawBucket"], Key=key, Body="\n".join(lines).encode() + b"\n")
    client.close()


def test_an_open_page_shows_what_was_published_meanwhile(served: Served, tmp_path: Path) -> None:
    """After a publication and one refresh, an open page shows the new figure untouched, and new columns are there."""
    opened = tmp_path / "opened"
    [(rest,)] = served.query(f"SELECT COUNT(*) FROM analytics.{SAMPLE} WHERE region <> 'Central'")
    steps: list[dict[str, Any]] = [
        {"do": "open", "slug": "student-sample", "charts": 12, "width": 1440, "height": 2100},
        {"do": "tell", "path": str(opened)},
        {"do": "figure", "chart": "Examinations", "expected": f"{rest:,}"},
    ]
    with served.browse(steps, tmp_path / "seen.json") as process:
        while not opened.exists() and process.poll() is None:
            time.sleep(0.2)
        publish_without_central(served)
        said = refresh(served.home, SAMPLE)
        process.wait(200)
    assert "shows the new figures, with new columns bonus_points" in said and "\n" not in said
    assert json.loads((tmp_path / "seen.json").read_text())["answers"][-1]["figure"] == f"{rest:,}"
    column = served.query(
        "SELECT description FROM table_columns WHERE column_name = 'bonus_points'", "superset", "superset"
    )
    assert column == [("Points for nothing (points)",)]


def publish_without_central(served: Served) -> None:
    """Switch the view as a load does: fewer rows, one column more."""
    view = f"analytics.{SAMPLE}"
    with served.connect("loader", "analytics") as cursor:
        cursor.execute(f"SELECT pg_get_viewdef('{view}'::regclass)")
        inner = cursor.fetchone()[0].strip().rstrip(";")
        kept = f"SELECT q.*, 7 AS bonus_points FROM ({inner}) q WHERE region <> 'Central'"
        cursor.execute(f"CREATE OR REPLACE VIEW {view} AS {kept}")
        cursor.execute(f"COMMENT ON COLUMN {view}.bonus_points IS 'Points for nothing (points)'")


def test_stopping_and_starting_keeps_port_and_account(served: Served) -> None:
    """`--stop` ends every process; the next start is on the same port, sets up nothing anew, and shows no password."""
    before = status(served.home)
    assert served.workbench("dashboards", "--stop").stdout == "Superset is down\n"
    assert status(served.home).state == "down" and not runs(before.pid)
    assert "Superset is down; `workbench dashboards` starts it" in refresh(served.home, SAMPLE)
    done = served.workbench("dashboards")
    assert done.returncode == 0 and "making Superset's tables" not in done.stdout
    assert status(served.home).url == before.url and "log in as admin\n" in done.stdout


def test_the_stacks_end_is_supersets_end(served: Served) -> None:
    """Without PostgreSQL there is nothing to show: `workbench down` stops Superset too, and status says it."""
    before = status(served.home)
    assert served.workbench("down").returncode == 0
    assert status(served.home).state == "down" and not runs(before.pid)
    done = served.workbench("dashboards", "--status")
    assert done.returncode == 4 and "down" in done.stdout
    assert refresh(served.home, SAMPLE).endswith("`workbench dashboards` starts it")
