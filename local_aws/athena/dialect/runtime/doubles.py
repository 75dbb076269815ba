"""Numbers as Java writes them, bases, buckets, decimal division beyond 38 digits."""

from __future__ import annotations

import bisect
import decimal
import math
import re
from collections.abc import Sequence

from local_aws.athena.dialect.runtime.failure import invalid

_WIDE = decimal.Context(prec=120, rounding=decimal.ROUND_HALF_UP)


def scientific(value: float) -> str:
    """Write a double as CAST(x AS varchar) does: shortest digits, one before the point, E and the exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0E0" if math.copysign(1, value) < 0 else "0.0E0"
    number = decimal.Decimal(repr(value))
    sign, written, _ = number.as_tuple()
    text = "".join(map(str, written)).rstrip("0")
    return f"{'-' if sign else ''}{text[0]}.{text[1:] or '0'}E{number.adjusted()}"


def java_double(value: float) -> str:
    """Write a double as Java's Double.toString: plain between 10^-3 and 10^7, else scientific."""
    if value == 0 or math.isnan(value) or math.isinf(value) or not 1e-3 <= abs(value) < 1e7:
        return scientific(value).replace("0.0E0", "0.0")
    text = format(decimal.Decimal(repr(value)), "f")
    return text if "." in text else text + ".0"


def decimal_divide(left: str, right: str, scale: int) -> str:
    """Divide two decimals exactly and round half up at `scale`."""
    divisor = decimal.Decimal(right)
    if divisor == 0:
        invalid("Division by zero", "DIVISION_BY_ZERO")
    dividend, shift = decimal.Decimal(left), decimal.Decimal(10) ** scale
    whole, rest = _divmod(dividend, shift, divisor)
    if 2 * rest >= abs(divisor):
        whole += 1
    if (dividend < 0) != (divisor < 0):
        whole = -whole
    return format(decimal.Decimal(whole).scaleb(-scale, _WIDE), "f")


def _divmod(dividend: decimal.Decimal, shift: decimal.Decimal, divisor: decimal.Decimal) -> tuple[int, decimal.Decimal]:
    scaled = _WIDE.multiply(abs(dividend), shift)
    return int(_WIDE.divide_int(scaled, abs(divisor))), _WIDE.remainder(scaled, abs(divisor))


def decimal_rest(left: str, right: str) -> str:
    """Give the rest of a division of decimals, with the sign of the dividend."""
    if decimal.Decimal(right) == 0:
        invalid("Division by zero", "DIVISION_BY_ZERO")
    return format(_WIDE.remainder(decimal.Decimal(left), decimal.Decimal(right)), "f")


def fixed(number: str, digits: int) -> str:
    """Write a number with a fixed count of digits after the point, rounded half up as Java's Formatter does."""
    if number.lower() in ("nan", "inf", "-inf"):
        invalid("format of a number that is not finite", "NOT_SUPPORTED")
    return format(decimal.Decimal(number).quantize(decimal.Decimal(1).scaleb(-digits), context=_WIDE), "f")


def format_piece(text: str, flags: str, width: int, letter: str) -> str:
    """Apply Java's flags (- left, 0 zeros, comma grouping, + sign) and the width to a written value."""
    if letter in "df":
        sign, body = ("-", text[1:]) if text.startswith("-") else ("+" if "+" in flags else "", text)
        whole, point, fraction = body.partition(".")
        if "," in flags:
            whole = f"{int(whole):,}"
        body = whole + point + fraction
        if "0" in flags and "-" not in flags:
            body = body.rjust(width - len(sign), "0")
        text = sign + body
    return text.ljust(width) if "-" in flags else text.rjust(width)


