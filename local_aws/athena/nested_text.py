"""Texts of a bounded length inside arrays, maps and rows: `array(varchar(3))` holds three letters of each at most."""

from dataclasses import replace

from local_aws.athena.column_types import is_bounded, literal, quoted
from local_aws.athena.dialect.types import VARCHAR, TrinoType


def has_bounds(type_: TrinoType) -> bool:
    """Tell whether a text of bounded length is in the type, at any depth."""
    return is_bounded(type_) or any(map(has_bounds, type_.elements))


def without_bounds(type_: TrinoType) -> TrinoType:
    """Return the type with texts of any length."""
    if type_.name == "varchar":
        return VARCHAR
    return replace(type_, elements=tuple(map(without_bounds, type_.elements)))


def cut_texts(sql: str, type_: TrinoType, depth: int = 0) -> str:
    """Write a value of the type with each text cut to its length, as Athena reads a longer one."""
    if is_bounded(type_):
        return f"left({sql}, {type_.precision})"
    if not has_bounds(type_):
        return sql
    inner = f"e{depth}"
    if type_.name == "array":
        return f"list_transform({sql}, lambda {inner}: {cut_texts(inner, type_.elements[0], depth + 1)})"
    if type_.name == "map":
        key, value = (
            cut_texts(f"{inner}.{part}", element, depth + 1)
            for part, element in zip(("key", "value"), type_.elements, strict=True)
        )
        entries = f"list_transform(map_entries({sql}), lambda {inner}: {{'key': {key}, 'value': {value}}})"
        return f"map_from_entries({entries})"
    fields = ", ".join(
        f"{quoted(name or '')} := {cut_texts(f'struct_extract({sql}, {literal(name or str())})', element, depth)}"
        for name, element in zip(type_.names, type_.elements, strict=True)
    )
    return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({fields}) END"
