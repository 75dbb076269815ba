"""DuckDB macros behind the translation: what an expression can say faithfully needs no Python.

An error that Trino raises at run time is a cast of a text `@@KIND: message@@` that cannot succeed, which TRY turns
into NULL as in Trino. What is not supported uses error(), which TRY refuses to hold.
"""


def fail(message: str, kind: str = "INVALID_FUNCTION_ARGUMENT", type: str = "BIGINT") -> str:
    """Write an expression of `type` that fails with a message, itself an SQL text expression."""
    return f"CAST('@@{kind}: ' || {message} || '@@' AS {type})"


def fail_text(message: str, kind: str = "INVALID_FUNCTION_ARGUMENT") -> str:
    """Write a text expression that fails."""
    return f"CAST({fail(message, kind)} AS VARCHAR)"


def _bad_cast(value: str, target: str) -> str:
    return f"'@@INVALID_CAST_ARGUMENT: Cannot cast ''' || {value} || ''' to ' || {target} || '@@'"


_NUMBER = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?"
_DAY = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_SPACES = "".join(f"chr({code}) || " for code in (
    9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x1680, *range(0x2000, 0x2007), 0x2008, 0x2009, 0x200A, 0x2028, 0x2029,
    0x205F)) + "chr(12288)"  # fmt: skip
_REST = "(((epoch_us(t) % u) + u) % u)"