def from_base(text: str, radix: int) -> int:
    """Read a whole number of a base from 2 to 36."""
    if not 2 <= radix <= 36:
        invalid("Radix must be between 2 and 36")
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"[:radix]
    if not re.fullmatch(f"[+-]?[{digits}]+", text, re.IGNORECASE | re.ASCII):
        invalid(f"Not a valid base-{radix} number: {text}")
    number = int(text, int(radix))
    if not -(2**63) <= number < 2**63:
        invalid(f"Not a valid base-{radix} number: {text}")
    return number


def to_base(value: int, radix: int) -> str:
    """Write a whole number in a base from 2 to 36."""
    if not 2 <= radix <= 36:
        invalid("Radix must be between 2 and 36")
    digits, number = "", abs(value)
    while number or not digits:
        number, rest = divmod(number, radix)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return ("-" if value < 0 else "") + digits


def width_bucket(value: float, first: float, last: float, count: int) -> int:
    """Give the number of the bucket among `count` equal ones."""
    if count <= 0:
        invalid("bucketCount must be greater than 0")
    if math.isnan(value) or not math.isfinite(first) or not math.isfinite(last) or first == last:
        invalid("operand must not be NaN, bounds must be finite and different")
    low, high = min(first, last), max(first, last)
    if value < low:
        bucket = 0
    elif value >= high:
        bucket = count + 1
    else:
        bucket = int(count * (value - low) / (high - low) + 1)
    return count - bucket + 1 if first > last else bucket


def width_bucket_of(value: float, bounds: Sequence[float]) -> int:
    """Give the number of bounds that are not above the value."""
    if not bounds:
        invalid("Bins cannot be an empty array")
    if math.isnan(value) or any(not math.isfinite(bound) for bound in bounds):
        invalid("Operand and bin values must be finite")
    return bisect.bisect_right(list(bounds), value)


def cosine(
    keys: Sequence[str], values: Sequence[float], others: Sequence[str], weights: Sequence[float]
) -> float | None:
    """Give the cosine of two sparse vectors; None where one is zero."""
    if any(value is None for value in (*values, *weights)):
        return None
    left, right = dict(zip(keys, values, strict=True)), dict(zip(others, weights, strict=True))
    sizes = math.sqrt(sum(v * v for v in values)), math.sqrt(sum(v * v for v in weights))
    if not all(sizes):
        return None
    return sum(v * right.get(k, 0.0) for k, v in left.items()) / (sizes[0] * sizes[1])


def bit_count(value: int, bits: int) -> int:
    """Count the ones of a whole number in two's complement of `bits` bits."""
    if not 2 <= bits <= 64:
        invalid(f"Bits specified in bit_count must be between 2 and 64, got {bits}")
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        invalid(f"Number must be representable with the bits specified. {value} cannot be represented with {bits} bits")
    mask: int = (1 << bits) - 1
    return (value & mask).bit_count()


REFUSING = ("trino_fixed",)
FUNCTIONS = [
    ("trino_bit_count", bit_count, ["BIGINT", "BIGINT"], "BIGINT"),
    ("trino_decimal_divide", decimal_divide, ["VARCHAR", "VARCHAR", "INTEGER"], "VARCHAR"),
    ("trino_decimal_rest", decimal_rest, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("trino_fixed", fixed, ["VARCHAR", "INTEGER"], "VARCHAR"),
    ("trino_format_piece", format_piece, ["VARCHAR", "VARCHAR", "INTEGER", "VARCHAR"], "VARCHAR"),
    ("trino_from_base", from_base, ["VARCHAR", "BIGINT"], "BIGINT"),
    ("trino_to_base", to_base, ["BIGINT", "BIGINT"], "VARCHAR"),
    ("trino_width_bucket", width_bucket, ["DOUBLE", "DOUBLE", "DOUBLE", "BIGINT"], "BIGINT"),
    ("trino_width_bucket_of", width_bucket_of, ["DOUBLE", "DOUBLE[]"], "BIGINT"),
    ("trino_cosine", cosine, ["VARCHAR[]", "DOUBLE[]", "VARCHAR[]", "DOUBLE[]"], "DOUBLE"),
]
