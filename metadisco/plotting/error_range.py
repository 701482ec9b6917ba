"""Over which value errors losses are drawn. Axes: N bins of a histogram, G errors."""

import numpy as np
from jaxtyping import Float, Int

from metadisco.evaluation.histograms import VALUE_EDGES

NUM_ERRORS = 2001
MAX_ERROR = 10.0  # where no minibatches were counted
ERRORS_DRAWN = 0.95  # of those in minibatches
ROOM = 0.25  # of the longer side of 0, that the other side has at least


def errors_drawn(counts: Int[np.ndarray, "N"] | None, *, mirrored: bool = False) -> Float[np.ndarray, "G"]:
    """Return the value errors over which losses are drawn: most of those in minibatches, or a default range.

    Args:
        counts: histogram of the value errors in minibatches, by VALUE_EDGES.
        mirrored: whether the range reaches equally far to both sides.
    """
    low, high = (-MAX_ERROR, MAX_ERROR) if counts is None or not counts.any() else _shortest(counts)
    low, high = min(low, -ROOM * high), max(high, -ROOM * low)
    furthest = max(-low, high)
    return np.linspace(*((-furthest, furthest) if mirrored else (low, high)), NUM_ERRORS)


def middle(counts: Int[np.ndarray, "N"] | None, tail: float) -> tuple[float, float]:
    """Return the values between which all but a share `tail` at either end of a histogram over VALUE_EDGES lies."""
    if counts is None or not counts.any():
        return -MAX_ERROR, MAX_ERROR
    below = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(below, (tail, 1 - tail))
    return float(VALUE_EDGES[low]), float(VALUE_EDGES[high + 1])


def _shortest(counts: Int[np.ndarray, "N"]) -> tuple[float, float]:
    """Return the edges of the shortest interval that holds most samples of a histogram over VALUE_EDGES."""
    below = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    last = np.searchsorted(below, np.minimum(below + ERRORS_DRAWN, 1.0) - 1e-12)
    starts = np.flatnonzero(below <= 1 - ERRORS_DRAWN)
    first = starts[np.argmin(VALUE_EDGES[last[starts]] - VALUE_EDGES[starts])]
    return float(VALUE_EDGES[first]), float(VALUE_EDGES[last[first]])
