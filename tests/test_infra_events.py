"""The template's path of events: it fits together, its code is that of lambdas/, and each mistake is noticed."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from infra_rules import resolve_template
from infra_rules_events import find_event_faults, find_misfits

from infra.functions import insert_code, pack_code
from infra.template import Template, load_template

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = load_template(ROOT / "infra" / "template.yaml")


def change(path: str, value: Any) -> Template:
    """Return the template with one property changed; numbers in `path` are places in a list."""
    resources = copy.deepcopy(TEMPLATE.resources)
    logical_id, *names = path.split(".")
    place = resources[logical_id]["Properties"]
    for name in names[:-1]:
        place = place[int(name) if name.isdigit() else name]
    place[names[-1]] = value
    return replace(TEMPLATE, resources=resources)


def test_the_path_is_whole_and_fits_together() -> None:
    """Every resource is as the rules have it, and what the linter cannot see holds, too."""
    resolved = resolve_template(TEMPLATE)
    assert list(find_event_faults(resolved)) == []
    assert list(find_misfits(TEMPLATE, resolved)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("UploadQueue.VisibilityTimeout", 200, "come again while"),
        ("UploadQueue.RedrivePolicy.maxReceiveCount", 50, "given up before"),
        ("UploadQueue.MessageRetentionPeriod", 60, "given up before"),
        ("JobSucceededRule.Targets.0.Arn", "arn:aws:glue:eu-central-1:111122223333:crawler/x", "no such target"),
        ("NightlySweep.ScheduleExpression", "cron(0 3 * * *)", "is no schedule"),
        ("NightlySweep.Target.Input", '{"JobName": "x"}', "does not know its message"),
        ("UploadFunction.Handler", "on_upload.handler", "inline code is index.py"),
        ("UploadFunction.Timeout", 60, "come again while"),
    ],
)
def test_a_misfit_is_noticed(path: str, value: Any, fault: str) -> None:
    """What deploys and then does not work, or does not deploy, is named."""
    template = change(path, value)
    assert any(fault in found for found in find_misfits(template, resolve_template(template)))


def test_the_code_in_the_template_is_that_of_the_files(tmp_path: Path) -> None:
    """Putting the files in again changes nothing; a changed file changes its function alone."""
    text = (ROOT / "infra" / "template.yaml").read_text()
    assert insert_code(text, ROOT / "lambdas") == text
    for name in ("on_upload.py", "on_job_done.py"):
        (tmp_path / name).write_text((ROOT / "lambdas" / name).read_text())
    (tmp_path / "on_job_done.py").write_text("import x\n\n\nx.y()\n")
    changed = tmp_path / "template.yaml"
    changed.write_text(insert_code(text, tmp_path))
    resources = load_template(changed).resources
    assert resources["JobDoneFunction"]["Properties"]["Code"] == {"ZipFile": "import x\n\n\nx.y()\n"}
    assert resources["UploadFunction"] == TEMPLATE.resources["UploadFunction"]


def test_the_same_code_is_the_same_archive() -> None:
    """Packing twice gives the same bytes, so that provisioning again is no change."""
    assert pack_code("a = 1\n") == pack_code("a = 1\n") != pack_code("a = 2\n")


def test_the_template_can_be_deployed_without_a_bucket() -> None:
    """A template of at most 51,200 bytes can be sent in the call itself."""
    assert (ROOT / "infra" / "template.yaml").stat().st_size <= 51_200
