"""The functions' roles allow what their code asks for, and nothing else: policies are not evaluated on a laptop."""

import ast
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session
from infra_rules import resolve_template

from infra.template import load_template

ROOT = Path(__file__).resolve().parent.parent
LAMBDAS = ROOT / "lambdas"
TEMPLATE = ROOT / "infra" / "template.yaml"
OTHERWISE_NAMED = {"s3:ListObjectsV2": "s3:ListBucket"}
# What Lambda itself does in the function's name: it polls the queue, and writes what the function prints.
LAMBDAS_OWN = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}


def asked(path: Path) -> set[str]:
    """Return the actions that a function's code asks for: `client("glue").start_job_run(…)` is glue:StartJobRun."""
    actions = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        made, method = node.func.value, node.func.attr
        if not (isinstance(made, ast.Call) and ast.unparse(made.func) in ("client", "boto3.client")):
            continue
        assert isinstance(made.args[0], ast.Constant)
        if method == "get_paginator":
            assert isinstance(node.args[0], ast.Constant)
            method = str(node.args[0].value)
        service = str(made.args[0].value)
        names = Session().get_service_model(service).operation_names
        [operation] = [name for name in names if xform_name(name) == method]
        actions.add(OTHERWISE_NAMED.get(action := f"{service}:{operation}", action))
    return actions


def allowed(role: str) -> set[str]:
    """Return the actions that a role of the template may do."""
    resource = resolve_template(load_template(TEMPLATE))[role]
    statements = [found for policy in resource["Policies"] for found in policy["PolicyDocument"]["Statement"]]
    return {
        action
        for found in statements
        for action in (found["Action"] if isinstance(found["Action"], list) else [found["Action"]])
    }


@pytest.mark.parametrize(
    ("code", "role", "polled"),
    [("on_upload.py", "UploadRole", LAMBDAS_OWN), ("on_job_done.py", "JobDoneRole", set[str]())],
)
def test_a_role_allows_what_its_function_asks_for_and_nothing_else(code: str, role: str, polled: set[str]) -> None:
    """An action that is missing would fail on AWS alone; one too many is no least privilege."""
    assert asked(LAMBDAS / code) | LOGS | polled == allowed(role)
