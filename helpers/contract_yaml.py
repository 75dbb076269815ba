"""Read a YAML document and keep the line of each of its values, so that a mistake can be named with file and line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from helpers.errors import ContractError

Place = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Document:
    """A YAML document, and the line of each of its values. A place is the path of keys and indexes from the root.

    `written` has the letters of each value that YAML took for something else than a text.
    """

    data: dict[str, Any]
    lines: dict[Place, tuple[Path, int]] = field(default_factory=dict)
    written: dict[Place, str] = field(default_factory=dict)

    def at(self, place: Place) -> Any:
        """Return the value at a place."""
        found: Any = self.data
        for step in place:
            found = found[step]
        return found

    def extend(self, base: "Document") -> None:
        """Fill in what is left out here from another document.

        Both have customProperties of their own: the other's lie at ("extends", "customProperties", …).
        """
        for place, line in base.lines.items():
            heirs = [place] if place and place[0] not in self.data else []
            if place[:1] == ("customProperties",):
                heirs.append(("extends", *place))
            for heir in heirs:
                self.lines[heir] = line
                if place in base.written:
                    self.written[heir] = base.written[place]
        self.data = base.data | self.data

    def read_text(self, place: Place, value: Any) -> str:
        """Return the value at a place as the text that is written there.

        A plain number or day such as 999 is its own text; `no`, `null`, `007` and `1.50` would become other ones.

        Raises:
            ContractError: the value is no text.
        """
        if isinstance(value, list | dict):
            self.fail(place, "one text is needed here, and not a list or a mapping")
        written = self.written.get(place, "")
        if not isinstance(value, str) and (isinstance(value, bool) or str(value) != written):
            self.fail(place, f'"{written}" would be read as "{value}", which is another text: put it in quotes')
        return str(value)

    def read_texts(self, place: Place, values: Any) -> list[str]:
        """Return the list at a place, where nothing may stand, as the texts that are written there.

        Raises:
            ContractError: there is no list, or one of its values is no text.
        """
        if values is None:
            return []
        if not isinstance(values, list):
            self.fail(place, f'a list of texts is needed here, such as ["{self.written.get(place, values)}"]')
        return [self.read_text((*place, index), value) for index, value in enumerate(values)]

    def fail(self, place: Place, problem: str) -> NoReturn:
        """Refuse the contract for what stands at `place`, or at the nearest place around it."""
        while place not in self.lines and place:
            place = place[:-1]
        path, line = self.lines[place]
        raise ContractError(f"{path.parent.parent.name}/{path.parent.name}/{path.name}:{line}: {problem}")


def read_document(path: Path) -> Document:
    """Read one YAML file with the line of each value.

    Raises:
        ContractError: the file is not YAML, or not a mapping.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(f"{path}:{line}: not YAML: {error.problem}") from error
    except UnicodeDecodeError as error:
        raise ContractError(f"{path}: not UTF-8 at byte {error.start}") from error
    document = Document({}, {(): (path, 1)})
    if not isinstance(node, yaml.MappingNode):
        document.fail((), "not a contract: write keys such as `id:` and `schema:`")
    document.data = _build(node, (), document, path)
    return document


def _build(node: Any, place: Place, document: Document, path: Path) -> Any:
    """Turn a node into plain values and note the line of each."""
    document.lines[place] = (path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                document.lines[(*place, key)] = (path, key_node.start_mark.line + 1)
                document.fail((*place, key), f'"{key}" stands here twice')
            found[key] = _build(value_node, (*place, key), document, path)
            document.lines[(*place, key)] = (path, key_node.start_mark.line + 1)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*place, index), document, path) for index, child in enumerate(node.value)]
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):  # such as 0000-00-00, which looks like a day
        document.fail(place, f'"{node.value}" cannot be read: put it in quotes')
    if not isinstance(value, str):
        document.written[place] = node.value
    return value
