"""Statistics over seeds. Axes: S seeds."""

from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float


class Difference(NamedTuple):
    """A mean of paired differences, with its confidence interval."""

    mean: float
    low: float
    high: float


def paired_difference(
    ours: Float[np.ndarray, "S"], theirs: Float[np.ndarray, "S"], confidence: float = 0.95
) -> Difference:
    """Return the mean of ours − theirs on common seeds, with Student's t interval.

    Seeds of which either failed (NaN) are left out; say how many there were beside the result.

    Args:
        ours: one score per seed.
        theirs: the same seeds in the same order.
        confidence: coverage of the interval.

    Raises:
        ValueError: if fewer than two seeds are left.
    """
    differences = (ours - theirs)[np.isfinite(ours) & np.isfinite(theirs)].astype(np.float64)
    if differences.size < 2:
        raise ValueError(f"paired_difference: got {differences.size} seeds that did not fail, allowed: at least 2")
    mean = float(differences.mean())
    error = scipy.stats.sem(differences)
    half = float(scipy.stats.t.ppf((1 + confidence) / 2, differences.size - 1) * error)
    return Difference(mean, mean - half, mean + half)
