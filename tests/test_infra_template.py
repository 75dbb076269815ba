"""The template says what it must, and the reader understands it or says what it does not."""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from infra_rules import PSEUDO, find_faults, resolve_template

from infra.errors import InfraError, TemplateError
from infra.parameters import resolve_parameters
from infra.template import Resolver, Template, load_template

TEMPLATE = load_template(Path(__file__).resolve().parent.parent / "infra" / "template.yaml")
WORDS = ("Description", "Sid")  # said for people, checked by nobody


def write(folder: Path, text: str) -> Path:
    """Write a template."""
    path = folder / "template.yaml"
    path.write_text(text)
    return path


def resolve(folder: Path, properties: str, head: str = "", **parameters: Any) -> Any:
    """Return the resolved properties of a resource `It` beside a bucket `Bucket`."""
    text = f"{head}\nResources:\n  Bucket: {{Type: AWS::S3::Bucket}}\n  It: {{Type: AWS::X, Properties: {properties}}}"
    template = load_template(write(folder, text))
    resolver = Resolver(template, resolve_parameters(template, parameters), PSEUDO)
    resolver.record("Bucket", "the-bucket", {"Arn": "arn:aws:s3:::the-bucket"})
    return resolver.properties("It")


def test_the_template_says_what_it_must() -> None:
    """Buckets, catalog, job, crawler, workgroup and each grant are as the rules have them."""
    assert list(find_faults(resolve_template(TEMPLATE))) == []
    kinds = Counter(resource["Type"].removeprefix("AWS::") for resource in TEMPLATE.resources.values())
    assert kinds == {
        "S3::Bucket": 3,
        "S3::BucketPolicy": 3,
        "IAM::Role": 5,
        "IAM::ManagedPolicy": 1,
        "Glue::Database": 1,
        "Glue::Job": 1,
        "Glue::Crawler": 1,
        "Athena::WorkGroup": 1,
        "Logs::LogGroup": 3,
        "SQS::Queue": 2,
        "SQS::QueuePolicy": 1,
        "Events::Rule": 2,
        "Lambda::Function": 2,
        "Lambda::EventSourceMapping": 1,
        "Lambda::Permission": 1,
        "Scheduler::Schedule": 1,
    }
    assert all("UpdateReplacePolicy" in TEMPLATE.resources[name] for name in ("RawBucket", "CuratedBucket"))


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every property, and of every entry of a list, below a resource."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        if key in WORDS:
            continue
        if not (isinstance(key, str) and (key == "Ref" or key.startswith("Fn::"))):
            yield (*above, key)
            yield from paths(entry, (*above, key))


@pytest.mark.parametrize("logical_id", TEMPLATE.resources)
def test_each_property_matters(logical_id: str) -> None:
    """Whatever is taken out of a resource, a rule or the reader notices."""
    unnoticed = []
    for path in paths(TEMPLATE.resources[logical_id]["Properties"]):
        resources = copy.deepcopy(TEMPLATE.resources)
        place = resources[logical_id]["Properties"]
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        try:
            faults = list(find_faults(resolve_template(replace(TEMPLATE, resources=resources))))
        except InfraError:
            continue
        if not faults:
            unnoticed.append(path)
    assert unnoticed == []


