"""Losses on grids, as plain arrays. Axes: G log ratios or errors, H advantages or second inputs."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from metadisco.objectives.closed import LOG_RATIO_CLIP
from metadisco.types import Loss, Sample

SECOND_INPUTS = ("target", "old_value")


class DriftSurface(NamedTuple):
    """A policy loss in terms of its drift D: the surrogate, minus the loss, is r·A − D."""

    log_ratio: Float[np.ndarray, "G"]
    advantage: Float[np.ndarray, "H"]
    drift: Float[np.ndarray, "G H"]
    """D."""
    gradient: Float[np.ndarray, "G H"]
    """∂(r·A − D)/∂r, the gradient of the surrogate with respect to r; the policy gradient has A there."""


class ValueLossCurve(NamedTuple):
    """A value loss as a function of the error."""

    error: Float[np.ndarray, "G"]
    """δ = V − target, in units of return."""
    loss: Float[np.ndarray, "G"]
    """φ(δ) − φ(0)."""
    derivative: Float[np.ndarray, "G"]
    """∂φ/∂V; PPO uses nothing else of the loss."""


class ValueLossSurface(NamedTuple):
    """A value loss as a function of the error and a second input."""

    second_input: str
    """`target`, with the old value equal to the value; or `old_value`, relative to a target of 0."""
    error: Float[np.ndarray, "G"]
    second: Float[np.ndarray, "H"]
    loss: Float[np.ndarray, "G H"]
    """φ minus its value at δ = 0 and the same second input."""
    derivative: Float[np.ndarray, "G H"]
    """∂φ/∂V."""


def drift_surface(
    policy_loss: Loss,
    log_ratio: Float[np.ndarray, "G"],
    advantage: Float[np.ndarray, "H"],
    progress: float = 0.5,
) -> DriftSurface:
    """Return the drift of a policy loss, and the gradient of its surrogate, on a grid.

    Args:
        policy_loss: elementwise; a function of log ratio, advantage and progress only.
        log_ratio: log r.
        advantage: A, as PPO sees it, which is usually standardised.
        progress: elapsed fraction of the lifetime, for losses that depend on it.
    """
    logs, advantages = (grid.ravel() for grid in np.meshgrid(log_ratio, advantage, indexing="ij"))
    loss, derivative = drift_points(policy_loss, logs, advantages, progress)
    shape = (len(log_ratio), len(advantage))
    return DriftSurface(np.asarray(log_ratio), np.asarray(advantage), loss.reshape(shape), derivative.reshape(shape))


def drift_points(
    policy_loss: Loss, log_ratio: Float[np.ndarray, "N"], advantage: Float[np.ndarray, "N"], progress: float = 0.5
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return D and ∂(r·A − D)/∂r at points, in double precision; arguments as in `drift_surface`."""

    def loss_of(log_ratio: Array) -> Array:
        zero = jnp.zeros_like(log_ratio)
        return policy_loss(Sample(log_ratio, jnp.asarray(advantage), zero, zero, zero, jnp.asarray(progress)))

    loss, derivative = _value_and_derivative(loss_of, log_ratio)
    ratio = np.exp(np.minimum(log_ratio, LOG_RATIO_CLIP))
    return loss + ratio * advantage, -derivative / ratio


def value_loss_curve(value_loss: Loss, error: Float[np.ndarray, "G"], progress: float = 0.5) -> ValueLossCurve:
    """Return a value loss over the error, with the old value equal to the value and the target 0.

    Args:
        value_loss: elementwise.
        error: V − target.
        progress: elapsed fraction of the lifetime, for losses that depend on it.
    """
    surface = value_loss_surface(value_loss, error, np.zeros(1), "target", progress)
    return ValueLossCurve(surface.error, surface.loss[:, 0], surface.derivative[:, 0])


def value_loss_surface(
    value_loss: Loss,
    error: Float[np.ndarray, "G"],
    second: Float[np.ndarray, "H"],
    second_input: str,
    progress: float = 0.5,
) -> ValueLossSurface:
    """Return a value loss over the error and a second input.

    Args:
        value_loss: elementwise.
        error: V − target.
        second: values of the second input.
        second_input: one of SECOND_INPUTS; see `ValueLossSurface`.
        progress: elapsed fraction of the lifetime, for losses that depend on it.
    """
    errors, others = (grid.ravel() for grid in np.meshgrid(error, second, indexing="ij"))
    if second_input == "target":
        loss, derivative = value_loss_points(value_loss, errors, others, None, progress)
    else:
        loss, derivative = value_loss_points(value_loss, errors, np.zeros_like(others), others, progress)
    shape = (len(error), len(second))
    return ValueLossSurface(
        second_input, np.asarray(error), np.asarray(second), loss.reshape(shape), derivative.reshape(shape)
    )


def value_loss_points(
    value_loss: Loss,
    error: Float[np.ndarray, "N"],
    target: Float[np.ndarray, "N"],
    old_value: Float[np.ndarray, "N"] | None,
    progress: float = 0.5,
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return φ − φ(δ = 0) for the same target and old value, and ∂φ/∂V, at points, in double precision.

    Args:
        value_loss: elementwise.
        error: V − target.
        target: of the value.
        old_value: V when the transition was collected; None: equal to V.
        progress: elapsed fraction of the lifetime, for losses that depend on it.
    """

    def loss_of(error: Array) -> Array:
        zero, goal = jnp.zeros_like(error), jnp.asarray(target, error.dtype)
        value = goal + error
        old = jax.lax.stop_gradient(value) if old_value is None else jnp.asarray(old_value, error.dtype)
        return value_loss(Sample(zero, zero, value, old, goal, jnp.asarray(progress)))

    loss, derivative = _value_and_derivative(loss_of, error)
    at_zero, _ = _value_and_derivative(loss_of, np.zeros_like(error))
    return loss - at_zero, derivative


def _value_and_derivative(
    function: Callable[[Array], Array], x: Float[np.ndarray, "N"]
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    """Return an elementwise function and its derivative, in double precision."""
    with jax.enable_x64(True):
        values, pull = jax.vjp(function, jnp.asarray(x, jnp.float64))
        (derivative,) = pull(jnp.ones_like(values))
    return np.asarray(values), np.asarray(derivative)


def depends_on(loss: Loss, field: str) -> bool:
    """Return whether an elementwise loss depends on a field of the sample when the others are fixed.

    For `target` the error V − target and the difference of V and the old value are fixed.
    """
    rng = np.random.default_rng(0)
    fields = {name: jnp.asarray(rng.normal(0, scale, 512), jnp.float32) for name, scale in SCALES.items()}
    sample = Sample(**fields, progress=jnp.asarray(0.25))
    shift = jnp.asarray(rng.normal(0, 2.0, 512), jnp.float32)
    if field == "progress":
        other = sample._replace(progress=jnp.asarray(0.75))
    elif field == "target":
        moved = {name: getattr(sample, name) + shift for name in ("value", "old_value", "target")}
        other = sample._replace(**moved)
    else:
        other = sample._replace(**{field: getattr(sample, field) + shift})
    ours, theirs = np.asarray(loss(sample)), np.asarray(loss(other))
    return bool(np.abs(ours - theirs).max() > 1e-4 * (1 + np.abs(ours).max()))


SCALES = {"log_ratio": 0.5, "advantage": 1.0, "value": 3.0, "old_value": 3.0, "target": 3.0}
