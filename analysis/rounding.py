"""Numbers as the tables of studies have them."""

import math

from metadisco import Run
from metadisco.evaluation.digits import decimals_of
from metadisco.evaluation.statistics import Difference, Estimate
from metadisco.storage.runs import RunDirectory

MOST_DECIMALS = 3


def rounded(estimate: Estimate | Difference | None, signed: bool = False) -> str:
    """Return a mean with half of its 95 % interval, to the digits that the interval leaves."""
    if estimate is None:
        return ""
    value, _, high = estimate
    half = high - value
    known = decimals_of(half)
    decimals = MOST_DECIMALS if known is None else min(known, MOST_DECIMALS)
    return f"{number(value, decimals, signed)} ± {half:.{decimals}f}"


def number(value: float, decimals: int = MOST_DECIMALS, signed: bool = False) -> str:
    """Return a number with a typographic minus; nothing for NaN."""
    if math.isnan(value):
        return ""
    return f"{value:{'+' if signed else ''}.{decimals}f}".replace("-", "−")


def seconds_of(run: Run) -> float:
    """Return how long a run took, compiling included: as many generations as it has, each as long as the median one."""
    compiling = RunDirectory(run.path).last_start().get("compile_seconds", 0.0)
    return float(run.metrics["seconds"].median()) * len(run.metrics) + compiling
