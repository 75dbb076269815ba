"""Functions of arrays and maps with more than one lambda variable, or whose type is made of their arguments'."""

from __future__ import annotations

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect import types as t
from local_aws.athena.dialect.coercion import can_coerce
from local_aws.athena.dialect.conversion import coerce, convert
from local_aws.athena.dialect.env import Env, Typed, mismatch, refuse
from local_aws.athena.dialect.invocation import from_table
from local_aws.athena.dialect.special.arguments import arguments, count, plain, steady


def _lambda(node: n.Call, position: int, parameters: int) -> n.Lambda:
    arg = node.args[position]
    if not isinstance(arg, n.Lambda) or len(arg.parameters) != parameters:
        mismatch(node.place, f"{node.name} takes a lambda with {parameters} argument(s)")
    return arg


def _body(env: Env, node: n.Lambda, variables: list[Typed]) -> Typed:
    body = env.with_variables(dict(zip(node.parameters, variables, strict=True))).translate(node.body)
    if "(SELECT " in body.sql:
        refuse(node.place, "a query within a lambda")
    return body


def _fresh(env: Env) -> str:
    """Make a lambda variable's name that no other lambda has, so that none hides another's."""
    return f"v{env.statement.alias()}"


def _of(env: Env, node: n.Call, position: int, name: str) -> Typed:
    value = env.translate(node.args[position])
    if value.type.name != name:
        mismatch(node.place, f"Unexpected parameters ({value.type}) for function {node.name}")
    steady(node, value)
    return value


def reduce(env: Env, node: n.Call) -> Typed:
    """Translate REDUCE; the state keeps the type of its first value, widened by what the step gives."""
    plain(node)
    count(node, 4, 4)
    items, start = _of(env, node, 0, "array"), env.translate(node.args[1])
    step, finish = _lambda(node, 2, 2), _lambda(node, 3, 1)
    # A text grows from step to step: its state has no length.
    state = t.VARCHAR if start.type.name == "varchar" else start.type
    names, element = (_fresh(env), _fresh(env)), items.type.elements[0]
    # list_reduce has one type for state and elements: the state travels in a row beside an element.
    body = _body(env, step, [Typed(f"struct_extract_at({names[0]}, 1)", state),
                             Typed(f"struct_extract_at({names[1]}, 2)", element)])  # fmt: skip
    if not can_coerce(body.type, state):
        mismatch(step.place, f"the step of reduce gives {body.type}, not {state}")
    inner = coerce(body, state, step.place)
    pair = f"row({coerce(start, state, node.place)}, CAST(NULL AS {element.to_duckdb()}))"
    rows = f"list_transform({items.sql}, lambda e$: row(CAST(NULL AS {state.to_duckdb()}), e$))"
    step_sql = f"lambda {names[0]}, {names[1]}: row({inner}, struct_extract_at({names[1]}, 2))"
    folded = f"struct_extract_at(list_reduce({rows}, {step_sql}, {pair}), 1)"
    last = _fresh(env)
    result = _body(env, finish, [Typed(last, state)])
    finished = f"list_transform([{folded}], lambda {last}: {result.sql})[1]"
    return Typed(f"CASE WHEN {items.sql} IS NOT NULL THEN {finished} END", result.type)


def zip_with(env: Env, node: n.Call) -> Typed:
    """Translate ZIP_WITH; the shorter array is filled up with NULL."""
    plain(node)
    count(node, 3, 3)
    left, right, step = _of(env, node, 0, "array"), _of(env, node, 1, "array"), _lambda(node, 2, 2)
    index = _fresh(env)
    variables = [Typed(f"({side.sql})[{index}]", side.type.elements[0]) for side in (left, right)]
    body = _body(env, step, variables)
    return Typed(f"list_transform(trino_positions({left.sql}, {right.sql}), lambda {index}: {body.sql})",
                 t.array(body.type))  # fmt: skip


