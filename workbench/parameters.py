"""The parameters of notebooks, strictly typed: names, annotations, defaults and comments of their cell are the schema.

Values come from four places; the later wins: the environment (WORKBENCH_PARAM_<NAME>), a YAML file (--parameters), the
flag --dataset, and -p name=value. Whatever does not fit is refused here, before a kernel starts (docs/runner.md).
"""

from __future__ import annotations

import ast
import datetime as dt
import io
import math
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.errors import NotebookError, UsageError, suggest

PREFIX = "WORKBENCH_PARAM_"
KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_RANGE = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?![\w.])")
_SECRET = re.compile(
    r"(pass(word|wd|phrase)?|secret|token|credentials?|(api|access|private|secret)_?key|auth)s?", re.IGNORECASE
)


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type, its default, and what a value must be.

    Attributes:
        kind: str, int, float or bool.
        choices: the values allowed; empty where any is.
        minimum, maximum: bounds of a number, both allowed (`# …, 1..10` behind the assignment).
        comment: what stands behind the assignment.
        optional: None is allowed, too.
    """

    name: str
    kind: str
    default: Any
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    comment: str = ""
    optional: bool = False

    def check(self, value: Any) -> Any:
        """Return `value`, an int as a float where one is wanted.

        Raises:
            UsageError: it has another type or lies outside; the message says what is expected.
        """
        if value is None and self.optional:
            return None
        if self.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not KINDS[self.kind] or (isinstance(value, float) and not math.isfinite(value)):
            raise UsageError(f"{self.name}={value}: expected {self.expected}")
        if self.choices and value not in self.choices:
            near = suggest(value, self.choices) if isinstance(value, str) else f"; expected {self.expected}"
            raise UsageError(f"{self.name}={value} is unknown{near}")
        low, high = self.minimum, self.maximum
        if isinstance(value, int | float) and low is not None and high is not None and not low <= value <= high:
            raise UsageError(f"{self.name}={value} is out of range: expected {self.expected}")
        return value

    def read(self, text: str) -> Any:
        """Return the value that `text` spells; checked."""
        try:
            if self.kind == "bool" and text.lower() not in ("true", "false"):
                raise ValueError(text)
            if self.kind == "bool":
                return self.check(text.lower() == "true")
            if self.kind in ("int", "float") and ("_" in text or text != text.strip()):
                raise ValueError(text)
            return self.check(KINDS[self.kind](text))
        except ValueError:
            raise UsageError(f"{self.name}={text}: expected {self.expected}") from None

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        words = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}[self.kind]
        if self.minimum is not None:
            words += f" from {self.minimum:g} to {self.maximum:g}"
        return words


def read_schema(source: str, where: str) -> dict[str, Parameter]:
    """Return the parameters that the source of a parameters cell declares, by name.

    Understood are `name: type = literal` and `name = literal`; the type is str, int, float, bool, one of them `| None`,
    or Literal[…]. A comment behind the assignment describes it and may hold a range `1..10`.

    Raises:
        NotebookError: the cell holds something else, a default does not fit its type, or a name is one of a secret.
    """
    comments = _read_comments(source, where)
    schema: dict[str, Parameter] = {}
    try:
        for node in ast.parse(source).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue  # a text that explains
            parameter = _read_assignment(node)
            comment = comments.get(node.end_lineno or 0, "")
            found = _RANGE.search(comment) if parameter.kind in ("int", "float") else None
            parameter = replace(parameter, comment=comment)
            if found:
                parameter = replace(parameter, minimum=float(found[1]), maximum=float(found[2]))
            parameter.check(parameter.default)
            if is_secret(parameter.name):
                raise UsageError(f"{parameter.name} is a secret's name: read secrets from the environment in a helper")
            schema[parameter.name] = parameter
    except (SyntaxError, ValueError, UsageError) as error:
        raise NotebookError(f"notebook {where}: the parameters cell must hold typed literals only ({error})") from error
    return schema


def _read_assignment(node: ast.stmt) -> Parameter:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        kind, choices, optional = _read_annotation(node.annotation)
        return Parameter(node.target.id, kind, ast.literal_eval(node.value), choices, optional=optional)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        default = ast.literal_eval(node.value)
        kind = type(default).__name__
        if kind not in KINDS:
            raise ValueError(f"line {node.lineno}: {kind} is no type of a parameter: {', '.join(KINDS)}")
        return Parameter(node.targets[0].id, kind, default)
    raise ValueError(f"line {node.lineno} is no assignment of a literal to a name")


def _read_annotation(node: ast.expr) -> tuple[str, tuple[Any, ...], bool]:
    """Return kind, choices and whether None is allowed."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        if isinstance(node.right, ast.Constant) and node.right.value is None:
            return (*_read_annotation(node.left)[:2], True)
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] == "Literal":
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        choices = tuple(ast.literal_eval(choice) for choice in inner)
        kinds = {type(choice).__name__ for choice in choices}
        if len(kinds) == 1 and kinds <= set(KINDS):
            return kinds.pop(), choices, False
    if isinstance(node, ast.Name) and node.id in KINDS:
        return node.id, (), False
    raise ValueError(f"{ast.unparse(node)} is no type of a parameter: {', '.join(KINDS)}, Literal[…] or one `| None`")


