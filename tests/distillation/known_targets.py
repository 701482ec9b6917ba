"""Targets with a known closed form, computed independently of the search."""

from collections.abc import Callable

import numpy as np

from metadisco.distillation.targets import Target


def value_points(
    loss: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    unit: float = 1.0,
    num_points: int = 600,
    **others: np.ndarray,
) -> Target:
    """Return a value loss at normally distributed errors with equal weights.

    Args:
        loss: of the error.
        slope: its derivative.
        unit: standard deviation of the errors.
        num_points: how many.
        **others: second inputs, which the functions may close over.
    """
    error = unit * np.random.default_rng(0).normal(size=num_points)
    return Target("value", error, others, loss(error), slope(error), np.full(num_points, 1 / num_points))


def huber(threshold: float, unit: float = 1.0, num_points: int = 600) -> Target:
    """Return the loss of Huber (1964)."""

    def loss(error: np.ndarray) -> np.ndarray:
        return np.where(np.abs(error) <= threshold, 0.5 * error**2, threshold * np.abs(error) - 0.5 * threshold**2)

    return value_points(loss, lambda error: np.clip(error, -threshold, threshold), unit, num_points)


def noisy(target: Target, seed: int, share: float = 0.05) -> Target:
    """Return a target with normal noise on values and slopes, `share` of the root mean square of each.

    The values of a value loss count as they deviate from their mean.
    """
    rng = np.random.default_rng([seed, 1])  # another stream than that of the errors
    mean = target.weight @ target.value if target.kind == "value" else 0.0
    value, slope = (
        each + share * np.sqrt(target.weight @ (each - level) ** 2) * rng.normal(size=each.size)
        for each, level in ((target.value, mean), (target.slope, 0.0))
    )
    return target._replace(value=value, slope=slope)
