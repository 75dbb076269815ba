"""Write numbers as people read them: thousands apart, no exponent, and no 0% or 100% for what is neither."""

import math

_DIGITS = 6


def say_number(number: float) -> str:
    """Return a number with its thousands apart: whole ones in full, others with six digits that count."""
    if isinstance(number, int):
        return f"{number:,}"
    size = abs(number)
    if not math.isfinite(number) or (size and not 1e-12 <= size < 1e18):
        return f"{number:.{_DIGITS}g}"
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(size))) if size else 0
    text = f"{number + 0.0:,.{decimals}f}"  # -0 is 0
    return text.rstrip("0").rstrip(".") if "." in text else text


def say_share(part: float, whole: float, decimals: int = 1) -> str:
    """Return a share in percent; a part that is not nothing is never 0%, and one that is not all never 100%.

    Of nothing it is 0%.
    """
    share = part / whole if whole else 0.0
    nothing, everything = f"{0:.{decimals}%}", f"{1:.{decimals}%}"
    said = f"{share:.{decimals}%}"
    step = 10.0 ** -(decimals + 2)
    if said == nothing and part > 0:
        return f"less than {step:.{decimals}%}"
    if said == everything and part < whole:
        return f"more than {1 - step:.{decimals}%}"
    return said
