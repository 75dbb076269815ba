"""Read a contract's YAML into `helpers.contract.Contract`, so that each mistake can be named with file and line."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from helpers.contract import Column, Contract
from helpers.errors import ContractError, nearest

Place = tuple[str | int, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TYPE = re.compile(r"string|int|bigint|double|boolean|date|timestamp|decimal\((\d{1,2}),(\d{1,2})\)")
_LOGICAL = {
    "string": ("string",),
    "integer": ("int", "bigint"),
    "number": ("double", "decimal"),
    "boolean": ("boolean",),
    "date": ("date",),
    "timestamp": ("timestamp",),
}
_DERIVED = re.compile(r"strftime\((\w+), '([^']+)'\)")
# Each letter stands for digits (or a month's name) of a fixed width, so a job in any engine can cut them out.
_FORMAT = re.compile(r"(?:%[YmdHMSb]|[^%A-Za-z0-9]|T)+")
_CONTRACT_PROPERTIES = (
    "extends",
    "source",
    "files",
    "format",
    "nullSpellings",
    "ordering",
    "deliveries",
    "quarantineLimit",
)
_COLUMN_PROPERTIES = ("sourceNames", "spellings", "formats", "unit")


@dataclass
class Document:
    """A YAML document, and the line of each of its values. A place is the path of keys and indexes from the root."""

    data: dict[str, Any]
    lines: dict[Place, tuple[Path, int]] = field(default_factory=dict)

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
    return yaml.SafeLoader("").construct_object(node)


def read_contract(path: Path) -> Contract:
    """Read a contract; `extends` in its customProperties fills in what it leaves out from another dataset's.

    Raises:
        ContractError: a mistake, with file and line.
    """
    document = read_document(path)
    custom = _custom(document, (), _CONTRACT_PROPERTIES)
    queries = path.parent / "queries"
    if "extends" in custom:
        base_path = path.parent.parent / str(custom["extends"][0]) / "contract.yaml"
        if not base_path.is_file():
            names = [found.parent.name for found in path.parent.parent.glob("*/contract.yaml")]
            document.fail(
                custom["extends"][1],
                f'no dataset "{custom["extends"][0]}"; {nearest(str(custom["extends"][0]), names)}',
            )
        base = read_document(base_path)
        custom = _custom(base, (), _CONTRACT_PROPERTIES) | custom
        for place, where in base.lines.items():
            if place and place[0] not in document.data:
                document.lines[place] = where
        document.data = base.data | document.data
        queries = queries if queries.is_dir() else base_path.parent / "queries"
    return _assemble(document, custom, path, queries)


def _custom(document: Document, place: Place, known: tuple[str, ...]) -> dict[str, tuple[Any, Place]]:
    """Return the customProperties at `place` by name, each with its place."""
    holder: Any = document.data
    for step in place:
        holder = holder[step]
    found: dict[str, tuple[Any, Place]] = {}
    for index, entry in enumerate(holder.get("customProperties") or []):
        here: Place = (*place, "customProperties", index)
        name = entry.get("property") if isinstance(entry, dict) else None
        if name not in known:
            document.fail(here, f'no custom property "{name}" is read here; {nearest(str(name), known)}')
        found[str(name)] = (entry.get("value"), here)
    return found


def _assemble(document: Document, custom: dict[str, tuple[Any, Place]], path: Path, queries: Path) -> Contract:
    """Check what a contract says as a whole and build it."""
    data = document.data
    dataset = path.parent.name
    if data.get("id") != dataset:
        document.fail(("id",), f'id is "{data.get("id")}" where the folder is "{dataset}": a dataset has one name')
    if not _NAME.fullmatch(dataset):
        document.fail(("id",), f'"{dataset}" cannot name a table: use lower-case letters, digits and underscores')
    schema = data.get("schema")
    if not isinstance(schema, list) or len(schema) != 1 or not schema[0].get("properties"):
        document.fail(("schema",), "one table with its properties is needed under schema")
    columns = tuple(
        _read_column(document, ("schema", 0, "properties", index)) for index in range(len(schema[0]["properties"]))
    )
    key, partition = _read_roles(document, columns)
    value = {name: entry[0] for name, entry in custom.items()}
    form = value.get("format") or {}
    source = value.get("source") or {}
    script = source.get("script")
    limit = value.get("quarantineLimit", 0.2)
    if not isinstance(limit, int | float) or not 0 <= limit <= 1:
        document.fail(custom["quarantineLimit"][1], "quarantineLimit is a share of all rows, from 0 to 1")
    return Contract(
        dataset=dataset,
        path=path,
        version=str(data.get("version", "")),
        title=str(data.get("name", dataset)),
        description=" ".join(str(schema[0].get("description", "")).split()),
        granularity=" ".join(str(schema[0].get("dataGranularityDescription", "")).split()),
        columns=columns,
        key=key,
        ordering=_read_ordering(document, custom, columns),
        partition=partition,
        null_spellings=tuple(dict.fromkeys(["", *map(str, value.get("nullSpellings") or [])])),
        delimiter=str(form.get("delimiter", ",")),
        quote=str(form.get("quote", '"')),
        encoding=str(form.get("encoding", "UTF-8")),
        deliveries=str(value.get("deliveries", "append")),
        quarantine_limit=float(limit),
        source_script=(path.parent / script).resolve() if script else None,
        source_arguments=tuple(map(str, source.get("arguments") or [])),
        files=value.get("files"),
        queries_folder=queries,
    )


def _read_roles(document: Document, columns: tuple[Column, ...]) -> tuple[tuple[str, ...], str]:
    """Return the key's columns in order, and the partition column."""
    here: Place = ("schema", 0, "properties")
    properties = document.data["schema"][0]["properties"]
    names = [column.name for column in columns]
    for index, name in enumerate(names):
        if name in names[:index]:
            document.fail((*here, index, "name"), f'column "{name}" stands here twice')
    keyed = [(entry.get("primaryKeyPosition", 1), entry["name"]) for entry in properties if entry.get("primaryKey")]
    if not keyed:
        document.fail(here, "no column has `primaryKey: true`: what tells one row from another?")
    partitions = [entry["name"] for entry in properties if entry.get("partitioned")]
    if len(partitions) != 1:
        document.fail(here, f"{len(partitions)} columns have `partitioned: true` where one is needed")
    for index, column in enumerate(columns):
        if column.derived_from and column.derived_from not in names:
            hint = nearest(column.derived_from, names)
            document.fail((*here, index, "transformLogic"), f'no column "{column.derived_from}"; {hint}')
        source = column.derived_from or column.name
        if column.name == partitions[0] and not columns[names.index(source)].required:
            document.fail((*here, index), f'"{source}" decides the partition, so it needs `required: true`')
    return tuple(name for _, name in sorted(keyed)), partitions[0]


