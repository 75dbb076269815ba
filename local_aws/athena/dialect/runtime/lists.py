"""DuckDB macros for arrays and maps, with Trino's treatment of NULL, order and bounds."""

from local_aws.athena.dialect.runtime.macros import fail

_NULLS = "list_count({0}) < len({0})"


def _nulls(name: str) -> str:
    return _NULLS.format(name)


def _combined(keep: str) -> str:
    return f"""CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE trino_array_distinct(list_filter(a, lambda e:
        {keep} (CASE WHEN e IS NULL THEN {_nulls("b")} ELSE list_contains(b, e) END))) END"""


_STEPS = "'sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop value should be less than or equal to start value'"  # noqa: E501

MACROS = {
    "trino_subscript(a, i)": f"""a[CASE WHEN a IS NULL OR i IS NULL OR i BETWEEN 1 AND len(a) THEN i WHEN i = 0 THEN
        {fail("'SQL array indices start at 1'")} WHEN i < 0 THEN {fail("'Array subscript is negative: ' || i")} ELSE
        {fail("'Array subscript must be less than or equal to array length: ' || i || ' > ' || len(a)")} END]""",
    "trino_map_value(m, k, t)": f"""map_extract(m, k)[CASE WHEN m IS NULL OR k IS NULL OR len(map_extract(m, k)) > 0
        THEN 1 ELSE {fail("'Key not present in map: ' || t")} END]""",
    "trino_element_at(a, i)": f"""a[CASE WHEN i = 0 THEN {fail("'SQL array indices start at 1'")} ELSE i END]""",
    "trino_list_concat(a, b)": "CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE list_concat(a, b) END",
    "trino_array_equal(a, b)": f"""CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN len(a) <> len(b) THEN false
        WHEN len(list_filter(range(1, len(a) + 1), lambda i: a[i] <> b[i])) > 0 THEN false
        WHEN {_nulls("a")} OR {_nulls("b")} THEN NULL ELSE true END""",
    "trino_contains(a, x)": f"""CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x) THEN true
        WHEN {_nulls("a")} THEN NULL ELSE false END""",
    "trino_array_position(a, x)": """CASE WHEN a IS NULL OR x IS NULL THEN NULL
        ELSE coalesce(CAST(list_position(a, x) AS BIGINT), 0) END""",
    "trino_array_distinct(a)": """list_filter(a, lambda e, i: CASE WHEN e IS NULL
        THEN list_position(list_transform(a, lambda z: z IS NULL), true) = i ELSE list_position(a, e) = i END)""",
    "trino_common_of(a, b)": _combined(""),
    # Trino goes through the longer of the two.
    "trino_array_intersect(a, b)": """CASE WHEN len(a) < len(b) THEN trino_common_of(b, a)
        ELSE trino_common_of(a, b) END""",
    "trino_array_except(a, b)": _combined("NOT"),
    "trino_arrays_overlap(a, b)": f"""CASE WHEN a IS NULL OR b IS NULL THEN NULL
        WHEN len(list_filter(a, lambda e: e IS NOT NULL AND list_contains(b, e))) > 0 THEN true
        WHEN {_nulls("a")} OR {_nulls("b")} THEN NULL ELSE false END""",
    "trino_array_remove(a, x)": """CASE WHEN x IS NULL THEN NULL
        ELSE list_filter(a, lambda e: e IS NULL OR e <> x) END""",
    "trino_slice(a, i, n)": f"""CASE WHEN a IS NULL OR i IS NULL OR n IS NULL THEN NULL ELSE list_slice(a,
        CASE WHEN i = 0 THEN {fail("'SQL array indices start at 1'")}
        WHEN n < 0 THEN {fail("'length must be greater than or equal to 0'")}
        WHEN i < -len(a) THEN 1 WHEN i < 0 THEN len(a) + i + 1 ELSE i END,
        CASE WHEN i < -len(a) THEN 0 WHEN i < 0 THEN len(a) + i + n ELSE i + n - 1 END) END""",
    "trino_trim_array(a, n)": f"""CASE WHEN a IS NULL OR n IS NULL THEN NULL ELSE list_slice(a, 1, CASE WHEN n < 0 THEN
        {fail("'size must not be negative: ' || n")} WHEN n > len(a) THEN
        {fail("'size must not exceed array cardinality ' || len(a) || ': ' || n")} ELSE len(a) - n END) END""",
    "trino_sequence(a, b, s)": f"""generate_series(a, b, CASE WHEN s = 0 THEN {fail("'step must not be zero'")}
        WHEN (a < b AND s < 0) OR (a > b AND s > 0) THEN {fail(_STEPS)}
        WHEN abs(CAST(b AS HUGEINT) - a) // abs(s) >= 10000 THEN
        {fail("'result of sequence function must not have more than 10000 entries'")} ELSE s END)""",
    "trino_date_sequence(a, b)": """CAST(generate_series(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP),
        CASE WHEN a <= b THEN INTERVAL '1' DAY ELSE INTERVAL '-1' DAY END) AS DATE[])""",
    "trino_date_sequence_by(a, b, s)": f"""CAST(generate_series(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP),
        CASE WHEN a + s = a THEN {fail("'step must not be zero'", type="INTERVAL")}
        WHEN (a < b AND a + s < a) OR (a > b AND a + s > a) THEN {fail(_STEPS, type="INTERVAL")}
        WHEN day(a) > 28 AND abs(epoch_us(a + s) - epoch_us(CAST(a AS TIMESTAMP))) >= 2419200000000
        THEN error('@@NOT_SUPPORTED: a sequence of months from a day after the 28th is not supported locally@@')
        ELSE s END) AS DATE[])""",
    "trino_repeat_count(n)": f"""CASE WHEN n > 10000 THEN {fail("'count argument of repeat function must be less than or equal to 10000'")} ELSE greatest(n, 0) END""",  # noqa: E501
    "trino_ngrams(a, n)": f"""CASE WHEN a IS NULL THEN NULL WHEN len(a) <= n THEN [a] ELSE
        list_transform(range(1, len(a) - CASE WHEN n < 1 THEN {fail("'N must be positive'")} ELSE n END + 2),
        lambda i: list_slice(a, i, i + n - 1)) END""",
    "trino_combinations(a, n)": """CASE WHEN a IS NULL THEN NULL WHEN n > 0 AND n <= 5 AND n > len(a) THEN []
        WHEN n = 1 THEN list_transform(a, lambda e: [e]) WHEN n = 2 AND len(a) <= 3 THEN flatten(list_transform(
        range(1, len(a)), lambda i: list_transform(range(i + 1, len(a) + 1), lambda j: [a[i], a[j]])))
        ELSE error('@@NOT_SUPPORTED: combinations of more than 3 elements are not supported locally@@') END""",
    "trino_shuffle(a)": """list_transform(list_sort(list_transform(a, lambda e: {'r': random(), 'e': e})),
        lambda s: s.e)""",
    "trino_any(b)": f"""CASE WHEN b IS NULL THEN NULL WHEN list_contains(b, true) THEN true WHEN {_nulls("b")} THEN NULL
        ELSE false END""",
    "trino_all(b)": f"""CASE WHEN b IS NULL THEN NULL WHEN list_contains(b, false) THEN false
        WHEN {_nulls("b")} THEN NULL ELSE true END""",
    "trino_none(b)": "(NOT trino_any(b))",
    "trino_positions(a, b)": """CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN
        range(1, greatest(len(a), len(b)) + 1) END""",
    "trino_map(k, v)": "CASE WHEN k IS NOT NULL AND v IS NOT NULL THEN map(k, v) END",
    "trino_keys(e)": "list_transform(e, lambda x: struct_extract_at(x, 1))",
    "trino_first_of_key(e)": "list_filter(e, lambda x, i: list_position(trino_keys(e), struct_extract_at(x, 1)) = i)",
    "trino_map_of(e)": "trino_map(trino_keys(e), list_transform(e, lambda x: struct_extract_at(x, 2)))",
    "trino_with_keys(e)": "list_filter(e, lambda x: struct_extract_at(x, 1) IS NOT NULL)",
    "trino_map_of_entries(e)": "trino_map_of(trino_first_of_key(trino_with_keys(e)))",
    "trino_multimap_of_entries(e)": """trino_map(trino_keys(trino_first_of_key(trino_with_keys(e))), list_transform(
        trino_keys(trino_first_of_key(trino_with_keys(e))), lambda k: list_transform(list_filter(trino_with_keys(e),
        lambda x: struct_extract_at(x, 1) = k), lambda x: struct_extract_at(x, 2))))""",
    "trino_most_frequent(m, n)": """map_from_entries(list_transform(list_slice(list_reverse_sort(list_transform(
        map_entries(m), lambda e: {'n': CAST(e.value AS BIGINT), 'k': e.key})), 1, n),
        lambda e: {'k': e.k, 'v': e.n}))""",
}
