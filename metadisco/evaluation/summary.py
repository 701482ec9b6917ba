"""Scores of agents that differ only in their seed, summarised. Axes: S seeds."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from metadisco.evaluation.digits import decimals_of, interval, to_digits
from metadisco.evaluation.statistics import Estimate, half_width, interquartile_mean, stratified_bootstrap


class Summary(NamedTuple):
    """Statistics of the scores that are finite; NaN where there are too few."""

    mean: Estimate
    """With Student's t interval."""
    interquartile_mean: Estimate
    """Mean of the middle half, with a bootstrap interval."""
    lowest: float
    highest: float
    failed: int
    """Scores that are not finite: agents whose training failed."""


def summarise(scores: Float[np.ndarray, "S"]) -> Summary:
    """Summarise scores; intervals are 95 %, and need two scores."""
    finite = scores[np.isfinite(scores)].astype(np.float64)
    failed = len(scores) - finite.size
    if finite.size == 0:
        nothing = Estimate(np.nan, np.nan, np.nan)
        return Summary(nothing, nothing, np.nan, np.nan, failed)
    mean, several = float(finite.mean()), finite.size > 1
    half = half_width(finite) if several else np.nan
    middle = Estimate(float(interquartile_mean(finite[:, None])), np.nan, np.nan)
    if several:
        middle = stratified_bootstrap(finite[:, None], interquartile_mean)
    return Summary(Estimate(mean, mean - half, mean + half), middle, float(finite.min()), float(finite.max()), failed)


def in_words(summary: Summary) -> dict[str, str]:
    """Return the statistics as text by name, a dash where there are no scores."""
    if np.isnan(summary.mean.value):
        return dict.fromkeys(("mean", "interquartile mean", "range"), "-")
    decimals = decimals_of((summary.mean.high - summary.mean.low) / 2)
    low, high = (to_digits(each, decimals) for each in (summary.lowest, summary.highest))
    return {
        "mean": interval(*summary.mean),
        "interquartile mean": interval(*summary.interquartile_mean),
        "range": low if low == high else f"{low} to {high}",
    }
