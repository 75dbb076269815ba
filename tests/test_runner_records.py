"""Records of runs: read whatever their age, pruned with care, compared, and never with a secret in them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.config import build_config
from helpers.ingest_sources import find_files
from workbench.cli import main
from workbench.console import Output, count
from workbench.difference import compare_runs
from workbench.errors import BusyError, UsageError
from workbench.kept import MOST_ROWS
from workbench.lineage import describe_event
from workbench.locks import hold_dataset
from workbench.notebooks import STEPS
from workbench.pages.index_page import describe_runs
from workbench.pages.notebook_page import align_numbers, sanitize
from workbench.pages.run_page import describe_run
from workbench.plan import explain
from workbench.pruning import prune_runs
from workbench.record import Manifest, StepRecord, describe_process, write_manifest
from workbench.redaction import MARK, redact, redact_values
from workbench.repair import request_repair, request_replay
from workbench.request import RunConfig, check_request, read_range
from workbench.runs import find_run, list_runs, read_run, settle_runs
from workbench.settings import Settings, read_settings
from workbench.transient import backoff, is_transient

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of records of this test's own."""
    monkeypatch.setenv("WORKBENCH_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "runs"


def make_run(folder: Path, run_id: str, status: str = "succeeded", **facts: Any) -> Manifest:
    """Write a record; `run_id` ends with its minute."""
    steps = [StepRecord(name, status, rows_in=10, rows_out=9, rows_quarantined=1, run=run_id) for name in STEPS]
    known: dict[str, Any] = {
        "parameters": {"dataset": "student_sample"},
        "process": describe_process(),
        "git": {"sha": None},
    }
    manifest = Manifest(
        run_id=run_id,
        profile="local",
        dataset="student_sample",
        as_of="2024-01-02",
        started_at=f"2024-01-02T03:{run_id[-2:]}:00Z",
        lock_sha256="0" * 64,
        steps=facts.pop("steps", steps),
        status=status,
        **{**known, **facts},
    )
    (folder / run_id).mkdir(parents=True)
    write_manifest(folder / run_id, manifest)
    return manifest


def test_a_manifest_fits_its_published_schema(runs: Path) -> None:
    """docs/manifest.schema.json describes what is written, and refuses a status that there is not."""
    from jsonschema import Draft202012Validator

    make_run(runs, "r01", error="broken", status="failed")
    validator = Draft202012Validator(json.loads((ROOT / "docs" / "manifest.schema.json").read_text()))
    document = json.loads((runs / "r01" / "manifest.json").read_text())
    assert [error.message for error in validator.iter_errors(document)] == []
    assert list(validator.iter_errors({**document, "status": "fine"}))
    assert list(validator.iter_errors({**document, "unknown": 1}))


def test_older_records_are_read_and_broken_ones_named(runs: Path) -> None:
    """A record of schema 1 gets defaults; one that is no JSON, and one of a newer schema, are told and skipped."""
    make_run(runs, "r01")
    document = json.loads((runs / "r01" / "manifest.json").read_text())
    for name in ("given", "environment", "answers", "table", "parent"):
        del document[name]
    (runs / "r01" / "manifest.json").write_text(json.dumps({**document, "schema": 1}))
    for name, content in (("r02", "{"), ("r03", json.dumps({**document, "schema": 99}))):
        (runs / name).mkdir()
        (runs / name / "manifest.json").write_text(content)
    told: list[str] = []
    assert [run.manifest.run_id for run in list_runs(told.append)] == ["r01"]
    assert len(told) == 2 and "r02" in told[0] and "newer" in told[1]


@pytest.mark.parametrize(("name", "value"), [("started_at", None), ("seconds", None), ("dataset", 5), ("steps", [5])])
def test_a_record_of_wrong_types_is_skipped(runs: Path, name: str, value: object) -> None:
    """A field that holds what it cannot is named, and no command over all runs stumbles over it."""
    make_run(runs, "r01")
    make_run(runs, "r02")
    place = runs / "r02" / "manifest.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {name: value}))
    told: list[str] = []
    assert [run.folder.name for run in list_runs(told.append)] == ["r01"]
    assert len(told) == 1 and str(place) in told[0]
    assert main(["runs"]) == 0 and main(["runs", "prune", "--keep", "1"]) == 0


def test_a_run_lives_whatever_the_clock_says(runs: Path) -> None:
    """A clock that is set moves the start of every process; a run under way is neither settled nor pruned by it."""
    process = describe_process()
    make_run(runs, "r01", "running", process=process | {"started": process["started"] - 3600})
    make_run(runs, "r02")
    assert settle_runs(lambda manifest: None, lambda line: None) == [] and prune_runs(1) == []
    make_run(runs, "r03", "running", process=process | {"ticks": process["ticks"] + 1})
    [settled] = settle_runs(lambda manifest: None, lambda line: None)
    assert settled.manifest.run_id == "r03"


def test_a_chain_of_the_watch_is_neither_repaired_nor_replayed(runs: Path) -> None:
    """It says which command takes up what the chain left; a name that is too long for a file is unknown."""
    make_run(runs, "r01", "failed", parameters={"dataset": "student_sample", "started_by": "upload"})
    for ask in (request_repair, request_replay):
        with pytest.raises(UsageError, match="`workbench run --dataset student_sample` takes up"):
            ask("r01")
    with pytest.raises(UsageError, match="is unknown"):
        find_run("r" * 300)


def test_tables_without_checksums_are_not_called_equal(runs: Path) -> None:
    """Of a table that is too large for checksums the ETags are compared."""
    tables = [{"rows": 9, "checksum": None, "columns": None, "etag": etag} for etag in ("aaa", "bbb", "bbb")]
    for number, table in enumerate(tables, start=1):
        make_run(runs, f"r0{number}", table=table)
    first, second, third = (find_run(f"r0{number}") for number in (1, 2, 3))
    assert not compare_runs(first, second).equal and compare_runs(second, third).equal


def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Data and globs that look like the markup of a terminal library are text."""
    Output().table("t", ["what"], [["exports/[ab]*.csv"], ["[/East]"], [MARK]])
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("exports/[ab]*.csv", "[/East]", MARK))


def test_relative_files_are_those_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leads to files from where the command is typed is given to notebooks as an absolute path; else it stays."""
    (tmp_path / "exports[1]").mkdir()
    (tmp_path / "exports[1]" / "2024-01-02.csv").write_text("a\n")
    monkeypatch.chdir(tmp_path / "exports[1]")
    for files in ("*.csv", "{as_of}.csv", "2024-01-02.csv"):
        given = check_request(RunConfig("student_sample", pairs=[f"files={files}", "as_of=2024-01-02"]))
        assert given.parameters["files"] == f"{tmp_path}/exports[[]1]/{files}"
        assert find_files(build_config("student_sample", files=given.parameters["files"], as_of="2024-01-02"))
    for files in ("nowhere/*.csv", "s3://bucket/x"):
        assert check_request(RunConfig("student_sample", pairs=[f"files={files}"])).parameters["files"] == files


def test_a_run_is_found_by_its_beginning(runs: Path) -> None:
    """An id, its beginning and a folder name a run; an ambiguous one and an unknown one are told."""
    make_run(runs, "a-01")
    make_run(runs, "a-02")
    assert find_run("a-01").manifest.run_id == find_run(str(runs / "a-01")).manifest.run_id == "a-01"
    with pytest.raises(UsageError, match="may be any of a-01, a-02"):
        find_run("a-")
    with pytest.raises(UsageError, match="did you mean a-02"):
        find_run("b-02")


def test_a_killed_run_is_settled_at_the_next_start(runs: Path) -> None:
    """A record still running whose process is gone, or of an earlier boot, becomes interrupted; a living one stays."""
    with subprocess.Popen(["true"]) as gone:
        pass
    make_run(runs, "r01", "running", process={**describe_process(), "pid": gone.pid})
    make_run(runs, "r02", "running", process={**describe_process(), "boot_id": "another"})
    make_run(runs, "r03", "running")
    stopped: list[str] = []
    settle_runs(lambda manifest: stopped.append(manifest.run_id), lambda line: None)
    states = {run.manifest.run_id: (run.manifest.status, run.manifest.steps[0].status) for run in list_runs()}
    assert states["r01"] == states["r02"] == ("interrupted", "interrupted") and states["r03"][0] == "running"
    assert sorted(stopped) == ["r01", "r02"]


def test_a_replay_has_the_recorded_parameters(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its date and parameters are the record's, whatever the environment says today; all notebooks run."""
    make_run(runs, "r01", parameters={"dataset": "student_sample", "as_of": "2024-01-02", "files": "x.csv"})
    make_run(runs, "r02", "failed")
    monkeypatch.setenv("WORKBENCH_PARAM_FILES", "other.csv")
    request = request_replay("r01")
    assert (request.parent, request.as_of) == ({"run": "r01", "relation": "replays"}, "2024-01-02")
    assert request.parameters["files"] == "x.csv" and request.run_id != "r01" and request.full and not request.resume
    with pytest.raises(UsageError, match="workbench repair r02"):
        request_replay("r02")
    with pytest.raises(UsageError, match="workbench replay r01"):
        request_repair("r01")


def test_a_backfill_is_a_run_for_each_date(runs: Path) -> None:
    """Each has its own id and date; what else was asked for is the same."""
    request = check_request(RunConfig("student_sample", pairs=["files=x/{as_of}.csv"]))
    days = [request.at(day) for day in read_range("2024-02-28..2024-03-01")]
    assert [each.as_of for each in days] == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert [each.parameters["as_of"] for each in days] == [each.as_of for each in days]
    assert len({each.run_id for each in days}) == 3 and {each.origins["as_of"] for each in days} == {"--backfill"}
    assert {each.parameters["files"] for each in days} == {"x/{as_of}.csv"}


def test_pruning_keeps_the_last_good_one(runs: Path) -> None:
    """The newest stay, and the last that succeeded, with the run that it left steps to."""
    make_run(runs, "r01")
    make_run(runs, "r02", steps=[StepRecord(name, "skipped", run="r01") for name in STEPS])
    for number in ("r03", "r04"):
        make_run(runs, number, "failed")
    make_run(runs, "r00")
    assert prune_runs(1) == ["r00", "r03"]
    with pytest.raises(UsageError, match="keep at least 1"):
        prune_runs(0)


def test_one_run_per_dataset(tmp_path: Path) -> None:
    """A second run is told which one holds the dataset; when that has ended, the lock is free."""
    with hold_dataset(tmp_path / "d", "r01", False, print):
        with pytest.raises(BusyError, match="run r01"), hold_dataset(tmp_path / "d", "r02", False, print):
            pass
    with hold_dataset(tmp_path / "d", "r02", False, print):
        pass


def test_what_changed_is_said_in_words() -> None:
    """The reason of a step names helpers, parameters and how many objects."""
    before = {"helper": {"transform.py": "1"}, "parameter": {"as_of": "a"}, "input": {"s3://b/x": "1"}, "lock": "1"}
    new = {f"s3://b/{number}": "1" for number in range(12)}
    assert explain(before, {**before, "helper": {"transform.py": "2"}}) == "helper transform.py changed"
    assert explain(before, {**before, "parameter": {"as_of": "b"}}) == "parameter as_of changed"
    assert explain(before, {**before, "input": before["input"] | new}) == "12 new objects"
    assert explain(before, {**before, "input": {}, "lock": "2"}) == "requirements.lock changed, object x is gone"
    assert explain(before, before) == ""


@pytest.mark.parametrize(
    ("error", "again"),
    [
        ({"type": "ServiceError", "message": "StartJobRun: ThrottlingException: rate exceeded", "exit_code": 4}, True),
        ({"type": "ServiceError", "message": "AWS endpoint: does not answer", "exit_code": 4}, True),
        ({"type": "StepError", "message": "StartJobRun: ThrottlingException: Rate exceeded", "exit_code": 1}, True),
        ({"type": "StepError", "message": "job run jr_1 ended FAILED: ThrottlingException: x", "exit_code": 1}, False),
        ({"type": "ServiceError", "message": "disk: no space left", "exit_code": 4}, False),
        ({"type": "ServiceError", "message": "PutObject: refused (AccessDenied)", "exit_code": 4}, False),
        ({"type": "QualityGateError", "message": "connection reset", "exit_code": 3}, False),
        ({"type": "AssertionError", "message": "503", "exit_code": 1}, False),
        ({"type": "KernelDied", "message": "timed out", "exit_code": 1}, False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: dict[str, Any], again: bool) -> None:
    """Throttling, resets and 5xx of services are; wrong data, refusals and a full disk never."""
    assert is_transient(error) is again


def test_the_wait_doubles() -> None:
    """Each retry waits at least twice the first one's time, and never more than half on top."""
    settings = Settings(backoff_seconds=2)
    assert all(2 * 2**n <= backoff(settings, n + 1) <= 3 * 2**n for n in range(5))


def test_settings_are_checked(tmp_path: Path) -> None:
    """An unknown name and a wrong value are refused with the file's name; what is left out has its default."""
    place = tmp_path / "settings.yaml"
    place.write_text("retries: 0\non_failure: {command: 'true'}\n")
    assert (read_settings(place).retries, read_settings(place).step_seconds) == (0, 3600.0)
    for content, says in (
        ("retry: 1", "did you mean retries"),
        ("retries: -1", "0 or more"),
        ("on_failure: x", "must be"),
    ):
        place.write_text(content)
        with pytest.raises(UsageError, match=says):
            read_settings(place)


def test_secrets_are_redacted_in_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password of the environment is found as it is, in JSON, in HTML and in a URL; so are keys nobody planted."""
    secret = 'pa"ss<wo>rd&1'
    monkeypatch.setenv("SOME_PASSWORD", secret)
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://me:s3cr3t-1@host/db")
    import html

    for text in (
        secret,
        json.dumps(secret),
        html.escape(secret),
        "AKIA" + "A" * 16,
        "connect s3cr3t-1",
        "a://b:cdefgh@e",
    ):
        assert MARK in redact(text)
    assert redact_values({"a": [secret, 1]}) == {"a": [MARK, 1]}
    assert redact("password=hunter2hunter2 and tokens of text") == f"password={MARK} and tokens of text"
    assert json.loads(redact(json.dumps({"x": f"url {os.environ['WORKBENCH_DATABASE_URL']}"})))


def test_no_record_holds_a_planted_secret(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in a parameter's value or an error's text is in no file of the run."""
    monkeypatch.setenv("MY_TOKEN", "planted-secret-value")
    make_run(runs, "r01", "failed", error="refused planted-secret-value", parameters={"files": "planted-secret-value"})
    assert not [path for path in runs.rglob("*") if path.is_file() and b"planted-secret" in path.read_bytes()]


def test_pages_request_nothing(runs: Path) -> None:
    """A report and the index hold no address to fetch and no script; text of data is shown as text."""
    make_run(runs, "r01", "failed", error="<script>alert(1)</script> http://example.org/x.js")
    for page in (describe_run(read_run(runs / "r01")), describe_runs(list_runs())):
        assert "<script" not in page and "src=" not in page and "default-src 'none'" in page
        assert not [part for part in page.split('href="')[1:] if part.startswith("http")]
    dirty = '<td onclick="x()">1<script>x</script><img src="http://a/b.png"></td><style>x</style>'
    assert sanitize(dirty) == "<td>1</td>"


def test_runs_are_compared_by_what_they_kept(runs: Path) -> None:
    """The changed file, column and cell are named; ids and times are no difference."""
    answers = {"query": "01_x", "title": "X", "rows": 2, "kept_rows": 2, "file": "answers/01_x.parquet"}
    columns = [{"name": "gender", "type": "VARCHAR"}, {"name": "mean", "type": "DOUBLE"}]
    for number, (etag, mean) in enumerate((("1", 67.5), ("2", 68.0), ("1", 67.5))):
        kept = [{**answers, "columns": columns, "checksum": str(mean)}]
        inputs = [{"uri": f"s3://raw/d/ingest_date=2024-01-0{number + 1}/{'a' * 12}-x.csv", "etag": etag, "bytes": 1}]
        table = {"rows": 9, "checksum": etag, "columns": {"score": etag, "id": "0"}}
        make_run(runs, f"r0{number}", answers=kept, inputs=inputs, table=table)
        write_answer(runs / f"r0{number}" / "answers" / "01_x.parquet", mean)
    a, b, c = (read_run(runs / f"r0{number}") for number in range(3))
    assert compare_runs(a, c).equal
    rows = {what: (one, other) for section in compare_runs(a, b).sections for what, one, other in section.rows}
    assert rows["x.csv"] == ("1", "2") and "column score" in rows and "column id" not in rows
    assert rows["female: mean"] == (67.5, 68.0) and "male: mean" not in rows
    assert MOST_ROWS == 10_000


def write_answer(place: Path, mean: float) -> None:
    """Write a small answer as a run keeps it."""
    import duckdb

    place.parent.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        rows = f"(VALUES ('female', {mean}::DOUBLE), ('male', 60.0)) AS t(gender, mean)"
        connection.execute(f"COPY (SELECT * FROM {rows}) TO '{place}' (FORMAT parquet)")


def test_lineage_events_have_the_standards_members(runs: Path) -> None:
    """Run, job, datasets and facets are named as OpenLineage names them; a step's parent is its run."""
    manifest = make_run(runs, "r01", inputs=[{"uri": "s3://raw/a/b.csv", "etag": "1", "bytes": 1}])
    whole, step = describe_event(manifest), describe_event(manifest, manifest.steps[1])
    assert whole["eventType"] == "COMPLETE" and whole["inputs"] == [
        {"namespace": "s3://raw", "name": "a/b.csv", "facets": {}}
    ]
    assert step["run"]["facets"]["parent"]["run"]["runId"] == whole["run"]["runId"]
    for facet in [*whole["run"]["facets"].values(), *whole["job"]["facets"].values()]:
        assert {"_producer", "_schemaURL"} <= facet.keys()


def test_a_run_that_ended_early_is_compared_as_far_as_it_got(runs: Path) -> None:
    """What the other run did beyond it is one row a step, not a row for everything that it lacks."""
    make_run(runs, "r01", table={"rows": 9, "checksum": "1", "columns": {"score": "1"}})
    steps = [StepRecord("01_ingest", "succeeded", rows_in=10, rows_out=9, rows_quarantined=1)]
    make_run(runs, "r02", "failed", steps=[*steps, *(StepRecord(name, "failed") for name in STEPS[1:])])
    found = compare_runs(read_run(runs / "r01"), read_run(runs / "r02"))
    rows = {section.title: section.rows for section in found.sections if section.rows}
    assert rows == {"Steps": [(name, "succeeded", "failed") for name in STEPS[1:]]}


@pytest.mark.parametrize(("number", "says"), [(1, "1 run"), (2, "2 runs"), (1200, "1,200 runs")])
def test_numbers_agree_with_their_words(number: int, says: str) -> None:
    """One has no plural."""
    assert count(number, "run") == says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "--last", "0"), "list at least 1"),
        (("list", "--dataset", "student_sampel"), "did you mean student_sample"),
        (("show", "r99"), "run r99 is unknown"),
        (("diff", "r01", "r99"), "run r99 is unknown"),
        (("prune", "--keep", "0"), "keep at least 1"),
        (("lst",), "did you mean list"),
    ],
)
def test_wrong_usage_of_runs_is_one_line(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    """Code 2 and one line that says what is expected or which name is near."""
    make_run(runs, "r01")
    assert main(["runs", *arguments]) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1


def test_the_command_lists_shows_and_prunes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids are never broken into two lines, a broken record is told, and what is removed is named."""
    for number in range(3):
        make_run(runs, f"20261124T234453-a_dataset_with_a_long_name-r0{number}")
    (runs / "r9").mkdir()
    (runs / "r9" / "manifest.json").write_text("{")
    assert main(["runs"]) == 0
    told = capsys.readouterr().out
    assert "3 runs" in told and "20261124T234453-a_dataset_with_a_long_name-r02" in told and "skipped: " in told
    assert main(["runs", "prune", "--keep", "2"]) == 0
    assert "removed 1 run: 20261124T234453-a_dataset_with_a_long_name-r00" in capsys.readouterr().out
    assert main(["runs", "show", "20261124T234453-a_dataset_with_a_long_name-r01"]) == 0
    assert sorted(path.name[-3:] for path in runs.iterdir() if path.is_dir()) == ["r01", "r02", "r9"]


def test_numbers_of_a_notebooks_tables_stand_right() -> None:
    """Of a table, the columns that hold nothing but numbers; text, and the index beside it, stand left."""
    table = (
        "<table><thead><tr><th></th><th>file</th><th>rows</th></tr></thead><tbody>"
        "<tr><th>0</th><td>a.csv</td><td>1,200</td></tr><tr><th>1</th><td>7</td><td>NaN</td></tr></tbody></table>"
    )
    shown = align_numbers(table)
    assert shown.count("class=number") == 3 and "<th class=number>rows</th>" in shown and "<td>7</td>" in shown
    assert align_numbers("<p>12</p><table></table>") == "<p>12</p><table></table>"
