"""The parameters of a template: given values over defaults, checked as CloudFormation checks them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra.errors import TemplateError
from infra.template import PARAMETER_MEMBERS, Template


def resolve_parameters(template: Template, given: Mapping[str, str | int]) -> dict[str, Any]:
    """Return the value of each parameter; numbers as int. Raises TemplateError naming the parameter."""
    if unknown := set(given) - set(template.parameters):
        raise TemplateError(f"parameters {sorted(unknown)} are not in {template.name}")
    return {
        name: _check(name, declared, given.get(name, declared.get("Default")))
        for name, declared in template.parameters.items()
    }


def _check(name: str, declared: Mapping[str, Any], value: Any) -> Any:
    if unknown := set(declared) - PARAMETER_MEMBERS:
        raise TemplateError(f"parameter {name}: {sorted(unknown)} is not known to the reader (infra/parameters.py)")
    if value is None:
        raise TemplateError(f"parameter {name}: a value is needed")
    if declared["Type"] not in ("String", "Number"):
        raise TemplateError(f"parameter {name}: type {declared['Type']} is not known to the reader")
    if declared["Type"] == "Number":
        try:
            value = int(value)
        except ValueError:
            raise TemplateError(f"parameter {name}: {value!r} is no number") from None
        if not declared.get("MinValue", value) <= value <= declared.get("MaxValue", value):
            raise TemplateError(f"parameter {name}: {value} is out of range")
    if "AllowedValues" in declared and value not in declared["AllowedValues"]:
        raise TemplateError(f"parameter {name}: {value} is none of {', '.join(map(str, declared['AllowedValues']))}")
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], str(value)):
        raise TemplateError(f"parameter {name}: {value} does not match {declared['AllowedPattern']}")
    return value
