"""Numbers as a row of block characters."""

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Return a course of numbers from left to right, the lowest as the lowest block and the highest as the highest.

    Args:
        values: in order; None or NaN where a number is missing, which is shown as a space.
        width: maximum number of characters; more numbers are averaged in groups.
    """
    known = [math.nan if value is None else float(value) for value in values]
    num_groups = min(width, len(known))
    bounds = [len(known) * place // num_groups for place in range(num_groups + 1)] if num_groups else [0]
    means = [_mean(known[start:end]) for start, end in pairwise(bounds)]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_block(mean, low, high) for mean in means)


def histogram(values: Sequence[float], num_bins: int) -> str:
    """Return how many numbers lie in each of so many equal parts of their range, the fullest as the highest block.

    A part without numbers is a space. Numbers that are not finite do not count.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if low == high:
        return BLOCKS[-1] if finite else ""
    counts = [0] * num_bins
    for value in finite:
        counts[min(int((value - low) / (high - low) * num_bins), num_bins - 1)] += 1
    return "".join(_block(count, 0, max(counts)) if count else " " for count in counts)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _block(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    share = (value - low) / (high - low) if high > low else 0.5
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]