def _read_comments(source: str, where: str) -> dict[int, str]:
    """Return line -> the comment at its end."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError) as error:
        raise NotebookError(f"notebook {where}: the parameters cell is no Python ({error})") from error
    return {token.start[0]: token.string.lstrip("# ").strip() for token in tokens if token.type == tokenize.COMMENT}


def is_secret(name: str) -> bool:
    """Tell whether a parameter of this name would hold a secret."""
    return any(_SECRET.fullmatch(part) for part in (name, *name.split("_"))) or bool(
        re.search(r"(api|access|private|secret)_?key", name, re.IGNORECASE)
    )


def merge_schemas(schemas: Iterable[tuple[str, Mapping[str, Parameter]]]) -> dict[str, Parameter]:
    """Return the parameters of all notebooks together.

    Raises:
        NotebookError: two notebooks give one name different types.
    """
    merged: dict[str, Parameter] = {}
    for notebook, schema in schemas:
        for name, parameter in schema.items():
            known = merged.setdefault(name, parameter)
            if (known.kind, known.choices) != (parameter.kind, parameter.choices):
                raise NotebookError(f"notebook {notebook}: {name} is {parameter.kind}, but {known.kind} in another")
    return merged


@dataclass(frozen=True)
class Given:
    """The parameters that were given, and where each came from."""

    values: dict[str, Any]
    origins: dict[str, str]


def collect(
    schema: Mapping[str, Parameter], environment: Mapping[str, str], file: Path | None, pairs: Iterable[str]
) -> Given:
    """Return what environment, YAML file and `name=value` pairs give, the later over the earlier.

    Raises:
        UsageError: an unknown name (with the nearest ones), a secret's name, a value that does not fit.
    """
    known = {name.upper(): name for name in schema}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def take(origin: str, label: str, name: str, convert: Callable[[Parameter], Any]) -> None:
        if is_secret(name):
            raise UsageError(
                f"{label}: a secret is no parameter, since the executed notebook keeps it; set it in the environment "
                "(WORKBENCH_DATABASE_URL, AWS_PROFILE) or in a file of mode 0600 that a helper reads"
            )
        if name not in schema:
            raise UsageError(f"{label}: no notebook has this parameter{suggest(name, schema)}")
        try:
            values[name] = convert(schema[name])
        except UsageError as error:
            raise UsageError(f"{origin} {error}") from None
        origins[name] = origin

    for variable, text in sorted(environment.items()):
        if variable.startswith(PREFIX):
            lower = variable.removeprefix(PREFIX).lower()
            take(variable, variable, known.get(lower.upper(), lower), lambda p, t=text: p.read(t))  # type: ignore[misc]
    for name, value in (_read_file(file) if file else {}).items():
        take(f"{file}:", f"{file}: {name}", name, lambda p, v=value: p.check(v))  # type: ignore[misc]
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"-p {pair}: expected name=value")
        take("-p", f"-p {name}", name, lambda p, t=text: p.read(t))  # type: ignore[misc]
    return Given(values, origins)


def _read_file(path: Path) -> dict[str, Any]:
    """Return a YAML mapping of names to values; YAML's dates are written out, since parameters have none."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise UsageError(f"{path} must hold name: value, a line a parameter")
    return {
        name: value.isoformat() if type(value) is dt.date else value  # a timestamp stays one, and is refused
        for name, value in document.items()
    }
