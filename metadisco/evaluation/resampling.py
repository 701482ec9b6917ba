"""Bootstrap intervals by matrix products. Axes: B resamples, S and T seeds, K tasks, N numbers.

A resample is represented by how often it contains each seed. The mean over a resample is then a product of these counts
and the scores, so that many numbers cost a single matrix product.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from metadisco.evaluation.statistics import BLOCK, Estimate, probability_of_improvement

NUM_RESAMPLES = 20_000
NUM_CURVE_RESAMPLES = 2_000
"""Resamples for each point of a curve; the error of the edges is then less than the width of a line."""


def improvement_interval(
    ours: Float[np.ndarray, "S K"], theirs: Float[np.ndarray, "T K"], *, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Return the probability of improvement with its percentile interval.

    Seeds of either side are resampled independently on each task (Agarwal et al., 2021, section 4.3).

    Args:
        ours: one score per seed and task.
        theirs: scores of the baseline.
        confidence: coverage of the interval.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    values = np.zeros(NUM_RESAMPLES)
    for one, other in zip(ours.T, theirs.T, strict=True):
        better = (one[:, None] > other) + 0.5 * (one[:, None] == other)
        per_block = max(BLOCK // max(better.shape), 1)
        for start in range(0, NUM_RESAMPLES, per_block):
            size = min(per_block, NUM_RESAMPLES - start)
            shares = _shares(rng, size, len(one)) @ better
            values[start : start + size] += (shares * _shares(rng, size, len(other))).sum(1) / ours.shape[1]
    low, high = np.clip(_edges(values[:, None], confidence)[:, 0], 0, 1)  # rounding may exceed the range
    return Estimate(probability_of_improvement(ours, theirs), float(low), float(high))


def mean_band(
    samples: Float[np.ndarray, "S N"], *, confidence: float = 0.95, seed: int = 0
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return lower and upper edge of the percentile interval of the mean over seeds, for each of N numbers.

    Unlike mean ± a multiple of the standard error, the edges lie between the smallest and the largest sample.

    Args:
        samples: N finite numbers per seed.
        confidence: coverage of each interval.
        seed: of the resampling, which is the same for all numbers.
    """
    low, high = profile_band(samples[:, None], confidence=confidence, seed=seed)
    smallest, largest = samples.min(0), samples.max(0)
    return np.clip(low, smallest, largest), np.clip(high, smallest, largest)  # rounding may exceed the range


def mean_interval(values: Any) -> tuple[float, float]:
    """Return the interval of the mean by `mean_band`, as a function for seaborn's `errorbar`."""
    low, high = mean_band(np.asarray(values, float)[:, None])
    return float(low[0]), float(high[0])


def profile_band(
    samples: Float[np.ndarray, "S K N"], *, confidence: float = 0.95, seed: int = 0
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return lower and upper edge of the percentile interval of the mean over seeds and tasks, for each of N numbers.

    Seeds are resampled independently on each task; other arguments as for `mean_band`.
    """
    num_seeds, num_tasks, num = samples.shape
    shares = _shares_of_curves(num_seeds, num_tasks, seed)
    per_block = BLOCK // NUM_CURVE_RESAMPLES
    edges = []
    for start in range(0, num, per_block):
        means = np.zeros((NUM_CURVE_RESAMPLES, min(per_block, num - start)))
        for task, share in enumerate(shares):
            means += share @ samples[:, task, start : start + per_block]
        edges.append(_edges(means, confidence))
    low, high = np.concatenate(edges, 1)
    return low, high


@lru_cache(maxsize=4)
def _shares_of_curves(num_seeds: int, num_tasks: int, seed: int) -> tuple[Float[np.ndarray, "B S"], ...]:
    """Return the weights of seeds by task; cached, because seaborn asks for each point of a curve separately."""
    rng = np.random.default_rng(seed)
    return tuple(_shares(rng, NUM_CURVE_RESAMPLES, num_seeds) / num_tasks for _ in range(num_tasks))


def _shares(rng: np.random.Generator, size: int, num_seeds: int) -> Float[np.ndarray, "B S"]:
    """Return the weight of each seed in each of `size` resamples."""
    chosen = rng.integers(0, num_seeds, (size, num_seeds)) + num_seeds * np.arange(size)[:, None]
    return np.bincount(chosen.ravel(), minlength=size * num_seeds).reshape(size, num_seeds) / num_seeds


def _edges(values: Float[np.ndarray, "B N"], confidence: float) -> Float[np.ndarray, "2 N"]:
    tail = (1 - confidence) / 2
    return np.asarray(np.quantile(values, (tail, 1 - tail), axis=0))
