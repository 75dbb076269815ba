"""Lambda functions by ordinary API calls, and their code, which stands in the template word for word.

`python -m infra.functions` puts lambdas/*.py into infra/template.yaml again after a change.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from infra.properties import Properties, covers

SETTINGS = ("Description", "Role", "Handler", "Runtime", "Timeout", "MemorySize", "Environment", "LoggingConfig")
MAPPING = ("Enabled", "BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes")
_BLOCK = re.compile(
    r"^( +)# lambdas/(\w+\.py), word for word[^\n]*\n\1ZipFile: \|\n((?:\1  [^\n]*\n|\n)*)", re.MULTILINE
)
_DATED = (1980, 1, 1, 0, 0, 0)  # the same code is the same archive, whenever it is packed


def make_function(client: Any, properties: Properties) -> tuple[str, str]:
    """Create or update the function. Returns its name and ARN."""
    name: str = properties.take("FunctionName")
    code = properties.take_nested("Code")
    archive = pack_code(code.take("ZipFile"))
    code.finish()
    architectures = properties.take("Architectures", ["x86_64"])
    wanted = properties.take_all(*SETTINGS)
    properties.finish()
    try:
        found = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        made = client.create_function(
            FunctionName=name, Code={"ZipFile": archive}, Architectures=architectures, **wanted
        )
        return name, str(made["FunctionArn"])
    client.update_function_code(FunctionName=name, ZipFile=archive, Architectures=architectures)
    if not covers(found, wanted):
        client.update_function_configuration(FunctionName=name, **wanted)
    return name, str(found["FunctionArn"])


def make_permission(client: Any, properties: Properties, statement_id: str) -> str:
    """Let a service invoke a function. Returns the statement's id."""
    function: str = properties.take("FunctionName")
    wanted = {"Action": properties.take("Action"), "Principal": properties.take("Principal")}
    wanted |= properties.take_all("SourceArn", "SourceAccount")
    properties.finish()
    try:
        policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
        there = any(statement["Sid"] == statement_id for statement in policy["Statement"])
    except client.exceptions.ResourceNotFoundException:
        there = False
    if there:
        client.remove_permission(FunctionName=function, StatementId=statement_id)
    client.add_permission(FunctionName=function, StatementId=statement_id, **wanted)
    return statement_id


def make_mapping(client: Any, properties: Properties) -> str:
    """Let a queue feed a function. Returns the mapping's UUID."""
    source: str = properties.take("EventSourceArn")
    function: str = properties.take("FunctionName")
    wanted = properties.take_all(*MAPPING)
    properties.finish()
    listed = client.list_event_source_mappings(EventSourceArn=source, FunctionName=function)["EventSourceMappings"]
    if not listed:
        made = client.create_event_source_mapping(EventSourceArn=source, FunctionName=function, **wanted)
        return str(made["UUID"])
    client.update_event_source_mapping(UUID=listed[0]["UUID"], **wanted)
    return str(listed[0]["UUID"])


def pack_code(source: str) -> bytes:
    """Return the archive that CloudFormation makes of inline code: one module, index.py."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py", _DATED), source)
    return packed.getvalue()


def insert_code(template: str, folder: Path) -> str:
    """Return the template's text with each function's code as its file in `folder` has it."""

    def replace(match: re.Match[str]) -> str:
        indent, name, block = match.groups()
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        code = "".join(f"{indent}  {line}\n" if line else "\n" for line in lines)
        ending = "\n" if block.endswith("\n\n") else ""
        return match[0][: match.start(3) - match.start()] + code + ending

    return _BLOCK.sub(replace, template)


def main() -> int:
    """Put the functions' code into the template."""
    path = Path(__file__).resolve().parent / "template.yaml"
    path.write_text(insert_code(path.read_text(encoding="utf-8"), path.parent.parent / "lambdas"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
