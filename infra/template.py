"""Read a CloudFormation template and resolve it: parameters, conditions, references, in order of dependency.

Only what the template uses is known: Ref, Fn::GetAtt, Fn::Sub, Fn::If, Fn::Equals, Fn::Not, Fn::And, Fn::Or,
Condition, AWS::NoValue. Anything else is an error that names the resource, never left as it stands.

Formats: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.errors import TemplateError

Json = dict[str, Any]

SECTIONS = {"AWSTemplateFormatVersion", "Description", "Parameters", "Conditions", "Resources", "Outputs"}
RESOURCE_MEMBERS = {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy"}
PARAMETER_MEMBERS = {"Type", "Default", "Description", "AllowedPattern", "AllowedValues", "MinValue", "MaxValue"}
_FUNCTIONS = {"Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or"}
_VARIABLE = re.compile(r"\$\{(!?)([A-Za-z0-9_.:]+)\}")
NO_VALUE = object()


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, which become the long ones: !Ref x is {"Ref": x}."""


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> Json:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "Fn::GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {name: value}


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> Json:
    keys = [key.value for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise TemplateError(f"{node.start_mark.name}:{node.start_mark.line + 1}: {sorted(twice)} stand twice")
    mapping: Json = loader.construct_mapping(node, deep=True)  # type: ignore[assignment]
    return mapping


_Loader.add_multi_constructor("!", _construct_tag)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
# A policy's Version is a text that looks like a date.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Template:
    """A template as written; intrinsic functions in their long form."""

    name: str
    parameters: Json
    conditions: Json
    resources: Json
    outputs: Json


def load_template(path: Path) -> Template:
    """Read a template file. Raises TemplateError with file and line for what is no template."""
    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.load(file, Loader=_Loader)
    except OSError as error:
        raise TemplateError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise TemplateError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document.get("Resources"):
        raise TemplateError(f"{path}: no Resources: is it a CloudFormation template?")
    if unknown := set(document) - SECTIONS:
        raise TemplateError(f"{path}: sections {sorted(unknown)} are not known to the reader (infra/template.py)")
    for logical_id, resource in document["Resources"].items():
        if unknown := set(resource) - RESOURCE_MEMBERS:
            raise TemplateError(f"{logical_id}: {sorted(unknown)} is not known to the reader (infra/template.py)")
        if not isinstance(resource.get("Type"), str):
            raise TemplateError(f"{logical_id}: a resource has a Type")
    parts = (document.get(section) or {} for section in ("Parameters", "Conditions", "Resources", "Outputs"))
    return Template(str(path), *parts)


@dataclass
class Resolver:
    """Resolve a template's values while its resources are made.

    `pseudo` holds AWS::AccountId and its like; `record` tells what Ref and GetAtt of a finished resource give.
    """

    template: Template
    parameters: Json
    pseudo: Mapping[str, str]
    _references: Json = field(default_factory=dict)
    _attributes: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def record(self, logical_id: str, reference: str, attributes: Mapping[str, str]) -> None:
        """Keep what Ref and GetAtt of a resource give from now on."""
        self._references[logical_id] = reference
        self._attributes[logical_id] = attributes

    def properties(self, logical_id: str) -> Json:
        """Return a resource's properties, resolved."""
        value = self._resolve(self.template.resources[logical_id].get("Properties", {}), logical_id)
        return value if isinstance(value, dict) else {}

    def outputs(self) -> dict[str, str]:
        """Return the outputs, resolved; those of a resource that was not wanted are left out."""
        wanted = {
            name: output
            for name, output in self.template.outputs.items()
            if "Condition" not in output or self.condition(output["Condition"], name)
        }
        return {name: str(self._resolve(output["Value"], f"output {name}")) for name, output in wanted.items()}

    def condition(self, name: str, where: str) -> bool:
        """Return whether a condition holds."""
        if name not in self.template.conditions:
            raise TemplateError(f"{where}: condition {name} is not in the template")
        return bool(self._resolve(self.template.conditions[name], f"condition {name}"))

    def order(self) -> list[str]:
        """Return the logical ids of the resources that are wanted, each after those that it needs."""
        resources = self.template.resources
        wanted = [
            name
            for name, resource in resources.items()
            if "Condition" not in resource or self.condition(resource["Condition"], name)
        ]
        done: list[str] = []

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                raise TemplateError(f"{name}: needs itself ({' -> '.join([*above[above.index(name) :], name])})")
            if name in done:
                return
            for needed in sorted(set(_needs(resources[name])) & set(wanted)):
                visit(needed, (*above, name))
            done.append(name)

        for name in wanted:
            visit(name, ())
        return done

    def _resolve(self, value: Any, where: str) -> Any:
        if isinstance(value, list):
            return [item for entry in value if (item := self._resolve(entry, where)) is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                return self._reference(argument, where)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument, where)
            if str(name).startswith("Fn::"):
                return self._call(name, argument, where)
        resolved = {key: self._resolve(entry, where) for key, entry in value.items()}
        return {key: entry for key, entry in resolved.items() if entry is not NO_VALUE}

    def _call(self, name: str, argument: Any, where: str) -> Any:
        if name not in _FUNCTIONS:
            raise TemplateError(f"{where}: {name} is not known to the reader (infra/template.py)")
        if name == "Fn::GetAtt":
            return self._attribute(argument[0], argument[1], where)
        if name == "Fn::Sub":
            return self._substitute(argument, where)
        if name == "Fn::If":
            condition, yes, no = argument
            return self._resolve(yes if self.condition(condition, where) else no, where)
        values = [self._resolve(entry, where) for entry in argument]
        if name == "Fn::Equals":
            return str(values[0]) == str(values[1])
        if name == "Fn::Not":
            return not values[0]
        return all(values) if name == "Fn::And" else any(values)

    def _reference(self, name: str, where: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        for known in (self.pseudo, self.parameters, self._references):
            if name in known:
                return known[name]
        raise TemplateError(f"{where}: {name} is no parameter and no resource of the template")

    def _attribute(self, logical_id: str, attribute: str, where: str) -> str:
        try:
            return self._attributes[logical_id][attribute]
        except KeyError:
            raise TemplateError(f"{where}: the reader knows no attribute {logical_id}.{attribute}") from None

    def _substitute(self, argument: Any, where: str) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in local:
                return str(self._resolve(local[name], where))
            if "." in name:
                logical_id, attribute = name.split(".", 1)
                return self._attribute(logical_id, attribute, where)
            return str(self._reference(name, where))

        return _VARIABLE.sub(replace, text)


def _needs(value: Any) -> Iterator[str]:
    """Yield the names that a resource refers to."""
    if isinstance(value, list):
        for entry in value:
            yield from _needs(entry)
    elif isinstance(value, dict):
        for key, entry in value.items():
            if key in ("Ref", "DependsOn"):
                yield from [entry] if isinstance(entry, str) else entry
            elif key == "Fn::GetAtt":
                yield entry[0]
            elif key == "Fn::Sub":
                text = entry if isinstance(entry, str) else entry[0]
                yield from (name.split(".")[0] for literal, name in _VARIABLE.findall(text) if not literal)
                yield from _needs(entry[1] if isinstance(entry, list) else [])
            else:
                yield from _needs(entry)
