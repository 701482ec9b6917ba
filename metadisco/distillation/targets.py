"""Distillation targets: a loss at weighted points. Axes: N points."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.distillation.surfaces import depends_on, drift_points, value_loss_points
from metadisco.errors import UserError
from metadisco.evaluation.histograms import ADVANTAGE_EDGES, LOG_RATIO_EDGES, VALUE_EDGES, MinibatchHistograms
from metadisco.types import Loss

MAX_SAMPLED_LOG_RATIO, MAX_SAMPLED_ADVANTAGE = 1.5, 5.0
UNIFORM = 0.1  # of the weight
SEED = 0


class Target(NamedTuple):
    """A drift or a value loss at weighted points."""

    kind: str
    """`policy`: a drift D, by log r; or `value`: a value loss φ, by the error, up to an additive constant."""
    x: Float[np.ndarray, "N"]
    """log r, or the error V − target."""
    others: dict[str, Float[np.ndarray, "N"]]
    """The other variables: A, or further inputs of the value loss."""
    value: Float[np.ndarray, "N"]
    """D or φ."""
    slope: Float[np.ndarray, "N"]
    """∂D/∂r or ∂φ/∂V."""
    weight: Float[np.ndarray, "N"]
    """Nonnegative; the sum is 1."""

    @property
    def norms(self) -> tuple[float, float]:
        """Weighted root mean squares of value and slope, the scales of relative errors."""
        squares = (self.weight @ np.square(each) for each in (centred(self, self.value), self.slope))
        value, slope = (float(np.sqrt(max(square, 1e-24))) for square in squares)
        return value, slope


def centred(target: Target, values: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """Subtract the mean of the values of a value loss, which is defined only up to a constant."""
    return values - target.weight @ values if target.kind == "value" else values


def variables(target: Target, x: Array) -> dict[str, Array]:
    """Return the variables of expressions at the points, as functions of `x`."""
    own = {"r": jnp.exp(x), "log_ratio": x} if target.kind == "policy" else {"error": x}
    return {**own, **{name: jnp.asarray(values) for name, values in target.others.items()}}


def drift_target(policy_loss: Loss, histograms: MinibatchHistograms | None = None, num_points: int = 4000) -> Target:
    """Return a drift at points from the minibatches of trainings and beyond.

    90 % of the weight follows the histogram of (r, A). 10 % is uniform on |log r| ≤ 1.5, |A| ≤ 5, so that a form is
    sensible beyond the histogram. Without a histogram all weight is uniform.

    Args:
        policy_loss: the loss to distil.
        histograms: minibatch histograms of trainings.
        num_points: N.
    """
    rng = np.random.default_rng(SEED)
    log_ratio = rng.uniform(-MAX_SAMPLED_LOG_RATIO, MAX_SAMPLED_LOG_RATIO, num_points)
    advantage = rng.uniform(-MAX_SAMPLED_ADVANTAGE, MAX_SAMPLED_ADVANTAGE, num_points)
    weight = np.full(num_points, 1 / num_points)
    if histograms is not None and np.asarray(histograms.policy).any():
        # Half of the points are drawn from the histogram.
        drawn = num_points // 2
        log_ratio[:drawn], advantage[:drawn] = _draw(
            rng, np.asarray(histograms.policy), (LOG_RATIO_EDGES, ADVANTAGE_EDGES), drawn
        )
        weight = _mixed_weight(num_points, drawn)
    drift, slope = drift_points(policy_loss, log_ratio, advantage)
    return Target("policy", log_ratio, {"A": advantage}, drift, advantage - slope, weight)


def value_target(value_loss: Loss, histograms: MinibatchHistograms, num_points: int = 4000) -> Target:
    """Return a value loss at errors from the minibatches of trainings and beyond.

    90 % of the weight follows the histogram of errors. 10 % is uniform on their range. For a loss that depends on the
    target or the old value, these are drawn from their histogram given the error.

    Args:
        value_loss: the loss to distil.
        histograms: minibatch histograms of trainings, which also give the range of errors.
        num_points: N.
    """
    if not np.asarray(histograms.target).any() or not np.asarray(histograms.old_value).any():
        furthest = VALUE_EDGES[-1]
        raise UserError(
            f"no value error of the trainings is within ±{furthest:,.0f}: inner.ppo.reward_scale is too large"
        )
    rng = np.random.default_rng(SEED)
    drawn = num_points // 2
    error, _ = _draw(rng, np.asarray(histograms.target), (VALUE_EDGES, VALUE_EDGES), num_points)
    low, high = np.quantile(error, (0.0005, 0.9995))
    error = np.clip(error, low, high)
    error[drawn:] = rng.uniform(low, high, num_points - drawn)
    target = _draw_second(rng, np.asarray(histograms.target), error)
    old_error = _draw_second(rng, np.asarray(histograms.old_value), error)
    others, old_value = {}, None
    if depends_on(value_loss, "old_value"):
        old_value = target + old_error
        others = {"target": target, "old_value": old_value}
    elif depends_on(value_loss, "target"):
        others = {"target": target}
    value, slope = value_loss_points(value_loss, error, target, old_value)
    return Target("value", error, others, value, slope, _mixed_weight(num_points, drawn))


def _mixed_weight(num_points: int, drawn: int) -> Float[np.ndarray, "N"]:
    weight = np.full(num_points, UNIFORM / (num_points - drawn))
    weight[:drawn] = (1 - UNIFORM) / drawn
    return weight


def _draw(
    rng: np.random.Generator, counts: np.ndarray, edges: tuple[np.ndarray, np.ndarray], num: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw points from a histogram, evenly within its bins."""
    chosen = np.unravel_index(rng.choice(counts.size, num, p=counts.ravel() / counts.sum()), counts.shape)
    first, second = (rng.uniform(edge[place], edge[place + 1]) for edge, place in zip(edges, chosen, strict=True))
    return first, second


def _draw_second(rng: np.random.Generator, counts: np.ndarray, error: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """Draw the second quantity given value errors; from its marginal distribution for errors with no counts."""
    rows = np.clip(np.searchsorted(VALUE_EDGES, error) - 1, 0, len(counts) - 1)
    counts = np.where(counts.sum(1, keepdims=True) > 0, counts, counts.sum(0))
    below = np.cumsum(counts, 1) / counts.sum(1, keepdims=True)
    place = (below[rows] <= rng.uniform(size=(len(error), 1))).sum(1)
    return rng.uniform(VALUE_EDGES[place], VALUE_EDGES[place + 1])
