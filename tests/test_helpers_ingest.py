"""Step 01 against the real S3 of the local stack: content-addressed, idempotent, from anywhere."""

import datetime as dt
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.config import ROOT, StepConfig
from helpers.errors import InputError
from helpers.ingest import IngestResult, ingest_files, profile_files
from helpers.objects import list_objects
from helpers.session import open_session

DAY = dt.date(2026, 3, 1)


def ingest(dataset: str, files: object, day: dt.date = DAY) -> IngestResult:
    """Ingest `files` as a dataset whose name is its own prefix; no contract is needed for that."""
    return ingest_files(StepConfig(dataset, "run-1", day, "local", str(files)))


def objects(dataset: str) -> list[str]:
    """Return the keys under a dataset's raw prefix."""
    session = open_session()
    return [found.key for found in list_objects(session.client("s3"), session.outputs.raw_bucket, f"{dataset}/")]


def head(key: str) -> dict[str, Any]:
    """Return an object's head."""
    session = open_session()
    found: dict[str, Any] = session.client("s3").head_object(Bucket=session.outputs.raw_bucket, Key=key)
    return found


def test_a_key_is_the_hash_of_the_bytes(stack: Path, tmp_path: Path) -> None:
    """Key, metadata and size of an object tell what was uploaded, from where and by which run."""
    (tmp_path / "a b é.csv").write_bytes(b"x\n1\n")
    result = ingest("keyed", tmp_path)
    digest = hashlib.sha256(b"x\n1\n").hexdigest()
    assert objects("keyed") == [f"keyed/ingest_date=2026-03-01/{digest[:12]}-a b é.csv"]
    found = head(result.deliveries[0].object.key)
    assert found["Metadata"]["sha256"] == digest
    assert found["Metadata"]["run-id"] == "run-1"
    assert result.delivered_bytes == found["ContentLength"] == 4


def test_the_same_bytes_are_one_object_on_any_day_and_under_any_name(stack: Path, tmp_path: Path) -> None:
    """A file that comes again, on another day or renamed, is found and not uploaded."""
    (tmp_path / "one.csv").write_text("x\n1\n")
    assert ingest("again", tmp_path).uploaded == 1
    (tmp_path / "two.csv").write_text("x\n1\n")
    later = ingest("again", tmp_path, dt.date(2026, 4, 1))
    assert later.uploaded == 0
    assert (len(later.deliveries), later.distinct_contents, later.total_objects) == (2, 1, 1)
    assert len(objects("again")) == 1


def test_a_changed_letter_is_another_object(stack: Path, tmp_path: Path) -> None:
    """Raw objects are never replaced: a corrected file stands beside the first."""
    (tmp_path / "one.csv").write_text("x\n1\n")
    ingest("changed", tmp_path)
    (tmp_path / "one.csv").write_text("x\n2\n")
    assert ingest("changed", tmp_path).uploaded == 1
    assert len(objects("changed")) == 2


REPLACING = """\
id: replacing
customProperties: [{property: deliveries, value: replace_by_name}]
schema:
  - properties:
      - {name: x, physicalType: string, primaryKey: true, required: true, partitioned: true}
"""


def test_two_files_of_one_name_are_no_replacement_of_each_other(stack: Path, tmp_path: Path) -> None:
    """Where a name replaces, two contents of it in one run are refused by their paths; the same twice is one."""
    checkout, inbox = tmp_path / "checkout", tmp_path / "inbox"
    for package in ("helpers", "local_aws", "infra"):
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "datasets" / "replacing").mkdir(parents=True)
    (checkout / "datasets" / "replacing" / "contract.yaml").write_text(REPLACING)
    for folder, content in {"north": "x\n1\n", "south": "x\n2\n"}.items():
        (inbox / folder).mkdir(parents=True)
        (inbox / folder / "export.csv").write_text(content)
    code = (
        "import datetime as dt; from helpers.config import StepConfig; from helpers.ingest import ingest_files\n"
        f"cfg = StepConfig('replacing', 'run-1', dt.date(2026, 3, 1), 'local', {str(inbox / '*' / '*.csv')!r})\n"
        "print(ingest_files(cfg).uploaded)"
    )
    command = [sys.executable, "-c", code]
    refused = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60)
    said = f"{inbox}/north/export.csv and {inbox}/south/export.csv differ under one name"
    assert refused.returncode == 1 and said in refused.stderr
    assert objects("replacing") == []
    (inbox / "south" / "export.csv").write_text("x\n1\n")
    taken = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60)
    assert taken.returncode == 0 and taken.stdout.split()[-1] == "1", taken.stderr
    assert len(objects("replacing")) == 1


