"""Numbers with as many digits as their uncertainty leaves: two of the half-width of an interval."""

import math

from metadisco.storage.rows import format_number

MAX_DECIMALS = 6
"""Where more would be needed, numbers are written with four significant digits, and an exponent if that is shorter."""


def decimals_of(half_width: float | None) -> int | None:
    """Return the decimals at which a half-width has two significant digits; None if it is unknown, 0 or tiny."""
    if half_width is None or not math.isfinite(half_width) or half_width <= 0:
        return None
    decimals = max(1 - math.floor(math.log10(half_width)), 0)
    return decimals if decimals <= MAX_DECIMALS else None


def to_digits(value: float, decimals: int | None, signed: bool = False) -> str:
    """Return a number with so many decimals and thousands separators; with four significant digits for None."""
    sign = "+" if signed and value >= 0 else ""
    return sign + (format_number(value) if decimals is None or not math.isfinite(value) else f"{value:,.{decimals}f}")


def interval(value: float, low: float, high: float, *, signed: bool = False) -> str:
    """Return `value [low, high]`; the value alone where the interval is unknown."""
    if math.isnan(low):
        return to_digits(value, None, signed)
    decimals = decimals_of((high - low) / 2)
    return f"{to_digits(value, decimals, signed)} [{to_digits(low, decimals)}, {to_digits(high, decimals)}]"
