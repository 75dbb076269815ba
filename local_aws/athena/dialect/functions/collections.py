"""Arrays, maps and rows; what needs several lambda variables or element types is a special form."""

SIGNATURES = """
cardinality(array(T)) -> bigint = len({0})
cardinality(map(K, V)) -> bigint = cardinality({0})
element_at(array(T), bigint) -> T = trino_element_at({0}, {1})
element_at(map(K, V), K) -> V = map_extract_value({0}, {1})
contains(array(T), T) -> boolean = trino_contains({0}, {1})
array_position(array(T), T) -> bigint = trino_array_position({0}, {1})
array_distinct(array(T)) -> array(T) = trino_array_distinct({0})
array_sort(array(T)) -> array(T) = list_sort({0}, 'ASC', 'NULLS LAST')
array_max(array(T)) -> T = CASE WHEN list_count({0}) = len({0}) THEN list_max({0}) END
array_min(array(T)) -> T = CASE WHEN list_count({0}) = len({0}) THEN list_min({0}) END
array_intersect(array(T), array(T)) -> array(T) = trino_array_intersect({0}, {1})
array_union(array(T), array(T)) -> array(T) = trino_array_distinct(trino_list_concat({0}, {1}))
array_except(array(T), array(T)) -> array(T) = trino_array_except({0}, {1})
arrays_overlap(array(T), array(T)) -> boolean = trino_arrays_overlap({0}, {1})
array_remove(array(T), T) -> array(T) = trino_array_remove({0}, {1})
flatten(array(array(T))) -> array(T) = flatten({0})
slice(array(T), bigint, bigint) -> array(T) = trino_slice({0}, {1}, {2})
trim_array(array(T), bigint) -> array(T) = trino_trim_array({0}, {1})
sequence(bigint, bigint) -> array(bigint) = trino_sequence({0}, {1}, CASE WHEN {0} <= {1} THEN 1 ELSE -1 END)
sequence(bigint, bigint, bigint) -> array(bigint) = trino_sequence({0}, {1}, {2})
sequence(date, date) -> array(date) = trino_date_sequence({0}, {1})
sequence(date, date, day_to_second) -> array(date) = trino_date_sequence_by({0}, {1}, {2})
sequence(date, date, year_to_month) -> array(date) = trino_date_sequence_by({0}, {1}, {2})
repeat(T, bigint) -> array(T) = CASE WHEN {1} IS NOT NULL THEN
    list_transform(range(trino_repeat_count({1})), lambda i$: {0}) END
ngrams(array(T), bigint) -> array(array(T)) = trino_ngrams({0}, {1})
combinations(array(T), bigint) -> array(array(T)) = trino_combinations({0}, {1})
shuffle(array(T)) -> array(T) = trino_shuffle({0})
filter(array(T), function(T, boolean)) -> array(T) = list_filter({0}, {1})
transform(array(T), function(T, U)) -> array(U) = list_transform({0}, {1})
any_match(array(T), function(T, boolean)) -> boolean = trino_any(list_transform({0}, {1}))
all_match(array(T), function(T, boolean)) -> boolean = trino_all(list_transform({0}, {1}))
none_match(array(T), function(T, boolean)) -> boolean = trino_none(list_transform({0}, {1}))
map() -> map(U, U) = CAST(map([], []) AS {type})
map(array(K), array(V)) -> map(K, V) = trino_map({0}, {1})
map_keys(map(K, V)) -> array(K) = map_keys({0})
map_values(map(K, V)) -> array(V) = map_values({0})
map_entries(map(K, V)) -> array(row(K, V)) = list_transform(map_entries({0}), lambda e$: row(e$.key, e$.value))
map_from_entries(array(row(K, V))) -> map(K, V) = trino_map(list_transform({0}, lambda e$: struct_extract_at(e$, 1)),
    list_transform({0}, lambda e$: struct_extract_at(e$, 2)))
map_concat(map(K, V), map(K, V)...) -> map(K, V) = CASE WHEN list_count([{0}, {rest}]) = len([{0}, {rest}])
    THEN map_concat({0}, {rest}) END
"""

KNOWN = """array_first array_last array_histogram contains_sequence map_zip_with multimap_from_entries"""
