"""Read a contract's YAML into `helpers.contract.Contract`, so that each mistake can be named with file and line."""

import math
import re
from pathlib import Path
from typing import Any

from helpers.contract import Column, Contract
from helpers.contract_names import check_name
from helpers.contract_quality import read_rules
from helpers.contract_yaml import Document, Place, read_document
from helpers.errors import nearest
from helpers.saved_queries import list_queries

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
_ISO = {"date": ("%Y-%m-%d",), "timestamp": ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")}
_CONTRACT_PROPERTIES = (
    "extends",
    "source",
    "files",
    "format",
    "nullSpellings",
    "ordering",
    "deliveries",
    "unknownColumns",
    "quarantineLimit",
    "load",
    "verify",
    "indexes",
    "inPlace",
)
# Names that Python and Java both know and mean the same by.
_ENCODINGS = ("UTF-8", "UTF-16", "windows-1252", *(f"ISO-8859-{part}" for part in (1, 2, 3, 4, 5, 7, 9, 13, 15)))
_DELIVERIES = ("append", "replace_by_name")
_KINDS = ("csv", "json", "parquet")
_UNKNOWN = ("add", "report")
_COLUMN_PROPERTIES = ("sourceNames", "spellings", "formats", "unit")


def read_contract(path: Path) -> Contract:
    """Read a contract; `extends` in its customProperties fills in what it leaves out from another dataset's.

    Raises:
        ContractError: a mistake, with file and line; saved queries whose names clash.
    """
    document = read_document(path)
    custom = _custom(document, (), _CONTRACT_PROPERTIES)
    queries = path.parent / "queries"
    if "extends" in custom:
        base_path = path.parent.parent / str(custom["extends"][0]) / "contract.yaml"
        if not base_path.is_file():
            names = [found.parent.name for found in path.parent.parent.glob("*/contract.yaml")]
            extended, place = custom["extends"]
            document.fail(place, f'no dataset "{extended}"; {nearest(str(extended), names)}')
        base = read_document(base_path)
        theirs = _custom(base, (), _CONTRACT_PROPERTIES)
        custom = {name: (value, ("extends", *at)) for name, (value, at) in theirs.items()} | custom
        document.extend(base)
        queries = queries if queries.is_dir() else base_path.parent / "queries"
    list_queries(queries)  # refuses names before anything starts
    return _assemble(document, custom, path, queries)


def _custom(document: Document, place: Place, known: tuple[str, ...]) -> dict[str, tuple[Any, Place]]:
    """Return the customProperties at `place` by name, each with its place."""
    found: dict[str, tuple[Any, Place]] = {}
    for index, entry in enumerate(document.at(place).get("customProperties") or []):
        here: Place = (*place, "customProperties", index)
        name = entry.get("property") if isinstance(entry, dict) else None
        if name not in known:
            document.fail(here, f'no custom property "{name}" is read here; {nearest(str(name), known)}')
        found[str(name)] = (entry.get("value"), here)
    return found


def _assemble(document: Document, custom: dict[str, tuple[Any, Place]], path: Path, queries: Path) -> Contract:
    """Check what a contract says as a whole and build it."""
    data, dataset = document.data, path.parent.name
    check_name(document, dataset)
    schema = data.get("schema")
    if not isinstance(schema, list) or len(schema) != 1 or not schema[0].get("properties"):
        document.fail(("schema",), "one table with its properties is needed under schema")
    count = len(schema[0]["properties"])
    columns = tuple(_read_column(document, ("schema", 0, "properties", index)) for index in range(count))
    key, partition = _read_roles(document, columns)
    value = {name: entry[0] for name, entry in custom.items()}
    source = value.get("source") or {}
    return Contract(
        dataset=dataset,
        path=path,
        version=str(data.get("version", "")),
        title=str(data.get("name", dataset)),
        description=_one_line(schema[0].get("description")),
        granularity=_one_line(schema[0].get("dataGranularityDescription")),
        columns=columns,
        key=key,
        ordering=_read_ordering(document, custom, columns),
        partition=partition,
        null_spellings=tuple(dict.fromkeys(["", *_read_list(document, custom, "nullSpellings")])),
        source_script=(path.parent / source["script"]).resolve() if source.get("script") else None,
        source_arguments=tuple(map(str, source.get("arguments") or [])),
        files=value.get("files"),
        queries_folder=queries,
        rules=read_rules(document, columns),
        **_read_handling(document, custom),
    )


def _read_handling(document: Document, custom: dict[str, tuple[Any, Place]]) -> dict[str, Any]:
    """Return how raw files are read and how many bad rows are borne."""
    form, place = custom.get("format", ({}, ()))
    form = {"kind": "csv", "delimiter": ",", "quote": '"', "encoding": "UTF-8"} | (form or {})
    if form["kind"] not in _KINDS:
        document.fail(place, f'format kind "{form["kind"]}" is unknown; {nearest(str(form["kind"]), _KINDS)}')
    if len(str(form["delimiter"])) != 1 or len(str(form["quote"])) != 1:
        document.fail(place, "delimiter and quote are one character each")
    if str(form["encoding"]) not in _ENCODINGS:
        document.fail(place, f'encoding "{form["encoding"]}" is unknown; {nearest(str(form["encoding"]), _ENCODINGS)}')
    deliveries, place = custom.get("deliveries", ("append", ()))
    if deliveries not in _DELIVERIES:
        document.fail(place, f'deliveries "{deliveries}" is unknown; {nearest(str(deliveries), _DELIVERIES)}')
    unknown, place = custom.get("unknownColumns", ("add", ()))
    if unknown not in _UNKNOWN:
        document.fail(place, f'unknownColumns "{unknown}" is unknown; {nearest(str(unknown), _UNKNOWN)}')
    limit, place = custom.get("quarantineLimit", (0.2, ()))
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= 1:
        document.fail(place, "quarantineLimit is a share of all rows, from 0 to 1")
    return {name: str(form[name]) for name in ("kind", "delimiter", "quote", "encoding")} | {
        "deliveries": deliveries,
        "unknown_columns": unknown,
        "quarantine_limit": float(limit),
    }


def _read_list(document: Document, custom: dict[str, tuple[Any, Place]], name: str) -> list[str]:
    """Return the texts of a custom property, none where it is not there."""
    values, place = custom.get(name, (None, ()))
    return document.read_texts((*place, "value"), values)


def _one_line(text: Any) -> str:
    return " ".join(str(text or "").split())


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
    for _, name in keyed:
        if not columns[names.index(name)].required:
            document.fail((*here, names.index(name)), f'"{name}" is part of the key, so it needs `required: true`')
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
    entry = document.at(place)
    if not isinstance(entry, dict) or not _NAME.fullmatch(str(entry.get("name", ""))):
        document.fail(place, "a column needs a name of lower-case letters, digits and underscores")
    custom = _custom(document, place, _COLUMN_PROPERTIES)
    physical, logical = _read_type(document, place)
    derived = re.fullmatch(_DERIVED, str(entry.get("transformLogic", "")))
    if entry.get("transformLogic") and not derived:
        document.fail((*place, "transformLogic"), "write strftime(column, '%Y-%m')")
    values = _read_values(document, place, custom)
    if values and physical != "string":
        document.fail((*place, "enum"), "only columns of type string can have an enumeration")
    return Column(
        name=entry["name"],
        type=physical,
        logical_type=logical,
        description=_one_line(entry.get("description")),
        unit=str(custom.get("unit", ("", ()))[0]),
        required=bool(entry.get("required", False)),
        source_names=tuple(_read_list(document, custom, "sourceNames")),
        values=values,
        formats=_read_formats(document, custom, physical),
        derived_from=derived[1] if derived else "",
        derived_format=derived[2] if derived else "",
        **_read_options(document, place, logical),
    )


def _read_type(document: Document, place: Place) -> tuple[str, str]:
    """Return the physical and the logical type."""
    entry = document.at(place)
    physical, logical = str(entry.get("physicalType", "string")).lower(), str(entry.get("logicalType", "string"))
    if not _TYPE.fullmatch(physical):
        known = [name for group in _LOGICAL.values() for name in group]
        document.fail((*place, "physicalType"), f'type "{physical}" is unknown; {nearest(physical, known)}')
    if logical not in _LOGICAL or not physical.startswith(_LOGICAL[logical]):
        document.fail((*place, "logicalType"), f'logical type "{logical}" does not go with "{physical}"')
    return physical, logical


def _read_options(document: Document, place: Place, logical: str) -> dict[str, Any]:
    """Return pattern, minimum and maximum."""
    options = document.at(place).get("logicalTypeOptions") or {}
    here = (*place, "logicalTypeOptions")
    fitting = {"pattern": ("string",), "minimum": ("integer", "number"), "maximum": ("integer", "number")}
    for name, value in options.items():
        if name not in fitting:
            document.fail((*here, name), f'no option "{name}" is read here; {nearest(name, fitting)}')
        if logical not in fitting[name]:
            document.fail((*here, name), f"{name} is for columns of type {' or '.join(fitting[name])}")
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if name != "pattern" and not number:
            document.fail((*here, name), f"{name} is a number")
    try:
        re.compile(str(options.get("pattern", "")))
    except re.error as error:
        document.fail((*here, "pattern"), f"pattern: {error}")
    bounds = {name: options.get(name) for name in ("minimum", "maximum")}
    return {"pattern": str(options.get("pattern", "")), **bounds}


def _read_formats(document: Document, custom: dict[str, tuple[Any, Place]], physical: str) -> tuple[str, ...]:
    """Return the formats of a date or timestamp; ISO 8601 where the contract names none."""
    given, place = _read_list(document, custom, "formats"), custom.get("formats", (None, ()))[1]
    for text in given:
        if not _FORMAT.fullmatch(text):
            document.fail(place, f'format "{text}": use %Y %m %d %H %M %S %b, signs, spaces and T')
        if not all(any(text.count(part) == 1 for part in parts) for parts in (("%Y",), ("%m", "%b"), ("%d",))):
            document.fail(place, f'format "{text}": a date has one %Y, one %m or %b, and one %d')
    if given and physical not in _ISO:
        document.fail(place, "formats are for dates and timestamps")
    return tuple(given or _ISO.get(physical, ()))


def _read_values(document: Document, place: Place, custom: dict[str, tuple[Any, Place]]) -> dict[str, str]:
    """Return every accepted spelling in lower case, with the value that it stands for."""
    values = []
    for index, entry in enumerate(document.at(place).get("enum") or []):
        if not isinstance(entry, dict) or "value" not in entry:
            document.fail((*place, "enum", index), "an entry of an enumeration is {value: text}")
        values.append(document.read_text((*place, "enum", index, "value"), entry["value"]))
    found = {value.lower(): value for value in values}
    spellings, here = custom.get("spellings", ({}, ()))
    for value, others in (spellings or {}).items():
        if value not in values:
            document.fail((*here, "value", value), f'"{value}" is not in the enumeration; {nearest(value, values)}')
        for spelling in document.read_texts((*here, "value", value), others):
            if found.setdefault(spelling.lower(), value) != value:
                document.fail((*here, "value", value), f'"{spelling}" already stands for another value')
    return found
