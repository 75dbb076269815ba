"""Secrets in records: common words as passwords spoil nothing, and no spelling of a real one gets through."""

import json
from pathlib import Path

import pytest
from manifest_lab import make_manifest

from workbench.executed import SCHEME, AtomicHandler
from workbench.fingerprint import Services, describe_parts
from workbench.lineage import emit
from workbench.notebooks import read_notebooks
from workbench.record import append_log, write_manifest
from workbench.redaction import MARK, redact, redact_values
from workbench.request import RunConfig, check_request
from workbench.runs import read_run


@pytest.mark.parametrize("word", ["postgres", "notebook", "succeeded", "student", "123456", "student_sample"])
def test_a_common_word_as_password_leaves_records_whole(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of steps, fields and relations, and figures, are no secrets, though a password is spelt the same."""
    monkeypatch.setenv("PGPASSWORD", word)
    manifest = make_manifest("succeeded")
    manifest.steps[0].rows_out = 123456
    write_manifest(tmp_path, manifest)
    read = read_run(tmp_path).manifest
    assert [step.notebook for step in read.steps] == ["02_transform", "04_load_postgres"]
    assert (read.status, read.dataset, read.steps[0].rows_out) == ("succeeded", "student_sample", 123456)
    emit(tmp_path, manifest)
    append_log(tmp_path, "step ended", notebook="04_load_postgres", status="succeeded", rows=123456)
    for name in ("lineage.jsonl", "log.jsonl"):
        json.loads((tmp_path / name).read_text())
    notebook = {"cells": [{"outputs": [], "source": [f"connect({word!r})\n"], "notebook": 123456}], "nbformat": 4}
    AtomicHandler.write(json.dumps(notebook), f"{SCHEME}{tmp_path / 'x.ipynb'}")
    written = json.loads((tmp_path / "x.ipynb").read_text())
    assert written["nbformat"] == 4 and written["cells"][0]["source"] == [f"connect('{MARK}')\n"]
    assert written["cells"][0]["notebook"] == 123456


@pytest.mark.parametrize("text", ["{}", "as {}\n", "\n{} is it", "\x1b[31m{}\x1b[0m", "pw={};", "'{}'"])
def test_a_common_word_is_redacted_where_it_stands_alone(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a text within JSON, behind an escaped end of line or a colour of the terminal's."""
    monkeypatch.setenv("PGPASSWORD", "postgres")
    told = text.format("postgres")
    assert redact(told) == text.format(MARK) and "postgres" not in redact_values([told])[0]
    assert "postgres" not in redact(json.dumps(told)) and redact("04_load_postgres") == "04_load_postgres"


@pytest.mark.parametrize("before", ["as \u2014", "first\n", "\t", "\x07", "\b", "\u2026"])
@pytest.mark.parametrize("secret", ["postgres", "password=hunter22"])
def test_what_json_escapes_before_a_secret_does_not_hide_it(
    before: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a record and in a notebook, whose texts are searched as they read, not as JSON writes them."""
    monkeypatch.setenv("PGPASSWORD", "postgres")
    manifest = make_manifest("failed")
    manifest.error = f"it said {before}{secret} there"
    write_manifest(tmp_path, manifest)
    assert (read_run(tmp_path).manifest.error or "").endswith(f"{MARK} there")
    AtomicHandler.write(json.dumps({"text": manifest.error}), f"{SCHEME}{tmp_path / 'x.ipynb'}")
    assert json.loads((tmp_path / "x.ipynb").read_text())["text"].endswith(f"{MARK} there")


def test_a_secret_in_several_lines_of_a_notebook_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private key that a cell printed is one text, though a notebook keeps its lines apart."""
    lines = ["-----BEGIN PRIVATE KEY-----\n", "abcdefgh\n", "-----END PRIVATE KEY-----\n", "done"]
    assert redact_values({"text": lines}) == {"text": [f"{MARK}\n", "done"]}
    AtomicHandler.write(json.dumps({"text": lines}), f"{SCHEME}{tmp_path / 'key.ipynb'}")
    assert json.loads((tmp_path / "key.ipynb").read_text()) == {"text": [f"{MARK}\n", "done"]}
    monkeypatch.setenv("TWO_LINES_SECRET", "first-line\nsecond-line")
    AtomicHandler.write(json.dumps({"text": ["first-line\n", "second-line\n"]}), f"{SCHEME}{tmp_path / 'two.ipynb'}")
    assert json.loads((tmp_path / "two.ipynb").read_text()) == {"text": [f"{MARK}\n"]}


def test_secrets_beside_what_cannot_be_read_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder among the stored secrets hides none of them; a password that a URL quotes is known as it is, too."""
    (tmp_path / "secrets" / "a-folder").mkdir(parents=True)
    (tmp_path / "secrets" / "postgres-loader").write_text("stored-secret-1")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", "postgresql://me:p%40ss%2Fword-1@host/db")
    assert redact("a stored-secret-1, p@ss/word-1, p%40ss%2Fword-1") == f"a {MARK}, {MARK}, {MARK}"


def test_no_key_holds_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a run is compared by is scanned like all that a run writes."""
    monkeypatch.setenv("MY_TOKEN", "planted-secret-value")
    (tmp_path / "planted-secret-value.csv").write_text("a\n1\n")
    files = tmp_path / "planted-secret-value.csv"
    request = check_request(RunConfig("student_sample", pairs=[f"files={files}"]))
    parts = describe_parts(read_notebooks()[0], Services(request))
    assert "planted-secret" not in json.dumps(parts) and MARK in parts["parameter"]["files"] and parts["input"]