MACROS = {
    "trino_whole_text(x, n)": f"CASE WHEN regexp_full_match(x, '[+-]?[0-9]+') THEN x ELSE {_bad_cast('x', 'n')} END",
    "trino_floating_text(x, n)": f"""CASE WHEN regexp_full_match(x, '\\s*([+-]?(NaN|Infinity)|{_NUMBER})\\s*')
        THEN trim(x, trino_spaces()) ELSE {_bad_cast("x", "n")} END""",
    "trino_decimal_text(x, n)": f"CASE WHEN regexp_full_match(x, '{_NUMBER}') THEN x ELSE {_bad_cast('x', 'n')} END",
    "trino_uuid_text(x)": f"""CASE WHEN regexp_full_match(x,
        '[0-9a-fA-F]{{8}}(-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}') THEN x ELSE {_bad_cast("x", "'UUID'")} END""",
    "trino_to_boolean(x)": f"""CASE WHEN lower(x) IN ('true', 't', '1') THEN true WHEN lower(x) IN ('false', 'f', '0')
        THEN false WHEN x IS NOT NULL THEN CAST({_bad_cast("x", "'BOOLEAN'")} AS BOOLEAN) END""",
    "trino_date_text(x)": f"""CASE WHEN regexp_full_match(trim(x), '{_DAY}') THEN trim(x)
        ELSE '@@INVALID_CAST_ARGUMENT: Value cannot be cast to date: ' || x || '@@' END""",
    "trino_to_timestamp(x, p)": f"""trino_round_timestamp(CAST(CASE WHEN regexp_full_match(trim(x),
        '{_DAY}( [0-9]{{1,2}}:[0-9]{{1,2}}(:[0-9]{{1,2}}([.][0-9]{{1,6}})?)?)?') THEN trim(x) ELSE
        '@@INVALID_CAST_ARGUMENT: Value cannot be cast to timestamp: ' || x || '@@' END AS TIMESTAMP),
        CAST(pow(10, 6 - p) AS BIGINT))""",
    "trino_round_timestamp(t, u)": f"""make_timestamp(epoch_us(t) - {_REST} + CASE WHEN 2 * {_REST} >= u THEN u
        ELSE 0 END)""",
    "trino_fits(x, n)": f"""CASE WHEN length(x) > n THEN
        {fail_text("'Value ' || x || ' cannot be represented as varchar(' || n || ')'", "INVALID_CAST_ARGUMENT")}
        ELSE x END""",
    # DuckDB writes the shortest digits, plain or as 1.5e-07; Trino always d.dddE-7.
    "trino_digits(s)": """CASE WHEN contains(s, 'e') THEN replace(split_part(s, 'e', 1), '.', '')
        WHEN starts_with(s, '0.') THEN ltrim(substr(s, 3), '0') ELSE replace(s, '.', '') END""",
    "trino_exponent(s)": """CASE WHEN contains(s, 'e') THEN CAST(split_part(s, 'e', 2) AS INTEGER)
        WHEN starts_with(s, '0.') THEN length(ltrim(substr(s, 3), '0')) - length(s) + 1
        ELSE strpos(s, '.') - 2 END""",
    "trino_scientific(s)": """left(trino_digits(s), 1) || '.'
        || CASE WHEN length(rtrim(trino_digits(s), '0')) > 1 THEN substr(rtrim(trino_digits(s), '0'), 2) ELSE '0' END
        || 'E' || trino_exponent(s)""",
    "trino_floating_scientific(x)": """CASE WHEN isnan(x) THEN 'NaN'
        WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END
        WHEN x = 0 THEN CASE WHEN starts_with(CAST(x AS VARCHAR), '-') THEN '-0.0E0' ELSE '0.0E0' END
        ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || trino_scientific(CAST(abs(x) AS VARCHAR)) END""",
    "trino_half_up(n, d)": """(n // d + CASE WHEN 2 * abs(n % d) >= abs(d) THEN CASE WHEN (n < 0) = (d < 0) THEN 1
        ELSE -1 END ELSE 0 END)""",
    # As a condition on each row, so that no optimizer leaves it out.
    "trino_depth(d, most)": f"""CASE WHEN d <= most THEN true ELSE
        {fail("'Recursion depth limit exceeded (' || most || ')'", "NOT_SUPPORTED", "BOOLEAN")} END""",
    "trino_spaces()": f"({_SPACES})",
    "trino_substr(x, a)": """CASE WHEN x IS NULL OR a IS NULL THEN NULL WHEN a = 0 OR -a > length(x) THEN ''
        ELSE substring(x, a) END""",
    "trino_substr_of(x, a, n)": """CASE WHEN x IS NULL OR a IS NULL OR n IS NULL THEN NULL
        WHEN a = 0 OR n <= 0 OR -a > length(x) THEN '' WHEN a > 0 THEN substring(x, a, n)
        ELSE substring(x, length(x) + a + 1, n) END""",
    "trino_binary_substr(x, a)": "error('@@NOT_SUPPORTED: substr of a varbinary is not supported locally@@')",
    "trino_pad_size(n, pad)": f"""CASE WHEN n < 0 OR n > 2147483647 THEN
        {fail("'Target length must be in the range [0..2147483647]'", type="INTEGER")} WHEN pad = '' THEN
        {fail("'Padding string must not be empty'", type="INTEGER")} ELSE CAST(n AS INTEGER) END""",
    "trino_replace(x, a, b)": "CASE WHEN a = '' THEN trino_interleave(x, b) ELSE replace(x, a, b) END",
    "trino_reverse(x)": "CASE WHEN strlen(x) = length(x) THEN reverse(x) ELSE trino_reverse_text(x) END",
    # Java has no capital for the sharp s; of all letters DuckDB differs in this one.
    "trino_upper(x)": """CASE WHEN contains(x, 'ß') THEN
        array_to_string(list_transform(string_split(x, 'ß'), lambda part: upper(part)), 'ß') ELSE upper(x) END""",
    "trino_split(x, d)": f"""CASE WHEN d IS NULL THEN NULL
        WHEN d = '' THEN [{fail_text("'The delimiter may not be the empty string'")}] ELSE string_split(x, d) END""",
    "trino_split_part(x, d, i)": f"""CASE WHEN i < 1 THEN {fail_text("'Index must be greater than zero'")}
        WHEN d = '' THEN CASE WHEN i <= length(x) THEN substring(x, i, 1) END
        ELSE string_split(x, d)[i] END""",
    "trino_cosine_similarity(a, b)": "trino_cosine(map_keys(a), map_values(a), map_keys(b), map_values(b))",
    "trino_months_between(a, b)": """CASE WHEN day(least(a, b)) > day(greatest(a, b)) AND
        day(greatest(a, b)) = day(last_day(greatest(a, b)))
        THEN error('@@NOT_SUPPORTED: months between ' || a || ' and ' || b
            || ', which ends on a shorter month''s last day, are not supported locally@@')
        WHEN a <= b THEN datesub('month', a, b) ELSE -datesub('month', b, a) END""",
}
