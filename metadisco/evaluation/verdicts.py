"""Verdicts over cells, and statistics of normalised differences. Axes: S seeds, K cells."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import scipy.stats
from jaxtyping import Float

from metadisco.evaluation.statistics import Difference, Estimate, stratified_bootstrap

Verdict: TypeAlias = Literal["worse", "level", "better"]
TOLERATED = 0.05
"""How far below the baseline a mean may be without being worse, on the scale where tuned PPO is 1 above random."""
ALPHA = 0.05
NUM_RESAMPLES = 2000
LOW_QUANTILE = 0.1


def verdict(difference: Difference, extent: float) -> Verdict:
    """Return whether a cell is worse than the baseline, level with it or better.

    It is worse if the 95 % interval of the difference lies below 0 and its mean below −TOLERATED on the scale of the
    task, and better if the interval lies above 0.

    Args:
        difference: of scores on the same seeds.
        extent: tuned PPO minus random actions, of the task and lifetime; NaN if there is no scale: then every interval
            below 0 is worse.
    """
    if difference.low > 0:
        return "better"
    far = math.isnan(extent) or difference.mean < -TOLERATED * extent
    return "worse" if difference.high < 0 and far else "level"


def corrected(difference: Difference, extent: float, adjusted_p_value: float) -> Verdict:
    """Return the verdict after a correction for the number of cells: level unless the adjusted p-value is below ALPHA.

    Args:
        difference: as for `verdict`.
        extent: as for `verdict`.
        adjusted_p_value: see `holm`.
    """
    return verdict(difference, extent) if adjusted_p_value < ALPHA else "level"


def p_value(differences: Float[np.ndarray, "S"]) -> float:
    """Return the two-sided p-value of Student's t test that the mean of paired differences is 0."""
    error = float(scipy.stats.sem(differences))
    mean = float(differences.mean())
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * scipy.stats.t.sf(abs(mean) / error, differences.size - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values; those below α hold together with an error of at most α.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979): the i-th smallest of K is multiplied by
    K − i + 1, and none is smaller than the one before.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p_values, float)[order] * factors), 1)
    result = np.empty(len(p_values))
    result[order] = adjusted
    return [float(each) for each in result]


class Spread(NamedTuple):
    """Statistics of the mean normalised differences of cells; intervals hold for the given cells and new seeds."""

    mean: Estimate
    interquartile_mean: Estimate
    low_quantile: float
    """The 10 % quantile over cells."""
    minimum: float
    """Of the worst cell."""


def spread(differences: Float[np.ndarray, "S K"]) -> Spread:
    """Return statistics of normalised differences; the mean over seeds comes first, then the statistic over cells."""
    means = differences.mean(0)
    return Spread(
        mean=stratified_bootstrap(differences, _mean, num_resamples=NUM_RESAMPLES),
        interquartile_mean=stratified_bootstrap(differences, _interquartile_mean, num_resamples=NUM_RESAMPLES),
        low_quantile=float(np.quantile(means, LOW_QUANTILE)),
        minimum=float(means.min()),
    )


def _mean(differences: Float[np.ndarray, "... S K"]) -> Float[np.ndarray, "..."]:
    return np.mean(differences, (-2, -1))


def _interquartile_mean(differences: Float[np.ndarray, "... S K"]) -> Float[np.ndarray, "..."]:
    return np.asarray(scipy.stats.trim_mean(differences.mean(-2), 0.25, axis=-1))


class Scale(NamedTuple):
    """Scores of random actions and of tuned PPO on a task over a lifetime."""

    random: float
    tuned: float
    setting: str | None
    """Where the tuned one was best; None for a scale that was given."""

    @property
    def extent(self) -> float:
        """Tuned PPO minus random actions; NaN where PPO is no better."""
        return self.tuned - self.random if self.tuned > self.random else math.nan


CHOOSING, JUDGING = slice(0, None, 2), slice(1, None, 2)
"""Halves of the seeds: by one the best is chosen, and on the other it is valued."""


def best(scores: Sequence[Float[np.ndarray, "S"]]) -> tuple[int, float]:
    """Return which of several is best by its mean over one half of the seeds, and its mean over the other half."""
    chosen = int(np.argmax([float(each[CHOOSING].mean()) for each in scores]))
    return chosen, float(scores[chosen][JUDGING].mean())