def _read_ordering(
    document: Document, custom: dict[str, tuple[Any, Place]], columns: tuple[Column, ...]
) -> tuple[tuple[str, bool], ...]:
    """Return the columns that decide between rows of one key, each with whether the highest value comes first."""
    entries, place = custom.get("ordering", ([], ()))
    names = [column.name for column in columns]
    found = []
    for index, entry in enumerate(entries or []):
        name, _, direction = str(entry).partition(" ")
        if name not in names:
            document.fail((*place, "value", index), f'no column "{name}" to order by; {nearest(name, names)}')
        if direction not in ("", "asc", "desc"):
            document.fail((*place, "value", index), f'"{direction}" is no direction: write asc or desc')
        found.append((name, direction == "desc"))
    return tuple(found)


def _read_column(document: Document, place: Place) -> Column:
    """Read one property of the schema as a column."""
    entry: Any = document.data
    for step in place:
        entry = entry[step]
    if not isinstance(entry, dict) or not _NAME.fullmatch(str(entry.get("name", ""))):
        document.fail(place, "a column needs a name of lower-case letters, digits and underscores")
    custom = _custom(document, place, _COLUMN_PROPERTIES)
    physical, logical = str(entry.get("physicalType", "string")).lower(), str(entry.get("logicalType", "string"))
    if not _TYPE.fullmatch(physical):
        document.fail((*place, "physicalType"), f'type "{physical}" is unknown; {nearest(physical, _flat(_LOGICAL))}')
    if logical not in _LOGICAL or not physical.startswith(_LOGICAL[logical]):
        document.fail((*place, "logicalType"), f'logical type "{logical}" does not go with "{physical}"')
    options = entry.get("logicalTypeOptions") or {}
    pattern = str(options.get("pattern", ""))
    try:
        re.compile(pattern)
    except re.error as error:
        document.fail((*place, "logicalTypeOptions", "pattern"), f"pattern: {error}")
    for bound in ("minimum", "maximum"):
        if not isinstance(options.get(bound, 0), int | float) or (
            bound in options and logical not in ("integer", "number")
        ):
            document.fail((*place, "logicalTypeOptions", bound), f"{bound} is a number, for columns of numbers")
    formats = tuple(map(str, custom.get("formats", ([], ()))[0] or []))
    for text in formats:
        if not _FORMAT.fullmatch(text):
            document.fail(custom["formats"][1], f'format "{text}": use %Y %m %d %H %M %S %b, signs, spaces and T')
    derived = re.fullmatch(_DERIVED, str(entry.get("transformLogic", "")))
    if entry.get("transformLogic") and not derived:
        document.fail((*place, "transformLogic"), "write strftime(column, '%Y-%m')")
    return Column(
        name=entry["name"],
        type=physical,
        logical_type=logical,
        description=" ".join(str(entry.get("description", "")).split()),
        unit=str(custom.get("unit", ("", ()))[0]),
        required=bool(entry.get("required", False)),
        source_names=tuple(map(str, custom.get("sourceNames", ([], ()))[0] or [])),
        pattern=pattern,
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        values=_read_values(document, place, entry, custom),
        formats=formats,
        derived_from=derived[1] if derived else "",
        derived_format=derived[2] if derived else "",
    )


def _flat(groups: dict[str, tuple[str, ...]]) -> list[str]:
    return [name for group in groups.values() for name in group]


def _read_values(
    document: Document, place: Place, entry: dict[str, Any], custom: dict[str, tuple[Any, Place]]
) -> dict[str, str]:
    """Return every accepted spelling in lower case, with the value that it stands for."""
    values = [str(value["value"]) for value in entry.get("enum") or []]
    found = {value.lower(): value for value in values}
    spellings, here = custom.get("spellings", ({}, ()))
    for value, others in (spellings or {}).items():
        if value not in values:
            document.fail((*here, "value", value), f'"{value}" is not in the enumeration; {nearest(value, values)}')
        for spelling in others:
            if found.setdefault(str(spelling).lower(), value) != value:
                document.fail((*here, "value", value), f'"{spelling}" already stands for another value')
    return found
