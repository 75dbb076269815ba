"""Numbers: mathematics, bits, random."""

WHOLE = ("tinyint", "smallint", "integer", "bigint")

_EACH = """
abs({k}) -> {k} = abs({{0}})
sign({k}) -> {k} = CAST(sign({{0}}) AS {{type}})
round({k}) -> {k} = {{0}}
round({k}, integer) -> {k} = round({{0}}, {{1}})
ceil({k}) -> {k} = {{0}}
ceiling({k}) -> {k} = {{0}}
floor({k}) -> {k} = {{0}}
"""

SIGNATURES = (
    "".join(_EACH.format(k=kind) for kind in WHOLE)
    + """
abs(real) -> real = abs({0})
abs(double) -> double = abs({0})
abs(decimal(p, s)) -> decimal(p, s) = abs({0})
sign(real) -> real = CAST(CASE WHEN isnan({0}) THEN {0} ELSE sign({0}) END AS FLOAT)
sign(double) -> double = CASE WHEN isnan({0}) THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END
sign(decimal(p, s)) -> decimal(1, 0) = CAST(sign({0}) AS DECIMAL(1,0))
round(real) -> real = round({0})
round(double) -> double = round({0})
round(double, integer) -> double = round({0}, {1})
ceil(real) -> real = ceil({0})
ceil(double) -> double = ceil({0})
ceiling(real) -> real = ceil({0})
ceiling(double) -> double = ceil({0})
floor(real) -> real = floor({0})
floor(double) -> double = floor({0})
truncate(real) -> real = trunc({0})
truncate(double) -> double = trunc({0})
sqrt(double) -> double = sqrt({0})
cbrt(double) -> double = cbrt({0})
exp(double) -> double = exp({0})
ln(double) -> double = ln({0})
log2(double) -> double = (ln({0}) / ln(CAST(2 AS DOUBLE)))
log10(double) -> double = log10({0})
log(double, double) -> double = (ln({1}) / ln({0}))
power(double, double) -> double = pow({0}, {1})
pow(double, double) -> double = pow({0}, {1})
sin(double) -> double = sin({0})
cos(double) -> double = cos({0})
tan(double) -> double = tan({0})
asin(double) -> double = asin({0})
acos(double) -> double = acos({0})
atan(double) -> double = atan({0})
atan2(double, double) -> double = atan2({0}, {1})
sinh(double) -> double = sinh({0})
cosh(double) -> double = cosh({0})
tanh(double) -> double = tanh({0})
degrees(double) -> double = degrees({0})
radians(double) -> double = radians({0})
pi() -> double = pi()
e() -> double = CAST('2.718281828459045' AS DOUBLE)
infinity() -> double = CAST('inf' AS DOUBLE)
nan() -> double = CAST('nan' AS DOUBLE)
is_nan(double) -> boolean = isnan({0})
is_finite(double) -> boolean = isfinite({0})
is_infinite(double) -> boolean = isinf({0})
random() -> double = random()
rand() -> double = random()
bitwise_and(bigint, bigint) -> bigint = ({0} & {1})
bitwise_or(bigint, bigint) -> bigint = ({0} | {1})
bitwise_xor(bigint, bigint) -> bigint = xor({0}, {1})
bitwise_not(bigint) -> bigint = (~({0}))
bit_count(bigint, bigint) -> bigint = trino_bit_count({0}, {1})
from_base(varchar, bigint) -> bigint = trino_from_base({0}, {1})
to_base(bigint, bigint) -> varchar = trino_to_base({0}, {1})
width_bucket(double, double, double, bigint) -> bigint = trino_width_bucket({0}, {1}, {2}, {3})
width_bucket(double, array(double)) -> bigint = trino_width_bucket_of({0}, {1})
cosine_similarity(map(varchar, double), map(varchar, double)) -> double = trino_cosine_similarity({0}, {1})
"""
)

KNOWN = """beta_cdf bitwise_left_shift bitwise_right_shift bitwise_right_shift_arithmetic cosine_distance
inverse_beta_cdf inverse_normal_cdf normal_cdf parse_data_size wilson_interval_lower wilson_interval_upper"""
