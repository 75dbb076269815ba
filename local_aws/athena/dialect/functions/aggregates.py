"""Aggregates and window functions; count, sum, avg, min and max of n values are special forms.

approx_distinct and approx_percentile give exact answers, which lie within Trino's stated error. approx_most_frequent
counts exactly, too.
"""

SIGNATURES = """
count_if(boolean) -> bigint = coalesce(CAST(count_if({d}{0}){s} AS BIGINT), 0)
min(T) -> T = min({d}{0}){s}
max(T) -> T = max({d}{0}){s}
min(T, bigint) -> array(T) = min({0}, {1}){s}
max(T, bigint) -> array(T) = max({0}, {1}){s}
max_by(V, K) -> V = arg_max_null({0}, {1}){s}
min_by(V, K) -> V = arg_min_null({0}, {1}){s}
max_by(V, K, bigint) -> array(V) = trino_keys(arg_max(row({0}, 1), {1}, {2}){s})
min_by(V, K, bigint) -> array(V) = trino_keys(arg_min(row({0}, 1), {1}, {2}){s})
arbitrary(T) -> T = any_value({0}){s}
any_value(T) -> T = any_value({0}){s}
array_agg(T) -> array(T) = list({d}{0}{o}){s}
bool_and(boolean) -> boolean = bool_and({0}){s}
bool_or(boolean) -> boolean = bool_or({0}){s}
every(boolean) -> boolean = bool_and({0}){s}
bitwise_and_agg(bigint) -> bigint = bit_and({0}){s}
bitwise_or_agg(bigint) -> bigint = bit_or({0}){s}
stddev(double) -> double = stddev_samp({d}{0}){s}
stddev_samp(double) -> double = stddev_samp({d}{0}){s}
stddev_pop(double) -> double = stddev_pop({d}{0}){s}
variance(double) -> double = var_samp({d}{0}){s}
var_samp(double) -> double = var_samp({d}{0}){s}
var_pop(double) -> double = var_pop({d}{0}){s}
corr(double, double) -> double = corr({0}, {1}){s}
covar_pop(double, double) -> double = covar_pop({0}, {1}){s}
covar_samp(double, double) -> double = covar_samp({0}, {1}){s}
regr_slope(double, double) -> double = regr_slope({0}, {1}){s}
regr_intercept(double, double) -> double = regr_intercept({0}, {1}){s}
geometric_mean(double) -> double = exp(avg(ln({0})){s})
approx_distinct(T) -> bigint = count(DISTINCT {0}){s}
approx_distinct(T, double) -> bigint = count(DISTINCT {0}){s}
approx_percentile(bigint, double) -> bigint = quantile_disc({0}, {1}){s}
approx_percentile(double, double) -> double = quantile_disc({0}, {1}){s}
approx_percentile(real, double) -> real = quantile_disc({0}, {1}){s}
approx_percentile(bigint, array(double)) -> array(bigint) = quantile_disc({0}, {1}){s}
approx_percentile(double, array(double)) -> array(double) = quantile_disc({0}, {1}){s}
approx_most_frequent(bigint, T, bigint) -> map(T, bigint) = trino_most_frequent(histogram({1}){s}, {0})
histogram(T) -> map(T, bigint) = CAST(histogram({0}){s} AS {type})
map_agg(K, V) -> map(K, V) = trino_map_of_entries(list(row({0}, {1}){o}){s})
multimap_agg(K, V) -> map(K, array(V)) = trino_multimap_of_entries(list(row({0}, {1}){o}){s})
listagg(varchar) -> varchar = string_agg({d}{0}, ''{o}){s}
listagg(varchar, varchar) -> varchar = string_agg({d}{0}, {1}{o}){s}
row_number() -> bigint = row_number(){s}
rank() -> bigint = rank(){s}
dense_rank() -> bigint = dense_rank(){s}
percent_rank() -> double = percent_rank(){s}
cume_dist() -> double = cume_dist(){s}
ntile(bigint) -> bigint = ntile({0}){s}
first_value(T) -> T = first_value({0}{i}){s}
last_value(T) -> T = last_value({0}{i}){s}
nth_value(T, bigint) -> T = nth_value({0}, {1}{i}){s}
lag(T) -> T = lag({0}{i}){s}
lag(T, bigint) -> T = lag({0}, {1}{i}){s}
lag(T, bigint, T) -> T = lag({0}, {1}, {2}{i}){s}
lead(T) -> T = lead({0}{i}){s}
lead(T, bigint) -> T = lead({0}, {1}{i}){s}
lead(T, bigint, T) -> T = lead({0}, {1}, {2}{i}){s}
"""

WINDOW_ONLY = frozenset(
    "row_number rank dense_rank percent_rank cume_dist ntile first_value last_value nth_value lag lead".split()
)

KNOWN = """approx_set checksum convex_hull_agg evaluate_classifier_predictions kurtosis
learn_classifier learn_libsvm_classifier learn_libsvm_regressor learn_regressor map_union merge merge_set_digest
make_set_digest numeric_histogram qdigest_agg reduce_agg skewness tdigest_agg value_at_quantile
values_at_quantiles spatial_partitioning spatial_partitions intersection_cardinality
jaccard_index hash_counts empty_approx_set"""