def zip_(env: Env, node: n.Call) -> Typed:
    """Translate ZIP of two to five arrays."""
    values = arguments(env, node, 2, 5)
    steady(node, *values)
    if any(value.type.name != "array" for value in values):
        mismatch(node.place, "zip takes arrays")
    lengths = ", ".join(f"len({value.sql})" for value in values)
    fields = ", ".join(f"({value.sql})[i$]" for value in values)
    kind = t.array(t.row([None] * len(values), [value.type.elements[0] for value in values]))
    nulls = " OR ".join(f"{value.sql} IS NULL" for value in values)
    rows = f"list_transform(range(1, greatest({lengths}) + 1), lambda i$: row({fields}))"
    return Typed(f"CASE WHEN {nulls} THEN NULL ELSE CAST({rows} AS {kind.to_duckdb()}) END", kind)


def _entries(env: Env, node: n.Call) -> tuple[Typed, Typed, str]:
    """Translate a map and the lambda over its keys and values; give the lambda's written head, too."""
    plain(node)
    count(node, 2, 2)
    value, entry = _of(env, node, 0, "map"), _fresh(env)
    key, item = value.type.elements
    variables = [Typed(f"{entry}.key", key), Typed(f"{entry}.value", item)]
    return value, _body(env, _lambda(node, 1, 2), variables), f"map_entries({value.sql}), lambda {entry}:"


def map_filter(env: Env, node: n.Call) -> Typed:
    """Translate MAP_FILTER."""
    value, body, head = _entries(env, node)
    if body.type.name not in ("boolean", "unknown"):
        mismatch(node.place, f"map_filter takes a lambda that gives a boolean (actual: {body.type})")
    return Typed(f"map_from_entries(list_filter({head} {body.sql}))", value.type)


def transform_values(env: Env, node: n.Call) -> Typed:
    """Translate TRANSFORM_VALUES."""
    value, body, head = _entries(env, node)
    kind = t.map_of(value.type.elements[0], body.type)
    values = f"list_transform({head} {body.sql})"
    return Typed(f"CASE WHEN {value.sql} IS NOT NULL THEN map(map_keys({value.sql}), {values}) END", kind)


def transform_keys(env: Env, node: n.Call) -> Typed:
    """Translate TRANSFORM_KEYS; a key that comes twice fails, as in Trino."""
    value, body, head = _entries(env, node)
    kind = t.map_of(body.type, value.type.elements[1])
    keys = f"list_transform({head} {body.sql})"
    return Typed(f"CASE WHEN {value.sql} IS NOT NULL THEN map({keys}, map_values({value.sql})) END", kind)


def array_join(env: Env, node: n.Call) -> Typed:
    """Translate ARRAY_JOIN; elements are written as CAST writes them, NULLs left out or replaced."""
    values = arguments(env, node, 2, 3)
    items = values[0]
    if items.type.name != "array":
        mismatch(node.place, f"Unexpected parameters ({items.type}) for function array_join")
    element = items.type.elements[0]
    if element.name not in ("varchar", "unknown", "boolean", "date", "timestamp", "double", "real", "decimal",
                            *t.INTEGERS):  # fmt: skip
        refuse(node.place, f"array_join of {items.type}")
    written = convert(Typed("e$", element), t.VARCHAR, node.place)
    delimiter = coerce(values[1], t.VARCHAR, node.place)
    if len(values) == 3:
        written = f"coalesce({written}, {coerce(values[2], t.VARCHAR, node.place)})"
    return Typed(f"array_to_string(list_transform({items.sql}, lambda e$: {written}), {delimiter})", t.VARCHAR)


def array_sort(env: Env, node: n.Call) -> Typed:
    """Translate ARRAY_SORT without a comparison of its own."""

    if len(node.args) > 1:
        refuse(node.place, "array_sort with a comparison")
    return from_table(env, node)


FORMS = {
    "reduce": reduce, "zip_with": zip_with, "zip": zip_, "map_filter": map_filter, "array_join": array_join,
    "transform_values": transform_values, "transform_keys": transform_keys, "array_sort": array_sort,
}  # fmt: skip