def test_functions_are_resolved(tmp_path: Path) -> None:
    """Each function that the reader knows gives what CloudFormation's documentation says."""
    properties = """{
        ref: !Ref Bucket, att: !GetAtt Bucket.Arn, sub: !Sub "${Bucket}/${Bucket.Arn}/${!Kept}/${AWS::Region}",
        local: !Sub ["${a}-${b}", {a: !Ref Bucket, b: 1}], one: !If [Is, 1, 2], two: !If [Not, 1, 2],
        gone: !If [Not, 1, !Ref "AWS::NoValue"], list: [!If [Not, 1, !Ref "AWS::NoValue"], 3],
        long: {"Fn::Join": x}}"""
    head = """Conditions: {Is: !Equals [a, a], Not: !Not [!Condition Is], Both: !And [!Condition Is, !Condition Not]}"""
    with pytest.raises(TemplateError, match="It: Fn::Join is not known to the reader"):
        resolve(tmp_path, properties, head)
    assert resolve(tmp_path, properties.replace(', 3],\n        long: {"Fn::Join": x}', ", 3]"), head) == {
        "ref": "the-bucket",
        "att": "arn:aws:s3:::the-bucket",
        "sub": "the-bucket/arn:aws:s3:::the-bucket/${Kept}/eu-central-1",
        "local": "the-bucket-1",
        "one": 1,
        "two": 2,
        "list": [3],
    }


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ("{a: !Ref Nobody}", "It: Nobody is no parameter and no resource"),
        ("{a: !GetAtt Bucket.Colour}", r"It: the reader knows no attribute Bucket.Colour"),
        ("{a: !Sub 'x${Nobody}'}", "It: Nobody is no parameter"),
        ("{a: !If [Nope, 1, 2]}", "It: condition Nope is not in the template"),
        ("{a: !Select [0, [1]]}", "It: Fn::Select is not known"),
    ],
)
def test_what_cannot_be_resolved_names_the_resource(tmp_path: Path, properties: str, message: str) -> None:
    """A wrong reference or an unknown function is an error that names the resource."""
    with pytest.raises(TemplateError, match=message):
        resolve(tmp_path, properties)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: [", r"template.yaml: while parsing"),
        ("a: 1", r"no Resources: is it a CloudFormation template\?"),
        ("Mappings: {}\nResources: {A: {Type: X}}", r"sections \['Mappings'\] are not known"),
        ("Resources: {A: {Type: X, Metadata: {}}}", r"A: \['Metadata'\] is not known"),
        ("Resources: {A: {}}", "A: a resource has a Type"),
        ("Resources:\n  A: {Type: X}\n  A: {Type: Y}", r"template.yaml:2: \['A'\] stand twice"),
    ],
)
def test_what_is_no_template_is_named(tmp_path: Path, text: str, message: str) -> None:
    """A file that the reader does not understand whole is refused with file and line or name."""
    with pytest.raises(TemplateError, match=message):
        load_template(write(tmp_path, text))
    with pytest.raises(TemplateError, match="No such file"):
        load_template(tmp_path / "missing.yaml")


def test_resources_are_made_after_what_they_need(tmp_path: Path) -> None:
    """The order follows references and DependsOn; a circle is named; what is not wanted is left out."""
    text = """
Conditions: {Never: !Equals [a, b]}
Resources:
  C: {Type: X, DependsOn: B}
  B: {Type: X, Properties: {a: !Sub "${A.Arn}"}}
  A: {Type: X}
  D: {Type: X, Condition: Never}
Outputs: {Gone: {Condition: Never, Value: !Ref D}}
"""
    template = load_template(write(tmp_path, text))
    resolver = Resolver(template, {}, PSEUDO)
    assert resolver.order() == ["A", "B", "C"] and resolver.outputs() == {}
    circle = load_template(write(tmp_path, text.replace("A: {Type: X}", "A: {Type: X, DependsOn: [C]}")))
    with pytest.raises(TemplateError, match=r"needs itself \(C -> B -> A -> C\)"):
        Resolver(circle, {}, PSEUDO).order()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Colour": "red"}, r"parameters \['Colour'\] are not in "),
        ({"Stage": "moon"}, "parameter Stage: moon is none of local, dev, test, prod"),
        ({"Project": "My-Project"}, "parameter Project: My-Project does not match"),
        ({"GlueWorkers": 1}, "parameter GlueWorkers: 1 is out of range"),
        ({"GlueWorkers": "two"}, "parameter GlueWorkers: 'two' is no number"),
    ],
)
def test_parameters_are_checked(given: dict[str, Any], message: str) -> None:
    """A parameter that CloudFormation would refuse is refused, by name."""
    with pytest.raises(TemplateError, match=message):
        resolve_parameters(TEMPLATE, given)


def test_production_keeps_replaced_versions_longer() -> None:
    """The stage decides by a condition."""
    template: Template = TEMPLATE
    for stage, days in (("dev", 30), ("prod", 90)):
        resolver = Resolver(template, resolve_parameters(template, {"Stage": stage}), PSEUDO)
        rules = resolver.properties("CuratedBucket")["LifecycleConfiguration"]["Rules"]
        assert rules[2]["NoncurrentVersionExpiration"]["NoncurrentDays"] == days
