"""What a run tells other servers, and what it does when a service answers 503: a real server, on a real socket."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from manifest_lab import make_manifest
from notebook_lab import make_notebook

from workbench.console import Output
from workbench.errors import StepFailed
from workbench.failure_hook import tell_failure
from workbench.lineage import emit
from workbench.locks import hold_dataset
from workbench.request import Request, RunConfig, check_request
from workbench.run import lock_folder, run_request
from workbench.runs import runs_folder
from workbench.settings import Settings
from workbench.warm_kernels import stop_server

# a notebook's cell that asks a service as the helpers do: boto3, and the failure named by the step's entry
ASK = """
import os
import boto3
from botocore.config import Config
from helpers.record import step_entry

@step_entry
def ask():
    client = boto3.client(
        "s3", endpoint_url=os.environ["TEST_SERVICE"], region_name="eu-central-1", aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}),
    )
    client.head_bucket(Bucket="bucket")

ask()
"""
WRONG_DATA = """
from helpers.errors import QualityGateError
from helpers.record import step_entry

@step_entry
def gate():
    open(os.environ["TEST_COUNT"], "a").write("x")
    raise QualityGateError("503 rows are wrong: connection reset")

gate()
"""


@dataclass
class Service:
    """A server of HTTP that answers with planned codes, then with 200, and keeps what it was sent."""

    codes: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def service() -> Iterator[Service]:
    """A server of this test's own, on a free port."""
    told = Service()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.requests.append((self.command, self.path, dict(self.headers), content))
            self.send_response(told.codes.pop(0) if told.codes else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def own_kernels(stack: Path) -> Iterator[None]:
    """The stack of the tests; the fork server of kernels that this process starts is ended."""
    yield
    stop_server()


def events(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_a_webhook_gets_the_facts_of_a_failure(service: Service, tmp_path: Path) -> None:
    """One POST of JSON; what the server answered is in the log, a server that is gone too, and neither raises."""
    tell_failure(tmp_path, make_manifest("failed"), {"webhook": f"{service.url}/hook"})
    [(method, path, headers, content)] = service.requests
    assert (method, path, headers["Content-Type"]) == ("POST", "/hook", "application/json")
    assert json.loads(content) | {"folder": ""} == {
        "run_id": "r1",
        "status": "failed",
        "dataset": "student_sample",
        "as_of": "2024-01-02",
        "error": "why",
        "folder": "",
    }
    service.codes.append(500)
    for url in (service.url, "http://127.0.0.1:9/hook", "file:///etc/passwd", "http://127.0.0.1:port/", "http://a b/"):
        tell_failure(tmp_path, make_manifest("failed"), {"webhook": url})
    told = [event.get("code") or event["error"].split(":")[0] for event in events(tmp_path)]
    assert told == [200, "HTTPError", "URLError", "ValueError", "InvalidURL", "InvalidURL"]


def test_a_command_is_told_by_its_environment(tmp_path: Path) -> None:
    """It has the run's facts; that it failed, and what it said, is in the log."""
    command = f'echo "$WORKBENCH_RUN_ID $WORKBENCH_RUN_STATUS $WORKBENCH_RUN_ERROR" > {tmp_path}/told; echo no; exit 3'
    tell_failure(tmp_path, make_manifest("failed"), {"command": command})
    assert (tmp_path / "told").read_text() == "r1 failed why\n"
    [event] = events(tmp_path)
    assert (event["code"], event["said"]) == (3, "no\n")


def test_lineage_is_sent_as_the_standards_clients_send_it(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """POST to OPENLINEAGE_URL and OPENLINEAGE_ENDPOINT with the key; a server's refusal is a line in the log."""
    monkeypatch.setenv("OPENLINEAGE_URL", service.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "planted-key-of-lineage")
    manifest = make_manifest("succeeded")
    emit(tmp_path, manifest)
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "/api/v2/events")
    service.codes.append(503)
    emit(tmp_path, manifest, manifest.steps[0])
    (_, first, headers, content), (_, second, _, _) = service.requests
    assert (first, second) == ("/api/v1/lineage", "/api/v2/events")
    assert headers["Authorization"] == "Bearer planted-key-of-lineage"
    written = (tmp_path / "lineage.jsonl").read_text().splitlines()
    assert json.loads(content) == json.loads(written[0]) and len(written) == 2
    assert "503" in events(tmp_path)[0]["error"]
    assert not [path for path in tmp_path.iterdir() if "planted-key" in path.read_text()]
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:port")
    emit(tmp_path, manifest)
    assert "InvalidURL" in events(tmp_path)[-1]["error"]


def small_request(folder: Path, *cells: str) -> Request:
    """Return the request to run one small notebook, twice again where that may help."""
    request = check_request(RunConfig("student_sample", full=True))
    told = {"command": f'echo "$WORKBENCH_RUN_STATUS $WORKBENCH_RUN_DATASET" >> {folder}/told'}
    settings = Settings(retries=2, backoff_seconds=0.01, on_failure=told)
    return replace(request, notebooks=[make_notebook(folder, *cells)], settings=settings)


def test_what_may_pass_is_tried_again(
    own_kernels: None, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that answers 503 twice costs two more attempts; one that goes on fails the run, which is told once."""
    monkeypatch.setenv("TEST_SERVICE", service.url)
    service.codes += [503, 503]
    manifest = run_request(small_request(tmp_path, ASK), Output())
    assert (manifest.status, manifest.steps[0].attempts, len(service.requests)) == ("succeeded", 3, 3)
    assert not (tmp_path / "told").exists()
    service.codes += [503] * 9
    with pytest.raises(StepFailed, match="ServiceError") as failed:
        run_request(small_request(tmp_path, ASK), Output())
    assert failed.value.exit_code == 4 and len(service.requests) == 6
    assert (tmp_path / "told").read_text() == "failed student_sample\n"


def test_wrong_data_is_never_tried_again(own_kernels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate's refusal is final, whatever words are in it."""
    monkeypatch.setenv("TEST_COUNT", str(tmp_path / "count"))
    with pytest.raises(StepFailed, match="QualityGateError") as failed:
        run_request(small_request(tmp_path, "import os", WRONG_DATA), Output())
    assert failed.value.exit_code == 3 and (tmp_path / "count").read_text() == "x"


@pytest.mark.parametrize("early", [True, False], ids=["in-a-step", "before-a-retry"])
def test_a_run_out_of_time_has_failed(own_kernels: None, service: Service, tmp_path: Path, early: bool) -> None:
    """Wherever run_seconds is over, the record is whole: failed, with its end, its pages and the failure told."""
    cells = ["import time; time.sleep(60)"] if early else ["raise ConnectionResetError('connection reset by peer')"]
    request = small_request(tmp_path, *cells)
    seconds = replace(request.settings, run_seconds=6.0, backoff_seconds=60.0)
    with pytest.raises(StepFailed, match="took longer than") as failed:
        run_request(replace(request, settings=seconds), Output())
    record = json.loads((runs_folder() / request.run_id / "manifest.json").read_text())
    assert failed.value.exit_code == 1 and (record["status"], record["steps"][0]["status"]) == ("failed", "failed")
    assert record["ended_at"] and record["steps"][0]["error"]["type"] == "TimeLimit"
    assert (runs_folder() / request.run_id / "report.html").exists()
    assert not (runs_folder() / request.run_id / ".reserve").exists()
    assert (tmp_path / "told").read_text() == "failed student_sample\n"


def test_waiting_for_another_run_takes_no_time_of_this_one(own_kernels: None, tmp_path: Path) -> None:
    """With --wait the limit counts from when the lock is held, and so do the seconds of the record."""
    request = small_request(tmp_path, "1 + 1")
    settings = replace(request.settings, run_seconds=20.0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(hold_dataset(lock_folder("local", "student_sample"), "other", False, print))
        timer = threading.Timer(22, stack.close)
        timer.start()
        manifest = run_request(replace(request, settings=settings, wait=True), Output())
        timer.join()
    assert manifest.status == "succeeded" and manifest.seconds < 20
