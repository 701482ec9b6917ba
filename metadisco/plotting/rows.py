"""Rows of metrics as arrays, and averages of what is noisy. Axes: R rows, N values."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from metadisco.evaluation.statistics import half_width

Rows: TypeAlias = Sequence[Mapping[str, Any]]
"""Lines of metrics.jsonl; numbers may be null or missing."""

MAX_BINS = 24
"""Points of a line of noisy numbers, one generation each."""
WINDOW_SHARE, MIN_WINDOW, MAX_WINDOW = 5, 3, 9
"""A running mean is over one value in so many of all, within limits; an odd number of them."""
MIN_AVERAGED = 8
"""Values from which on a running mean says more than they do."""


class Band(NamedTuple):
    """A line with an interval around it."""

    x: Float[np.ndarray, "N"]
    mean: Float[np.ndarray, "N"]
    half: Float[np.ndarray, "N"]
    """Half the width of the interval; NaN where it is not known."""


def column(rows: Rows, key: str) -> Float[np.ndarray, "R"]:
    """Return a quantity of all rows, NaN where it is null or missing."""
    return np.array([math.nan if row.get(key) is None else row[key] for row in rows], float)


def bin_width(generation: Float[np.ndarray, "R"]) -> int:
    """Return how many generations are averaged, so that few points are left; 1 where rows are few and complete.

    Thinned metrics are averaged however few they are, as their rows come in uneven pairs.
    """
    span = int(generation[-1] - generation[0]) + 1 if len(generation) else 0
    if len(generation) == span <= 2 * MAX_BINS:
        return 1
    return math.ceil(span / max(min(MAX_BINS, len(generation) // 2), 1))


def in_bins(
    generation: Float[np.ndarray, "R"], values: Float[np.ndarray, "R"], width: int
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return means over bins of so many generations, at the means of the generations; NaN where nothing is known.

    The first row stays alone, so that it is seen where a search began. Thinned metrics have rows at unequal distances;
    in each bin those that there are count alike.
    """
    if width == 1 or not len(generation):
        return generation, values
    number = np.ceil((generation - generation[0]) / width).astype(int)
    x, y = [], []
    for each in np.unique(number):
        inside = number == each
        known = values[inside][np.isfinite(values[inside])]
        x.append(generation[inside].mean())
        y.append(known.mean() if len(known) else math.nan)
    return np.array(x), np.array(y)


def window_of(num_values: int) -> int:
    """Return over how many values a running mean is; 1 where they are few."""
    if num_values < MIN_AVERAGED:
        return 1
    return min(max(num_values // WINDOW_SHARE, MIN_WINDOW), MAX_WINDOW) // 2 * 2 + 1


def running(x: Float[np.ndarray, "N"], values: Float[np.ndarray, "N"]) -> Band:
    """Return the running mean of noisy values with Student's 95 % interval, as if those in a window had one mean.

    Windows are centred, and shorter at the ends.
    """
    reach = window_of(len(values)) // 2
    if not reach:
        return Band(x, values, np.full(len(values), math.nan))
    windows = [values[max(place - reach, 0) : place + reach + 1] for place in range(len(values))]
    return Band(x, np.array([each.mean() for each in windows]), np.array([half_width(each) for each in windows]))