def test_a_large_file_goes_up_in_parts(stack: Path, tmp_path: Path) -> None:
    """A file over 16 MB is a multipart upload, whole and found again."""
    content = os.urandom(1 << 20) * 33
    (tmp_path / "large.bin").write_bytes(content)
    result = ingest("large", tmp_path / "large.bin")
    found = head(result.deliveries[0].object.key)
    assert found["ETag"].strip('"').endswith("-3")
    assert found["ContentLength"] == len(content)
    assert ingest("large", tmp_path / "large.bin").uploaded == 0


def test_files_are_found_by_folder_glob_date_and_uri(stack: Path, tmp_path: Path) -> None:
    """A pattern's `{as_of}` is the logical date; hidden files are left out; an s3:// prefix or glob works alike."""
    for name in ("2026-03-01.csv", "2026-03-02.csv", ".hidden.csv", "_SUCCESS"):
        (tmp_path / name).write_text(name)
    assert len(ingest("found", tmp_path).deliveries) == 2
    assert [d.name for d in ingest("found", tmp_path / "{as_of}.csv").deliveries] == ["2026-03-01.csv"]
    assert [d.name for d in ingest("found", tmp_path / "*-02.csv").deliveries] == ["2026-03-02.csv"]
    bucket = open_session().outputs.raw_bucket
    copied = ingest("copied", f"s3://{bucket}/found/")
    assert copied.uploaded == 2
    assert len(ingest("copied-again", f"s3://{bucket}/found/*/*01.csv").deliveries) == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("missing.csv", "missing.csv does not exist"),
        ("*.csv", r"no file matches .*\*\.csv"),
        ("empty", "empty holds no file"),
        ("s3://{bucket}/nothing/here/", "nothing/here/ holds no object"),
    ],
)
def test_what_cannot_be_found_is_named(stack: Path, tmp_path: Path, files: str, said: str) -> None:
    """A missing file, an empty folder, a pattern or a prefix without a match: it is named, and nothing uploaded."""
    (tmp_path / "empty").mkdir()
    name = files.replace("{bucket}", open_session().outputs.raw_bucket)
    with pytest.raises(InputError, match=said):
        ingest("nothing", name if name.startswith("s3:") else tmp_path / name)
    assert objects("nothing") == []


def test_a_file_that_may_not_be_read_is_named(stack: Path, tmp_path: Path) -> None:
    """A file that cannot be read stops the step before anything is uploaded."""
    (tmp_path / "ok.csv").write_text("x")
    closed = tmp_path / "closed.csv"
    if os.geteuid() == 0:  # whom no permission stops, but a process's unmapped memory does
        closed.symlink_to("/proc/self/mem")
    else:
        closed.write_text("x")
        closed.chmod(0)
    with pytest.raises(InputError, match=r"closed\.csv cannot be read"):
        ingest("closed", tmp_path)
    assert objects("closed") == []


def test_the_datasets_own_source_is_run_once(stack: Path) -> None:
    """Without `files` the source writes the raw files into the state folder, where the next call finds them."""
    cfg = StepConfig("student_sample", "run-1", DAY, "local")
    folder = stack / "cache" / "sources" / "student_sample"
    first = profile_files(cfg)
    made = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert profile_files(cfg).rows == first.rows == 2000
    assert made == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
