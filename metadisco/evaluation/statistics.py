"""Statistics over seeds and tasks. Axes: S seeds, K tasks."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.stats
from jaxtyping import Float

BLOCK = 2**22  # numbers in memory during the bootstrap


class Difference(NamedTuple):
    """A mean of paired differences, with its confidence interval."""

    mean: float
    low: float
    high: float


def paired_difference(
    ours: Float[np.ndarray, "S"], theirs: Float[np.ndarray, "S"], confidence: float = 0.95
) -> Difference:
    """Return the mean of ours − theirs on common seeds, with Student's t interval.

    Seeds on which either failed (NaN) are excluded; report their number beside the result.

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
    mean, half = float(differences.mean()), half_width(differences, confidence)
    return Difference(mean, mean - half, mean + half)


def half_width(scores: Float[np.ndarray, "S"], confidence: float = 0.95) -> float:
    """Return half the width of Student's t interval of the mean; needs at least two scores."""
    return float(scipy.stats.t.ppf((1 + confidence) / 2, scores.size - 1) * scipy.stats.sem(scores))


class Estimate(NamedTuple):
    """A statistic of a sample, with its bootstrap interval."""

    value: float
    low: float
    high: float


Statistic: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Scores [..., S, K] of S seeds on K tasks -> [...]."""


def mean(scores: Float[np.ndarray, "... S K"]) -> Float[np.ndarray, "..."]:
    """Return the mean over seeds and tasks."""
    return np.mean(scores, (-2, -1))


def interquartile_mean(scores: Float[np.ndarray, "... S K"]) -> Float[np.ndarray, "..."]:
    """Return the mean of the middle half of all scores, seeds and tasks taken together.

    Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (2021), section 4.3: a
    quarter of the scores, rounded down, is left out at either end.
    """
    flat = scores.reshape(*scores.shape[:-2], -1)
    return np.asarray(scipy.stats.trim_mean(flat, 0.25, axis=-1))


def probability_of_improvement(ours: Float[np.ndarray, "S K"], theirs: Float[np.ndarray, "T K"]) -> float:
    """Return the probability that a score of ours exceeds one of theirs, averaged over tasks; ties count as half.

    On each task this is the Mann-Whitney statistic U divided by S·T (Agarwal et al., 2021, section 4.3).
    """
    better = (ours[:, None] > theirs[None]).mean((0, 1)) + 0.5 * (ours[:, None] == theirs[None]).mean((0, 1))
    return float(better.mean())


def stratified_bootstrap(
    scores: Float[np.ndarray, "S K"],
    statistic: Statistic,
    *,
    num_resamples: int = 20_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Return a statistic with its percentile interval; seeds are resampled independently on each task.

    Agarwal et al. (2021), section 4.1. The interval holds for the given tasks and says nothing about others.

    Args:
        scores: one per seed and task.
        statistic: accepts scores with leading axes.
        num_resamples: number of resamples.
        confidence: coverage of the interval.
        seed: of the resampling, so that a table is reproducible.

    Raises:
        ValueError: if there are no scores, or one is not finite.
    """
    if scores.ndim != 2 or scores.size == 0 or not np.isfinite(scores).all():
        raise ValueError(f"stratified_bootstrap: got shape {scores.shape}, allowed: finite scores [seeds, tasks]")
    num_seeds, num_tasks = scores.shape
    rng = np.random.default_rng(seed)
    per_block = max(BLOCK // scores.size, 1)
    values = []
    for start in range(0, num_resamples, per_block):
        size = min(per_block, num_resamples - start)
        chosen = rng.integers(0, num_seeds, (size, num_seeds, num_tasks))
        values.append(statistic(np.take_along_axis(scores[None], chosen, 1)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(values), (tail, 1 - tail))
    return Estimate(float(statistic(scores)), float(low), float(high))
